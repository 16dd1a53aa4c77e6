"""What was counted against what was claimed, and inboxes record by record."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.demo import edition as editions
from bus.demo.edition import HIT, LINE, Edition
from bus.demo.inboxes import Inbox
from bus.demo.run import compare
from bus.demo.tally import NUMBERS, Tally
from bus.errors import BusError
from bus.events.ids import dashed
from bus.kafka.records import Record

NOW_US = 1_800_000_000_000_000
CLAIM = {name: 10 + i for i, name in enumerate(NUMBERS)}


def counted(**other: int) -> Tally:
    """A tally that agrees with the claim, but for these."""
    return Tally(**{**CLAIM, "listed": CLAIM["criminal"], **other})


def record(event_id: bytes) -> Record:
    """A withheld record: it has an id and no value."""
    return Record("in.x", 0, 0, b"", b"value", (("ce_id", dashed(event_id).encode()),))


def test_what_agrees_passes():
    """Ledger and inboxes hold what the survey claims."""
    compare(CLAIM, {"the ledger": counted(), "an inbox": counted()})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("off", [-1, 1])
def test_a_number_that_differs_by_one_fails_the_run_and_is_named(name: str, off: int):
    """Exit code 1; the sentence has both numbers and the place."""
    wrong = counted(**{name: CLAIM[name] + off})
    with pytest.raises(BusError) as error:
        compare(CLAIM, {"the ledger": counted(), "an inbox": wrong})
    assert error.value.exit_code == 1
    told = f"the survey says {CLAIM[name]} {name.replace('_', ' ')}, an inbox holds {CLAIM[name] + off}"
    assert error.value.message == told


def test_a_listing_too_few_fails_the_run():
    """What is criminal is listed."""
    with pytest.raises(BusError, match="12 listings"):
        compare(CLAIM, {"the ledger": counted(listed=12)})


def test_an_inbox_counts_a_record_that_comes_twice():
    """Exactly once is what is promised."""
    edition = Edition(1, 1.0, NOW_US)
    inbox = Inbox(edition)
    for number in (0, 9000, 0):
        inbox.take(record(edition.event_id(LINE, number)))
    assert (inbox.records, inbox.twice) == (3, 1)
    assert inbox.has(edition.event_id(LINE, 9000))
    assert not inbox.has(edition.event_id(HIT, 9000))


def test_what_is_of_no_edition_is_not_counted():
    """Others publish on the same hub."""
    inbox = Inbox(Edition(1, 1.0, NOW_US))
    inbox.take(record(Edition(2, 1.0, NOW_US).event_id(HIT, 0)))
    assert (inbox.records, inbox.twice) == (0, 0)


def test_an_interrupted_telling_is_found_again(tmp_path: Path):
    """By seed and scale, within a day."""
    file = tmp_path / "demo" / "edition.json"
    edition = Edition(7, 0.5, NOW_US, 12, {"in.x": 3})
    editions.remember(file, edition)
    assert editions.unfinished(file, 7, 0.5, NOW_US + 60_000_000) == edition
    assert editions.unfinished(file, 8, 0.5, NOW_US + 60_000_000) is None
    assert editions.unfinished(file, 7, 0.4, NOW_US + 60_000_000) is None
    assert editions.unfinished(file, 7, 0.5, NOW_US + 2 * 86_400_000_000) is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"seed": "x"}', b"\xff" * 100])
def test_a_damaged_note_of_it_begins_anew(tmp_path: Path, text: bytes):
    """Never a crash, and never half an edition."""
    file = tmp_path / "edition.json"
    file.write_bytes(text)
    assert editions.unfinished(file, 7, 0.5, NOW_US) is None


def test_once_told_it_is_forgotten(tmp_path: Path):
    """The next call begins a new one; forgetting twice does no harm."""
    file = tmp_path / "edition.json"
    editions.remember(file, Edition(7, 0.5, NOW_US))
    editions.forget(file)
    editions.forget(file)
    assert editions.unfinished(file, 7, 0.5, NOW_US) is None
