"""The topic of the couriers' cursors: what is wrong with it, and writing it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bus.events.names import HUB_CURSOR, LANES
from bus.hub import faults
from bus.hub.cursor import Cursor, newest, readable
from bus.hub.topics import hub_topics
from bus.kafka.admin import Admin
from bus.kafka.connection import Connection
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.ledger.store import Store
from bus.repair.cursor import cursor_at, delivered_to, inboxes
from bus.repair.report import Report

LOST = "cursor-lost"


class Pointers:
    """The cursors of a stopped hub.

    Args:
        connection: the hub's.
        store: the ledger.
        topics: all that there are.
        report: what is found is noted there.
    """

    def __init__(self, connection: Connection, store: Store, topics: Sequence[str], report: Report) -> None:
        self._connection, self._store, self._topics, self._report = connection, store, topics, report
        self._strays: list[bytes] = []
        self._bases: dict[str, int] = {}

    async def read(self) -> dict[str, Cursor]:
        """The cursors that can be read; what else stands in their topic is noted."""
        if HUB_CURSOR not in self._topics:
            self._report.finding(LOST, "the topic hub.cursor is gone")
            self._report.step("cursor", "make the topic hub.cursor again")
            return {}
        raw = await newest(self._connection, "hub-repair-cursor")
        self._strays = [key for key in raw if key not in {lane.encode() for lane in LANES}]
        if self._strays:
            self._report.finding(LOST, "hub.cursor has records that are no lane's")
            self._report.step("cursor", f"take {len(self._strays)} keys out of hub.cursor that are no lane's")
        return readable(raw)

    async def look(self, cursors: Mapping[str, Cursor], size: int) -> None:
        """No cursor may be behind what stands in inboxes, or behind what the ledger was told of deliveries.

        Args:
            cursors: those that can be read.
            size: of the ledger; what is owed of entries that it lacks is told once they are there.
        """
        known = await inboxes(self._connection, self._topics)
        for lane in LANES:
            told = await self._store.fetch("last_delivery", lane)
            base = max([delivered_to(lane, known), *(row["last_index"] for row in told)])
            at = cursors.get(lane, Cursor()).index
            if base <= at:
                continue
            self._bases[lane] = base
            sentence = f"the cursor of the {lane} lane says {at}, and entries up to {base} were delivered"
            self._report.finding(LOST, sentence)
            owed = {} if base >= size else (await cursor_at(self._store, lane, base, known)).parked
            lack = ", ".join(f"{topic} from {index}" for topic, index in sorted(owed.items()))
            sentence = f"write the cursor of the {lane} lane again: {base}" + (f"; still owed: {lack}" if lack else "")
            self._report.step("cursor", sentence)

    async def write(self) -> None:
        """Write what :meth:`look` found lost, by the couriers' own producers: so what they left open ends first."""
        if HUB_CURSOR not in self._topics:
            await Admin(self._connection).create_topics([one for one in hub_topics() if one.name == HUB_CURSOR])
        if self._strays:
            async with Writer(self._connection, "hub-repair") as writer:
                await writer.send_all([Outgoing(HUB_CURSOR, key, None, ()) for key in self._strays])
        for lane in self._bases:
            producer = f"hub.courier.{lane}"
            async with Writer(self._connection, f"hub-courier-{lane}", transactional_id=producer) as writer:
                known = await inboxes(self._connection, self._topics)
                base = max(self._bases[lane], delivered_to(lane, known))
                await writer.send_all([(await cursor_at(self._store, lane, base, known)).record(lane)])
            faults.at("repair.pointed")
