"""The log's files grow to the same bytes however they grow."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.hub.tilefiles import RightEdge, prune_partials, write_files
from bus.tlog import tree
from bus.tlog.bundle import Bundle
from bus.tlog.tile import Tile, tiles_of
from bus.tlog.tiletree import TileTree


def leaves(count: int) -> list[bytes]:
    """Different leaves."""
    return [b"leaf %d" % n for n in range(count)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_files_hold_the_tree_of_any_growth(steps: list[int]) -> None:
    """After any steps every tile and bundle of the size is there, and leads to the naive root."""
    edge, files, everything = RightEdge(), dict[str, bytes](), leaves(sum(steps))
    at = 0
    for step in steps:
        files.update(edge.grow(everything[at : at + step]))
        at += step
        assert all(tile.path in files for tile in tiles_of(at))
        assert TileTree(at, lambda tile: files[tile.path]).root() == tree.root(tree.leaf_hashes(everything[:at]))
        assert edge.frontier.root() == tree.root(tree.leaf_hashes(everything[:at]))
    found: list[bytes] = []
    for index in range((at + 255) // 256):
        bundle = Bundle(index, min(256, at - 256 * index))
        found += bundle.split(files[bundle.path])
    assert found == everything


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1500), st.integers(1, 600))
def test_edge_rebuilt_from_subtrees_goes_on_as_the_old_one(size: int, more: int) -> None:
    """From subtree roots and the tail's leaves the next files are byte for byte the same."""
    everything = leaves(size + more)
    old = RightEdge()
    old.grow(everything[:size])
    roots = [tree.root(tree.leaf_hashes(everything[at : at + 256])) for at in range(0, size & ~255, 256)]
    again = RightEdge(roots, everything[size & ~255 : size])
    assert again.frontier == old.frontier
    assert again.grow(everything[size:]) == old.grow(everything[size:])


def test_files_are_written_whole_and_narrow_ones_go_when_the_wide_one_is_there(tmp_path: Path) -> None:
    """What is on disk is what was given; a whole tile replaces its partial versions."""
    edge, everything = RightEdge(), leaves(300)
    first = edge.grow(everything[:100])
    write_files(tmp_path, first)
    second = edge.grow(everything[100:])
    write_files(tmp_path, second)
    prune_partials(tmp_path, second)
    assert not (tmp_path / Tile(0, 0, 100).path).exists()
    for name, data in second.items():
        assert (tmp_path / name).read_bytes() == data
    assert not list(tmp_path.rglob(".*.part"))
