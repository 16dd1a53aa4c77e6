"""The right edge of a growing tree: all that is needed to append to it and to name its root.

::

    encoded = one hash of 32 bytes for each set bit of the size, largest subtree first

This is what is called a compact range elsewhere. A tree of 2^64 leaves has at most 64 such hashes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bus.errors import Malformed
from bus.tlog import tree

SUBTREE_HEIGHT = 8
SUBTREE_SIZE = 1 << SUBTREE_HEIGHT


class Frontier(msgspec.Struct, frozen=True):
    """An immutable tree of ``size`` leaves, by the roots of its whole subtrees, left to right."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf_hash: bytes) -> Frontier:
        """The tree with one more leaf."""
        return self.extend([leaf_hash])

    def extend(self, leaf_hashes: Sequence[bytes]) -> Frontier:
        """The tree with more leaves behind, in order."""
        return self.extend_noting(leaf_hashes)[0]

    def extend_noting(self, leaf_hashes: Sequence[bytes]) -> tuple[Frontier, list[bytes]]:
        """The longer tree, and the root of each subtree of 256 leaves that it completes.

        The first of those subtrees has number ``self.size // 256``, the others follow.
        """
        whole: list[bytes] = list(self.hashes)
        odd: list[bytes] = []
        subtrees: list[bytes] = []
        level, size, height = list(leaf_hashes), self.size, 0
        while level or size:
            if height == SUBTREE_HEIGHT:
                subtrees = list(level)
            if size & 1:
                level.insert(0, whole.pop())
            parents = tree.pair_up(level)
            if len(level) & 1:
                odd.append(level[-1])
            level = parents
            size >>= 1
            height += 1
        odd.reverse()
        return Frontier(self.size + len(leaf_hashes), tuple(odd)), subtrees

    def root(self) -> bytes:
        """The tree's root."""
        if not self.hashes:
            return tree.EMPTY_ROOT
        *rest, node = self.hashes
        for left in reversed(rest):
            node = tree.node_hash(left, node)
        return node

    def encode(self) -> bytes:
        """The hashes in a row; the size stands elsewhere."""
        return b"".join(self.hashes)

    @classmethod
    def decode(cls, size: int, encoded: bytes) -> Frontier:
        """The frontier of ``size`` leaves from its bytes.

        Raises:
            Malformed: the number of bytes is not what the size asks for.
        """
        if size < 0 or len(encoded) != tree.HASH_SIZE * size.bit_count():
            raise Malformed("malformed", "frontier")
        return cls(size, tuple(encoded[at : at + 32] for at in range(0, len(encoded), 32)))

    @classmethod
    def rebuild(cls, subtree_roots: Sequence[bytes], tail: Sequence[bytes]) -> Frontier:
        """The frontier of a tree from the roots of its whole subtrees of 256 and the leaf hashes behind them."""
        above = cls().extend(subtree_roots)
        return cls(above.size << SUBTREE_HEIGHT, above.hashes).extend(tail)


def subtree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of exactly 256 leaf hashes.

    Raises:
        ValueError: there are fewer or more.
    """
    if len(leaf_hashes) != SUBTREE_SIZE:
        raise ValueError("a subtree has 256 leaves")
    return tree.root(leaf_hashes)


EMPTY = Frontier()
