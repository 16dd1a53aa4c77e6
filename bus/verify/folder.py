"""Reads a log's tiles and bundles from a folder; also those that have grown since."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

import msgspec

from bus.errors import Malformed
from bus.files import read_regular
from bus.tlog.bundle import MAX_ENTRY, Bundle, encode_bundle
from bus.tlog.note import MAX_NOTE
from bus.tlog.tile import WIDTH, Tile
from bus.tlog.tree import HASH_SIZE
from bus.verify.fault import Fault

_TILE: Final = WIDTH * HASH_SIZE
_BUNDLE: Final = WIDTH * (2 + MAX_ENTRY)


class Folder(msgspec.Struct, frozen=True):
    """The folder below which ``tile/…`` stands."""

    root: str

    @classmethod
    def at(cls, path: Path) -> Folder:
        """The folder of a path."""
        return cls(str(path))

    def read(self, path: str, limit: int = MAX_NOTE) -> bytes | None:
        """A file's bytes, not many more than ``limit`` of them; None if it is not there.

        Raises:
            Wrong: it is no file, but a folder, a pipe or a device.
            OSError: it cannot be read.
        """
        try:
            return read_regular(f"{self.root}/{path}", limit)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise Fault("file-malformed", f"{path} is not a file.", place=path).raised() from None

    def tile(self, tile: Tile) -> bytes:
        """A tile's bytes; a narrow one that has gone is cut from the whole one.

        Raises:
            Wrong: it is missing.
        """
        data = self.read(tile.path, _TILE)
        if data is None and tile.width < WIDTH:
            whole = self.read(Tile(tile.level, tile.index).path, _TILE)
            data = None if whole is None else whole[: tile.width * HASH_SIZE]
        if data is None:
            first = (tile.index * WIDTH) << (8 * tile.level)
            raise Fault("file-missing", f"{tile.path} is missing.", first, tile.path).raised()
        return data

    def bundle(self, bundle: Bundle) -> bytes:
        """A bundle's bytes; a narrow one that has gone is cut from the whole one.

        Raises:
            Wrong: it is missing.
        """
        data = self.read(bundle.path, _BUNDLE)
        if data is None and bundle.width < WIDTH:
            data = _cut(self.read(Bundle(bundle.index).path, _BUNDLE), bundle)
        if data is None:
            first = bundle.index * WIDTH
            raise Fault("file-missing", f"{bundle.path} is missing.", first, bundle.path).raised()
        return data

    def narrower(self, path: str, width: int) -> list[int]:
        """The widths below ``width`` at which a tile or bundle (``path`` of the whole one) still has a file."""
        try:
            names = os.listdir(f"{self.root}/{path}.p")  # noqa: PTH208 - as above
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and 0 < int(name) < width)


def _cut(whole: bytes | None, bundle: Bundle) -> bytes | None:
    if whole is None:
        return None
    try:
        return encode_bundle(Bundle(bundle.index).split(whole)[: bundle.width])
    except Malformed:
        return whole
