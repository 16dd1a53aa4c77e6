"""Small logs and witnesses with known keys, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from bus.tlog import tree
from bus.tlog.bundle import Bundle, encode_bundle
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, sign_note
from bus.tlog.tile import WIDTH, Tile
from bus.tlog.vkey import Kind, NoteKey

VECTORS = Path(__file__).parents[2] / "vectors"
ORIGIN = "log.example/one"


def seed(name: str) -> bytes:
    """A seed that goes with a name."""
    return sha256(name.encode()).digest()


def log_key(origin: str = ORIGIN) -> NoteKey:
    """The key of a log."""
    return NoteKey(origin, Kind.ED25519, seed(origin))


def witness_key(name: str) -> NoteKey:
    """The key of a witness."""
    return NoteKey(name, Kind.COSIGNATURE, seed(name))


def signed(checkpoint: Checkpoint, *keys: NoteKey, time_s: int = 1_700_000_000) -> Note:
    """A checkpoint's note, signed by logs and cosigned by witnesses."""
    text = checkpoint.encode()
    times = [None if key.verifier.kind is Kind.ED25519 else time_s for key in keys]
    return Note(text, tuple(sign_note(text, key, at) for key, at in zip(keys, times, strict=True)))


def entries_of(size: int) -> list[bytes]:
    """Different entries."""
    return [b"entry %d" % index for index in range(size)]


def hash_tile(hashes: Sequence[bytes], tile: Tile) -> bytes:
    """A tile's bytes straight from its definition: each hash is the tree hash of 256^level leaves."""
    span = WIDTH**tile.level
    first = tile.index * WIDTH
    roots = [tree.root(hashes[at * span : (at + 1) * span]) for at in range(first, first + tile.width)]
    return b"".join(roots)


def entry_bundle(entries: Sequence[bytes], bundle: Bundle) -> bytes:
    """A bundle's bytes."""
    first = bundle.index * WIDTH
    return encode_bundle(entries[first : first + bundle.width])
