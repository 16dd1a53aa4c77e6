"""A witness's folder: its key and its memory, which belong together for life.

::

    <folder>/key         the secret key, one line as in :mod:`bus.tlog.vkey`; mode 0600
    <folder>/witness.db  what it has cosigned; see :mod:`bus.witness.store`
    <folder>/address     where it is reached; see :mod:`bus.witness.address`

A key that starts again with an empty or an older memory would cosign a second history. So both are made together,
the memory knows its key, and neither is ever made anew beside the other.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from msgspec import Struct

from bus.errors import Malformed, Unavailable, UsageError
from bus.tlog.ed25519 import SEED_SIZE
from bus.tlog.vkey import Kind, NoteKey
from bus.witness.store import Store


class Home(Struct, frozen=True):
    """Where a witness lives."""

    folder: Path

    @property
    def key_file(self) -> Path:
        """The secret key."""
        return self.folder / "key"

    @property
    def memory(self) -> Path:
        """The SQLite file."""
        return self.folder / "witness.db"

    def make(self, name: str) -> NoteKey:
        """Make a new key and an empty memory.

        Args:
            name: the witness's name, best a URL without its scheme: ``witness.example.org/north``.

        Raises:
            UsageError: the name is none, or something of a witness is there already.
            Unavailable: the folder cannot be written.
        """
        try:
            key = NoteKey(name, Kind.COSIGNATURE, secrets.token_bytes(SEED_SIZE))
        except ValueError:
            raise UsageError(
                "a witness's name has no spaces and no plus", hint="Such as witness.example/north."
            ) from None
        if self.key_file.exists() or self.memory.exists():
            raise UsageError(f"{self.folder} has a witness already", hint="Name another folder with --dir.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            Store.create(self.memory, key.verifier)
            _write_secret(self.key_file, f"{key.encode()}\n")
        except OSError as error:
            raise Unavailable(f"{self.folder}: {error.strerror}") from error
        return key

    def key(self) -> NoteKey:
        """The witness's key.

        Raises:
            UsageError: it is missing, is no cosigner's key, or others can read it.
        """
        try:
            with self.key_file.open(encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read()
            key = NoteKey.decode(text.removesuffix("\n"))
        except FileNotFoundError:
            hint = "`bus witness key --name NAME` makes one; --dir says where it is."
            raise UsageError(f"there is no witness in {self.folder}", hint=hint) from None
        except (Malformed, UnicodeDecodeError):
            raise UsageError(f"{self.key_file} holds no key") from None
        except OSError as error:
            raise UsageError(f"{self.key_file}: {error.strerror}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise UsageError(f"{self.key_file} can be read by others", hint=f"chmod 600 {self.key_file}")
        if key.verifier.kind is not Kind.COSIGNATURE:
            raise UsageError(f"{self.key_file} is not a witness's key", hint="A log's key signs for its log alone.")
        return key

    def store(self, key: NoteKey) -> Store:
        """The witness's memory.

        Raises:
            UsageError: it is missing, or another key's.
            Unavailable: it cannot be opened now.
        """
        return Store(self.memory, key.verifier)


def _write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner can read, and its name, to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
