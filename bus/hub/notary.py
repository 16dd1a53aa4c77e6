"""The notary: the single sequencer. Reads every outbox, verifies, decides, and gives gapless ledger indexes.

It reads both lanes with a consumer each and looks at records (:mod:`bus.hub.intake`) while the database works on
the flush before; one task alone writes. The urgent lane goes first in every flush. Any doubt about a COMMIT ends
:meth:`Notary.run` with an error, and with it goes all state: the service starts a new one, which loads again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from bus.errors import HeadMoved, LedgerError, StartRefused, Unavailable
from bus.events.clock import Clock
from bus.events.names import HUB, LANES, lane_of_topic, out_topic
from bus.hub import faults
from bus.hub.clock import HubClock, check_clock
from bus.hub.config import HubConfig
from bus.hub.cursor import read_cursors
from bus.hub.intake import Candidate, check, parse_all, sliced
from bus.hub.load import check_cursors, check_intake, check_key, check_policy, check_signed, load_state
from bus.hub.logkey import last_signed
from bus.hub.nonces import nonces_of
from bus.hub.receipts import FlushRow, SignedReceipts, reissue, sign_receipts
from bus.hub.sequencer import Built, Gap, build, ids_of, items_of_rows, owner_of, recheck
from bus.hub.subjects import look_up
from bus.hub.told import check_told, last_receipts
from bus.hub.topics import admit
from bus.hub.waiting import MAX_FLUSH, Waiting
from bus.hub.witnessed import check_witnesses
from bus.kafka.admin import Admin
from bus.kafka.reader import OffsetLost, Reader, Unreadable, readable_from
from bus.kafka.records import Outgoing, Record
from bus.kafka.writer import WriteError, Writer
from bus.ledger.store import Head, Store
from bus.policy import Policy
from bus.trust.keys import KeyRing

log: Any = structlog.get_logger("bus.hub.notary")

CHUNK = 128
"""Records sliced and verified at a time: more would stall heartbeats and the urgent lane."""
STEP = 32
"""Records decoded at a time. A flush waits for the database a dozen times, each time for the step under way too."""
FETCH_BYTES = 2 * 1024 * 1024
"""What one fetch brings is unpacked at once: 1,500 small records are 15 ms during which nothing else happens."""
HEARTBEAT_S = 1.0
DEAD_AFTER_S = 5.0
"""A notary whose heartbeat is older is taken for dead: another takes over, and its next flush cannot commit."""
TOPICS_EVERY_S = 2.0
PARTITIONS_EVERY_S = 3600.0
PARTITION_ENTRIES = 4_194_304
"""Entries of one partition; one more than the head's own is always made ahead, by size and not by the clock."""


class Notary:
    """One notary's life, from taking over to the first doubt."""

    def __init__(self, config: HubConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or HubClock()
        self._policy = Policy.load(config.policy_file)
        self._key = KeyRing.load(config.key_file).signing
        self._nonces = nonces_of(self._key)
        self._admin = Admin(config.kafka)
        self._wake = asyncio.Event()
        self._space = asyncio.Event()
        self._waiting = Waiting()
        self._unsent: asyncio.Queue[tuple[int, SignedReceipts]] = asyncio.Queue(maxsize=8)
        self._receipted = 0
        self._owed = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Take over and sequence until cancelled.

        Raises:
            HeadMoved: another notary took over.
            StartRefused: a start-up check failed.
            Unavailable: Kafka or Postgres is away.
            LedgerError: the fate of a COMMIT is unknown.
        """
        store = await Store.open(self._config.notary_dsn)
        try:
            head = await self._take_over(store)
            await self._load(store, head)
            await admit(self._admin, self._state.directory.organisations.keys() - {HUB}, check_grants=True)
            await self._resend(store, head)
            intake = {row["topic"]: int(row["next_offset"]) for row in await store.fetch("read_intake")}
            log.info(
                "notary.started",
                size=head.size,
                epoch=head.epoch,
                organisations=len(self._state.directory.organisations),
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sequence(store, head))
                group.create_task(self._send_receipts())
                started = [asyncio.Event() for _ in LANES]
                for lane, event in zip(LANES, started, strict=True):
                    group.create_task(self._read_lane(lane, intake, event))
                for event in started:
                    await event.wait()
                self.ready.set()
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            await store.close()

    async def _load(self, store: Store, head: Head) -> None:
        """All state from the ledger, and every check of it, while the last receipts are looked up."""
        told = asyncio.create_task(last_receipts(self._config.kafka, "hub-notary-told"))
        try:
            await store.make_partitions()
            await self._check(store, head)
            self._state = await load_state(store, head, self._policy)
            check_key(self._key, self._state.directory)
            await check_policy(store, head, self._state.directory, self._policy)
            await check_told(store, head, self._state.directory, await told)
        finally:
            told.cancel()

    # --- taking over -------------------------------------------------------------------------------------------

    async def _take_over(self, store: Store) -> Head:
        """Wait until no other notary lives, then move the epoch."""
        waited = False
        while not await store.try_lock():
            head = await store.head()
            if head.idle_s > DEAD_AFTER_S:
                log.warning("notary.takeover", idle_s=round(head.idle_s, 1), epoch=head.epoch)
                break
            if not waited:
                log.info("notary.standby", epoch=head.epoch)
                waited = True
            await asyncio.sleep(HEARTBEAT_S / 2)
        head = await store.take_epoch()
        self._receipted = head.receipted
        return head

    async def _check(self, store: Store, head: Head) -> None:
        """See that nothing outside Postgres knows of a later or another ledger."""
        await check_cursors(store, head, await read_cursors(self._config.kafka, "hub-notary-cursor", patient=False))
        publisher = self._config.publisher
        if publisher is not None and publisher.folder.is_dir():
            await check_signed(store, head, last_signed(publisher.folder))
            kept = await store.fetch("newest_checkpoint")
            await check_witnesses(publisher, head.size, kept[0]["note"] if kept else None)

    async def _resend(self, store: Store, head: Head) -> None:
        """Send again the receipts of flushes that were committed and perhaps not told."""
        if head.receipted >= head.size:
            return
        rows = await store.fetch("flushes_from", head.receipted)
        items = await store.fetch("receipt_items", head.receipted, head.size - 1)
        records: list[Outgoing] = []
        flushes: dict[int, list[FlushRow]] = {}
        for row in rows:
            flushes.setdefault(row["first_index"], []).append(tuple(row))  # pyright: ignore[reportArgumentType]
        for first, batches in flushes.items():
            members = [item for item in items if first <= item["index"] <= batches[0][1]]
            records += reissue(self._config.origin, items_of_rows(members), batches)
        async with Writer(self._config.kafka, "hub-receipts") as writer:
            told = [await self._tell(writer, records[at : at + MAX_FLUSH]) for at in range(0, len(records), MAX_FLUSH)]
        if all(told):
            self._receipted = head.size
        log.info("receipts.resent", flushes=len(flushes), receipts=len(records))

    # --- reading -----------------------------------------------------------------------------------------------

    async def _read_lane(self, lane: str, intake: Mapping[str, int], started: asyncio.Event) -> None:
        """Read one lane's outboxes with a consumer of its own, and queue what was looked at."""
        next_offsets = {topic: offset for topic, offset in intake.items() if lane_of_topic(topic) == lane}
        async with Reader(
            self._config.kafka,
            f"hub-notary-{lane}",
            isolation="read_uncommitted",
            fetch_bytes=FETCH_BYTES,
            max_wait_ms=100,
        ) as reader:
            assigned: frozenset[str] = frozenset()
            checked_at = 0.0
            while True:
                if self._wanted(lane) != assigned and time.monotonic() - checked_at > TOPICS_EVERY_S * bool(assigned):
                    assigned = await self._assign(reader, lane, next_offsets)
                    checked_at = time.monotonic()
                    started.set()
                try:
                    records = await reader.read(timeout_s=0.25)
                except OffsetLost as lost:
                    await self._offsets_lost(reader, lane, lost, next_offsets)
                    continue
                except Unreadable:
                    await self._pass_over(reader, lane, sorted(assigned), next_offsets)
                    continue
                faults.at("notary.read")
                if records:
                    await self._look(lane, records, next_offsets)
                else:
                    await self._trailing(reader, lane, assigned, next_offsets)

    def _wanted(self, lane: str) -> frozenset[str]:
        return frozenset(out_topic(org, lane) for org in (HUB, *self._state.directory.organisations))

    async def _assign(self, reader: Reader, lane: str, next_offsets: dict[str, int]) -> frozenset[str]:
        """Read every organisation's outbox from where the ledger stands; deleted records become a gap."""
        wanted = self._wanted(lane)
        made = await admit(self._admin, self._state.directory.organisations.keys() - {HUB})
        if made:
            log.info("notary.topics_made", topics=made)
        first = await reader.beginning_offsets(sorted(wanted))
        last = await reader.end_offsets(sorted(wanted))
        check_intake({topic: next_offsets[topic] for topic in wanted if topic in next_offsets}, last)
        for topic in sorted(wanted):
            offset = next_offsets.setdefault(topic, 0)
            if offset < first[topic]:
                await self._queue(lane, [Gap(topic, lane, offset, first[topic] - 1, "gap-deleted")])
                next_offsets[topic] = first[topic]
        await reader.assign({topic: next_offsets[topic] for topic in wanted})
        return wanted

    async def _offsets_lost(self, reader: Reader, lane: str, lost: OffsetLost, next_offsets: dict[str, int]) -> None:
        """Records were deleted ahead of us, or an outbox was truncated while we ran."""
        log.error("notary.offset_lost", topics=sorted(lost.positions))
        await self._assign(reader, lane, next_offsets)

    async def _pass_over(self, reader: Reader, lane: str, topics: Sequence[str], next_offsets: dict[str, int]) -> None:
        """Read topic by topic; what of one of them cannot be parsed is refused in one entry, and nobody else waits."""
        ends = await reader.end_offsets(topics)
        for topic in topics:
            if ends[topic] <= next_offsets[topic]:
                continue
            await reader.assign({topic: next_offsets[topic]})
            try:
                await self._look(lane, await reader.read(timeout_s=0.5), next_offsets)
            except Unreadable:
                first, end = next_offsets[topic], (await reader.end_offsets([topic]))[topic]
                after = await readable_from(reader, topic, first, end)
                log.warning("notary.unreadable", topic=topic, offset=first, after=after)
                await self._queue(lane, [Gap(topic, lane, first, after - 1, "header-malformed", refused=True)])
                next_offsets[topic] = after
        await reader.assign({topic: next_offsets[topic] for topic in topics})

    async def _look(self, lane: str, records: Sequence[Record], next_offsets: dict[str, int]) -> None:
        """Look at records in chunks, and put a gap where offsets were skipped."""
        at = 0
        while at < len(records):
            topic = records[at].topic
            end = at
            while end < len(records) and end - at < CHUNK and records[end].topic == topic:
                end += 1
            chunk = records[at:end]
            owner = owner_of(topic)
            looked = await self._inspect(chunk, owner, lane)
            queued: list[Candidate | Gap] = []
            for record, candidate in zip(chunk, looked, strict=True):
                expected = next_offsets[topic]
                if record.offset > expected:
                    queued.append(Gap(topic, lane, expected, record.offset - 1, "gap-transaction"))
                next_offsets[topic] = record.offset + 1
                queued.append(candidate)
            await self._queue(lane, queued)
            at = end

    async def _inspect(self, records: Sequence[Record], owner: str, lane: str) -> list[Candidate]:
        """As ``intake.inspect``, in steps: between two, the flush under way gets the database's answers."""
        candidates, signed = sliced(records, owner, lane)
        await asyncio.sleep(0)
        check(signed, self._state.verifier, self._state.directory.public_key)
        for at in range(0, len(signed), STEP):
            parse_all(signed[at : at + STEP])
            await asyncio.sleep(0)
        return candidates

    async def _trailing(
        self, reader: Reader, lane: str, assigned: frozenset[str], next_offsets: dict[str, int]
    ) -> None:
        """Offsets at the end that hold no record (markers of a partner's transaction) are covered too."""
        for topic in assigned:
            position = await reader.position(topic)
            if position > next_offsets[topic]:
                await self._queue(lane, [Gap(topic, lane, next_offsets[topic], position - 1, "gap-transaction")])
                next_offsets[topic] = position

    async def _queue(self, lane: str, candidates: Sequence[Candidate | Gap]) -> None:
        while self._waiting.is_full(lane):
            self._space.clear()
            await self._space.wait()
        self._waiting.put(lane, candidates)
        self._wake.set()

    # --- writing -----------------------------------------------------------------------------------------------

    async def _sequence(self, store: Store, head: Head) -> None:
        """The only writer: one flush after another."""
        made_at, made_for = time.monotonic(), head.size // PARTITION_ENTRIES
        while True:
            batch = self._waiting.take()
            if not batch:
                await self._idle(store, head)
                continue
            self._space.set()
            recheck(self._state, batch)
            head = await self._flush(store, head, batch)
            entered = head.size // PARTITION_ENTRIES
            if entered != made_for or time.monotonic() - made_at > PARTITIONS_EVERY_S:
                await store.make_partitions()
                made_at, made_for = time.monotonic(), entered

    async def _idle(self, store: Store, head: Head) -> None:
        """Wait for work; say now and then that we are alive."""
        self._wake.clear()
        if self._waiting:
            return
        try:
            await asyncio.wait_for(self._wake.wait(), HEARTBEAT_S)
        except TimeoutError:
            database_s = await store.heartbeat(head.epoch, self._receipted)
            check_clock("notary", self._clock.now_us(), database_s)

    async def _flush(self, store: Store, head: Head, batch: list[Candidate | Gap]) -> Head:
        """One transaction: entries, frontier, numbers, offsets and signed receipts, or nothing."""
        started = time.perf_counter()
        receipted = self._receipted
        async with store.flush(head, len(batch), receipted) as transaction:
            faults.at("notary.head_moved")
            check_clock("notary", self._clock.now_us(), transaction.now_s)
            accepted = await transaction.find_accepted(ids_of(batch))
            await look_up(transaction, batch, accepted)
            built = build(self._state, batch, accepted, self._clock.now_us(), self._nonces)
            receipts = sign_receipts(
                self._key,
                self._config.origin,
                first_index=built.first_index,
                last_index=built.frontier.size - 1,
                time_us=built.time_us,
                items=built.items,
            )
            built.rows.flush = list(receipts.rows)
            await transaction.write(built.rows, built.frontier, built.time_us)
            faults.at("notary.copied")
            faults.at("notary.commit.before")
        faults.at("notary.commit.after")
        await self._unsent.put((built.frontier.size, receipts))
        self._log(built, started)
        return Head(built.frontier.size, built.frontier.root(), built.frontier, head.epoch, built.time_us, receipted)

    async def _send_receipts(self) -> None:
        """Send receipts behind the flushes; a failure ends this notary, and the next one sends them again."""
        async with Writer(self._config.kafka, "hub-receipts") as writer:
            while True:
                size, receipts = await self._unsent.get()
                told = await self._tell(writer, receipts.records)
                faults.at("notary.receipts.sent")
                if told and not self._owed:
                    self._receipted = size

    async def _tell(self, writer: Writer, records: Sequence[Outgoing]) -> bool:
        """Send receipts; a topic that Kafka refuses for good is owed its own until the next start, and holds up nobody.

        Returns:
            Whether all were taken.
        """
        try:
            await writer.send_all(records)
        except WriteError as error:
            refused = {failure.topic for failure in error.failures if not failure.retriable}
            if not refused:
                raise
            log.error("receipts.owed", topics=sorted(refused), error=error.failures[0].error)  # noqa: TRY400 - said once
            self._owed = True
            await self._tell(writer, [record for record in records if record.topic not in refused])
            return False
        return True

    def _log(self, built: Built, started: float) -> None:
        log.debug(
            "notary.flushed",
            size=built.frontier.size,
            accepted=built.accepted,
            repeated=built.repeated,
            refused=built.refused,
            gaps=built.gaps,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
        if built.refused or built.gaps:
            log.warning("notary.refused", refused=built.refused, gaps=built.gaps, size=built.frontier.size)


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    """The most telling of several errors that ended the notary together."""
    flat = list(_flat(errors))
    for kind in (StartRefused, HeadMoved, LedgerError, Unavailable):
        for error in flat:
            if isinstance(error, kind):
                return error
    return flat[0]


def _flat(errors: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error
