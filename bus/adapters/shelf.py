"""What one pass over an input must remember, however long the input is: memory up to a bound, then a file.

The file has no name from the moment it is made, so it is gone when the program is, however it ends. It holds ids and
digests, and nothing of what was sealed.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from pathlib import Path

IN_MEMORY = 20_000
_CACHE_KIB = 4096


class Shelf:
    """Bytes under keys, of which the first :data:`IN_MEMORY` stay in memory.

    Args:
        folder: where the file is made, if one is needed.
        in_memory: how many entries need none; by default :data:`IN_MEMORY`.
    """

    def __init__(self, folder: Path, in_memory: int | None = None) -> None:
        self._folder, self._most = folder, IN_MEMORY if in_memory is None else in_memory
        self._near: dict[bytes, bytes] = {}
        self._far: sqlite3.Connection | None = None

    def get(self, key: bytes) -> bytes | None:
        """What is kept under a key."""
        found = self._near.get(key)
        if found is not None or self._far is None:
            return found
        row = self._far.execute("SELECT value FROM shelf WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put(self, key: bytes, value: bytes) -> None:
        """Keep something; it replaces what was there."""
        if key in self._near or len(self._near) < self._most:
            self._near[key] = value
            return
        if self._far is None:
            self._far = _nameless(self._folder)
        self._far.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?)", (key, value))

    def close(self) -> None:
        """Let go of all of it."""
        self._near.clear()
        if self._far is not None:
            self._far.close()
            self._far = None


def _nameless(folder: Path) -> sqlite3.Connection:
    """A database without a name and without a journal: nobody else reads it, and it need not outlive us."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"shelf-{secrets.token_hex(8)}"
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("CREATE TABLE shelf (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("BEGIN")
    except BaseException:
        connection.close()
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
    return connection
