"""What a pass remembers, in memory and beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.adapters import shelf
from bus.adapters.drafts import ItemKey, Memory
from bus.adapters.shelf import Shelf


def unknown(key: ItemKey) -> None:
    """No item was published before."""


@given(
    st.integers(0, 5), st.lists(st.tuples(st.binary(max_size=3), st.one_of(st.none(), st.binary(max_size=5))))
)  # small keys, so that they come again
def test_a_shelf_is_a_dictionary_wherever_its_bound_is(tmp_path_factory, in_memory: int, steps):
    """Whatever fits into memory, what is put is found, and what is put again replaces it."""
    found: dict[bytes, bytes] = {}
    kept = Shelf(tmp_path_factory.getbasetemp(), in_memory)
    for key, value in steps:
        if value is not None:
            kept.put(key, value)
            found[key] = value
        assert kept.get(key) == found.get(key)
    assert {key: kept.get(key) for key in found} == found
    kept.close()


def test_what_does_not_fit_goes_to_a_file_without_a_name(tmp_path: Path):
    """Nothing is seen of the file while it is used, nor after."""
    kept = Shelf(tmp_path / "state", in_memory=1)
    for number in range(1000):
        kept.put(b"%d" % number, b"value" * 100)
    assert kept.get(b"999") == b"value" * 100
    assert list((tmp_path / "state").iterdir()) == []
    kept.close()
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize("in_memory", [0, 100])
def test_an_item_is_found_by_format_source_and_key_together(tmp_path: Path, in_memory: int):
    """Items of two formats or sources are never mixed up, in memory or beyond."""
    memory = Memory(unknown, Shelf(tmp_path, in_memory))
    memory.put(ItemKey("a", "b", "c", "a note"), b"i" * 16)
    found = memory.find(ItemKey("a", "b", "c"))
    assert found is not None
    assert (found.event_id, found.note) == (b"i" * 16, "a note")
    assert memory.find(ItemKey("a", "b", "d")) is None
    assert memory.find(ItemKey("a", "bc", "")) is None


def test_an_event_is_said_for_the_first_time_once(tmp_path: Path):
    """The second time is told from the first, for each event."""
    memory = Memory(unknown, Shelf(tmp_path, 0))
    assert [memory.first_time(one) for one in (b"1" * 16, b"2" * 16, b"1" * 16)] == [True, True, False]


def test_pages_behave_the_same_beyond_memory(desk, pages: Path, monkeypatch: pytest.MonkeyPatch):
    """With no room in memory at all, updates and retractions of one input still follow each other."""
    first = [t.event_id for t in desk.publish([pages / "entries3.xml", pages / "entries4.xml"], "ncmec-hashes")]
    monkeypatch.setattr(shelf, "IN_MEMORY", 0)
    again = desk.publish([pages / "entries3.xml", pages / "entries4.xml"], "ncmec-hashes")
    assert [t.event_id for t in again] == first
    other = desk.publish([pages / "entries3.xml", pages / "entries4.xml"], "ncmec-hashes", to=["police-north"])
    assert [t.event["header"]["step"] for t in other] == ["listed", "listed", "reclassified", "retracted"]
    assert other[2].event["header"]["about"] == other[0].event_id
