"""A made-up log: leaves as the notary packs them, the files that its publisher would write, and a signed checkpoint."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec import Struct

from bus.hub.tilefiles import RightEdge
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.leaf import pack_leaf
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Policy
from bus.tlog.vkey import Kind, NoteKey

ORIGIN: Final = "ledger.bench.example/safeguard"
_FIRST_US: Final = 1_790_000_000_000_000
_SOME = 1 << 14
_TOPIC, _DIGEST = sha256(b"bench topic").digest(), sha256(b"bench").digest()


class Mirror(Struct, frozen=True):
    """A log's files in a folder, with the policy that believes it."""

    folder: Path
    size: int
    policy: Policy
    note: bytes


def leaf(index: int) -> bytes:
    """The leaf of an accepted event, as the notary packs it."""
    time_us, one = _FIRST_US + 100 * index, _DIGEST
    return pack_leaf(
        1, time_us, _TOPIC, 0, index, index, one, one, one, one, one, one, one, one, index, index.to_bytes(16),
        index.to_bytes(32),
    )  # fmt: skip


def leaves(first: int, count: int) -> list[bytes]:
    """Leaves in a row."""
    return [leaf(index) for index in range(first, first + count)]


def write_mirror(folder: Path, size: int) -> Mirror:
    """Write the files of a log of so many entries, as an auditor's mirror has them; what was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    edge = RightEdge()
    for first, count in _runs(size):
        for path, data in edge.grow(leaves(first, count)).items():
            _write(folder / path, data)
    for path in [*folder.rglob("*.p")]:  # what has become whole since
        if path.with_name(path.name.removesuffix(".p")).exists():
            shutil.rmtree(path)
    key = NoteKey(ORIGIN, Kind.ED25519, os.urandom(32))
    text = Checkpoint(ORIGIN, size, edge.frontier.root()).encode()
    note = Note(text, (sign_note(text, key),)).encode()
    policy = Policy.parse(f"log {key.verifier.encode()}\nquorum none\n".encode())
    return Mirror(folder, size, policy, note)


def tiles_of_leaves(count: int) -> list[list[bytes]]:
    """The leaves of so many entries, in tiles of 256: what a bare loop hashes."""
    return [leaves(first, min(256, count - first)) for first in range(0, count, 256)]


def bare_loop(tiles: Sequence[Sequence[bytes]]) -> bytes:
    """Hashlib over leaves and nodes and nothing else: no file is read, nothing is compared."""
    roots = list(map(_tile_root, tiles))
    while len(roots) > 1:
        roots = [_tile_root(roots[at : at + 256], b"\x01") for at in range(0, len(roots), 256)]
    return roots[0]


def _tile_root(entries: Sequence[bytes], nodes: bytes = b"") -> bytes:
    level = list(entries) if nodes else [sha256(b"\x00" + entry).digest() for entry in entries]
    while len(level) > 1:
        pairs = iter(level)
        odd = [level[-1]] if len(level) & 1 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)] + odd
    return level[0]


def _runs(size: int) -> Iterator[tuple[int, int]]:
    return ((first, min(_SOME, size - first)) for first in range(0, size, _SOME))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
