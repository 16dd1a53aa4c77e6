"""VICS 2.0 of the profile ``US``, out: the categories of that profile and of no other. Comes in as ``vics``."""

from __future__ import annotations

from bus.adapters.documents import Event, Subjects, Unsaid, Written
from bus.adapters.vics import DEFAULT, write_media

US = DEFAULT._replace(context=DEFAULT.context.replace("/Default/", "/US/"), country="US")
ENVELOPE = US.envelope()


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """A listing as a media object of VICS 2.0, profile ``US``."""
    del subject
    return write_media(event, US)
