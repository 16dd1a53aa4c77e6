"""What a subscriber remembers for the check of the log: in the journal, so that a restart forgets nothing.

A leaf waits until it is found in the log, or until a checkpoint shows another one in its place; what was found is
forgotten. The newest verified checkpoint stays, and so does whatever proves that a log does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from bus.partner.journal import Journal
from bus.tlog.text import MAX_NUMBER

MOST_WAITING: Final = 100_000
"""Leaves that are kept waiting: with a log that is away for long, the rest goes unchecked, and that is said."""

_NOTE = "INSERT OR IGNORE INTO log_leaf (origin, entry, leaf_hash, seen_us) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM log_leaf WHERE origin = ? AND entry = ? AND leaf_hash = ?"
_WAITING = "SELECT entry, leaf_hash FROM log_leaf WHERE origin = ? AND entry < ? ORDER BY entry LIMIT ?"
_OVERDUE = "FROM log_leaf WHERE origin = ? AND entry >= ? AND seen_us <= ? AND NOT alarmed"
_HEAD = """
INSERT INTO log_head VALUES (?, ?, ?, ?) ON CONFLICT (origin)
DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note WHERE excluded.size > log_head.size
"""
_ALARM = "INSERT OR IGNORE INTO log_alarm VALUES (?, ?, ?, ?, ?, ?)"


class Head(Struct, frozen=True):
    """A log's tree at one moment: how many leaves, and their root."""

    size: int
    root: bytes


class Seen(Struct, frozen=True, gc=False):
    """A leaf that was delivered: at which index it should stand, and its hash in the tree."""

    index: int
    leaf_hash: bytes


class LogMemory:
    """One log's part of a journal. For the journal's thread."""

    def __init__(self, journal: Journal, origin: str) -> None:
        self._journal = journal
        self._origin = origin
        self._waiting = self.waiting()

    # -- leaves --------------------------------------------------------------------------------------------------

    def note(self, leaves: Sequence[Seen], now_us: int) -> int:
        """Let leaves wait; how many there is no room for."""
        room = max(0, MOST_WAITING - self._waiting)
        if room < len(leaves):
            self._waiting = self.waiting()
            room = max(0, MOST_WAITING - self._waiting)
        kept = leaves[:room]
        rows = [(self._origin, min(one.index, MAX_NUMBER), one.leaf_hash, now_us) for one in kept]
        self._journal.change(_NOTE, rows)
        self._waiting += len(kept)
        return len(leaves) - len(kept)

    @property
    def is_filling(self) -> bool:
        """Whether so many leaves wait that there may soon be no room."""
        return self._waiting > MOST_WAITING // 2

    def waiting(self) -> int:
        """How many leaves wait."""
        return self._journal.rows("SELECT count(*) FROM log_leaf WHERE origin = ?", (self._origin,))[0][0]

    def waiting_below(self, size: int, limit: int) -> list[Seen]:
        """The first leaves that wait and that a tree of this size must have, in order."""
        return [Seen(*row) for row in self._journal.rows(_WAITING, (self._origin, size, limit))]

    def settle(self, found: Iterable[Seen], foreign: Sequence[Seen], note: bytes, now_us: int) -> None:
        """Forget what was found; keep what is not what the log has, with the checkpoint that shows it."""
        with self._journal.transaction():
            alarms = [(self._origin, "not-in-log", one.index, one.leaf_hash, note, now_us) for one in foreign]
            self._journal.change(_ALARM, alarms)
            gone = [(self._origin, one.index, one.leaf_hash) for one in (*found, *foreign)]
            self._journal.change(_FORGET, gone)
        self._waiting = max(0, self._waiting - len(gone))

    def overdue(self, size: int, seen_by_us: int) -> tuple[int, int] | None:
        """The first leaf that a tree of this size has not, although it was seen by then, and how many there are.

        They wait on, and are told once.
        """
        held = (self._origin, size, seen_by_us)
        with self._journal.transaction():
            first, count = self._journal.rows(f"SELECT min(entry), count(*) {_OVERDUE}", held)[0]
            if count:
                where = _OVERDUE.removeprefix("FROM log_leaf ")
                self._journal.change(f"UPDATE log_leaf SET alarmed = 1 {where}", [held])  # noqa: S608
        return (first, count) if count else None

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def head(self) -> Head | None:
        """The newest checkpoint that was verified."""
        rows = self._journal.rows("SELECT size, root FROM log_head WHERE origin = ?", (self._origin,))
        return Head(*rows[0]) if rows else None

    def keep_head(self, head: Head, note: bytes) -> None:
        """Keep a checkpoint, unless another process has kept a newer one."""
        self._journal.change(_HEAD, [(self._origin, head.size, head.root, note)])

    def keep_fork(self, head: Head, note: bytes, now_us: int) -> None:
        """Keep a checkpoint that contradicts the verified one: the two notes together are the proof."""
        self._journal.change(_ALARM, [(self._origin, "log-forked", head.size, head.root, note, now_us)])
