"""The publisher's promises that need a look behind the scenes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from bus.errors import InvalidEvent, NotAllowed, ReceiptTimeout, Unavailable, UsageError
from bus.events.codec import decode_receipt, encode_receipt
from bus.events.ids import dashed, uuid7
from bus.events.jsonform import parse_event
from bus.events.names import LANES, receipts_topic
from bus.kafka.records import Outgoing, Record
from bus.partner import Journal, Publisher
from bus.partner import journal as journal_module
from bus.partner.compose import fill
from bus.partner.outcome import Outcome
from bus.partner.receipts import Awaited
from bus.trust.batch import NO_ROOT, BusSignature, sign_batch
from bus.trust.commitment import receipt_commitment
from bus.trust.keys import KeyRing
from tests.patience import PATIENT_S, until
from tests.unit.partner.places import MemoryPlace

OUTBOX = "out.platform-one"
RECEIPTS = receipts_topic("platform-one")


def events(place: MemoryPlace, count: int) -> list[dict[str, Any]]:
    """Valid events."""
    return [place.event(issuer=place.sender, to=place.receiver) for _ in range(count)]


async def publish(place: MemoryPlace, said: list[dict[str, Any]], **options: Any) -> list[Outcome]:
    """Publish in a publisher of its own."""
    async with place.publisher(place.sender, **options) as publisher:
        return [outcome async for outcome in publisher.publish_many(said)]


def together(size: int) -> dict[str, Any]:
    """Options of a publisher that waits until a batch is full, however long that takes."""
    return {"batch_size": size, "linger_ms": PATIENT_S * 1000}


def signatures(place: MemoryPlace) -> list[BusSignature]:
    """Of everything in the sender's outbox."""
    return [BusSignature.decode(record.header("bus-signature") or b"") for record in place.bus.topics[OUTBOX]]


async def test_each_batch_names_the_one_before(place: MemoryPlace) -> None:
    """A publisher's batches are a chain from zeros, numbered from 0; the next publisher begins a new one."""
    await publish(place, events(place, 12), **together(4))
    await publish(place, events(place, 1))
    found = signatures(place)
    streams = {signature.batch.stream for signature in found}
    assert len(streams) == 2
    batches = list(dict.fromkeys(signature.batch for signature in found[:12]))
    assert [(batch.seq, batch.size) for batch in batches] == [(0, 4), (1, 4), (2, 4)]
    assert batches[0].prev_root == NO_ROOT
    assert len({batch.prev_root for batch in batches}) == len(batches)
    assert [signature.position for signature in found[:4]] == [0, 1, 2, 3]
    assert (found[12].batch.seq, found[12].batch.prev_root) == (0, NO_ROOT)


async def test_each_lane_is_a_stream(place: MemoryPlace) -> None:
    """Urgent events go to another topic, in a stream of their own."""
    routine, urgent = events(place, 2)
    urgent["header"]["priority"] = "immediate"
    await publish(place, [routine, urgent])
    signature = BusSignature.decode(place.bus.topics[f"{OUTBOX}.urgent"][0].header("bus-signature") or b"")
    assert signature.batch.seq == signatures(place)[0].batch.seq == 0
    assert signature.batch.stream != signatures(place)[0].batch.stream


async def test_what_is_sent_stands_in_the_journal_before(place: MemoryPlace) -> None:
    """When a record reaches Kafka, a second reader of the journal finds the same bytes there."""
    seen: list[bool] = []
    append = place.bus.append

    def looking(records: list[Outgoing]) -> Any:
        with Journal(place.journal(place.sender)) as journal:
            kept = {event.value for _, event in journal.unsettled()}
        seen.extend(record.value in kept for record in records if record.topic == OUTBOX)
        return append(records)

    place.bus.append = looking  # type: ignore[method-assign]
    await publish(place, events(place, 5))
    assert seen == [True] * 5


async def test_a_lost_reply_sends_the_same_bytes_again(place: MemoryPlace) -> None:
    """A record of unknown fate is sent again as it is: it stands once, and is answered for its second copy."""
    place.bus.lost_replies = 2
    with capture_logs() as logs:
        outcomes = await publish(place, events(place, 3))
    assert [outcome.outcome for outcome in outcomes] == ["repeated"] * 3
    values = [record.value for record in place.bus.topics[OUTBOX]]
    assert values == values[:3] * 3
    assert len(place.bus.topics["in.hotline-east"]) == 3
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["publisher.resend"] * 2


async def test_memory_is_bounded_by_what_is_under_way(place: MemoryPlace) -> None:
    """No more events are taken from the source than may be under way, while no receipts come."""
    taken = 0

    def source() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for event in events(place, 50):
            taken += 1
            yield event

    place.bus.hub_is_up = False
    async with place.publisher(place.sender, max_in_flight=8) as publisher:
        outcomes = publisher.publish_many(source())
        first = asyncio.ensure_future(anext(outcomes))
        await until(lambda: len(place.bus.topics[OUTBOX]) == 8, "eight are under way")
        await asyncio.sleep(0.2)
        assert taken == 9
        place.bus.hub_is_up = True
        place.bus.work()
        assert (await first).outcome == "accepted"
        assert len([outcome async for outcome in outcomes]) == 49


async def test_a_hub_that_stays_away_is_not_waited_for_again_and_again(place: MemoryPlace) -> None:
    """After the first event without a receipt no more are taken, so the wait is one time-out and not many."""
    place.bus.hub_is_up = False
    with pytest.raises(ReceiptTimeout, match="4 events have no receipt"):
        await publish(place, events(place, 40), max_in_flight=4, **together(4), receipt_timeout_s=0.3)


async def test_publishing_one_event_says_what_is_known(place: MemoryPlace) -> None:
    """The error says that the event was sent, and what to do."""
    place.bus.hub_is_up = False
    async with place.publisher(place.sender, receipt_timeout_s=1) as publisher:
        with pytest.raises(ReceiptTimeout, match="was sent, and has no receipt") as caught:
            await publisher.publish(events(place, 1)[0])
    assert "publish the same input again" in caught.value.hint


async def test_a_caller_that_gives_up_makes_room(place: MemoryPlace) -> None:
    """A cancelled publish leaves its event to the journal, and its place to the next."""
    place.bus.hub_is_up = False
    async with place.publisher(place.sender, max_in_flight=1) as publisher:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(publisher.publish(events(place, 1)[0]), 0.1)
        place.bus.hub_is_up = True
        place.bus.work()
        assert (await publisher.publish(events(place, 1)[0])).outcome == "accepted"


async def test_an_error_in_the_block_ends_it_at_once(place: MemoryPlace) -> None:
    """Leaving by an exception, or by Ctrl-C, does not wait for receipts; the journal has what was sent."""
    place.bus.hub_is_up = False
    waiting: list[asyncio.Future[Outcome]] = []

    async def interrupted() -> None:
        async with place.publisher(place.sender) as publisher:
            waiting.append(asyncio.ensure_future(publisher.publish(events(place, 1)[0])))
            await until(lambda: len(place.bus.topics[OUTBOX]) == 1, "it is sent")
            raise KeyError

    with pytest.raises(KeyError):
        await asyncio.wait_for(interrupted(), PATIENT_S)
    with pytest.raises(Unavailable, match="closed"):
        await waiting[0]
    with Journal(place.journal(place.sender)) as journal:
        assert journal.counts() == {"unknown": 1}


async def test_what_was_left_behind_is_sent_as_it_was(place: MemoryPlace) -> None:
    """After a crash between journal and send, the same input sends the bytes of the journal."""
    said = events(place, 1)[0]
    said["header"]["event_id"] = dashed(uuid7(place.now_us(), bytes(8)))
    place.bus.hub_is_up = False
    with pytest.raises(ReceiptTimeout):
        await publish(place, [said], receipt_timeout_s=1)
    [lost] = place.bus.topics[OUTBOX]
    place.bus.topics[OUTBOX].clear()
    place.bus.hub_is_up = True
    [outcome] = await publish(place, [said])
    [sent] = place.bus.topics[OUTBOX]
    assert outcome.outcome == "accepted"
    assert (sent.key, sent.value, sent.headers) == (lost.key, lost.value, lost.headers)


async def test_the_same_parts_twice_are_the_same_event(place: MemoryPlace) -> None:
    """An event that was parsed already has its id, and can be published again as it is."""
    filler = fill(place.world.profile(place.sender), now_us=place.now_us(), subjects=lambda _: None)
    parts = parse_event(events(place, 1)[0], filler)
    async with place.publisher(place.sender) as publisher:
        first, second = await publisher.publish(parts), await publisher.publish(parts)
    assert (first.outcome, second.outcome) == ("accepted", "repeated")


async def test_null_and_absent_are_the_same_content(place: MemoryPlace) -> None:
    """What tells other content apart is what was said, not how."""
    said = events(place, 1)[0]
    said["header"]["event_id"] = dashed(uuid7(place.now_us(), bytes(8)))
    [first] = await publish(place, [said])
    padded = {**said, "header": {**dict(reversed(said["header"].items())), "supersedes": None}}
    [second] = await publish(place, [padded])
    assert (first.outcome, second.outcome) == ("accepted", "repeated")


async def test_many_takes_asynchronous_sources(place: MemoryPlace) -> None:
    """Events may come from an asynchronous generator."""

    async def source() -> AsyncIterator[dict[str, Any]]:
        for event in events(place, 3):
            await asyncio.sleep(0)
            yield event

    async with place.publisher(place.sender) as publisher:
        assert len([outcome async for outcome in publisher.publish_many(source())]) == 3


async def test_one_event_is_not_many(place: MemoryPlace) -> None:
    """Publishing one event as many is a mistake with a name."""
    async with place.publisher(place.sender) as publisher:
        with pytest.raises(UsageError, match="publish takes one"):
            await anext(publisher.publish_many(events(place, 1)[0]))  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["nonsense", 7, "018F0000-0000-7000-8000-000000000000"])
async def test_an_id_that_is_none_is_refused_at_home(place: MemoryPlace, bad: Any) -> None:
    """An event id has one form; the error has its path and not its value."""
    said = events(place, 1)[0]
    said["header"]["event_id"] = bad
    with pytest.raises(InvalidEvent, match=r"header\.event_id") as caught:
        await publish(place, [said])
    assert str(bad) not in str(caught.value)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 257}, {"max_in_flight": 0}])
async def test_impossible_options_are_refused(place: MemoryPlace, options: dict[str, int]) -> None:
    """A batch has 1 to 256 events."""
    with pytest.raises(UsageError):
        place.publisher(place.sender, **options)


async def test_another_ones_outbox_cannot_be_written(place: MemoryPlace) -> None:
    """What Kafka denies ends the publisher with its reason."""
    keys, transport = place.world.keys(place.sender), place.bus.transport(place.sender)
    profile = structs.replace(place.world.profile(place.sender), organisation="police-south")
    with pytest.raises(NotAllowed):
        async with Publisher(profile, keys=keys, transport=transport) as publisher:
            await publisher.publish(events(place, 1)[0])


async def test_a_journal_held_by_another_process_is_reported(
    place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the journal cannot be written, nothing is sent and the error says why."""
    monkeypatch.setattr(journal_module, "BUSY_TIMEOUT_S", 0.2)
    async with place.publisher(place.sender) as publisher:
        other = sqlite3.connect(place.journal(place.sender), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="journal"):
            await publisher.publish(events(place, 1)[0])
        with pytest.raises(Unavailable, match="journal"):
            await publisher.publish(events(place, 1)[0])
        other.close()
    assert place.bus.topics[OUTBOX] == []


# -- receipts --------------------------------------------------------------------------------------------------------


def resigned(place: MemoryPlace, record: Record, ring: KeyRing, **changes: Any) -> Outgoing:
    """A receipt with changes, signed by any key."""
    receipt = structs.replace(decode_receipt(record.value or b""), **changes)
    value, fp = encode_receipt(receipt), BusSignature.decode(record.header("bus-signature") or b"").fp
    signed = sign_batch(
        ring.signing,
        origin=place.world.origin,
        organisation="hub",
        stream=bytes(16),
        seq=0,
        prev_root=NO_ROOT,
        signed_at_us=place.now_us(),
        items=[(receipt_commitment(fp, value[5:]), 0, len(value) - 5, fp)],
    )
    return Outgoing(record.topic, record.key, value, [("bus-signature", signed.signatures[0])])


@pytest.mark.parametrize(
    "forge", ["another key", "another organisation", "another log", "one bit", "unsigned", "noise"]
)
async def test_only_the_hubs_own_receipts_count(place: MemoryPlace, forge: str) -> None:
    """A receipt that the pinned key did not sign for this organisation is an alarm, and the wait goes on."""
    await publish(place, events(place, 1))
    [template] = place.bus.topics[RECEIPTS]
    item = structs.replace(decode_receipt(template.value or b"").items[0], offset=1, last_offset=1)
    hub, changes = place.world.hub, {"items": (item,)}
    match forge:
        case "another key":
            bad = resigned(place, template, KeyRing.generate(), **changes)
        case "another organisation":
            bad = resigned(place, template, hub, organisation="police-south", **changes)
        case "another log":
            bad = resigned(place, template, hub, origin="ledger.other.example", **changes)
        case "one bit":
            good = resigned(place, template, hub, **changes)
            value = good.value or b""
            bad = structs.replace(good, value=value[:-1] + bytes([value[-1] ^ 1]))
        case "unsigned":
            bad = structs.replace(resigned(place, template, hub, **changes), headers=[])
        case _:
            bad = Outgoing(RECEIPTS, None, None, [("bus-signature", b"noise")])
    place.bus.hub_is_up = False
    with capture_logs() as logs:
        async with place.publisher(place.sender, receipt_timeout_s=0.4) as publisher:
            waiting = asyncio.ensure_future(publisher.publish(events(place, 1)[0]))
            await until(lambda: len(place.bus.topics[OUTBOX]) == 2, "it is sent")
            place.bus.append([bad])
            with pytest.raises(ReceiptTimeout):
                await waiting
            await until(lambda: "receipt.invalid" in {entry["event"] for entry in logs}, "the receipt is looked at")
    assert "receipt.invalid" in {entry["event"] for entry in logs}


async def test_a_receipt_of_the_hub_counts_whenever_it_comes(place: MemoryPlace) -> None:
    """The same receipt with the hub's signature is believed: what the test before changes is what is caught."""
    await publish(place, events(place, 1))
    [template] = place.bus.topics[RECEIPTS]
    item = structs.replace(decode_receipt(template.value or b"").items[0], offset=1, last_offset=1)
    place.bus.hub_is_up = False
    async with place.publisher(place.sender) as publisher:
        waiting = asyncio.ensure_future(publisher.publish(events(place, 1)[0]))
        await until(lambda: len(place.bus.topics[OUTBOX]) == 2, "it is sent")
        place.bus.append([resigned(place, template, place.world.hub, items=(item,))])
        assert (await waiting).index == item.index


async def test_one_entry_may_answer_a_run_of_records(place: MemoryPlace) -> None:
    """Refusals that share an entry answer every record that they cover."""
    await publish(place, events(place, 1))
    [template] = place.bus.topics[RECEIPTS]
    whole = structs.replace(
        decode_receipt(template.value or b"").items[0], offset=1, last_offset=3, outcome=3, reasons=("id-time",)
    )
    place.bus.hub_is_up = False
    async with place.publisher(place.sender) as publisher:
        waiting = [asyncio.ensure_future(publisher.publish(event)) for event in events(place, 3)]
        await until(lambda: len(place.bus.topics[OUTBOX]) == 4, "they are sent")
        place.bus.append([resigned(place, template, place.world.hub, items=(whole,))])
        outcomes = await asyncio.gather(*waiting)
    assert {(outcome.outcome, outcome.reasons) for outcome in outcomes} == {("refused", ("id-time",))}


async def test_answers_to_others_do_not_pile_up(place: MemoryPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts of this organisation's other processes are held only for a while."""
    monkeypatch.setattr("bus.partner.receipts.MAX_EARLY", 10)
    await publish(place, events(place, 1))
    item = decode_receipt(place.bus.topics[RECEIPTS][0].value or b"").items[0]
    awaited = Awaited()
    for offset in range(100):
        assert list(awaited.answer(structs.replace(item, offset=offset, last_offset=offset))) == []
    assert len(awaited._early) == 10


async def test_two_publishers_of_one_organisation_share_the_journal(place: MemoryPlace) -> None:
    """Two processes at once publish the same events: each stands once, and both are told so."""
    said = events(place, 30)
    for number, event in enumerate(said):
        event["header"]["event_id"] = dashed(uuid7(place.now_us(), number.to_bytes(8, "big")))
    first, second = await asyncio.gather(
        publish(place, said, batch_size=7), publish(place, list(reversed(said)), batch_size=5)
    )
    assert all(outcome.stands for outcome in (*first, *second))
    assert len(place.bus.topics["in.hotline-east"]) == 30
    values = [sha256(record.value or b"").digest() for record in place.bus.topics[OUTBOX]]
    assert len(set(values)) == 30


def test_every_lane_has_its_receipts() -> None:
    """Receipts come in a topic a lane."""
    assert {receipts_topic("a1", lane) for lane in LANES} == {"receipts.a1", "receipts.a1.urgent"}
