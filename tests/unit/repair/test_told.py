"""What a lost entry must be follows from files, receipts and inboxes; where nobody was told enough, that is said."""

from __future__ import annotations

from bus.events.types import ReceiptItem
from bus.repair.heard import Heard
from bus.repair.told import Told, settle
from bus.tlog import leaf_hash


def item(index: int, hashed: bytes) -> ReceiptItem:
    """A receipt's word on an entry."""
    return ReceiptItem(
        topic="out.pixelpost", partition=0, offset=index, last_offset=index, event_id=None, outcome=3, index=index,
        first_index=None, leaf_hash=hashed, time=5, reasons=("null-value",),
    )  # fmt: skip


LEAVES = [bytes([n]) * 374 for n in range(4)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def test_bundle_and_tile_that_agree_are_enough() -> None:
    """The leaf of the bundle is the one whose hash the tile has."""
    files = {n: (LEAVES[n], HASHES[n]) for n in range(4)}
    assert settle(Heard(1), files, 4) == [Told(n, HASHES[n], LEAVES[n], None) for n in (1, 2, 3)]


def test_a_signed_receipt_counts_more_than_a_file() -> None:
    """A forged bundle, or bundle and tile, do not stand against what the hub has signed."""
    word = item(0, HASHES[0])
    forged = {0: (LEAVES[3], HASHES[3])}
    assert settle(Heard(0, items={0: word}), forged, 1) == [Told(0, HASHES[0], None, word)]
    delivered = Heard(0, items={0: word}, leaves={0: LEAVES[0]})
    assert settle(delivered, forged, 1) == [Told(0, HASHES[0], LEAVES[0], word)]


def test_an_inbox_makes_good_what_the_files_lack() -> None:
    """A leaf that was delivered is one; a bundle without its tile is one, as the signed root will tell."""
    assert settle(Heard(0, leaves={0: LEAVES[0]}), {0: (None, HASHES[0])}, 1) == [Told(0, HASHES[0], LEAVES[0], None)]
    assert settle(Heard(0), {0: (LEAVES[0], None)}, 1) == [Told(0, HASHES[0], LEAVES[0], None)]


def test_the_first_entry_of_which_too_little_is_known_is_named() -> None:
    """A hash alone is no entry, and a hole is one too."""
    assert settle(Heard(0, leaves={0: LEAVES[0]}), {1: (None, HASHES[1])}, 2) == 1
    assert settle(Heard(0, leaves={0: LEAVES[0], 2: LEAVES[2]}), {}, 3) == 1
    assert settle(Heard(0), {0: (LEAVES[1], HASHES[0])}, 1) == 0
    assert Heard(7, leaves={9: LEAVES[0]}).end == 10
    assert Heard(7).end == 7
