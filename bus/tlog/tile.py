"""Tiles: a tree cut into files of up to 256 hashes (c2sp.org/tlog-tiles).

::

    tile/<level>/<index>             256 hashes, 8,192 bytes
    tile/<level>/<index>.p/<width>   1 to 255 hashes, at the right edge
    index 1234067 is written x001/x234/067

A tile of level 0 holds leaf hashes, one of level l + 1 the roots of whole tiles of level l. Only whole tiles are
hashed upward: a tree of 256 leaves is ``tile/0/000`` and ``tile/1/000.p/1``, and no tile is ever empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from bus.tlog import tree
from bus.tlog.text import malformed

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_LEVEL: Final = 63
_TILE = re.compile(r"tile/(0|[1-9][0-9]?)/(.+)", re.ASCII)
_PLACE = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_MAX_INDEX: Final = (1 << 63) - 1


class Tile(msgspec.Struct, frozen=True, order=True):
    """The name of a tile: its level, its index among those of the level, and how many hashes it holds."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it stands, below the log's folder or URL."""
        return f"tile/{self.level}/{format_place(self.index, self.width)}"

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile of a path.

        Raises:
            Malformed: it is the path of no tile.
        """
        match = _TILE.fullmatch(path)
        if match is None or int(match[1]) > MAX_LEVEL:
            raise malformed("tile path")
        found = cls(int(match[1]), *parse_place(match[2]))
        if found.path != path:
            raise malformed("tile path")
        return found

    def split(self, data: bytes) -> list[bytes]:
        """The hashes of the tile's bytes.

        Raises:
            Malformed: there are not ``width`` of them.
        """
        if len(data) != self.width * tree.HASH_SIZE:
            raise malformed("tile")
        return [data[at : at + tree.HASH_SIZE] for at in range(0, len(data), tree.HASH_SIZE)]


def format_place(index: int, width: int) -> str:
    """Index and width as they stand in a path.

    Raises:
        ValueError: there is no such tile.
    """
    if not 0 <= index <= _MAX_INDEX or not 1 <= width <= WIDTH:
        raise ValueError("no such tile")
    digits = str(index)
    digits = digits.zfill(-len(digits) // 3 * -3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return place if width == WIDTH else f"{place}.p/{width}"


def parse_place(place: str) -> tuple[int, int]:
    """Index and width of the last part of a path.

    Raises:
        Malformed: it is no such part.
    """
    match = _PLACE.fullmatch(place)
    if match is None or len(place) > 40:
        raise malformed("tile path")
    index = int(match[1].replace("/", "").replace("x", ""))
    width = WIDTH if match[2] is None else int(match[2])
    if index > _MAX_INDEX or width > WIDTH or format_place(index, width) != place:
        raise malformed("tile path")
    return index, width


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes the tile of this level and index holds in a tree of ``size`` leaves; 0 if there is none."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - WIDTH * index))


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of ``size`` leaves, level by level, left to right."""
    return new_tiles(0, size)


def new_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """The tiles of the tree of ``new_size`` leaves that the one of ``old_size`` has not, or has narrower.

    Raises:
        ValueError: the old tree is larger.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError("a tree does not shrink")
    for level in range(MAX_LEVEL + 1):
        old, new = old_size >> (HEIGHT * level), new_size >> (HEIGHT * level)
        if not new:
            return
        if new == old:
            continue
        for index in range(old >> HEIGHT, (new + WIDTH - 1) >> HEIGHT):
            yield Tile(level, index, width_at(level, index, new_size))


def tiles_above(roots: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
    """The tiles above level 0, level by level, left to right, each with its bytes.

    Args:
        roots: of the whole tiles of level 0.
    """
    level, hashes = 1, list(roots)
    while hashes:
        whole: list[bytes] = []
        for at in range(0, len(hashes), WIDTH):
            some = hashes[at : at + WIDTH]
            yield Tile(level, at >> HEIGHT, len(some)), b"".join(some)
            if len(some) == WIDTH:
                whole.append(tree.root(some))
        level, hashes = level + 1, whole
