"""Entry bundles: the leaves themselves, in files of up to 256 (c2sp.org/tlog-tiles).

::

    tile/entries/<index>[.p/<width>]     index and width as those of the level-0 tile over the same leaves
    bundle = for each leaf: u16 length ‖ entry
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from bus.tlog.text import malformed
from bus.tlog.tile import WIDTH, format_place, new_tiles, parse_place

MAX_ENTRY: Final = 0xFFFF
_FOLDER: Final = "tile/entries/"


class Bundle(msgspec.Struct, frozen=True, order=True):
    """The name of an entry bundle: its index, and how many entries it holds."""

    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it stands, below the log's folder or URL."""
        return _FOLDER + format_place(self.index, self.width)

    @classmethod
    def parse(cls, path: str) -> Bundle:
        """The bundle of a path.

        Raises:
            Malformed: it is the path of no bundle.
        """
        if not path.startswith(_FOLDER):
            raise malformed("bundle path")
        return cls(*parse_place(path.removeprefix(_FOLDER)))

    def split(self, data: bytes) -> list[bytes]:
        """The entries of the bundle's bytes.

        Raises:
            Malformed: there are not ``width`` of them, or something stands behind.
        """
        entries: list[bytes] = []
        at = 0
        while at < len(data) and len(entries) < self.width:
            end = at + 2 + int.from_bytes(data[at : at + 2])
            entries.append(data[at + 2 : end])
            at = end
        if len(entries) != self.width or encode_bundle(entries) != data:
            raise malformed("bundle")
        return entries


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of 1 to 256 entries.

    Raises:
        ValueError: there are none, or too many, or one is longer than 65,535 bytes.
    """
    if not 1 <= len(entries) <= WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise ValueError("a bundle has 1 to 256 entries of up to 65,535 bytes")
    return b"".join([len(entry).to_bytes(2) + entry for entry in entries])


def new_bundles(old_size: int, new_size: int) -> Iterator[Bundle]:
    """The bundles of the tree of ``new_size`` leaves that the one of ``old_size`` has not, or has narrower.

    Raises:
        ValueError: the old tree is larger.
    """
    for tile in new_tiles(old_size, new_size):
        if tile.level:
            return
        yield Bundle(tile.index, tile.width)
