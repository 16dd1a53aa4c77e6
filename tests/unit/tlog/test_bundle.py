"""Entry bundles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog import tree
from bus.tlog.bundle import Bundle, encode_bundle, new_bundles
from bus.tlog.tile import Tile, tiles_of
from tests.unit.tlog.support import entries_of, entry_bundle, hash_tile

entries = st.lists(st.binary(max_size=30), min_size=1, max_size=12)


@given(entries)
def test_entries_survive_their_bundle(given_entries: list[bytes]) -> None:
    """Encoding and splitting give the same entries, empty ones too."""
    assert Bundle(0, len(given_entries)).split(encode_bundle(given_entries)) == given_entries


@given(entries, st.binary(min_size=1, max_size=3))
def test_a_bundle_of_another_size_is_malformed(given_entries: list[bytes], more: bytes) -> None:
    """Bytes behind the end, an end too early and another number of entries are malformed."""
    data, width = encode_bundle(given_entries), len(given_entries)
    for wrong, wide in ((data + more, width), (data[:-1], width), (data, width + 1), (data, max(1, width - 1))):
        if (wrong, wide) != (data, width):
            with pytest.raises(Malformed, match=r"^malformed: bundle$"):
                Bundle(0, wide).split(wrong)


def test_a_bundle_holds_what_its_level_0_tile_hashes() -> None:
    """For each size to 300 there is one bundle for each level-0 tile, and its entries have the tile's hashes."""
    for size in [*range(1, 301, 13), 255, 256, 257, 300]:
        all_entries = entries_of(size)
        hashes = tree.leaf_hashes(all_entries)
        bundles = list(new_bundles(0, size))
        assert [(b.index, b.width) for b in bundles] == [(t.index, t.width) for t in tiles_of(size) if not t.level]
        for bundle in bundles:
            found = bundle.split(entry_bundle(all_entries, bundle))
            assert b"".join(tree.leaf_hashes(found)) == hash_tile(hashes, Tile(0, bundle.index, bundle.width))


def test_a_bundle_stands_beside_the_levels() -> None:
    """Its path has no level."""
    assert Bundle(1234067, 8).path == "tile/entries/x001/x234/067.p/8"
    assert Bundle.parse("tile/entries/x001/x234/067.p/8") == Bundle(1234067, 8)
    assert [b.path for b in new_bundles(255, 300)] == ["tile/entries/000", "tile/entries/001.p/44"]
    for wrong in ("tile/0/entries/000", "tile/0/000", "entries/000", "tile/entries/000.p/256", "tile/entries/"):
        with pytest.raises(Malformed):
            Bundle.parse(wrong)


def test_no_bundle_is_empty_or_too_large() -> None:
    """No entries, more than 256, or one of 64 KiB is a mistake of the caller."""
    for wrong in ([], [b""] * 257, [bytes(65536)]):
        with pytest.raises(ValueError, match="256"):
            encode_bundle(wrong)
    assert len(encode_bundle([bytes(65535)])) == 65537
