"""Events as documents of other people's formats.

:func:`documents` is for programs: one event in its JSON form in, its documents out, and nothing kept. A writer says
what it could not carry, by the paths of the fields and never by their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from msgspec import Struct, structs

from bus.adapters.formats import FORMATS, WRITING, envelope, writer
from bus.errors import UsageError

Event = Mapping[str, Any]
"""An event in its JSON form, whole and valid, as a delivery has it."""

Subjects = Callable[[str], "Event | None"]
"""From an event's dashed id to the event, where it is known."""


class Document(Struct, frozen=True, gc=False):
    """One document: the end of its file's name (``report.xml``), which no content went into, and its bytes."""

    name: str
    content: bytes


class Written(Struct, frozen=True):
    """An event as documents, the main one last, and the paths of the event's fields that they do not carry."""

    documents: tuple[Document, ...]
    lost: tuple[str, ...] = ()


class Unsaid(Struct, frozen=True, gc=False):
    """A format cannot say an event; ``reason`` says why, and holds no value of it."""

    reason: str


class Envelope(NamedTuple):
    """What stands before, between and after documents that share a file."""

    before: bytes
    between: bytes
    after: bytes


class Writer(Protocol):
    """Writes one event of a type that its format is listed for."""

    def __call__(self, event: Event, subject: Subjects) -> Written | Unsaid:
        """Make the event's documents; without what the envelope adds.

        Args:
            event: the event.
            subject: finds what the event is about.
        """
        ...


def unknown_subject(_event_id: str) -> Event | None:
    """No event is known."""
    return None


def pieces(event: Event, form: str, *, subject: Subjects = unknown_subject) -> Written | Unsaid:
    """An event as the pieces that stand inside the format's envelope, if it has one.

    Raises:
        UsageError: nothing is written in this format.
    """
    if form not in WRITING:
        raise UsageError(f"nothing is written in the format {form}", hint=f"Formats out: {', '.join(WRITING)}.")
    if event["type"] not in FORMATS[form].writes:
        return Unsaid(f"{form} has no form for this type of event")
    return writer(form)(event, subject)


def documents(event: Event, form: str, *, subject: Subjects = unknown_subject) -> Written | Unsaid:
    """An event as whole documents of a format.

    Args:
        event: the event, in the JSON form of a delivery: whole and valid.
        form: one of :data:`bus.adapters.formats.WRITING`.
        subject: finds the event that this one is about, for formats that join the two.

    Raises:
        UsageError: nothing is written in this format.
    """
    said = pieces(event, form, subject=subject)
    around = envelope(form)
    if isinstance(said, Unsaid) or around is None:
        return said
    whole = (Document(one.name, around.before + one.content + around.after) for one in said.documents)
    return structs.replace(said, documents=tuple(whole))
