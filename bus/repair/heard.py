"""What the world was told of entries that the ledger may have lost: by receipts, and by what was delivered.

A receipt is signed by the hub and names an entry's index, leaf hash, time, outcome and reasons; an inbox record
carries the leaf itself. Both lie in Kafka, which the database's fate does not touch.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from bus.events.names import HUB_DIRECTORY, parse_topic
from bus.events.types import ReceiptItem
from bus.hub.receipts import stream_of
from bus.hub.told import KeyOf, read_receipt
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.records import Record
from bus.tlog import leaf_hash
from bus.tlog.leaf import LEAF_SIZE
from bus.trust.batch import BatchVerifier

MARGIN_MS = 600_000
"""Brokers have clocks of their own: reading begins so much before the last entry that the ledger has."""
LONGEST_FLUSH = 100_000


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
        torn: entries of which two receipts, or two inboxes, say different things.
    """

    size: int
    items: dict[int, ReceiptItem] = field(default_factory=dict)
    flushes: set[int] = field(default_factory=set)
    leaves: dict[int, bytes] = field(default_factory=dict)
    numbers: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    given: dict[int, dict[tuple[str, str], int]] = field(default_factory=dict)
    unsigned: int = 0
    torn: set[int] = field(default_factory=set)

    def receipt(self, item: ReceiptItem) -> None:
        """Note what a signed receipt says of an entry."""
        known = self.items.setdefault(item.index, item)
        if known.leaf_hash != item.leaf_hash:
            self.torn.add(item.index)

    def delivered(self, index: int, leaf: bytes) -> None:
        """Note the leaf that an inbox has of an entry."""
        if self.leaves.setdefault(index, leaf) != leaf:
            self.torn.add(index)

    @property
    def contradiction(self) -> int | None:
        """The first entry of which two things were told, each by the hub: then there were two histories."""
        other = (n for n, leaf in self.leaves.items() if n in self.items and self.items[n].leaf_hash != leaf_hash(leaf))
        return min((*self.torn, *other), default=None)

    @property
    def end(self) -> int:
        """The size that the ledger must have had."""
        return max([self.size - 1, *self.items, *self.leaves]) + 1


async def listen(
    connection: Connection, topics: Iterable[str], *, size: int, time_us: int, origin: str, key_of: KeyOf
) -> Heard:
    """Read receipts and inboxes for entries from ``size`` on.

    Args:
        connection: the hub's.
        topics: all that there are.
        size: what the ledger has.
        time_us: the time of its last entry.
        origin: the log.
        key_of: the directory's keys: who signs receipts.
    """
    heard = Heard(size)
    receipts, inboxes = of_kind(topics, "receipts"), _inboxes(topics)
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
    told = read_receipt(record, origin, verifier, key_of)
    if told is None:
        heard.unsigned += record.value is not None
        return
    lost = [item for item in told.items if item.index >= heard.size]
    for item in lost:
        heard.receipt(item)
    if lost:
        streams[told.stream] = min(streams.get(told.stream, lost[0].index), *(item.index for item in lost))


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
        heard.delivered(int(index), leaf)
    place = parse_topic(record.topic)
    if place is not None and seq is not None and seq.isdigit():
        heard.numbers[place[1], place[2]] = (int(index), int(seq))
        if int(index) >= heard.size:
            heard.given.setdefault(int(index), {})[place[1], place[2]] = int(seq)


def of_kind(topics: Iterable[str], kind: str) -> list[str]:
    """The topics of one kind, sorted."""
    return sorted(name for name in topics if (place := parse_topic(name)) is not None and place[0] == kind)


def _inboxes(topics: Iterable[str]) -> list[str]:
    """Where the hub delivers: everyone's directory, and each organisation's own."""
    return [*({HUB_DIRECTORY} & set(topics)), *of_kind(topics, "in")]


async def fetch_delivered(
    connection: Connection, topics: Iterable[str], wanted: set[int], since_us: int
) -> list[Record]:
    """Inbox records of these entries, one each: value and signature as their senders made them."""
    inboxes = _inboxes(topics)
    found: dict[int, Record] = {}
    async with Reader(connection, "hub-repair") as reader:
        starts = await reader.offsets_at(inboxes, since_us // 1000 - MARGIN_MS)
        ends = await reader.end_offsets(inboxes)
        async for record in reader.spans(starts, ends):
            index = record.header("bus-index") or b""
            if record.value is not None and index.isdigit() and int(index) in wanted:
                found.setdefault(int(index), record)
    return list(found.values())
