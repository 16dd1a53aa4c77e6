"""The frontier against the whole tree."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog import EMPTY, EMPTY_ROOT, Frontier, tree
from bus.tlog.frontier import subtree_root

LEAVES = [sha256(b"leaf %d" % index).digest() for index in range(1500)]


def test_appending_one_by_one_gives_the_root_of_every_size() -> None:
    """At each size from 0 to 300 the frontier names the whole tree's root, with one hash for each set bit."""
    frontier = EMPTY
    assert frontier.root() == EMPTY_ROOT
    for size in range(1, 301):
        frontier = frontier.append(LEAVES[size - 1])
        assert frontier.size == size
        assert len(frontier.hashes) == size.bit_count()
        assert frontier.root() == tree.root(LEAVES[:size])


@given(st.lists(st.integers(0, 400), max_size=6))
def test_leaves_may_come_in_any_portions(portions: list[int]) -> None:
    """However the leaves are cut into portions, the frontier is the same, and no portion is changed by it."""
    frontier, size = EMPTY, 0
    for portion in portions:
        leaves = LEAVES[size : min(size + portion, 1500)]
        before = list(leaves)
        frontier = frontier.extend(leaves)
        assert leaves == before
        size += len(leaves)
    assert frontier == EMPTY.extend(LEAVES[:size])
    assert frontier.root() == tree.root(LEAVES[:size])


@given(st.integers(0, 700), st.integers(0, 800))
def test_each_completed_subtree_is_noted(before: int, more: int) -> None:
    """Extending tells the roots of exactly the subtrees of 256 leaves that became whole."""
    frontier = EMPTY.extend(LEAVES[:before])
    longer, subtrees = frontier.extend_noting(LEAVES[before : before + more])
    numbers = range(before // 256, (before + more) // 256)
    assert subtrees == [subtree_root(LEAVES[n * 256 : n * 256 + 256]) for n in numbers]
    assert longer.size == before + more


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 1279, 1500])
def test_a_frontier_is_rebuilt_from_subtrees_and_tail(size: int) -> None:
    """Start-up needs only the roots of whole subtrees and the leaves behind them."""
    whole = size // 256
    roots = [subtree_root(LEAVES[n * 256 : n * 256 + 256]) for n in range(whole)]
    assert Frontier.rebuild(roots, LEAVES[whole * 256 : size]) == EMPTY.extend(LEAVES[:size])


@given(st.integers(0, 1500))
def test_a_frontier_survives_its_bytes(size: int) -> None:
    """Encoding and decoding give the same frontier."""
    frontier = EMPTY.extend(LEAVES[:size])
    assert Frontier.decode(size, frontier.encode()) == frontier


@pytest.mark.parametrize(("size", "length"), [(0, 32), (1, 0), (1, 31), (1, 64), (3, 32), (4, 64), (-1, 32)])
def test_bytes_that_do_not_fit_the_size_are_malformed(size: int, length: int) -> None:
    """A frontier has exactly one hash for each set bit of its size."""
    with pytest.raises(Malformed, match="frontier"):
        Frontier.decode(size, bytes(length))


def test_a_subtree_has_256_leaves() -> None:
    """No other number makes a subtree root."""
    for size in (0, 255, 257):
        with pytest.raises(ValueError, match="256"):
            subtree_root(LEAVES[:size])
