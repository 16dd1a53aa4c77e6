"""The Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1, over SHA-256.

::

    leaf hash = SHA-256(0x00 ‖ entry)
    node hash = SHA-256(0x01 ‖ left ‖ right)
    empty     = SHA-256("")

A tree of n leaves splits at the largest power of two below n. The same shape comes out of pairing level by
level from the left and lifting an odd last node unchanged, which is how it is computed here: one pass, no
recursion. A *path* is the list of sibling hashes from the leaf to the root; *packed*, their concatenation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from hmac import compare_digest

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes | memoryview) -> bytes:
    """Hash of a leaf that holds ``entry``."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """``leaf_hash`` of each, without a call for each."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of the node above two hashes."""
    return sha256(b"\x01" + left + right).digest()


def pair_up(level: Sequence[bytes]) -> list[bytes]:
    """The parents of ``level``'s whole pairs; an odd last node has none yet and is left out."""
    nodes = iter(level)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes, nodes, strict=False)]


def levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Every level of the tree over leaf hashes, leaves first, root last, odd nodes lifted."""
    level = list(hashes)
    found = [level]
    while len(level) > 1:
        parents = pair_up(level)
        if len(level) & 1:
            parents.append(level[-1])
        found.append(parents)
        level = parents
    return found


def root(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over leaf hashes; of none, the hash of nothing."""
    if not hashes:
        return EMPTY_ROOT
    return levels(hashes)[-1][0]


def path_length(index: int, size: int) -> int:
    """How many hashes an inclusion path has for leaf ``index`` of a tree of ``size`` > ``index`` leaves."""
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def inclusion_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Siblings from leaf ``index`` up to the root (RFC 9162 §2.1.3.1).

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < len(hashes):
        raise ValueError("no such leaf")
    path: list[bytes] = []
    for level in levels(hashes)[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path


def inclusion_paths(hashes: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Root of a non-empty tree, and the packed path of each leaf, in two sweeps.

    A node's path is its sibling and then its parent's path, so all paths cost two joins a node instead of
    a walk for each leaf.
    """
    tree = levels(hashes)
    paths = [b""]
    for level in reversed(tree[:-1]):
        above, paths = paths, []
        whole = len(level) & ~1
        for left in range(0, whole, 2):
            suffix = above[left >> 1]
            paths.append(level[left + 1] + suffix)
            paths.append(level[left] + suffix)
        if whole < len(level):
            paths.append(above[-1])
    return tree[-1][0], paths


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root that leaf hash ``leaf`` and its path lead to (RFC 9162 §2.1.3.2); None if the shape is wrong."""
    if not 0 <= index < size or len(path) != path_length(index, size) or not _all_hashes([leaf, *path]):
        return None
    node, last = leaf, size - 1
    for sibling in path:
        while index == last and not index & 1:
            index >>= 1
            last >>= 1
        node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index >>= 1
        last >>= 1
    return node


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], tree_root: bytes) -> bool:
    """Whether leaf hash ``leaf`` stands at ``index`` of the tree of ``size`` leaves with this root."""
    found = root_from_inclusion(index, size, leaf, path)
    return found is not None and compare_digest(found, tree_root)


def consistency_path(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Proof that the first ``old_size`` leaves were the whole tree once (RFC 9162 §2.1.4.1).

    Empty for an old size of 0 and for an unchanged tree.

    Raises:
        ValueError: the old tree is larger than this one.
    """
    if not 0 <= old_size <= len(hashes):
        raise ValueError("no such old size")
    return consistency_by_ranges(old_size, len(hashes), lambda low, high: root(hashes[low:high]))


def consistency_by_ranges(old_size: int, new_size: int, root_of: Callable[[int, int], bytes]) -> list[bytes]:
    """``consistency_path`` where the root over the leaves from one index to another can be told.

    Args:
        old_size: of the old tree, at most ``new_size``.
        new_size: of the new tree.
        root_of: root over the leaves of a range; only asked for ranges that stand under one node.
    """
    if old_size in {0, new_size}:
        return []
    path: list[bytes] = []
    low, high, known = 0, new_size, True
    while old_size < high:
        middle = low + split(high - low)
        if old_size <= middle:
            path.append(root_of(middle, high))
            high = middle
        else:
            path.append(root_of(low, middle))
            low, known = middle, False
    if not known:
        path.append(root_of(low, high))
    return path[::-1]


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of ``new_size`` continues the tree of ``old_size`` (RFC 9162 §2.1.4.2).

    Every tree continues the empty one, with an empty path; equal sizes need equal roots and an empty path.
    """
    if not 0 <= old_size <= new_size or not _all_hashes([old_root, new_root, *path]):
        return False
    if old_size == new_size:
        return not path and compare_digest(old_root, new_root)
    if old_size == 0:
        return not path and compare_digest(old_root, EMPTY_ROOT)
    hashes = list(path)
    if old_size.bit_count() == 1:
        hashes.insert(0, old_root)
    roots = _roots_from_consistency(old_size, new_size, hashes)
    return roots is not None and compare_digest(roots[0], old_root) and compare_digest(roots[1], new_root)


def _roots_from_consistency(old_size: int, new_size: int, hashes: list[bytes]) -> tuple[bytes, bytes] | None:
    """Old and new root that a path leads to, its first hash being the old tree's last whole subtree."""
    index, last = old_size - 1, new_size - 1
    while index & 1:
        index >>= 1
        last >>= 1
    if not hashes or len(hashes) - 1 != path_length(index, last + 1):
        return None
    old = new = hashes[0]
    for sibling in hashes[1:]:
        while index == last and not index & 1:
            index >>= 1
            last >>= 1
        if index & 1:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
        index >>= 1
        last >>= 1
    return old, new


def split(size: int) -> int:
    """The largest power of two below ``size`` > 1: how many leaves stand left."""
    return 1 << ((size - 1).bit_length() - 1)


def _all_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_SIZE for value in values)
