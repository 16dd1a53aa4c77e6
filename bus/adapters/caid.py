"""Hash sets of the UK's CAID: the VICS layout, with categories of a scale of their own. ``docs/adapters/vics.md``.

What CAID's numbers mean is not public, so they travel as numbers, under the scheme ``caid``, the layout's version and
the country GB. The file cannot say that it is CAID's: who publishes says so by choosing this format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bus.adapters.documents import Event, Subjects, Unsaid, Written
from bus.adapters.drafts import Context, Draft, Input
from bus.adapters.vics import Layout, Scale, media_drafts, write_media

FORMAT = "caid"

UK = Layout("http://github.com/ICMEC/ProjectVic/DataModels/1.2.xml#Media", "caid", "1.2", "GB", upper=False)
ENVELOPE = UK.envelope()


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft a listing for each media object of a file, with its categories as CAID's.

    Raises:
        InvalidFile: the file cannot be read, or an object is left without any hash.
    """
    return media_drafts(inputs, context, FORMAT, Scale("caid", "GB"))


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """A listing as a media object of CAID's layout."""
    del subject
    return write_media(event, UK)
