"""How far a lane has been handled: what may be committed when handlers finish in any order.

A commit in Kafka covers everything before it. So what is committed is the low-water mark: the end of the longest
run from the start of which every delivery is done. What is done ahead of it is kept in the journal, and is not
handed out again after a restart.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct


class Mark(Struct, frozen=True, gc=False):
    """Where to go on reading: the next offset, and the last ``bus-seq`` before it."""

    offset: int
    seq: int | None


class _Open(Struct, gc=False):
    offset: int
    seq: int | None
    done: bool = False


class Progress:
    """The deliveries of one lane between the low-water mark and the last that was handed out.

    Offsets grow from delivery to delivery, and ``seq`` with them; a record too broken to have one counts too.
    """

    def __init__(self, mark: Mark, done_ahead: frozenset[int] = frozenset()) -> None:
        self.mark = mark
        self._committed = mark
        self._open: deque[_Open] = deque()
        self._by_offset: dict[int, _Open] = {}
        self._done_before = done_ahead

    def hand_out(self, offset: int, seq: int | None) -> bool:
        """Note a delivery. False if it was handled before a restart: it is done, and must not be handed out."""
        entry = _Open(offset, seq, done=seq in self._done_before)
        self._open.append(entry)
        self._by_offset[offset] = entry
        self._advance()
        return not entry.done

    def done(self, offset: int) -> None:
        """Note that a delivery is handled. Saying so twice is harmless."""
        entry = self._by_offset.get(offset)
        if entry is not None:
            entry.done = True
            self._advance()

    def _advance(self) -> None:
        while self._open and self._open[0].done:
            entry = self._open.popleft()
            del self._by_offset[entry.offset]
            self.mark = Mark(entry.offset + 1, self.mark.seq if entry.seq is None else entry.seq)

    @property
    def waiting(self) -> int:
        """How many deliveries are between the mark and the last handed out."""
        return len(self._open)

    def ahead(self) -> list[int]:
        """The numbers done ahead of the mark, to be kept with a commit of it."""
        return [entry.seq for entry in self._open if entry.done and entry.seq is not None]

    def uncommitted(self) -> Mark | None:
        """The mark, if it moved since :meth:`committed`."""
        return self.mark if self.mark != self._committed else None

    def committed(self, mark: Mark) -> None:
        """Note that a mark was committed."""
        self._committed = mark
