"""A whole hub in memory: the notary's and the courier's own pure code over lists instead of Kafka and Postgres.

It verifies, decides, numbers, signs receipts and writes inboxes exactly as the hub does, because it *is* the hub's
code; what it leaves out is everything that can crash. The behaviour tests of the SDK run against it and against a
real sandbox.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from bus.errors import NotAllowed, Unavailable
from bus.events.clock import Clock, SystemClock
from bus.events.names import HUB, HUB_DIRECTORY, LANES, in_topic, out_topic, parse_topic, receipts_topic
from bus.hub.courier import inbox_records
from bus.hub.intake import inspect
from bus.hub.nonces import nonces_of
from bus.hub.receipts import sign_receipts
from bus.hub.sequencer import Built, State, build
from bus.kafka.records import Outgoing, Record, Sent
from bus.ledger.store import CONTENT_COLUMNS, ENTRY_COLUMNS, RECORD_COLUMNS, Accepted
from bus.policy import Policy
from bus.tlog import Frontier
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory
from bus.trust.keys import SigningKey


class MemoryBus:
    """Topics and the hub behind them.

    Attributes:
        topics: every record of every topic, by offset.
        leaves: the ledger's leaves, by index.
        hub_is_up: while False, outboxes fill and nobody answers.
        lost_replies: how many of the next writes will land, but be reported as of unknown fate.
    """

    def __init__(
        self, key: SigningKey, *, origin: str, clock: Clock | None = None, policy: Policy | None = None
    ) -> None:
        self.topics: defaultdict[str, list[Record]] = defaultdict(list)
        self.leaves: list[bytes] = []
        self.hub_is_up = True
        self.lost_replies = 0
        self._key = key
        self._origin = origin
        self._clock = clock or SystemClock()
        self._accepted: dict[bytes, Accepted] = {}
        self._state = State(Directory(), Frontier(), 0, policy or Policy.load(), {}, BatchVerifier())
        self._taken: dict[str, int] = {}
        self._offsets: dict[tuple[str, str], tuple[int, str]] = {}
        self._changed = asyncio.Event()

    def transport(self, org: str) -> MemoryTransport:
        """What an organisation can reach: its own topics and the directory, as the ACLs of a real hub say."""
        return MemoryTransport(self, org)

    def append(self, records: Sequence[Outgoing]) -> list[Sent]:
        """Write records, as anybody; the hub takes what is in outboxes."""
        sent: list[Sent] = []
        for record in records:
            topic = self.topics[record.topic]
            time_ms = self._clock.now_us() // 1000
            sent.append(Sent(record.topic, len(topic)))
            topic.append(Record(record.topic, len(topic), time_ms, record.key, record.value, tuple(record.headers)))
        self.work()
        self._changed.set()
        self._changed = asyncio.Event()
        return sent

    def work(self) -> None:
        """Take what is in the outboxes, if the hub is up."""
        if not self.hub_is_up:
            return
        for topic in sorted(self.topics):
            place = parse_topic(topic)
            taken = self._taken.get(topic, 0)
            if place is not None and place[0] == "out" and taken < len(self.topics[topic]):
                self._taken[topic] = len(self.topics[topic])
                self._flush(self.topics[topic][taken:], place[1], place[2])

    def _flush(self, records: Sequence[Record], owner: str, lane: str) -> None:
        """What the notary does in one transaction, and the courier after it."""
        state = self._state
        candidates = inspect(records, owner, lane, state.verifier, state.directory.public_key)
        built = build(state, candidates, self._accepted, self._clock.now_us(), nonces_of(self._key))
        last = built.first_index + len(built.rows.entry) - 1
        receipts = sign_receipts(
            self._key,
            self._origin,
            first_index=built.first_index,
            last_index=last,
            time_us=built.time_us,
            items=built.items,
        )
        self.leaves += [row[ENTRY_COLUMNS.index("leaf")] for row in built.rows.entry]
        self.append([*receipts.records, *_deliveries(built)])

    async def wait(self, timeout_s: float) -> None:
        """Until something is written, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    def commit(self, group: str, topic: str, kept: tuple[int, str]) -> None:
        """Keep a group's offset."""
        self._offsets[group, topic] = kept

    def committed(self, group: str, topic: str) -> tuple[int, str] | None:
        """What was kept."""
        return self._offsets.get((group, topic))


def _deliveries(built: Built) -> list[Outgoing]:
    """The inbox records of a flush, from the rows that the ledger would have."""
    entries = {row[0]: dict(zip(ENTRY_COLUMNS, row, strict=True)) for row in built.rows.entry}
    contents = {row[0]: dict(zip(CONTENT_COLUMNS, row, strict=True)) for row in built.rows.content}
    found: list[Outgoing] = []
    for row in built.rows.record:
        index: int = row[0]
        record: dict[str, Any] = dict(zip(RECORD_COLUMNS, row, strict=True))
        found += inbox_records({**entries[index], **contents[index], **record, "content_index": index})
    return found


class MemoryTransport:
    """One organisation's way to a :class:`MemoryBus`: a :class:`~bus.partner.transport.Transport`."""

    def __init__(self, bus: MemoryBus, org: str) -> None:
        self._bus, self._org = bus, org

    def writer(self, client_id: str) -> MemoryWriter:  # noqa: ARG002 - a real client names itself
        """See :class:`~bus.partner.transport.Transport`."""
        return MemoryWriter(self._bus, frozenset(out_topic(self._org, lane) for lane in LANES))

    def reader(self, client_id: str) -> MemoryReader:  # noqa: ARG002
        """See :class:`~bus.partner.transport.Transport`."""
        return self._reader("")

    def group_reader(self, client_id: str, group: str) -> MemoryReader:  # noqa: ARG002
        """See :class:`~bus.partner.transport.Transport`."""
        if self._org not in {group, HUB}:
            raise NotAllowed(f"{self._org} may not use group {group}")
        return self._reader(group)

    def _reader(self, group: str) -> MemoryReader:
        own = [name(self._org, lane) for name in (in_topic, receipts_topic) for lane in LANES]
        return MemoryReader(self._bus, frozenset([HUB_DIRECTORY, *own]), group)


class _Open:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""


class MemoryWriter(_Open):
    """See :class:`~bus.partner.transport.Writes`."""

    def __init__(self, bus: MemoryBus, allowed: frozenset[str]) -> None:
        self._bus, self._allowed = bus, allowed

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        """Write all, or raise."""
        await asyncio.sleep(0)
        if any(record.topic not in self._allowed for record in records):
            raise NotAllowed("an organisation may write to its own out topics only")
        sent = self._bus.append(records)
        if self._bus.lost_replies > 0:
            self._bus.lost_replies -= 1
            raise Unavailable("the reply was lost")
        return sent


class MemoryReader(_Open):
    """See :class:`~bus.partner.transport.GroupReads`."""

    def __init__(self, bus: MemoryBus, allowed: frozenset[str], group: str) -> None:
        self._bus, self._allowed, self._group = bus, allowed, group
        self._positions: dict[str, int] = {}

    async def assign(self, offsets: Mapping[str, int | Literal["earliest", "latest"]]) -> dict[str, int]:
        """Read these topics from these offsets on."""
        if set(offsets) - self._allowed:
            raise NotAllowed("an organisation may read its own topics only")
        ends = await self.end_offsets(list(offsets))
        marks = {"earliest": dict.fromkeys(ends, 0), "latest": ends}
        self._positions = {t: marks[o][t] if isinstance(o, str) else o for t, o in offsets.items()}
        return dict(self._positions)

    async def read(self, timeout_s: float = 0.25, max_records: int | None = None) -> list[Record]:
        """What is there, or the first that comes in time."""
        found = self._take(max_records)
        if not found:
            await self._bus.wait(timeout_s)
            found = self._take(max_records)
        return found

    def _take(self, most: int | None) -> list[Record]:
        found: list[Record] = []
        for topic, position in self._positions.items():
            records = self._bus.topics[topic][position:]
            records = records if most is None else records[: max(0, most - len(found))]
            self._positions[topic] += len(records)
            found += records
        return found

    async def position(self, topic: str) -> int:
        """The offset that is read next."""
        return self._positions[topic]

    async def beginning_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """The first offset that each topic still has."""
        return dict.fromkeys(topics, 0)

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """The offset after the last record of each topic."""
        return {topic: len(self._bus.topics[topic]) for topic in topics}

    async def commit(self, offsets: Mapping[str, tuple[int, str]]) -> None:
        """Keep the offset to read next and a word of metadata, per topic."""
        for topic, kept in offsets.items():
            self._bus.commit(self._group, topic, kept)

    async def committed(self, topics: Sequence[str]) -> dict[str, tuple[int, str] | None]:
        """What was kept."""
        return {topic: self._bus.committed(self._group, topic) for topic in topics}
