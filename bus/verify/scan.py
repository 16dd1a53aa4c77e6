"""Walks over a range of tiles: what one process does, again and again.

Each bundle is hashed and compared with its tile of level 0; the leaves are read; and wherever a checkpoint of some
size ends, the hashes of the tree's right edge there are kept, so that its root can be told later without reading
anything twice.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Sequence

import msgspec

from bus.errors import Malformed
from bus.tlog.bundle import Bundle
from bus.tlog.tile import WIDTH, Tile, width_at
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import HASH_SIZE, root
from bus.verify.fault import Fault, Wrong
from bus.verify.folder import Folder
from bus.verify.leaves import above, entries_of, hashes_of, read_leaves, whole_levels


class Task(msgspec.Struct, frozen=True):
    """A range of tiles of a tree, and the sizes at which its right edge is wanted, ascending."""

    folder: Folder
    first: int
    count: int
    size: int
    root: bytes
    wanted: tuple[int, ...]


class Edge(msgspec.Struct):
    """The tree's right edge at a size, within its last tile; the times of the last entry and of the next."""

    size: int
    hashes: tuple[bytes, ...]
    last_us: int
    next_us: int | None


class Part(msgspec.Struct):
    """What a range of tiles has shown. With a fault, it ends before the tile that has it."""

    first: int
    roots: list[bytes] = []
    edges: list[Edge] = []
    outcomes: Counter[int] = msgspec.field(default_factory=Counter[int])
    policies: list[tuple[int, bytes]] = []
    """Each change of policy, and the first: from which entry on, and its digest."""
    first_us: int | None = None
    last_us: int | None = None
    entries: int = 0
    files: int = 0
    fault: Fault | None = None


def scan(task: Task) -> Part:
    """Verify a range of tiles against themselves."""
    part = Part(task.first)
    try:
        for number in range(task.first, task.first + task.count):
            _tile(task, part, number)
    except Wrong as wrong:
        part.fault = wrong.fault
    return part


def _tile(task: Task, part: Part, number: int) -> None:
    width = width_at(0, number, task.size)
    bundle, tile, first = Bundle(number, width), Tile(0, number, width), number * WIDTH
    data = task.folder.bundle(bundle)
    entries = entries_of(bundle, data)
    hashes = hashes_of(entries)
    stored = task.folder.tile(tile)
    if stored != b"".join(hashes):
        raise _blamed(task, tile, stored, hashes).raised()
    _narrower(task.folder, part, bundle, entries, stored)
    leaves = read_leaves(first, entries, data, part.last_us)
    if part.first_us is None:
        part.first_us = leaves.times[0]
    if part.edges and part.edges[-1].next_us is None:
        part.edges[-1].next_us = leaves.times[0]
    part.last_us = leaves.times[-1]
    part.outcomes.update(leaves.outcomes)
    part.entries += width
    part.files += 2
    _policies(part, first, leaves.policies)
    wanted = task.wanted[bisect(task.wanted, first) : bisect(task.wanted, first + width)]
    levels = whole_levels(hashes) if wanted else []
    for size in wanted:
        at = size - first
        next_us = leaves.times[at] if at < width else None
        part.edges.append(Edge(size, _edge(levels, at), leaves.times[at - 1], next_us))
    if width == WIDTH:
        part.roots.append(levels[-1][0] if wanted else above(hashes))


def _edge(levels: Sequence[Sequence[bytes]], count: int) -> tuple[bytes, ...]:
    """The roots of the whole subtrees over the first ``count`` of a tile's hashes, largest first."""
    found: list[bytes] = []
    at = 0
    for height in reversed(range(count.bit_length())):
        if count >> height & 1:
            found.append(levels[height][at >> height])
            at += 1 << height
    return tuple(found)


def _policies(part: Part, first: int, policies: Sequence[bytes]) -> None:
    known = part.policies[-1][1] if part.policies else None
    if known is not None and policies.count(known) == len(policies):
        return
    for index, digest in enumerate(policies, first):
        if digest != known:
            part.policies.append((index, digest))
            known = digest


def _narrower(folder: Folder, part: Part, bundle: Bundle, entries: Sequence[bytes], stored: bytes) -> None:
    """What is still there of narrower tiles and bundles must be how the wide ones begin."""
    for width in folder.narrower(Bundle(bundle.index).path, bundle.width):
        one = Bundle(bundle.index, width)
        found = entries_of(one, folder.bundle(one))
        wrong = next((n for n, pair in enumerate(zip(found, entries, strict=False)) if pair[0] != pair[1]), None)
        if wrong is not None:
            index = one.index * WIDTH + wrong
            raise Fault(
                "entry-changed", f"Entry {index} is another in {one.path} than it is now.", index, one.path
            ).raised()
        part.files += 1
    tile = Tile(0, bundle.index).path
    for width in folder.narrower(tile, bundle.width):
        narrow_tile(folder, Tile(0, bundle.index, width), stored)
        part.files += 1


def narrow_tile(folder: Folder, tile: Tile, wide: bytes) -> None:
    """A narrow tile that is still there must be how the wide one begins.

    Raises:
        Wrong: it is not.
    """
    data = folder.tile(tile)
    if data != wide[: tile.width * HASH_SIZE]:
        index = (tile.index * WIDTH + first_difference(data, wide)) << (8 * tile.level)
        sentence = f"{tile.path} holds another hash at entry {index} than the tree has there."
        raise Fault("tile-changed", sentence, index, tile.path).raised()


def first_difference(one: bytes, other: bytes) -> int:
    """At which hash two tiles begin to differ."""
    pairs = ((one[at : at + HASH_SIZE], other[at : at + HASH_SIZE]) for at in range(0, len(other), HASH_SIZE))
    return next((n for n, (mine, theirs) in enumerate(pairs) if mine != theirs), len(other) // HASH_SIZE)


def _blamed(task: Task, tile: Tile, stored: bytes, hashes: Sequence[bytes]) -> Fault:
    """Which of a tile and its bundle was changed: the one that does not lead to the rest of the tree."""
    right = b"".join(hashes)
    if len(stored) != len(right):
        sentence = f"{tile.path} does not hold {tile.width} hashes."
        return Fault("file-malformed", sentence, tile.index * WIDTH, tile.path)
    index = tile.index * WIDTH + first_difference(stored, right)
    bundle = Bundle(tile.index, tile.width).path
    if _leads_on(task, tile, stored):
        sentence = f"Entry {index} was changed in {bundle}: it is not the entry whose hash the tree holds."
        return Fault("entry-changed", sentence, index, bundle)
    if _leads_on(task, tile, right):
        sentence = f"{tile.path} was changed: it holds a hash for entry {index} that is not the entry's."
        return Fault("tile-changed", sentence, index, tile.path)
    sentence = (
        f"Entry {index} in {bundle} and its hash in {tile.path} do not agree, and neither leads to the checkpoint."
    )
    return Fault("entry-changed", sentence, index, bundle)


def _leads_on(task: Task, tile: Tile, data: bytes) -> bool:
    """Whether a tile of level 0 with these bytes leads to the hash above it."""
    hashes = tile.split(data)
    try:
        if tile.width == WIDTH:
            parent = Tile(1, tile.index // WIDTH, width_at(1, tile.index // WIDTH, task.size))
            return task.folder.tile(parent)[tile.index % WIDTH * HASH_SIZE :][:HASH_SIZE] == root(hashes)
        tree = TileTree(task.size, lambda one: data if one == tile else task.folder.tile(one))
        return tree.root() == task.root
    except (Malformed, Wrong):
        return False
