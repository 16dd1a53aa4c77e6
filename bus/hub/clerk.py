"""The clerk: states what is late, as events with deterministic ids, published through the hub's own outbox.

It reads the ledger in order, from its first entry, into a casebook (:mod:`bus.hub.casebook`), and keeps nothing else:
started again, it has the same casebook. Each round it notes the time, reads what was committed since, asks
the casebook what falls due, and sends it. Whether something was said it learns from the ledger alone, like
everybody; what does not turn up there is sent again, the same bytes.

An answer may be on its way: in an outbox that the notary has not read yet, or in a flush that is not committed. So what
fell due at an instant is said only once all that stood in the outboxes then was recorded (:mod:`bus.hub.watermark`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import structlog
from asyncpg.pgproto.pgproto import UUID

from bus.errors import LedgerError, Malformed, UsageError
from bus.events import registry
from bus.events.clock import Clock
from bus.events.codec import decode_body, decode_decision, decode_header
from bus.events.names import HUB, LANES, in_topic, out_topic
from bus.hub import faults
from bus.hub.casebook import RECALL, TELLING, Casebook, Owed
from bus.hub.cases import Seen
from bus.hub.clock import HubClock, check_clock
from bus.hub.config import HubConfig
from bus.hub.statements import Said, Voice, id_of, say
from bus.hub.watermark import Watermark
from bus.kafka.admin import Admin
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.ledger.sql import QUERIES
from bus.ledger.store import connect
from bus.trust.batch import MAX_BATCH
from bus.trust.keys import KeyRing, SigningKey
from bus.trust.stream import Stream

log: Any = structlog.get_logger("bus.hub.clerk")

POLL_S = 0.25
BATCH = 2000
"""Entries read at a time."""
MAX_SAID = 1000
"""Statements of one round: after a long absence there may be many."""
AGAIN_S = 15.0
"""After so long without an entry, what was sent is looked up, and sent again if there is none."""


class Clerk:
    """One clerk's life, from reading the ledger to the first doubt."""

    def __init__(self, config: HubConfig, *, clock: Clock | None = None) -> None:
        if config.clerk is None:
            raise UsageError("the hub's configuration has no [clerk]", hint="See docs/deadlines.md.")
        self._config = config
        self._dsn = config.clerk.dsn
        self._clock = clock or HubClock()
        self._key = KeyRing.load(config.key_file).signing
        self._voice = Voice(config.origin, config.clerk.secret(), config.clerk.legal_basis)
        self._book = Casebook()
        self._next = 0
        self._sent: dict[bytes, float] = {}
        self._refused: set[bytes] = set()
        self._taken: set[bytes] = set()
        self._watermark = Watermark()
        self._admin = Admin(config.kafka)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """State what falls due until cancelled.

        Raises:
            Unavailable: Kafka or Postgres is away.
            LedgerError: an entry cannot be read.
        """
        connection = await connect(self._dsn, "clerk")
        try:
            async with Writer(self._config.kafka, "hub-clerk") as writer:
                outbox = Outbox(self._config.origin, self._key, writer)
                while True:
                    await self._round(connection, outbox)
                    if not self.ready.is_set():
                        log.info("clerk.started", size=self._next, cases=len(self._book.cases))
                        self.ready.set()
                    await asyncio.sleep(POLL_S)
        finally:
            connection.terminate()

    async def _round(self, connection: Any, outbox: Outbox) -> None:
        """Read what is new, and say what falls due."""
        await self._read_all(connection)
        now_us = self._clock.now_us()
        faults.at("clerk.read")
        await self._check_sent(connection)
        if not self._owing(now_us, now_us):
            return
        if self._watermark.noted_us is None:
            noted_us = self._clock.now_us()
            self._watermark.note(noted_us, await self._admin.end_offsets(self._outboxes()))
        intake = {row["topic"]: row["next_offset"] for row in await connection.fetch(QUERIES["read_intake"])}
        if self._watermark.passed(intake):
            await self._read_all(connection)
        fresh = self._owing(min(now_us, self._watermark.reached_us), now_us)
        if not fresh:
            return
        await self._look_for_taken(connection, fresh, now_us)
        wanted = [say(self._voice, owed, now_us, self._taken) for owed in fresh]
        faults.at("clerk.send.before")
        await outbox.send(wanted, now_us)
        faults.at("clerk.send.after")
        self._sent.update(dict.fromkeys((said.header.event_id for said in wanted), time.monotonic()))
        log.info("clerk.said", statements=len(wanted))

    def _owing(self, until_us: int, now_us: int) -> list[Owed]:
        """What fell due up to an instant and is to be said now."""
        most = MAX_SAID + len(self._sent) + len(self._refused)
        return list(islice(self._fresh(self._book.owed(until_us, most), now_us), MAX_SAID))

    def _outboxes(self) -> list[str]:
        """Everybody's, the hub's own too: what it has said and is not recorded yet needs no saying again."""
        return [out_topic(org, lane) for org in (HUB, *sorted(self._book.organisations())) for lane in LANES]

    def _fresh(self, owed: Sequence[Owed], now_us: int) -> Iterator[Owed]:
        """What is not on its way already, and was not refused."""
        for one in owed:
            event_id = id_of(self._voice, one, now_us, self._taken)
            if event_id not in self._sent and event_id not in self._refused:
                yield one

    async def _look_for_taken(self, connection: Any, owing: Sequence[Owed], now_us: int) -> None:
        """Which of the ids to be used somebody else was first to use: anybody can compute them beforehand."""
        ids = [UUID(id_of(self._voice, one, now_us)) for one in owing]
        for row in await connection.fetch(QUERIES["ids_of_others"], ids):
            if row["event_id"].bytes not in self._taken:
                self._taken.add(row["event_id"].bytes)
                log.warning("clerk.id_taken", index=row["index"])

    # --- reading the ledger --------------------------------------------------------------------------------------

    async def _read_all(self, connection: Any) -> None:
        """Take in the entries up to the committed size, and when they were delivered."""
        now_us = self._clock.now_us()
        head = await connection.fetchrow(QUERIES["clerk_head"])
        check_clock("clerk", now_us, head["now_s"])
        size = head["size"]
        while True:
            if self._next < size:
                await self._read_some(connection, size)
            await self._look_for_deliveries(connection)
            if self._next >= size:
                return

    async def _read_some(self, connection: Any, size: int) -> None:
        """Take in the next entries, at most up to where a new table says that others must be read."""
        owing = self._book.owing()
        types = (registry.ids_of(TELLING), registry.ids_of(owing))
        rows = await connection.fetch(QUERIES["clerk_entries"], self._next, size, *types, BATCH)
        self._next = size if len(rows) < BATCH else rows[-1]["index"] + 1
        for number, row in enumerate(rows):
            await self._take(connection, row)
            if number % 64 == 63:
                await asyncio.sleep(0)
            if row["step"] == "adopted" and self._book.owing() != owing:
                self._next = row["index"] + 1
                return

    async def _take(self, connection: Any, row: Any) -> None:
        info, about = registry.by_id(row["schema_id"]), row["about"]
        if info is not None and not self._book.concerns(info.name, about and about.bytes, row["addressee"]):
            return
        seen = _seen(row)
        self._sent.pop(seen.header.event_id, None)
        if seen.info.name == "LogContinued" and seen.index > 0:
            before = await connection.fetchval(QUERIES["entry_time"], seen.index - 1)
            self._book.outage(before, seen.time_us)
            return
        self._book.add(seen)

    async def _look_for_deliveries(self, connection: Any) -> None:
        """When the courier had brought the cases whose clocks wait for that."""
        waiting = {(case.index, in_topic(org, case.header.lane)): (case, org) for case, org in self._book.undelivered()}
        for lane in {case.header.lane for case, _ in waiting.values()}:
            places = [place for place, (case, _) in waiting.items() if case.header.lane == lane]
            indexes, topics = [index for index, _ in places], [topic for _, topic in places]
            for row in await connection.fetch(QUERIES["deliveries_of"], lane, indexes, topics):
                self._book.delivered(*waiting[row["index"], row["topic"]], row["at_us"])

    async def _check_sent(self, connection: Any) -> None:
        """What was sent long ago and did not turn up: refused, or on its way still, or lost."""
        limit = time.monotonic() - AGAIN_S
        late = [event_id for event_id, since in self._sent.items() if since < limit]
        if not late:
            return
        for row in await connection.fetch(QUERIES["refused_reasons"], [UUID(one) for one in late]):
            self._refused.add(row["event_id"].bytes)
            log.warning("clerk.refused", index=row["index"], reasons=row["reasons"])
        for event_id in late:
            del self._sent[event_id]


class Outbox:
    """The hub's outboxes as the clerk writes them: each batch signed, a stream of its own for each lane."""

    def __init__(self, origin: str, key: SigningKey, writer: Writer) -> None:
        self._writer = writer
        self._streams = {lane: Stream.begin(key, origin=origin, organisation=HUB) for lane in LANES}

    async def send(self, wanted: Sequence[Said], now_us: int) -> None:
        """Sign and write, in order.

        Raises:
            Unavailable: Kafka did not take all of it, as far as is known.
        """
        records: list[Outgoing] = []
        for lane in sorted({said.header.lane for said in wanted}):
            members = [said for said in wanted if said.header.lane == lane]
            for at in range(0, len(members), MAX_BATCH):
                records += self._sign(lane, members[at : at + MAX_BATCH], now_us)
        await self._writer.send_all(records)

    def _sign(self, lane: str, members: Sequence[Said], now_us: int) -> list[Outgoing]:
        batch, self._streams[lane] = self._streams[lane].sign([said.item for said in members], now_us=now_us)
        return [said.record(signature) for said, signature in zip(members, batch.signatures, strict=True)]


def _seen(row: Any) -> Seen:
    """An entry as the casebook takes it; a body that was erased is None."""
    info = registry.by_id(row["schema_id"])
    if info is None:
        raise LedgerError(f"entry {row['index']} has a schema that this version does not know")
    told = row["body"] is not None and info.name in TELLING
    try:
        header = decode_header(info, row["header"])
        body = decode_body(info, row["body"], row["step"]) if told else None
        asks = info.name == RECALL or header.addressee is not None
        decision = decode_decision(row["decision"]) if asks else None
        return Seen(row["index"], row["time_us"], info, header, body, decision)
    except Malformed as error:
        raise LedgerError(f"entry {row['index']} cannot be read by the clerk", hint="Verify the ledger.") from error
