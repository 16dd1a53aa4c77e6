"""What an adapter makes of an input: drafts of events, and notices of what it left out.

A draft's ``header.event_id`` is always set. The memory says under which id an item was published before,
so that what is published again is the same event, and nothing is published twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol

from msgspec import Struct

_ID = 16


class Input(NamedTuple):
    """One file: its bytes from the beginning, and what to call it in an error."""

    stream: BinaryIO
    name: str


class ItemKey(Struct, frozen=True, gc=False):
    """One item of a format: of which source, and its key there. ``note`` is kept with the event's id."""

    format: str
    source: str
    key: str
    note: str = ""


class Seen(Struct, frozen=True, gc=False):
    """An item that was published before: its event, its note, and the outcome as far as it is known."""

    event_id: bytes
    note: str
    outcome: str = "unknown"


class Draft(Struct, frozen=True):
    """An event to publish, in its JSON form, and where in the input it comes from.

    ``file`` is the file that ``place`` is in; empty means the first of the input.
    """

    place: str
    event: dict[str, Any]
    item: ItemKey | None = None
    file: str = ""


class Notice(Struct, frozen=True):
    """Something of the input that is not published, where it stands, and why. Never holds the value.

    ``kind`` is ``left-out``, ``unknown-tombstone`` or ``unchanged``.
    """

    kind: str
    file: str
    place: str
    text: str


Tell = Callable[[Notice], None]


class Lookup(Protocol):
    """What was published before."""

    def __call__(self, key: ItemKey) -> Seen | None:
        """The event of this item, if there is one."""
        ...


class Keeps(Protocol):
    """Where a run keeps what it has made (:class:`bus.adapters.shelf.Shelf`)."""

    def get(self, key: bytes) -> bytes | None:
        """What is kept under a key."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Keep something."""
        ...


class Memory:
    """A look-up, and what this run has made since: a second item of one key follows the first."""

    def __init__(self, lookup: Lookup, run: Keeps) -> None:
        self._lookup, self._run = lookup, run

    def find(self, key: ItemKey) -> Seen | None:
        """The event of this item, from this run or an earlier one."""
        found = self._run.get(_name(key))
        return self._lookup(key) if found is None else Seen(found[:_ID], found[_ID:].decode())

    def put(self, key: ItemKey, event_id: bytes) -> None:
        """This run made an event of this item."""
        self._run.put(_name(key), event_id + key.note.encode())

    def first_time(self, event_id: bytes) -> bool:
        """Whether this run says this event for the first time; from then on it does not."""
        name = b"said" + event_id
        if self._run.get(name) is not None:
            return False
        self._run.put(name, b"")
        return True


def _name(key: ItemKey) -> bytes:
    return b"item" + hashlib.sha256(f"{key.format}\x00{key.source}\x00{key.key}".encode()).digest()


class Context(Struct, frozen=True):
    """What a reader needs beside its files.

    Attributes:
        memory: what was published before.
        audience: who will hear it; None where each event of the file says so itself.
        new_id: makes event ids.
        tell: hears of what is left out, with its place.
        organisation: who publishes.
    """

    memory: Memory
    audience: tuple[str, ...] | None
    new_id: Callable[[], bytes]
    tell: Tell
    organisation: str = ""

    @property
    def circle(self) -> str:
        """A name of the audience: the same item for another audience is another event."""
        return hashlib.sha256("\n".join(sorted(self.audience or ())).encode()).hexdigest()[:16]


class Reader(Protocol):
    """Reads one input of a format, and drafts events of it. Called twice: it must do the same both times."""

    def __call__(self, inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
        """Draft the events of an input.

        Args:
            inputs: its files: exactly one, unless the format says that several make one input.
            context: what else there is to know.

        Raises:
            InvalidFile: something cannot be read; with file, place and rule, and never a value.
        """
        ...
