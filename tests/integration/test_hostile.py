"""Every kind of hostile record against a running hub: one refusal each, with its reason and a receipt; the rest unharmed."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from confluent_kafka import KafkaError, Producer

from bus.errors import NotAllowed
from bus.events.codec import decode_receipt
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.sandbox.lifecycle import Sandbox
from tests.hostile import KINDS, Cast
from tests.integration.test_cli import Shell
from tests.members import Members
from tests.patience import PATIENT_S

pytestmark = pytest.mark.integration

Told = dict[tuple[str, int], tuple[int, tuple[str, ...]]]


@pytest.fixture
def members(sandbox: Sandbox) -> Members:
    """The demonstration's organisations."""
    return Members(sandbox)


async def receipts(members: Members, org: str, wanted: set[tuple[str, int]]) -> Told:
    """What the hub told an organisation about these offsets of its outboxes."""
    told: Told = {}
    async with Reader(members.connection(org), "receipts") as reader:
        await reader.assign({f"receipts.{org}": "earliest", f"receipts.{org}.urgent": "earliest"})
        async with asyncio.timeout(PATIENT_S):
            while not wanted <= told.keys():
                for record in await reader.read():
                    assert record.value is not None
                    for item in decode_receipt(record.value).items:
                        for offset in range(item.offset, item.last_offset + 1):
                            told[item.topic, offset] = (item.outcome, item.reasons)
    return told


async def test_each_kind_is_refused_for_its_reason_and_the_next_event_stands(members: Members) -> None:
    """Fifty kinds in a row, a good event after each: the refusals have their reasons, the good ones are accepted."""
    sender, other = members.having("platform")[:2]
    cast = Cast(members.forge, sender, members.having("hotline")[0], other)
    records: list[Outgoing] = []
    expected: list[tuple[int, tuple[str, ...]]] = []
    for reason, make in KINDS.values():
        records += [make(cast), cast.good()]
        expected += [(3, (reason,)), (1, ())]
    async with Writer(members.connection(sender), "hostile") as writer:
        sent = await writer.send_all(records)
    told = await receipts(members, sender, {(one.topic, one.offset) for one in sent})
    names = [name for kind in KINDS for name in (kind, f"good after {kind}")]
    found = {name: told[one.topic, one.offset] for name, one in zip(names, sent, strict=True)}
    assert found == dict(zip(names, expected, strict=True))


async def test_refused_bytes_are_kept_in_quarantine(members: Members) -> None:
    """What was refused can be looked at by the operator: value, key and headers, exactly as they came."""
    sender = members.having("platform")[0]
    async with Writer(members.connection(sender), "quarantine") as writer:
        sent = await writer.send_all([Outgoing(f"out.{sender}", b"key", b"\x01marker-in-quarantine", (("a", b"b"),))])
    await receipts(members, sender, {(sent[0].topic, sent[0].offset)})
    connection = await asyncpg.connect(members.status["postgres"]["admin_dsn"])
    try:
        row = await connection.fetchrow(
            "SELECT raw, raw_key, raw_headers FROM ledger.content JOIN ledger.entry USING (index)"
            " WHERE topic = $1 AND kafka_offset = $2",
            sent[0].topic,
            sent[0].offset,
        )
    finally:
        await connection.close()
    assert tuple(row) == (b"\x01marker-in-quarantine", b"key", b'[["a","62"]]')


@pytest.mark.parametrize("timestamp_ms", [1, 4_102_444_800_000])
async def test_timestamp_of_a_sender_means_nothing(members: Members, timestamp_ms: int) -> None:
    """A record dated 1970 is not expired by retention, and one dated 2100 is not kept for ever: the broker dates it."""
    sender = members.having("platform")[1]
    record = members.forge.record(sender, members.forge.event(sender, (members.having("hotline")[0],)))
    offset = await produce(members, sender, record, timestamp=timestamp_ms)
    told = await receipts(members, sender, {(record.topic, offset)})
    assert told[record.topic, offset] == (1, ())


async def test_gzip_bomb_does_not_pass_the_topic(members: Members) -> None:
    """Sixty megabytes of zeros in a small batch are refused by the broker, not unpacked by the hub."""
    sender = members.having("platform")[1]
    bomb = Outgoing(f"out.{sender}", b"k", bytes(60_000_000), ())
    big: dict[str, Any] = {"compression.type": "gzip", "message.max.bytes": 100_000_000}
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        await produce(members, sender, bomb, **big)
    good = members.forge.record(sender, members.forge.event(sender, (members.having("hotline")[0],)))
    small: dict[str, Any] = {"compression.type": "gzip"}
    offset = await produce(members, sender, good, **small)
    told = await receipts(members, sender, {(good.topic, offset)})
    assert told[good.topic, offset] == (1, ())


async def test_a_thousand_headers_are_a_refusal(members: Members) -> None:
    """A record whose headers are many or null is refused like any other."""
    sender = members.having("platform")[1]
    good = members.forge.record(sender, members.forge.event(sender, (members.having("hotline")[0],)))
    many = Outgoing(good.topic, good.key, good.value, (*good.headers, *((f"x{n}", b"y" * 50) for n in range(1000))))
    offset = await produce(members, sender, many)
    null = Outgoing(good.topic, good.key, good.value, [("bus-signature", None)])  # pyright: ignore[reportArgumentType]
    second = await produce(members, sender, null)
    told = await receipts(members, sender, {(good.topic, offset), (good.topic, second)})
    assert told[good.topic, offset] == (3, ("header-duplicate",))
    assert told[good.topic, second][0] == 3


async def test_plain_client_cannot_write_elsewhere_or_read_what_is_anothers(members: Members) -> None:
    """The broker itself denies another's outbox, another's inbox, the hub's topics, and transactions."""
    one, two = members.having("platform")[:2]
    record = Outgoing(f"out.{two}", b"k", b"v", ())
    async with Writer(members.connection(one), "stranger") as writer:
        with pytest.raises(NotAllowed):
            await writer.send_all([record])
    async with Reader(members.connection(one), "stranger") as reader:
        with pytest.raises(NotAllowed):
            await reader.end_offsets([f"in.{two}"])
    for topic in ("hub.directory", "hub.cursor", f"in.{one}", f"receipts.{one}"):
        with pytest.raises(AssertionError, match="TOPIC_AUTHORIZATION_FAILED"):
            await produce(members, one, Outgoing(topic, b"k", b"v", ()))


async def produce(members: Members, org: str, record: Outgoing, *, timestamp: int = 0, **settings: Any) -> int:
    """Write one record with an independent client; its offset, or an AssertionError with the broker's word."""

    def run() -> int:
        outcome: list[tuple[KafkaError | None, int | None]] = []
        producer = Producer({**members.librdkafka(org), "message.timeout.ms": round(PATIENT_S * 1000), **settings})
        producer.produce(
            record.topic,
            record.value,
            record.key,
            partition=0,
            headers=list(record.headers),
            timestamp=timestamp,
            on_delivery=lambda error, message: outcome.append((error, message.offset())),
        )
        producer.flush(PATIENT_S)
        error, offset = outcome[0]
        assert error is None, error.name()
        assert offset is not None
        return offset

    return await asyncio.to_thread(run)


async def test_record_that_no_client_can_parse_does_not_stop_the_hub(members: Members) -> None:
    """A batch with a header name that is no UTF-8 is refused as one; the sender's next event and others' stand."""
    bad, other = members.having("platform")[:2]
    hotline = members.having("hotline")[0]
    before = members.forge.record(bad, members.forge.event(bad, (hotline,)))
    async with Writer(members.connection(bad), "before") as writer:
        await writer.send_all([before])
    first = await poison(members, bad, records=5)
    again = await poison(members, bad, records=1)
    after = members.forge.record(bad, members.forge.event(bad, (hotline,)))
    elsewhere = members.forge.record(other, members.forge.event(other, (hotline,)))
    async with Writer(members.connection(bad), "after") as writer:
        (sent,) = await writer.send_all([after])
    async with Writer(members.connection(other), "elsewhere") as writer:
        (elsewhere_sent,) = await writer.send_all([elsewhere])
    topic = f"out.{bad}"
    told = await receipts(members, bad, {(topic, offset) for offset in range(first, sent.offset + 1)})
    assert {told[topic, offset] for offset in (*range(first, first + 5), again)} == {(3, ("header-malformed",))}
    assert told[topic, sent.offset] == (1, ())
    theirs = await receipts(members, other, {(f"out.{other}", elsewhere_sent.offset)})
    assert theirs[f"out.{other}", elsewhere_sent.offset] == (1, ())


async def poison(members: Members, org: str, *, records: int) -> int:
    """Write a batch whose last record has a header name of bytes that are no text; its first offset."""
    async with AIOKafkaProducer(**members.connection(org).aiokafka()) as producer:
        batch: Any = producer.create_batch()
        for number in range(records):
            name = "BADK" if number == records - 1 else "good"
            batch.append(timestamp=None, key=b"k", value=b"v", headers=[(name, b"x")])
        batch.close()
        built = bytearray(bytes(batch._builder.build()).replace(b"BADK", b"\xff\xfe\xff\xfe"))
        built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
        batch._buffer = built
        future = await producer.send_batch(batch, f"out.{org}", partition=0)
        return (await future).offset


async def test_an_honest_log_with_all_of_this_in_it_verifies(sandbox: Sandbox) -> None:
    """No member can send what makes the hub a liar in an auditor's eyes."""
    done = await Shell(sandbox)("audit", "verify")
    assert done.code == 0, done.out + done.err
