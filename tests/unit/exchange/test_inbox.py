"""An inbox read for a matcher: in batches, from a place that the caller keeps, and never past what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import CheckFailed
from bus.events.ids import dashed
from bus.exchange import inbox
from bus.exchange.facts import added
from bus.exchange.inbox import Batch, batches
from bus.partner.progress import Mark
from tests.unit.partner.places import MemoryPlace

SENDER, READER = "hotline-east", "platform-one"


@pytest.fixture
async def place(tmp_path: Path) -> MemoryPlace:
    """A log opened in memory; the reader's keys on its disk."""
    made = MemoryPlace(tmp_path)
    await made.world.found(made.bus.transport("hub"))
    (tmp_path / READER).mkdir()
    made.world.keys(READER).save(made.world.profile(READER).key_file)
    return made


async def listings(place: MemoryPlace, count: int) -> None:
    """Publish so many listings."""
    async with place.publisher(SENDER) as publisher:
        for number in range(count):
            event = place.event("HashListing", issuer=SENDER, to=READER)
            event["body"] |= {"entry": f"entry-{number}", "source_list": "theirs"}
            event["header"]["step"] = "listed"
            outcome = await publisher.publish(event)
            assert outcome.outcome == "accepted", outcome.reasons


def read(place: MemoryPlace, places: dict[str, tuple[int, int]]) -> list[Batch]:
    """All batches since some places."""
    return list(batches(place.world.profile(READER), places, place.bus.transport(READER)))


def entries(found: list[Batch]) -> list[str]:
    """The entries that batches list, in order."""
    return [fact.entry for batch in found for facts in batch.facts.values() for fact in facts]


async def test_an_inbox_is_read_in_batches_that_go_on_from_each_other(place, monkeypatch: pytest.MonkeyPatch):
    """Every listing comes once, in order, whether all is read at once or again from any batch's places."""
    monkeypatch.setattr(inbox, "BATCH", 2)
    await listings(place, 5)
    found = read(place, {})
    assert [len(batch.facts) for batch in found] == [2, 2, 1]
    assert entries(found) == [f"entry-{number}" for number in range(5)]
    for number, batch in enumerate(found):
        assert entries(read(place, batch.places)) == entries(found[number + 1 :])


async def test_an_inbox_with_nothing_new_has_no_batch(place):
    """The end is the end, also of an inbox that never had anything."""
    assert read(place, {}) == []
    await listings(place, 1)
    [batch] = read(place, {})
    assert read(place, batch.places) == []


async def test_a_missing_number_stops_the_reading(place):
    """What did not come may have been a withdrawal."""
    await listings(place, 2)
    [batch] = read(place, {})
    offset, seq = batch.places["bulk"]
    await listings(place, 1)
    with pytest.raises(CheckFailed, match="1 deliveries are missing in the bulk inbox before number 2"):
        read(place, {"bulk": (offset, seq - 1)})


async def test_a_subscriber_begins_where_it_is_told_and_commits_nothing(place):
    """A program may keep its place itself: the next delivery is the one behind it, and the group's place is untouched."""
    await listings(place, 3)
    async with place.subscriber(READER, from_start=True, follow=False) as subscriber:
        first = [delivery async for delivery in subscriber]
    since = {"bulk": Mark(first[0].offset + 1, first[0].seq)}
    async with place.subscriber(READER, since=since, follow=False) as subscriber:
        again = [delivery async for delivery in subscriber]
        for delivery in again:
            await delivery.done()
    assert [(one.seq, one.missing) for one in again] == [(1, 0), (2, 0)]
    async with place.subscriber(READER, follow=False) as subscriber:
        assert [delivery.seq async for delivery in subscriber] == [0, 1, 2]


@pytest.mark.parametrize("fetched_before", [False, True])
async def test_what_is_recalled_is_not_matched(place, fetched_before: bool):
    """Recalled before the fetch, it never comes; recalled after, the recall takes it away."""
    async with place.publisher(SENDER) as publisher:
        event = place.event("HashListing", issuer=SENDER, to=READER)
        event["body"] |= {"source_list": "theirs"}
        event["header"]["step"] = "listed"
        listed = await publisher.publish(event)
        assert listed.outcome == "accepted", listed.reasons
        found = read(place, {}) if fetched_before else []
        recall = place.event("Recall", issuer=SENDER, to=READER)
        recall["header"] |= {"about": dashed(listed.event_id), "thread": None, "lane": None}
        recall.pop("sealed", None)
        outcome = await publisher.publish(recall)
        assert outcome.outcome == "accepted", outcome.reasons
    state = None
    for batch in [*found, *read(place, found[-1].places if found else {})]:
        for facts in batch.facts.values():
            state = added(state, facts)
        if fetched_before and batch is found[0]:
            assert state is not None
    assert state is None
