"""Logs that grow and logs that lie, with known keys, for tests of the witness."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, sign_note
from bus.tlog.vkey import Kind, NoteKey
from bus.tlog.witness import AddCheckpoint
from bus.witness.home import Home
from bus.witness.store import Store
from bus.witness.witness import Witness

ORIGIN = "log.example/one"
NAME = "witness.example/north"
NOW_S = 1_800_000_000

Leaves = tuple[bytes, ...]


def log_key(origin: str = ORIGIN) -> NoteKey:
    """The key of a log."""
    return NoteKey(origin, Kind.ED25519, sha256(origin.encode()).digest())


def leaves(size: int, branch: str = "") -> Leaves:
    """A log's entries; those of another branch are others from the first on."""
    return tuple(f"{branch}{index}".encode() for index in range(size))


def root(entries: Sequence[bytes]) -> bytes:
    """The root over entries."""
    return tree.root(tree.leaf_hashes(entries))


def note(entries: Sequence[bytes], key: NoteKey | None = None, *, origin: str = ORIGIN) -> bytes:
    """A checkpoint of these entries, signed by the log's key or by another."""
    text = Checkpoint(origin, len(entries), root(entries)).encode()
    return Note(text, (sign_note(text, key or log_key(origin)),)).encode()


def proof(entries: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """The consistency path from the first ``old`` entries to all of them; nothing if there are fewer."""
    hashes = tree.leaf_hashes(entries)
    return tuple(tree.consistency_path(hashes, old)) if 0 < old < len(hashes) else ()


def request(entries: Sequence[bytes], old: int, *, origin: str = ORIGIN) -> bytes:
    """An honest request to cosign these entries."""
    return AddCheckpoint(old, proof(entries, old), note(entries, origin=origin)).encode()


def make_witness(folder: Path, *origins: str, now_s: int | None = NOW_S) -> Witness:
    """A new witness that trusts the keys of these logs; at a standing clock, or the real one for None."""
    home = Home(folder)
    key = home.make(NAME)
    store = Store(home.memory, key.verifier)
    witness = Witness(key, store) if now_s is None else Witness(key, store, lambda: now_s)
    for origin in origins or (ORIGIN,):
        witness.trust(log_key(origin).verifier)
    return witness
