"""Tiles, and the tree that is read from them, for every size to 300 and at the edges of levels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog import tree
from bus.tlog.tile import Tile, new_tiles, tiles_above, tiles_of, width_at
from bus.tlog.tiletree import TileTree
from tests.unit.tlog.support import entries_of, hash_tile

LARGEST = 300
HASHES = tree.leaf_hashes(entries_of(70_000))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(0, 1000), "tile/0/x001/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 1234067, 8), "tile/0/x001/x234/067.p/8"),
        (Tile(63, 5, 255), "tile/63/005.p/255"),
        (Tile(0, 2**63 - 1), "tile/0/x009/x223/x372/x036/x854/x775/807"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    """Index in groups of three digits, width behind it where it is not 256."""
    assert tile.path == path
    assert Tile.parse(path) == tile


@given(st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_every_tile_is_read_from_its_path(level: int, index: int, width: int) -> None:
    """Formatting and parsing give the same tile."""
    assert Tile.parse(Tile(level, index, width).path) == Tile(level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "", "tile/0", "tile/0/", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/0", "tile/0/00", "tile/0/0000",
        "tile/0/x000/000", "tile/0/x000/001", "tile/0/001/000", "tile/0/x001/x000", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p/1/", "tile/0/000/", "/tile/0/000",
        "tile/0/000\n", "tile/0/\u0660\u0660\u0660", "tile/+0/000", "tile/0/000.p/+1", "tile/entries/000", "tile/0/x00/000",
        "tile/0/x009/x223/x372/x036/x854/x775/808", "tile/0/" + "x000/" * 1000 + "000",
    ],
)  # fmt: skip
def test_no_other_path_is_a_tiles(path: str) -> None:
    """There is no width of 0 or 256 in a path, no zero in front, and no other digit or sign."""
    with pytest.raises(Malformed, match=r"^malformed: tile path$"):
        Tile.parse(path)


def test_a_tile_that_cannot_be_has_no_path() -> None:
    """An index or width out of range is a mistake of the caller."""
    for wrong in (Tile(0, -1), Tile(0, 0, 0), Tile(0, 0, 257), Tile(0, 2**63)):
        with pytest.raises(ValueError, match="no such tile"):
            _ = wrong.path


@pytest.mark.parametrize(
    ("size", "whole", "partial"),
    [
        (0, [], []),
        (1, [], [(0, 1)]),
        (255, [], [(0, 255)]),
        (256, [1], [(1, 1)]),
        (257, [1], [(0, 1), (1, 1)]),
        (65_536, [256, 1], [(2, 1)]),
        (70_000, [273, 1], [(0, 112), (1, 17), (2, 1)]),
    ],
)
def test_a_tree_has_these_tiles(size: int, whole: Sequence[int], partial: Sequence[tuple[int, int]]) -> None:
    """Whole and partial tiles of each level are those of the specification's example and its neighbours."""
    tiles = list(tiles_of(size))
    levels = range(len(whole))
    assert [sum(t.level == level and t.width == 256 for t in tiles) for level in levels] == list(whole)
    assert [(t.level, t.width) for t in tiles if t.width < 256] == list(partial)
    assert len(tiles) == sum(whole) + len(partial)


def test_what_a_grown_tree_needs_is_what_it_had_not() -> None:
    """New tiles are all tiles of the new tree but those of the old one, for all sizes to 300 and around 65,536."""
    sizes = [*range(0, 301, 7), 255, 256, 257, 512, 65_535, 65_536, 65_537, 65_792, 70_000]
    for new in sizes:
        of_new = set(tiles_of(new))
        for old in sizes:
            if old <= new:
                assert set(new_tiles(old, new)) == of_new - set(tiles_of(old))
    with pytest.raises(ValueError, match="shrink"):
        list(new_tiles(2, 1))


class Shelf:
    """Tiles by their definition; it gives only those that a tree of one size has."""

    def __init__(self, size: int, hashes: Sequence[bytes] = HASHES) -> None:
        self.data = {tile: hash_tile(hashes[:size], tile) for tile in tiles_of(size)}
        self.asked: list[Tile] = []

    def read(self, tile: Tile) -> bytes:
        """A tile's bytes; asking twice, or for another tile, is an error."""
        assert tile not in self.asked
        self.asked.append(tile)
        return self.data[tile]


def test_tiles_give_every_root_path_and_proof_of_the_tree() -> None:
    """For each size to 300, roots, inclusion and consistency paths from tiles are those of the whole tree."""
    for size in range(LARGEST + 1):
        hashes = HASHES[:size]
        tiled = TileTree(size, Shelf(size).read)
        root, packed = tree.inclusion_paths(hashes) if size else (tree.EMPTY_ROOT, [])
        assert tiled.root() == root
        for index in range(size):
            assert tiled.leaf_hash(index) == hashes[index]
            assert b"".join(tiled.inclusion_path(index)) == packed[index]
        for old in range(0, size + 1, 1 if size < 70 else 11):
            assert tiled.root(old) == tree.root(hashes[:old])
            assert tiled.consistency_path(old) == tree.consistency_path(hashes, old)


@pytest.mark.parametrize("size", [511, 512, 65_535, 65_536, 65_537, 70_000])
def test_large_trees_are_read_from_few_tiles(size: int) -> None:
    """A path from tiles leads to the root, and asks for a handful of tiles only."""
    root = tree.root(HASHES[:size])
    shelf = Shelf(size)
    for index in (0, 1, 255, 256, size // 2, size - 2, size - 1):
        tiled = TileTree(size, shelf.read)
        shelf.asked.clear()
        assert tree.verify_inclusion(index, size, tiled.leaf_hash(index), tiled.inclusion_path(index), root)
        assert len(shelf.asked) <= 5
    tiled = TileTree(size, shelf.read)
    shelf.asked.clear()
    for old in (1, 2, 255, 256, 257, 65_000, size - 1):
        if old <= size:
            path = tiled.consistency_path(old)
            assert tree.verify_consistency(old, size, tree.root(HASHES[:old]), root, path)


def test_a_changed_tile_leads_to_another_root() -> None:
    """Any one hash changed, in any tile that a root or path rests on, leads elsewhere."""
    size = 700
    root = tree.root(HASHES[:size])
    shelf = Shelf(size)
    for tile in shelf.data:
        for place in (0, tile.width - 1):
            forged = dict(shelf.data)
            data = bytearray(forged[tile])
            data[place * 32] ^= 1
            forged[tile] = bytes(data)
            index = (tile.index * 256 + place) << (8 * tile.level)
            tiled = TileTree(size, forged.__getitem__)
            path = tiled.inclusion_path(index)
            assert tiled.root() != root or not tree.verify_inclusion(index, size, tiled.leaf_hash(index), path, root)


def test_a_tile_of_another_size_is_malformed() -> None:
    """Bytes that are not as many hashes as the tile is wide are no tile."""
    for data in (b"", bytes(31), bytes(33), bytes(96)):
        with pytest.raises(Malformed, match=r"^malformed: tile$"):
            Tile(0, 0, 2).split(data)
        with pytest.raises(Malformed):
            TileTree(2, lambda _, given=data: given).root()


def test_what_the_tree_has_not_cannot_be_asked() -> None:
    """Leaves and sizes beyond the tree are a mistake of the caller."""
    tiled = TileTree(5, Shelf(5).read)
    for ask, argument in (
        (tiled.leaf_hash, 5), (tiled.leaf_hash, -1), (tiled.inclusion_path, 5), (tiled.inclusion_path, -1),
        (tiled.consistency_path, 6), (tiled.consistency_path, -1), (tiled.root, 6), (tiled.root, -1),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="no such"):
            ask(argument)


@given(st.integers(0, 7), st.integers(0, 2**40), st.integers(0, 2**62))
def test_widths_are_those_of_the_definition(level: int, index: int, size: int) -> None:
    """A tile is as wide as there are whole subtrees of its level left for it."""
    whole = size // 256**level - 256 * index
    assert width_at(level, index, size) == min(max(whole, 0), 256)


@pytest.mark.parametrize("size", [0, 255, 256, 700, 65_535, 65_536, 70_000])
def test_tiles_above_follow_from_the_roots_below(size: int) -> None:
    """They are those of a tree of that size, in its order, with the bytes that its leaves lead to."""
    roots = [tree.root(HASHES[at : at + 256]) for at in range(0, size - 255, 256)]
    found = list(tiles_above(roots))
    assert [tile for tile, _ in found] == [tile for tile in tiles_of(size) if tile.level]
    assert all(data == hash_tile(HASHES[:size], tile) for tile, data in found)
