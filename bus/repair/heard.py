"""What the world was told of entries that the ledger may have lost: by receipts, and by what was delivered.

A receipt is signed by the hub and names an entry's index, leaf hash, time, outcome and reasons; an inbox record
carries the leaf itself. Both lie in Kafka, which the database's fate does not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from bus.errors import Malformed
from bus.events import registry
from bus.events.codec import decode_receipt
from bus.events.names import HUB, HUB_DIRECTORY, LANES, in_topic, parse_topic, receipts_topic
from bus.events.types import ReceiptItem
from bus.hub.receipts import stream_of
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.records import Record
from bus.tlog.leaf import LEAF_SIZE
from bus.trust.batch import BatchVerifier
from bus.trust.bus_signature import BusSignature
from bus.trust.commitment import receipt_commitment

MARGIN_MS = 600_000
"""Brokers have clocks of their own: reading begins so much before the last entry that the ledger has."""
LONGEST_FLUSH = 100_000

KeyOf = Callable[[bytes], bytes | None]


class Heard(Struct):
    """What was told of entries from ``size`` on.

    Attributes:
        size: what the ledger has.
        items: what a signed receipt says of an entry.
        flushes: first indexes of the flushes whose receipts were found.
        leaves: the leaf that an inbox record carried.
        numbers: the last number of each inbox, and the entry that has it.
        given: which numbers a lost entry had in inboxes.
        unsigned: receipts whose signature is not the hub's.
    """

    size: int
    items: dict[int, ReceiptItem] = field(default_factory=dict)
    flushes: set[int] = field(default_factory=set)
    leaves: dict[int, bytes] = field(default_factory=dict)
    numbers: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    given: dict[int, dict[tuple[str, str], int]] = field(default_factory=dict)
    unsigned: int = 0

    @property
    def end(self) -> int:
        """The size that the ledger must have had."""
        return max([self.size - 1, *self.items, *self.leaves]) + 1


async def listen(
    connection: Connection, orgs: Iterable[str], *, size: int, time_us: int, origin: str, key_of: KeyOf
) -> Heard:
    """Read receipts and inboxes for entries from ``size`` on.

    Args:
        connection: the hub's.
        orgs: the organisations of the directory.
        size: what the ledger has.
        time_us: the time of its last entry.
        origin: the log.
        key_of: the directory's keys: who signs receipts.
    """
    heard = Heard(size)
    members = sorted({HUB, *orgs})
    receipts = [receipts_topic(org, lane) for org in members for lane in LANES]
    inboxes = _inboxes(members)
    since_ms = time_us // 1000 - MARGIN_MS if size else 0
    streams: dict[bytes, int] = {}
    verifier, told = BatchVerifier(), frozenset(receipts)
    async with Reader(connection, "hub-repair") as reader:
        starts = await reader.offsets_at([*receipts, *inboxes], since_ms)
        ends = await reader.end_offsets([*receipts, *inboxes])
        async for record in reader.spans(starts, ends):
            if record.topic in told:
                _receipt(heard, record, origin, verifier, key_of, streams)
            else:
                _delivered(heard, record)
    heard.flushes = {
        first for stream, low in streams.items() if (first := _first(origin, stream, low, size)) is not None
    }
    return heard


def _receipt(
    heard: Heard, record: Record, origin: str, verifier: BatchVerifier, key_of: KeyOf, streams: dict[bytes, int]
) -> None:
    info = registry.by_name("Receipt")
    raw = record.header("bus-signature")
    if record.value is None or raw is None:
        return
    try:
        receipt = decode_receipt(record.value)
        signature = BusSignature.decode(raw)
    except Malformed:
        heard.unsigned += 1
        return
    commitment = receipt_commitment(info.fingerprint, record.value[5:])
    ours = (signature.batch.organisation, signature.batch.origin, receipt.origin) == (HUB, origin, origin)
    if not ours or verifier.verify_many([(signature, commitment)], key_of) != [None]:
        heard.unsigned += 1
        return
    lost = [item for item in receipt.items if item.index >= heard.size]
    for item in lost:
        heard.items[item.index] = item
    if lost:
        stream = signature.batch.stream
        streams[stream] = min(streams.get(stream, lost[0].index), *(item.index for item in lost))


def _first(origin: str, stream: bytes, low: int, size: int) -> int | None:
    """The first index of the flush that a stream of receipts is of."""
    for index in range(low, max(size, low - LONGEST_FLUSH) - 1, -1):
        if stream_of(origin, index) == stream:
            return index
    return None


def _delivered(heard: Heard, record: Record) -> None:
    index, leaf, seq = (record.header(name) for name in ("bus-index", "bus-entry", "bus-seq"))
    if index is None or leaf is None or len(leaf) != LEAF_SIZE or not index.isdigit():
        return
    if int(index) >= heard.size:
        heard.leaves[int(index)] = leaf
    place = parse_topic(record.topic)
    if place is not None and seq is not None and seq.isdigit():
        heard.numbers[place[1], place[2]] = (int(index), int(seq))
        if int(index) >= heard.size:
            heard.given.setdefault(int(index), {})[place[1], place[2]] = int(seq)


def _inboxes(orgs: Iterable[str]) -> list[str]:
    """Where the hub delivers: everyone's directory, and each organisation's own."""
    return [HUB_DIRECTORY, *(in_topic(org, lane) for org in sorted(set(orgs) - {HUB}) for lane in LANES)]


async def fetch_delivered(connection: Connection, orgs: Iterable[str], wanted: set[int], since_us: int) -> list[Record]:
    """Inbox records of these entries, one each: value and signature as their senders made them."""
    inboxes = _inboxes(orgs)
    found: dict[int, Record] = {}
    async with Reader(connection, "hub-repair") as reader:
        starts = await reader.offsets_at(inboxes, since_us // 1000 - MARGIN_MS)
        ends = await reader.end_offsets(inboxes)
        async for record in reader.spans(starts, ends):
            index = record.header("bus-index") or b""
            if record.value is not None and index.isdigit() and int(index) in wanted:
                found.setdefault(int(index), record)
    return list(found.values())
