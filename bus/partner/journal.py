"""What an organisation has said and heard, kept on its own disk: what is sent again is the same bytes.

One SQLite file per organisation, shared by all of its processes. Nothing is sent before it stands here (WAL with
``synchronous=FULL``: a commit is on disk), and a batch stands here whole or not at all. So a publisher that dies at
any moment can publish the same input again, and nothing is published twice.

=========  ===================================================================================================
table      one row per
=========  ===================================================================================================
event      event that was published: the exact value and bus-signature, where it went, the last outcome
item       item of another system's format: the event that last spoke of it, and the step it was at
subject    event that was published or consumed: its thread and lane, for events that will be ``about`` it
done       delivery handled ahead of an earlier one that is not, per consumer group and lane
log_leaf   entry delivered and not yet found in the published log (bus.partner.logmemory, as the next two)
log_head   log: the newest checkpoint that was verified
log_alarm  proof that the log does not hold, with the checkpoint that shows it
recalled   recall that this organisation heard of, with what it asks (bus.partner.recalls)
=========  ===================================================================================================
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bus.errors import IdConflict, Unavailable, UsageError

VERSION = 3
BUSY_TIMEOUT_S = 30.0
UNKNOWN = "unknown"
STANDING = frozenset({"accepted", "repeated"})
"""Outcomes that say the event stands in the ledger."""

_FIRST = """
CREATE TABLE event (
  place INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE,
  content BLOB NOT NULL, topic TEXT NOT NULL, thread BLOB NOT NULL,
  value BLOB NOT NULL, signature BLOB NOT NULL, outcome TEXT NOT NULL DEFAULT 'unknown',
  entry INTEGER, first_entry INTEGER, reasons TEXT NOT NULL DEFAULT '', time_us INTEGER
);
CREATE INDEX event_unsettled ON event (place) WHERE outcome = 'unknown';
CREATE TABLE item (
  format TEXT NOT NULL, source TEXT NOT NULL, key TEXT NOT NULL, event_id BLOB NOT NULL, step TEXT NOT NULL,
  PRIMARY KEY (format, source, key)
) WITHOUT ROWID;
CREATE TABLE subject (event_id BLOB PRIMARY KEY, thread BLOB NOT NULL, lane TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE done (
  consumer TEXT NOT NULL, lane TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (consumer, lane, seq)
) WITHOUT ROWID;
"""
_SECOND = """
CREATE TABLE log_leaf (
  origin TEXT NOT NULL, entry INTEGER NOT NULL, leaf_hash BLOB NOT NULL,
  seen_us INTEGER NOT NULL, alarmed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (origin, entry, leaf_hash)
) WITHOUT ROWID;
CREATE TABLE log_head (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL);
CREATE TABLE log_alarm (
  origin TEXT NOT NULL, kind TEXT NOT NULL, entry INTEGER NOT NULL, hash BLOB NOT NULL,
  note BLOB NOT NULL, time_us INTEGER NOT NULL, PRIMARY KEY (origin, kind, entry, hash)
);
"""
_THIRD = """
CREATE TABLE recalled (
  event_id BLOB NOT NULL, recall_id BLOB NOT NULL, entry INTEGER NOT NULL, issuer TEXT NOT NULL,
  reason TEXT NOT NULL, asked TEXT NOT NULL, handed_out INTEGER, PRIMARY KEY (event_id, recall_id)
) WITHOUT ROWID;
"""
_SCHEMAS = (_FIRST, _SECOND, _THIRD)

_COLUMNS = "event_id, content, topic, thread, value, signature, outcome, entry, first_entry, reasons, time_us"
_INSERT = "INSERT INTO event (event_id, content, topic, thread, value, signature) VALUES (?, ?, ?, ?, ?, ?)"
_SETTLE = """
UPDATE event SET outcome = ?2, entry = ?3, first_entry = ?4, reasons = ?5, time_us = ?6
WHERE event_id = ?1 AND (outcome NOT IN ('accepted', 'repeated') OR ?2 IN ('accepted', 'repeated'))
"""
_ITEM = """
INSERT INTO item VALUES (?, ?, ?, ?, ?)
ON CONFLICT (format, source, key) DO UPDATE SET event_id = excluded.event_id, step = excluded.step
"""


class Item(Struct, frozen=True, gc=False):
    """An item of another system's format, as ``(format, source, key)``, and the step it is at now."""

    format: str
    source: str
    key: str
    step: str = ""


class ItemState(Struct, frozen=True, gc=False):
    """What the journal knows of an item: the event that last spoke of it, its content's digest and its outcome."""

    event_id: bytes
    step: str
    content: bytes
    outcome: str


class NewEvent(Struct, frozen=True, gc=False):
    """An event to be kept before it is sent. ``content`` is the digest of what its author gave."""

    event_id: bytes
    content: bytes
    topic: str
    thread: bytes
    lane: str
    value: bytes
    signature: bytes
    item: Item | None = None


class KeptEvent(Struct, frozen=True, gc=False):
    """An event as the journal has it. ``outcome`` is ``unknown`` until a receipt came."""

    event_id: bytes
    content: bytes
    topic: str
    thread: bytes
    value: bytes
    signature: bytes
    outcome: str = UNKNOWN
    index: int | None = None
    first_index: int | None = None
    reasons: tuple[str, ...] = ()
    time_us: int | None = None


class Settled(Struct, frozen=True, gc=False):
    """What a receipt said of an event."""

    event_id: bytes
    outcome: str
    index: int | None
    first_index: int | None = None
    reasons: tuple[str, ...] = ()
    time_us: int | None = None


class Journal:
    """One connection to a journal file. Not for two threads at once; open one in each.

    Every method that writes is one transaction of its own unless it is called inside :meth:`batch`.

    Raises:
        Unavailable: the disk is full, or another process holds the journal for over half a minute.
        UsageError: the file is no journal, or one of a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with _guarded(self.path):
            self._db = _open(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        self._db.close()

    @contextlib.contextmanager
    def batch(self) -> Generator[None]:
        """One durable transaction: at its end all of it is on disk, or none of it if anything was raised.

        It takes the write lock at once, so what is read inside stays true until the end.
        """
        with _guarded(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    # -- events --------------------------------------------------------------------------------------------------

    def keep(self, events: Sequence[NewEvent]) -> None:
        """Keep new events, their items, and themselves as subjects.

        Raises:
            IdConflict: an id is already here. Look first, in the same :meth:`batch`.
        """
        with self.transaction():
            try:
                self._db.executemany(
                    _INSERT, [(e.event_id, e.content, e.topic, e.thread, e.value, e.signature) for e in events]
                )
            except sqlite3.IntegrityError as error:
                raise IdConflict("an event id of this batch already stands in the journal") from error
            self.remember([(e.event_id, e.thread, e.lane) for e in events])
            self._db.executemany(
                _ITEM,
                [(i.format, i.source, i.key, e.event_id, i.step) for e in events if (i := e.item) is not None],
            )

    def find(self, event_id: bytes) -> KeptEvent | None:
        """The event of this id, if this organisation published it."""
        rows = self.rows(f"SELECT {_COLUMNS} FROM event WHERE event_id = ?", (event_id,))  # noqa: S608
        return _kept(rows[0]) if rows else None

    def check(self, event_id: bytes, content: bytes) -> KeptEvent | None:
        """As :meth:`find`, for an event about to be published with this content.

        Raises:
            IdConflict: the id is known with other content.
        """
        kept = self.find(event_id)
        if kept is not None and kept.content != content:
            raise IdConflict(f"event {event_id.hex()} was already published with other content")
        return kept

    def unsettled(self, after: int = 0, limit: int = 256) -> list[tuple[int, KeptEvent]]:
        """Events without a receipt yet, in the order of their keeping, each with its place for the next call."""
        rows = self.rows(
            f"SELECT {_COLUMNS}, place FROM event "  # noqa: S608
            "WHERE outcome = 'unknown' AND place > ? ORDER BY place LIMIT ?",
            (after, limit),
        )
        return [(row[-1], _kept(row[:-1])) for row in rows]

    def settle(self, outcomes: Iterable[Settled]) -> None:
        """Write down what receipts said. An event that stands in the ledger is not talked out of it again."""
        with self.transaction():
            self._db.executemany(
                _SETTLE,
                [(o.event_id, o.outcome, o.index, o.first_index, " ".join(o.reasons), o.time_us) for o in outcomes],
            )

    def counts(self) -> dict[str, int]:
        """How many events there are of each last outcome."""
        return dict(self.rows("SELECT outcome, count(*) FROM event GROUP BY outcome ORDER BY outcome"))

    # -- items and subjects --------------------------------------------------------------------------------------

    def item(self, item: Item) -> ItemState | None:
        """What was last said of an item, whatever step it is at now."""
        rows = self.rows(
            "SELECT event_id, step, content, outcome FROM item JOIN event USING (event_id) "
            "WHERE format = ? AND source = ? AND key = ?",
            (item.format, item.source, item.key),
        )
        return ItemState(*rows[0]) if rows else None

    def remember(self, subjects: Sequence[tuple[bytes, bytes, str]]) -> None:
        """Keep the (event id, thread, lane) of events that later ones may be about."""
        with self.transaction():
            self._db.executemany("INSERT OR IGNORE INTO subject VALUES (?, ?, ?)", subjects)

    def subject(self, event_id: bytes) -> tuple[bytes, str] | None:
        """The thread and lane of an event that was published or consumed here."""
        rows = self.rows("SELECT thread, lane FROM subject WHERE event_id = ?", (event_id,))
        return rows[0] if rows else None

    # -- deliveries ----------------------------------------------------------------------------------------------

    def mark_done(self, consumer: str, lane: str, *, below: int, ahead: Iterable[int]) -> None:
        """Say which deliveries of a lane are handled: all numbers up to ``below``, and some ahead of it."""
        with self.transaction():
            self._db.execute("DELETE FROM done WHERE consumer = ? AND lane = ? AND seq <= ?", (consumer, lane, below))
            self._db.executemany(
                "INSERT OR IGNORE INTO done VALUES (?, ?, ?)", [(consumer, lane, seq) for seq in ahead]
            )

    def done_ahead(self, consumer: str, lane: str) -> frozenset[int]:
        """The numbers that :meth:`mark_done` was told as handled ahead."""
        rows = self.rows("SELECT seq FROM done WHERE consumer = ? AND lane = ?", (consumer, lane))
        return frozenset(seq for (seq,) in rows)

    # -- for tables that others look after -----------------------------------------------------------------------

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query finds."""
        with _guarded(self.path):
            return self._db.execute(query, values).fetchall()

    def change(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each row of values."""
        with self.transaction():
            self._db.executemany(statement, rows)

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """The :meth:`batch` that is open, or one of its own."""
        if self._db.in_transaction:
            yield
        else:
            with self.batch():
                yield


def _kept(row: tuple[Any, ...]) -> KeptEvent:
    *plain, reasons, time_us = row
    return KeptEvent(*plain, reasons=tuple(reasons.split()), time_us=time_us)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        _migrate(db, path)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise UsageError(
            f"journal {path} was written by a newer version", hint="Upgrade safeguard-bus on this machine."
        )
    if version < VERSION:
        for statement in ";".join(_SCHEMAS[version:]).split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def _guarded(path: Path) -> Generator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(
            f"journal {path}: {error}", hint="See that its disk has room and that no other process holds it."
        ) from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"journal {path} cannot be used: {error}",
            hint="Nothing was sent. Put it back from a backup, or move it away and ask the ledger what stands.",
        ) from error
    except OSError as error:
        raise Unavailable(f"journal {path}: {error.strerror}") from error
