"""The log as plain files, which any web server can serve: tiles, entry bundles, checkpoints.

::

    checkpoint              the newest with a quorum of witnesses
    checkpoint.unwitnessed  the newest
    tile/…                  c2sp.org/tlog-tiles

A file appears whole or not at all: it is written beside its place, flushed to disk, renamed, and its folder is
flushed too. A tile never changes; a wider one has another name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bus.errors import Unavailable
from bus.tlog import tree
from bus.tlog.bundle import Bundle, encode_bundle
from bus.tlog.frontier import Frontier
from bus.tlog.tile import HEIGHT, WIDTH, Tile


class RightEdge:
    """The right edge of a tree as its tiles have it: all that is needed to write the tiles of a larger one."""

    def __init__(self, subtree_roots: Sequence[bytes] = (), tail: Sequence[bytes] = ()) -> None:
        """A tree from the roots of its whole subtrees of 256 and the leaves (not hashes) behind them."""
        self._entries = list(tail)
        hashes = tree.leaf_hashes(tail)
        self.frontier = Frontier.rebuild(subtree_roots, hashes)
        self._levels: list[list[bytes]] = [hashes]
        level = list(subtree_roots)
        while level:
            whole = len(level) & ~(WIDTH - 1)
            self._levels.append(level[whole:])
            level = [tree.root(level[at : at + WIDTH]) for at in range(0, whole, WIDTH)]

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self.frontier.size

    def grow(self, leaves: Sequence[bytes]) -> dict[str, bytes]:
        """Append leaves.

        Returns:
            The files that the larger tree has and the smaller one had not, or had narrower, by path.
        """
        files: dict[str, bytes] = {}
        size = self.size
        hashes = tree.leaf_hashes(leaves)
        self._entries = self._bundle(files, size >> HEIGHT, [*self._entries, *leaves])
        self.frontier = self.frontier.extend(hashes)
        level, fresh = 0, hashes
        while fresh:
            if level == len(self._levels):
                self._levels.append([])
            row = [*self._levels[level], *fresh]
            first = size >> (HEIGHT * (level + 1))
            fresh = []
            for at in range(0, len(row), WIDTH):
                some = row[at : at + WIDTH]
                files[Tile(level, first + at // WIDTH, len(some)).path] = b"".join(some)
                if len(some) == WIDTH:
                    fresh.append(tree.root(some))
            self._levels[level] = row[len(row) & ~(WIDTH - 1) :]
            level += 1
        return files

    @staticmethod
    def _bundle(files: dict[str, bytes], first: int, entries: list[bytes]) -> list[bytes]:
        for at in range(0, len(entries), WIDTH):
            some = entries[at : at + WIDTH]
            files[Bundle(first + at // WIDTH, len(some)).path] = encode_bundle(some)
        return entries[len(entries) & ~(WIDTH - 1) :]


def write_files(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files below ``root`` so that each is whole and durable when this returns."""
    folders: set[Path] = set()
    for name, data in files.items():
        path = root / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.update(_up_to(root, path.parent))
        write_durable(path, data, named=False)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def write_durable(path: Path, data: bytes, *, named: bool = True) -> None:
    """Replace one file, so that a crash leaves the old one or the new one."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
    if named:
        sync_folder(path.parent)


@contextmanager
def alone_in(folder: Path, who: str = "publisher") -> Generator[None]:
    """Keep every other ``who`` out of a folder; the kernel lets go of it when the process ends, however it ends.

    Raises:
        Unavailable: another one is at work there.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another {who} works in {folder}") from None
        yield
    finally:
        os.close(handle)


def prune_partials(root: Path, files: Mapping[str, bytes]) -> None:
    """Remove the narrower versions of tiles and bundles that are whole now: C2SP allows it."""
    for name in files:
        if ".p/" not in name and name.startswith("tile/"):
            shutil.rmtree(root / f"{name}.p", ignore_errors=True)


def _up_to(root: Path, folder: Path) -> list[Path]:
    found: list[Path] = []
    while folder != root:
        folder = folder.parent
        found.append(folder)
    return found


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
