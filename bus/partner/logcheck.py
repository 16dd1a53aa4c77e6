"""What a log's tiles prove. Nothing here is believed but a checkpoint's root: it comes from a signed note.

One path from a leaf to the root is enough for each tile: its siblings cover every other hash of that tile, so that
none of them can be changed without leading elsewhere. And the path of the last leaf of an earlier tree has, on its
left, all that the earlier root was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from bus.errors import CheckFailed, Unavailable
from bus.partner.logmemory import Head, Seen
from bus.partner.logsource import Fetch
from bus.tlog.tile import HEIGHT, WIDTH, Tile
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import HASH_SIZE, node_hash, verify_inclusion

T = TypeVar("T")


class _Wanted(Exception):
    def __init__(self, tile: Tile) -> None:
        self.tile = tile


class LogTree:
    """A published log's tree under one checkpoint. It fetches the tiles that it needs, each of them once."""

    def __init__(self, head: Head, fetch: Fetch) -> None:
        self.head = head
        self._fetch = fetch
        self._fetched: dict[Tile, bytes] = {}
        self._tree = TileTree(head.size, self._read)

    async def continues(self, older: Head) -> bool:
        """Whether this tree begins with an older one, which is not empty and not larger.

        Raises:
            CheckFailed: the tiles do not lead to the checkpoint: they say nothing.
            Malformed, Unavailable: a tile is none, or cannot be had.
        """
        path = await self._with_tiles(lambda: self._proven_path(older.size - 1))
        return prefix_root(older.size - 1, self.head.size, self._tree.leaf_hash(older.size - 1), path) == older.root

    async def foreign(self, seen: Sequence[Seen]) -> list[Seen]:
        """Which of the leaves, all of them below the tree's size and in order, it does not have at their index.

        Raises:
            CheckFailed: the tiles do not lead to the checkpoint: they say nothing.
            Malformed, Unavailable: a tile is none, or cannot be had.
        """
        found: list[Seen] = []
        for _, of_tile in groupby(seen, lambda one: one.index >> HEIGHT):
            some = list(of_tile)
            await self._with_tiles(lambda first=some[0].index: self._proven_path(first))
            found += [one for one in some if self._tree.leaf_hash(one.index) != one.leaf_hash]
        return found

    def _proven_path(self, index: int) -> list[bytes]:
        """A leaf's path, which leads to the checkpoint's root."""
        path = self._tree.inclusion_path(index)
        if not verify_inclusion(index, self.head.size, self._tree.leaf_hash(index), path, self.head.root):
            raise CheckFailed("the log's tiles do not lead to its checkpoint")
        return path

    async def _with_tiles(self, work: Callable[[], T]) -> T:
        """Do some work on the tree; as often as a tile is missing, fetch it and begin again."""
        while True:
            try:
                return work()
            except _Wanted as wanted:
                self._fetched[wanted.tile] = await self._get(wanted.tile)

    def _read(self, tile: Tile) -> bytes:
        found = self._fetched.pop(tile, None)
        if found is None:
            raise _Wanted(tile)
        return found

    async def _get(self, tile: Tile) -> bytes:
        """A tile's bytes. Where the narrow one is gone, the log has grown, and the whole one begins with it."""
        found = await self._fetch(tile.path, tile.width * HASH_SIZE)
        if found is None and tile.width < WIDTH:
            whole = await self._fetch(Tile(tile.level, tile.index).path, WIDTH * HASH_SIZE)
            found = None if whole is None else whole[: tile.width * HASH_SIZE]
        if found is None:
            raise Unavailable(f"the log lacks {tile.path}")
        return found


def prefix_root(index: int, size: int, leaf_hash: bytes, path: Sequence[bytes]) -> bytes:
    """The root of the first ``index`` + 1 leaves, from the path of the last of them in a tree of ``size``.

    In that smaller tree the leaf's siblings all stand left of it, and they are the left ones of this path.
    """
    node, last = leaf_hash, size - 1
    for sibling in path:
        while index == last and not index & 1:
            index >>= 1
            last >>= 1
        if index & 1:
            node = node_hash(sibling, node)
        index >>= 1
        last >>= 1
    return node
