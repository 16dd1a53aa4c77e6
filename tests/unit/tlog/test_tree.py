"""The tree against a second, recursive one, for every size to 300."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.tlog import tree

LARGEST = 300
LEAVES = [sha256(b"\x00" + b"leaf %d" % index).digest() for index in range(LARGEST)]


@cache
def naive_root(low: int, high: int) -> bytes:
    """RFC 6962's MTH over leaves low to high."""
    if low == high:
        return sha256(b"").digest()
    if high - low == 1:
        return LEAVES[low]
    middle = low + naive_split(high - low)
    return sha256(b"\x01" + naive_root(low, middle) + naive_root(middle, high)).digest()


def naive_split(size: int) -> int:
    """The largest power of two below size."""
    return max(1 << bit for bit in range(10) if 1 << bit < size)


@cache
def naive_path(index: int, low: int, high: int) -> tuple[bytes, ...]:
    """RFC 6962's PATH."""
    if high - low == 1:
        return ()
    middle = low + naive_split(high - low)
    if index < middle:
        return (*naive_path(index, low, middle), naive_root(middle, high))
    return (*naive_path(index, middle, high), naive_root(low, middle))


def naive_consistency(old: int, low: int, high: int, *, whole: bool) -> list[bytes]:
    """RFC 6962's SUBPROOF."""
    if old == high:
        return [] if whole else [naive_root(low, high)]
    middle = low + naive_split(high - low)
    if old <= middle:
        return [*naive_consistency(old, low, middle, whole=whole), naive_root(middle, high)]
    return [*naive_consistency(old, middle, high, whole=False), naive_root(low, middle)]


def test_every_root_is_that_of_the_recursive_definition() -> None:
    """The root of each size from 0 to 300 is what RFC 6962's recursion gives."""
    for size in range(LARGEST + 1):
        assert tree.root(LEAVES[:size]) == naive_root(0, size)


def test_every_inclusion_path_is_that_of_the_recursive_definition_and_verifies() -> None:
    """Each leaf of each tree to 300 has the path of the definition, of the stated length, and leads to the root."""
    for size in range(1, LARGEST + 1):
        root, packed = tree.inclusion_paths(LEAVES[:size])
        assert root == naive_root(0, size)
        for index, joined in enumerate(packed):
            path = naive_path(index, 0, size)
            assert joined == b"".join(path)
            assert len(path) == tree.path_length(index, size)
            assert tree.verify_inclusion(index, size, LEAVES[index], path, root)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 65, 255, 256, 257, 300])
def test_one_path_is_the_same_as_among_all_paths(size: int) -> None:
    """A single inclusion path equals the one made together with all others."""
    _, packed = tree.inclusion_paths(LEAVES[:size])
    for index in range(size):
        assert b"".join(tree.inclusion_path(LEAVES[:size], index)) == packed[index]


def test_every_consistency_path_is_that_of_the_recursive_definition_and_verifies() -> None:
    """Each pair of sizes to 300 has the definition's proof, and it verifies; without its first hash it does not."""
    for new in range(1, LARGEST + 1):
        for old in range(1, new + 1):
            path = tree.consistency_by_ranges(old, new, naive_root)
            roots = naive_root(0, old), naive_root(0, new)
            assert path == naive_consistency(old, 0, new, whole=True)
            assert tree.verify_consistency(old, new, *roots, path)
            assert not path or not tree.verify_consistency(old, new, *roots, path[1:])
            if old % 17 == 0:
                assert tree.consistency_path(LEAVES[:new], old) == path


def test_a_path_of_another_shape_is_refused() -> None:
    """A path with a hash too many, too few, changed or cut short, or for another place, does not verify."""
    for size, index in [(1, 0), (2, 1), (5, 4), (7, 3), (256, 255), (300, 299)]:
        root, path = naive_root(0, size), list(naive_path(index, 0, size))
        wrong = [[*path, LEAVES[0]]]
        for place in range(len(path)):
            wrong.append(path[:place] + path[place + 1 :])
            wrong.append([*path[:place], LEAVES[1][::-1], *path[place + 1 :]])
            wrong.append([*path[:place], path[place][:31], *path[place + 1 :]])
        assert not any(tree.verify_inclusion(index, size, LEAVES[index], bad, root) for bad in wrong)
        assert not tree.verify_inclusion(size, size, LEAVES[index], path, root)
        assert not tree.verify_inclusion(-1, size, LEAVES[index], path, root)
        assert not tree.verify_inclusion(index, size, b"", path, root)
        assert tree.root_from_inclusion(index, 0, LEAVES[index], path) is None


def test_a_path_proves_one_index_only() -> None:
    """The path of one leaf does not verify at any other index."""
    for size in (2, 5, 8, 21):
        root = naive_root(0, size)
        for index in range(size):
            path = naive_path(index, 0, size)
            told = [at for at in range(size) if tree.verify_inclusion(at, size, LEAVES[index], path, root)]
            assert told == [index]


def test_a_consistency_path_of_another_shape_is_refused() -> None:
    """A consistency proof with a hash changed, missing or added, or between other roots, does not verify."""
    for old, new in [(1, 2), (3, 7), (4, 7), (6, 8), (8, 8), (128, 300), (255, 256)]:
        roots = naive_root(0, old), naive_root(0, new)
        path = tree.consistency_path(LEAVES[:new], old)
        wrong = [[*path, LEAVES[0]], [LEAVES[0], *path]]
        for place in range(len(path)):
            wrong.append(path[:place] + path[place + 1 :])
            wrong.append([*path[:place], LEAVES[1][::-1], *path[place + 1 :]])
        assert not any(tree.verify_consistency(old, new, *roots, bad) for bad in wrong)
        assert not tree.verify_consistency(old, new, LEAVES[0][::-1], roots[1], path)
        assert not tree.verify_consistency(old, new, roots[0], LEAVES[0][::-1], path)
        assert not tree.verify_consistency(new + 1, new, roots[0], roots[1], path)


def test_every_tree_continues_the_empty_one() -> None:
    """From the empty tree the proof is empty, and only the empty tree's own root is taken for it."""
    assert tree.consistency_path(LEAVES[:5], 0) == []
    assert tree.verify_consistency(0, 5, tree.EMPTY_ROOT, naive_root(0, 5), [])
    assert tree.verify_consistency(0, 0, tree.EMPTY_ROOT, tree.EMPTY_ROOT, [])
    assert not tree.verify_consistency(0, 5, LEAVES[0], naive_root(0, 5), [])
    assert not tree.verify_consistency(0, 5, tree.EMPTY_ROOT, naive_root(0, 5), [LEAVES[0]])


def test_paths_of_leaves_that_are_not_there_cannot_be_asked_for() -> None:
    """Asking for a leaf or an old size outside the tree is a mistake of the caller."""
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no such leaf"):
            tree.inclusion_path(LEAVES[:3], index)
    for old in (-1, 4):
        with pytest.raises(ValueError, match="no such old size"):
            tree.consistency_path(LEAVES[:3], old)


@given(st.integers(1, LARGEST), st.data())
def test_a_changed_leaf_changes_the_root(size: int, data: st.DataObject) -> None:
    """No leaf of any tree can change without its root changing."""
    index, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 255))
    leaves = LEAVES[:size]
    leaves[index] = (int.from_bytes(leaves[index]) ^ 1 << bit).to_bytes(32)
    assert tree.root(leaves) != naive_root(0, size)


def test_leaf_hashes_are_those_of_one_leaf_each() -> None:
    """Hashing many leaves gives what hashing each gives."""
    entries = [b"", b"a", bytes(374)]
    assert tree.leaf_hashes(entries) == [tree.leaf_hash(entry) for entry in entries]
    assert tree.leaf_hash(memoryview(b"abc")) == sha256(b"\x00abc").digest()
