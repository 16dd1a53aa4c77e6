"""The courier: writes what was decided to inboxes, exactly once for a ``read_committed`` reader.

One courier a lane, each with a transactional producer of its own. How far it is stands in the compacted topic
``hub.cursor`` and is written in the same Kafka transaction as the inbox records, so neither can be there without
the other. The cursor is read only after the producer has started: starting fences whoever wrote it before, and
settles what it left open. A topic that Kafka refuses is parked, with the index from which it is owed; the others
go on, and the parked one is tried again (:mod:`bus.hub.parked`).

The bulk courier alone writes ``hub.directory``, whatever the lane of an event of the directory: so its order there is
the ledger's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from bus.errors import StartRefused, Unavailable
from bus.events import registry
from bus.events.codec import assemble, decode_decision, decode_header
from bus.events.names import HUB_CURSOR, HUB_DIRECTORY, ce_headers, in_topic, lane_of_topic
from bus.hub import faults
from bus.hub.clock import ahead_us
from bus.hub.config import HubConfig
from bus.hub.cursor import Cursor, read_cursors
from bus.hub.parked import Parked
from bus.hub.together import together
from bus.kafka.records import Outgoing
from bus.kafka.writer import WriteError, Writer
from bus.ledger.sql import QUERIES
from bus.ledger.store import connect

log: Any = structlog.get_logger("bus.hub.courier")

BATCH = 1000
CHUNK = 128
IDLE_MIN_S = 0.01
IDLE_MAX_S = 0.1
DIRECTORY = registry.directory_ids()
"""Schemas whose events go to ``hub.directory``."""

SESSION = {"plan_cache_mode": "force_generic_plan", "max_parallel_workers_per_gather": "0"}
"""It reads short ranges by index, always in the same way. What the planner makes of the moment's statistics instead
(parallel workers, scans of whole tables) costs two to five times as much, and is thought out anew each time."""


class Courier:
    """One lane's courier, from starting to the first doubt."""

    def __init__(self, config: HubConfig, lane: str) -> None:
        self._config = config
        self._lane = lane
        self._log = log.bind(lane=lane)
        self._parked = Parked(lane)
        self._cursor = Cursor()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises:
            Unavailable: Kafka or Postgres is away, or another courier took over this lane.
            StartRefused: the cursor does not fit the ledger.
        """
        async with self._writer() as writer:
            cursor = (await read_cursors(self._config.kafka, f"hub-cursor-{self._lane}")).get(self._lane, Cursor())
            connection = await connect(self._config.courier_dsn, "courier", SESSION)
            try:
                await self._check(connection, cursor)
                await self._tell_parked(connection, cursor)
                self._log.info("courier.started", index=cursor.index, parked=sorted(cursor.parked))
                self.ready.set()
                await together(self._deliver_forever(connection, writer, cursor), self._try_parked())
            finally:
                connection.terminate()

    def _writer(self, name: str = "") -> Writer:
        """A transactional producer of this lane."""
        return Writer(
            self._config.kafka,
            f"hub-courier-{self._lane}{name.replace('.', '-')}",
            transactional_id=f"hub.courier.{self._lane}{name}",
        )

    async def _deliver_forever(self, connection: Any, writer: Writer, cursor: Cursor) -> None:
        idle = IDLE_MIN_S
        while True:
            self._cursor = cursor
            self._parked.now(cursor.parked)
            size = await connection.fetchval(QUERIES["size"])
            answering = self._parked.answering & cursor.parked.keys()
            if answering:
                cursor = await self._serve_parked(connection, writer, cursor, sorted(answering))
            if cursor.index + 1 < size:
                cursor = await self._deliver(connection, writer, cursor, size)
                idle = IDLE_MIN_S
            elif not answering:
                await asyncio.sleep(idle)
                idle = min(idle * 1.5, IDLE_MAX_S)

    async def _try_parked(self) -> None:
        """Find out which parked topics take records again, beside the lane's own work."""
        writer = self._writer(".parked")

        async def owed(topic: str) -> list[Outgoing]:
            connection = await connect(self._config.courier_dsn, "courier-parked", SESSION)
            try:
                return [record for _, record in (await self._owed(connection, self._cursor, topic))[1]]
            finally:
                connection.terminate()

        try:
            await self._parked.watch(writer, owed)
        finally:
            await writer.close()

    # --- starting ----------------------------------------------------------------------------------------------

    async def _check(self, connection: Any, cursor: Cursor) -> None:
        """The entry under the cursor must be the one that was delivered, and no delivery may lie behind it."""
        delivered = await connection.fetchval(QUERIES["last_delivery"], self._lane)
        if delivered is not None and delivered > cursor.index:
            raise StartRefused(
                f"the ledger knows of deliveries in the {self._lane} lane up to entry {delivered}, but the cursor says "
                f"{cursor.index}: hub.cursor was lost or is older than the inboxes"
            )
        if cursor.index < 0:
            return
        found = await connection.fetchval(QUERIES["leaf_hash_at"], cursor.index)
        if found is None:
            raise StartRefused(
                f"entries up to {cursor.index} were delivered, but the ledger does not reach that far: the database "
                "is older than the inboxes"
            )
        if found.hex() != cursor.leaf_hash:
            raise StartRefused(f"entry {cursor.index} of the ledger is not the one that was delivered")

    async def _tell_parked(self, connection: Any, cursor: Cursor) -> None:
        """Make good what a crash between Kafka's commit and the database has cost."""
        rows = await connection.fetch(QUERIES["parked"])
        told = {row["topic"]: row["owed_from"] for row in rows if lane_of_topic(row["topic"]) == self._lane}
        for topic in sorted(told.keys() | cursor.parked.keys()):
            if told.get(topic) != cursor.parked.get(topic):
                await self._tell(connection, topic, cursor.parked.get(topic))

    async def _tell(self, connection: Any, topic: str, owed_from: int | None) -> None:
        """Note in the database what a topic is owed."""
        await connection.execute(QUERIES["save_parking"], topic, owed_from, ahead_us() / 1_000_000)

    # --- delivering --------------------------------------------------------------------------------------------

    async def _deliver(self, connection: Any, writer: Writer, cursor: Cursor, size: int) -> Cursor:
        """Deliver the next entries of this lane and move the cursor, in one Kafka transaction."""
        rows = await self._rows(connection, cursor.index + 1, size)
        faults.at("courier.read")
        last = rows[-1]["index"] if len(rows) == BATCH else size - 1
        records = await self._records(rows, exclude=frozenset(cursor.parked))
        leaf_hash = rows[-1]["leaf_hash"] if rows and rows[-1]["index"] == last else None
        if leaf_hash is None:
            leaf_hash = await connection.fetchval(QUERIES["leaf_hash_at"], last)
        moved = Cursor(last, leaf_hash.hex(), cursor.parked)
        if not records:
            return await self._skip(writer, cursor, moved)
        return await self._commit(connection, writer, cursor, moved, records)

    async def _skip(self, writer: Writer, cursor: Cursor, moved: Cursor) -> Cursor:
        """Nothing of this lane here: the cursor moves in memory, and is written with the next delivery."""
        if moved.index - cursor.index > 100_000:
            await writer.send_all([moved.record(self._lane)])
        return moved

    async def _commit(
        self, connection: Any, writer: Writer, cursor: Cursor, moved: Cursor, records: list[tuple[int, Outgoing]]
    ) -> Cursor:
        faults.at("courier.commit.before")
        try:
            await writer.send_all([*(record for _, record in records), moved.record(self._lane)])
        except WriteError as error:
            return await self._park(connection, cursor, error, records)
        faults.at("courier.commit.after")
        told = (cursor.index + 1, moved.index, self._lane, ahead_us() / 1_000_000)
        await connection.execute(QUERIES["save_delivery"], *told)
        self._log.debug("courier.delivered", index=moved.index, records=len(records))
        return moved

    async def _park(
        self, connection: Any, cursor: Cursor, error: WriteError, records: Sequence[tuple[int, Outgoing]]
    ) -> Cursor:
        """Set aside the topics that Kafka refuses for good; anything retriable is tried again as a whole.

        The database is told first: what the others get next must not count as delivered to them.
        """
        refused = {failure.topic for failure in error.failures if not failure.retriable}
        if not refused or HUB_CURSOR in refused:
            raise Unavailable(f"Kafka does not take records now: {error.message}") from error
        parked = dict(cursor.parked)
        for index, record in records:
            if record.topic in refused:
                parked.setdefault(record.topic, index)
        for topic in sorted(parked.keys() - cursor.parked.keys()):
            await self._tell(connection, topic, parked[topic])
        self._log.error("courier.parked", topics=sorted(refused), error=error.failures[0].error)
        return Cursor(cursor.index, cursor.leaf_hash, parked)

    async def _serve_parked(self, connection: Any, writer: Writer, cursor: Cursor, topics: Sequence[str]) -> Cursor:
        """Deliver what is owed to parked topics that answer; one that is paid up is parked no longer."""
        for topic in topics:
            rows, records = await self._owed(connection, cursor, topic)
            left = {name: index for name, index in cursor.parked.items() if name != topic}
            if len(rows) == BATCH:
                left[topic] = rows[-1]["index"] + 1
            moved = Cursor(cursor.index, cursor.leaf_hash, left)
            try:
                await writer.send_all([*(record for _, record in records), moved.record(self._lane)])
            except WriteError as error:
                self._log.warning("courier.still_parked", topic=topic, error=error.failures[0].error)
                self._parked.answering.discard(topic)
                continue
            cursor = moved
            await self._tell(connection, topic, left.get(topic))
            self._log.info("courier.unparked" if topic not in left else "courier.catching_up", topic=topic)
        return cursor

    async def _owed(self, connection: Any, cursor: Cursor, topic: str) -> tuple[list[Any], list[tuple[int, Outgoing]]]:
        """The next entries behind the first that a parked topic is owed, and its records among them."""
        if topic not in cursor.parked:
            return [], []
        rows = await self._rows(connection, cursor.parked[topic], cursor.index + 1)
        return rows, await self._records(rows, only=topic)

    async def _rows(self, connection: Any, first: int, end: int) -> list[Any]:
        """The next entries of this lane from ``first`` on and below ``end``."""
        return await connection.fetch(QUERIES["deliverable"], first, end, self._lane, BATCH, DIRECTORY)

    async def _records(
        self, rows: Sequence[Any], *, exclude: frozenset[str] = frozenset(), only: str | None = None
    ) -> list[tuple[int, Outgoing]]:
        """The inbox records of these entries, each with its index."""
        records: list[tuple[int, Outgoing]] = []
        for number, row in enumerate(rows):
            records += [
                (row["index"], record)
                for record in inbox_records(row)
                if record.topic not in exclude and (only is None or record.topic == only)
            ]
            if number % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
        return records


def inbox_records(row: Any) -> list[Outgoing]:
    """What one accepted entry puts into inboxes, or into ``hub.directory``.

    The value and ``bus-signature`` are unchanged; ``ce_*`` are made again from the signed header. Content that
    is gone from the ledger comes as a null value with ``bus-withheld``, so that numbers stay gapless.
    """
    info = registry.by_id(row["schema_id"])
    if info is None:
        raise StartRefused(f"entry {row['index']} has a schema that this version does not know")
    header = decode_header(info, row["header"])
    erased = row["content_index"] is None
    value = None if erased else assemble(info, row["header"], row["body"], row["sealed"])
    headers = [
        ("bus-signature", row["bus_signature"]),
        ("bus-index", b"%d" % row["index"]),
        ("bus-entry", row["leaf"]),
        *ce_headers(info, header),
    ]
    if erased:
        headers.append(("bus-withheld", b"erased"))
    key = header.thread
    if info.directory:
        return [Outgoing(HUB_DIRECTORY, key, value, headers)]
    return [
        Outgoing(in_topic(r.org, r.lane), key, value, [*headers, ("bus-seq", b"%d" % r.seq)])
        for r in decode_decision(row["decision"]).recipients
        if r.allow
    ]
