"""Whether the published files are still those that were signed: what the publisher looks at before it goes on.

All tiles above level 0, the right edge, and the newest whole tiles and bundles are compared byte for byte; of all
others it is seen that they are there and have their size. It reads as much at a million entries as at ten. That every
byte of every file is right is what ``bus audit verify`` says, and ``bus hub repair``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bus.errors import Malformed
from bus.files import read_regular
from bus.tlog import tree
from bus.tlog.bundle import Bundle, encode_bundle
from bus.tlog.leaf import LEAF_SIZE
from bus.tlog.tile import WIDTH, Tile, tiles_above

NEWEST: Final = 16
"""Whole tiles of level 0 that are read, with their bundles."""
_WHOLE_TILE: Final = WIDTH * tree.HASH_SIZE
_WHOLE_BUNDLE: Final = WIDTH * (2 + LEAF_SIZE)


def first_wrong(folder: Path, subtree_roots: Sequence[bytes], tail: Sequence[bytes]) -> str | None:
    """The first file that is missing or not what the ledger says.

    Args:
        folder: below which ``tile/…`` stands.
        subtree_roots: of the whole subtrees of 256 leaves.
        tail: the leaves behind them.

    Returns:
        Its path; None if nothing was found.
    """
    return next(_wrong(folder, subtree_roots, tail), None)


def _wrong(folder: Path, roots: Sequence[bytes], tail: Sequence[bytes]) -> Iterator[str]:
    if tail:
        number = len(roots)
        edge = (
            (Bundle(number, len(tail)), Bundle(number), encode_bundle(tail)),
            (Tile(0, number, len(tail)), Tile(0, number), b"".join(tree.leaf_hashes(tail))),
        )
        yield from (one.path for one, whole, data in edge if not _is(folder, one.path, whole.path, data))
    for tile, data in tiles_above(roots):
        if not _is(folder, tile.path, Tile(tile.level, tile.index).path, data):
            yield tile.path
    for number, root in enumerate(roots):
        for path, size in ((Tile(0, number).path, _WHOLE_TILE), (Bundle(number).path, _WHOLE_BUNDLE)):
            if _size(folder / path) != size:
                yield path
        if number >= len(roots) - NEWEST:
            yield from _whole(folder, number, root)


def _whole(folder: Path, number: int, root: bytes) -> Iterator[str]:
    """A whole tile of level 0 leads to its root, and its bundle to the tile."""
    tile, bundle = Tile(0, number), Bundle(number)
    try:
        hashes = tile.split(read_regular(folder / tile.path, _WHOLE_TILE) or b"")
    except (Malformed, OSError):
        hashes = []
    if tree.root(hashes) != root:
        yield tile.path
        return
    try:
        entries = bundle.split(read_regular(folder / bundle.path, _WHOLE_BUNDLE) or b"")
    except (Malformed, OSError):
        entries = []
    if tree.leaf_hashes(entries) != hashes:
        yield bundle.path


def _is(folder: Path, path: str, whole: str, data: bytes) -> bool:
    """Whether a file holds this; a narrow one that was pruned is how the whole one begins."""
    for name in (path, whole):
        try:
            found = read_regular(folder / name, max(_WHOLE_TILE, _WHOLE_BUNDLE))
        except OSError:
            return False
        if found is None:
            continue
        return found == data if name == path else found[: len(data)] == data
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
