"""VICS 1.2, out: the layout that NIST's sets have. Comes in as ``vics``."""

from __future__ import annotations

from bus.adapters.documents import Event, Subjects, Unsaid, Written
from bus.adapters.vics import Layout, write_media

OLD = Layout("http://github.com/ICMEC/ProjectVic/DataModels/1.2.xml#Media", "vics", "1.2", None, upper=False)
ENVELOPE = OLD.envelope()


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """A listing as a media object of VICS 1.2."""
    del subject
    return write_media(event, OLD)
