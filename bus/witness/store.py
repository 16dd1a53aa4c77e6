"""What a witness remembers: of each log that it trusts, the newest tree that it has cosigned.

One SQLite file, bound to the witness's key. What is read and written inside :meth:`Store.step` is one transaction:
it holds the write lock from its first look (``BEGIN IMMEDIATE``), and is on disk at its end (WAL with
``synchronous=FULL``). So two requests, of one process or of two, never both go on from the same tree. The tables
themselves refuse a tree that shrinks, changes at its size, or is forgotten.

=======  ==============================================================================================
table    one row per
=======  ==============================================================================================
witness  file: the key whose memory this is
log      log that is trusted, or was: its newest cosigned tree, and that checkpoint's note
log_key  key that is trusted to sign for a log
fork     second tree that a log signed at a size that was cosigned already: the proof of it, for ever
=======  ==============================================================================================
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from bus.errors import Unavailable, UsageError
from bus.tlog.tree import EMPTY_ROOT
from bus.tlog.vkey import VerifierKey
from bus.tlog.witness import TreeHead

VERSION: Final = 1
BUSY_TIMEOUT_S: Final = 5.0

_SCHEMA: Final = (
    "CREATE TABLE witness (one INTEGER PRIMARY KEY CHECK (one = 1), vkey TEXT NOT NULL)",
    """
    CREATE TABLE log (
      origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE,
      size INTEGER NOT NULL CHECK (typeof(size) = 'integer' AND size >= 0),
      root BLOB NOT NULL CHECK (typeof(root) = 'blob' AND length(root) = 32),
      note BLOB, time_s INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE log_key (
      origin TEXT NOT NULL REFERENCES log (origin), vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)
    )
    """,
    """
    CREATE TABLE fork (
      origin TEXT NOT NULL REFERENCES log (origin), size INTEGER NOT NULL, root BLOB NOT NULL,
      note BLOB NOT NULL, cosigned_note BLOB NOT NULL, time_s INTEGER NOT NULL, PRIMARY KEY (origin, size, root)
    )
    """,
    """
    CREATE TRIGGER log_grows BEFORE UPDATE ON log
    WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
    BEGIN SELECT RAISE(ABORT, 'a tree neither shrinks nor changes'); END
    """,
    "CREATE TRIGGER log_stays BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'a log is never forgotten'); END",
    "CREATE TRIGGER fork_stays BEFORE DELETE ON fork BEGIN SELECT RAISE(ABORT, 'a proof is never forgotten'); END",
)


class KnownLog(Struct, frozen=True):
    """A log as its witness knows it. ``time_s`` is of the newest cosignature; 0 and no note before the first."""

    origin: str
    newest: TreeHead
    keys: tuple[VerifierKey, ...]
    note: bytes | None
    time_s: int


class Fork(Struct, frozen=True):
    """Two notes, both signed by the log, with two roots at one size; ``time_s`` is when the second came."""

    origin: str
    size: int
    root: bytes
    note: bytes
    cosigned_note: bytes
    time_s: int


class Store:
    """One connection to a witness's file. Not for two threads at once.

    Raises:
        UsageError: the file is missing, is no witness's, or that of another key.
        Unavailable: the disk is full, or another process holds the file for over five seconds.
    """

    def __init__(self, path: Path, witness: VerifierKey) -> None:
        self.path = path
        with _guarded(path):
            self._db = _open(path)
            try:
                _check(self._db, path, witness)
            except BaseException:
                self._db.close()
                raise

    @staticmethod
    def create(path: Path, witness: VerifierKey) -> None:
        """Make the file of a witness that has cosigned nothing yet.

        Raises:
            UsageError: it is there already.
            Unavailable: it cannot be written.
        """
        with _guarded(path):
            try:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                raise UsageError(f"{path} is there already") from None
            with contextlib.closing(_open(path)) as db:
                db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute("INSERT INTO witness VALUES (1, ?)", (witness.encode(),))
                db.execute(f"PRAGMA user_version = {VERSION}")
                db.execute("COMMIT")

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        self._db.close()

    @contextlib.contextmanager
    def step(self) -> Generator[None]:
        """One look and one step: nobody else writes from its begin on; durable at its end, or undone if it raised."""
        with _guarded(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def find(self, origin: str) -> KnownLog | None:
        """A log that is trusted, or was."""
        rows = self._rows("SELECT size, root, note, time_s FROM log WHERE origin = ?", (origin,))
        if not rows:
            return None
        size, root, note, time_s = rows[0]
        return KnownLog(origin, TreeHead(size, root), self._keys(origin), note, time_s)

    def logs(self) -> list[KnownLog]:
        """All of them, by origin."""
        origins = self._rows("SELECT origin FROM log ORDER BY origin")
        return [known for (origin,) in origins if (known := self.find(origin)) is not None]

    def note(self, origin_hash: str) -> bytes | None:
        """The newest cosigned checkpoint of the log whose origin has this SHA-256 in hex."""
        rows = self._rows("SELECT note FROM log WHERE origin_hash = ?", (origin_hash,))
        return rows[0][0] if rows else None

    def forks(self) -> list[Fork]:
        """Every proof that a log has signed two trees of one size, oldest first."""
        query = "SELECT origin, size, root, note, cosigned_note, time_s FROM fork ORDER BY time_s, origin, size, root"
        return [Fork(*row) for row in self._rows(query)]

    def cosigned(self, origin: str, newest: TreeHead, note: bytes, time_s: int) -> None:
        """Remember a tree as the newest. Only inside :meth:`step`, after a look at what was there."""
        self._write(
            "UPDATE log SET size = ?, root = ?, note = ?, time_s = ? WHERE origin = ?",
            (newest.size, newest.root, note, time_s, origin),
        )

    def forked(self, fork: Fork) -> bool:
        """Keep the proof that a log has forked; whether it is a new one."""
        values = (fork.origin, fork.size, fork.root, fork.note, fork.cosigned_note, fork.time_s)
        return self._write("INSERT OR IGNORE INTO fork VALUES (?, ?, ?, ?, ?, ?)", values) > 0

    def trust(self, origin: str, key: VerifierKey) -> None:
        """Believe checkpoints of this origin when this key signed them."""
        origin_hash = sha256(origin.encode()).hexdigest()
        self._write(
            "INSERT OR IGNORE INTO log (origin, origin_hash, size, root) VALUES (?, ?, 0, ?)",
            (origin, origin_hash, EMPTY_ROOT),
        )
        self._write("INSERT OR IGNORE INTO log_key VALUES (?, ?)", (origin, key.encode()))

    def distrust(self, origin: str, key: VerifierKey) -> bool:
        """Believe this key no longer for this origin; whether it was believed. The tree is remembered for ever."""
        return self._write("DELETE FROM log_key WHERE origin = ? AND vkey = ?", (origin, key.encode())) > 0

    def _keys(self, origin: str) -> tuple[VerifierKey, ...]:
        rows = self._rows("SELECT vkey FROM log_key WHERE origin = ? ORDER BY vkey", (origin,))
        return tuple([VerifierKey.decode(vkey) for (vkey,) in rows])

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with _guarded(self.path):
            return self._db.execute(query, values).fetchall()

    def _write(self, query: str, values: Sequence[Any]) -> int:
        with _guarded(self.path):
            return self._db.execute(query, values).rowcount


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path, witness: VerifierKey) -> None:
    """See that the file is one of ours, and this witness's."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise UsageError(
            f"{path} is no file of this version's witness", hint="Upgrade safeguard-bus, or look elsewhere."
        )
    if db.execute("SELECT vkey FROM witness").fetchone() != (witness.encode(),):
        raise UsageError(
            f"{path} is the memory of another key",
            hint="A key belongs to one witness and one memory. Put back the key that the memory was made with.",
        )


@contextlib.contextmanager
def _guarded(path: Path) -> Generator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if not path.exists():
            raise UsageError(
                f"{path} is missing",
                hint="Without its memory a key must not cosign again. If it is lost, make a new witness elsewhere.",
            ) from error
        raise Unavailable(f"{path}: {error}", hint="See that its disk has room and that nobody holds it.") from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"{path} cannot be used: {error}",
            hint="Do not put an older one back: a witness must not forget. Make a new witness elsewhere.",
        ) from error
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
