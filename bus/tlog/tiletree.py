"""A tree that is read from its tiles: any root, path or proof with a few tiles for each level.

What tiles say is a claim like any other. Whoever reads them compares the root with a checkpoint's, and checks a
path against it; a tile that was changed leads to another root.
"""

from __future__ import annotations

from collections.abc import Callable

from bus.tlog import tree
from bus.tlog.tile import HEIGHT, WIDTH, Tile, width_at

ReadTile = Callable[[Tile], bytes]
"""Gives a tile's bytes. For a tree of one size it is asked for the tiles of exactly that size."""


class TileTree:
    """A tree of ``size`` leaves over tiles; each tile is asked for once."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def leaf_hash(self, index: int) -> bytes:
        """The leaf hash at ``index``.

        Raises:
            ValueError: there is no such leaf.
            Malformed: a tile has not its size.
        """
        if not 0 <= index < self.size:
            raise ValueError("no such leaf")
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """The root, of this tree or of an earlier one.

        Raises:
            ValueError: the earlier tree is larger than this one.
            Malformed: a tile has not its size.
        """
        wanted = self.size if size is None else size
        if not 0 <= wanted <= self.size:
            raise ValueError("no such size")
        return self._range(0, wanted) if wanted else tree.EMPTY_ROOT

    def inclusion_path(self, index: int) -> list[bytes]:
        """Siblings from leaf ``index`` up to the root (RFC 9162 §2.1.3.1).

        Raises:
            ValueError: there is no such leaf.
            Malformed: a tile has not its size.
        """
        if not 0 <= index < self.size:
            raise ValueError("no such leaf")
        path: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = low + tree.split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def consistency_path(self, old_size: int) -> list[bytes]:
        """Proof that the first ``old_size`` leaves were the whole tree once (RFC 9162 §2.1.4.1).

        Empty for an old size of 0 and for an unchanged tree.

        Raises:
            ValueError: the old tree is larger than this one.
            Malformed: a tile has not its size.
        """
        if not 0 <= old_size <= self.size:
            raise ValueError("no such old size")
        return tree.consistency_by_ranges(old_size, self.size, self._range)

    def _range(self, low: int, high: int) -> bytes:
        """Root of the leaves from ``low`` to ``high``, where ``low`` is where a subtree of that size may begin."""
        node, rest = b"", high - low
        while rest:
            height = (rest & -rest).bit_length() - 1
            rest ^= 1 << height
            left = self._node(height, (low + rest) >> height)
            node = tree.node_hash(left, node) if node else left
        return node

    def _node(self, height: int, index: int) -> bytes:
        """The hash of a whole subtree of 2^height leaves."""
        level, above = divmod(height, HEIGHT)
        tile, first = divmod(index << above, WIDTH)
        return self._tile(level, tile)[above][first >> above]

    def _tile(self, level: int, index: int) -> list[list[bytes]]:
        """The small tree over a tile's hashes, level by level."""
        found = self._tiles.get((level, index))
        if found is None:
            tile = Tile(level, index, width_at(level, index, self.size))
            found = self._tiles[level, index] = tree.levels(tile.split(self._read(tile)))
        return found
