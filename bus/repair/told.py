"""What each lost entry must be: from published files, receipts and inboxes, which have to agree. Pure but for files."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bus.errors import Malformed
from bus.events.types import ReceiptItem
from bus.repair.heard import Heard
from bus.tlog import Leaf, leaf_hash
from bus.tlog.bundle import Bundle
from bus.tlog.tile import WIDTH, Tile, width_at
from bus.verify.fault import Wrong
from bus.verify.folder import Folder

Published = Mapping[int, tuple[bytes | None, bytes | None]]
"""Leaf and leaf hash of an entry, as bundle and tile have them."""


class Told(Struct, frozen=True):
    """A lost entry: its hash is known for sure; its leaf, or a receipt's word on it, or both."""

    index: int
    leaf_hash: bytes
    leaf: bytes | None
    item: ReceiptItem | None

    @property
    def known(self) -> Leaf:
        """The leaf, where it was told."""
        assert self.leaf is not None
        return Leaf.decode(self.leaf)

    @property
    def outcome(self) -> int:
        """What became of the record, by either."""
        return self.known.outcome if self.item is None else self.item.outcome

    @property
    def time_us(self) -> int:
        """When it was recorded, by either."""
        return self.known.time_us if self.item is None else self.item.time

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was not accepted: a receipt alone says it."""
        return () if self.item is None else self.item.reasons


def published(folder: Folder, first: int, size: int) -> Published:
    """What the files say of the entries from ``first`` to before ``size``; None where one is missing or broken."""
    found: dict[int, tuple[bytes | None, bytes | None]] = {}
    for number in range(first // WIDTH, (size + WIDTH - 1) // WIDTH):
        width = width_at(0, number, size)
        leaves, hashes = _bundle(folder, number, width), _tile(folder, number, width)
        for place in range(width):
            if number * WIDTH + place >= first:
                found[number * WIDTH + place] = (leaves[place], hashes[place])
    return found


def _bundle(folder: Folder, number: int, width: int) -> list[bytes] | list[None]:
    bundle = Bundle(number, width)
    try:
        return bundle.split(folder.bundle(bundle))
    except (Wrong, Malformed):
        return [None] * width


def _tile(folder: Folder, number: int, width: int) -> list[bytes] | list[None]:
    tile = Tile(0, number, width)
    try:
        return tile.split(folder.tile(tile))
    except (Wrong, Malformed):
        return [None] * width


def settle(heard: Heard, files: Published, end: int) -> list[Told] | int:
    """Every lost entry up to ``end``, or the first index of which nobody was told enough.

    Where files and receipts disagree, a signed receipt counts: a file has no signature of its own. Whether all of it
    is right shows at the signed root.
    """
    found: list[Told] = []
    for index in range(heard.size, end):
        told = _settled(index, heard, files.get(index, (None, None)))
        if told is None:
            return index
        found.append(told)
    return found


def _settled(index: int, heard: Heard, file: tuple[bytes | None, bytes | None]) -> Told | None:
    item = heard.items.get(index)
    leaves = [leaf for leaf in (file[0], heard.leaves.get(index)) if leaf is not None]
    hashed = {leaf_hash(leaf): leaf for leaf in leaves}
    if item is not None:
        return Told(index, item.leaf_hash, hashed.get(item.leaf_hash), item)
    if file[1] in hashed:
        return Told(index, file[1], hashed[file[1]], None)
    if leaves and file[1] is None:
        return Told(index, leaf_hash(leaves[-1]), leaves[-1], None)
    return None
