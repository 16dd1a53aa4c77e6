"""The courier's cursor, made again from what stands in inboxes.

Records and cursor are written in one Kafka transaction, so a cursor that is right is never behind an inbox. One that
was lost, or put back, follows from the inboxes and the ledger: everything up to the newest record of a lane was
delivered, and to each topic exactly what it has. A topic that lacks something of that is parked there, as the courier
itself would have it, and is served from the first entry that it is owed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bus.events import registry
from bus.events.codec import decode_decision
from bus.events.names import HUB_DIRECTORY, in_topic, lane_of_topic, parse_topic
from bus.hub.cursor import Cursor
from bus.hub.topics import topic_settings
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.tails import Tail, tails
from bus.ledger.store import Store
from bus.tlog import Leaf

CHUNK: Final = 1000
DIRECTORY: Final = registry.directory_ids()


class Inbox(Struct, frozen=True):
    """How far a topic is that the courier writes.

    Attributes:
        index: of the entry that was delivered last; -1 without one.
        seq: its number there; -1 without one.
        is_emptied: there were records, and none is left: what they were cannot be seen any more.
    """

    index: int = -1
    seq: int = -1
    is_emptied: bool = False


async def inboxes(connection: Connection, topics: Sequence[str]) -> dict[str, Inbox]:
    """The last record of each inbox, and of the directory, whatever stands behind it."""
    names = [name for name in topics if name == HUB_DIRECTORY or (parse_topic(name) or ("",))[0] == "in"]
    async with Reader(connection, "hub-repair-inboxes") as reader:
        ends = await tails(reader, names, lambda record: (record.header("bus-index") or b"").isdigit())
    return {name: _inbox(tail) for name, tail in ends.items()}


def _inbox(tail: Tail) -> Inbox:
    if tail.record is None:
        return Inbox(is_emptied=tail.end > 0)
    return Inbox(int(tail.record.header("bus-index") or b"-1"), int(tail.record.header("bus-seq") or b"-1"))


def delivered_to(lane: str, known: Mapping[str, Inbox]) -> int:
    """The newest entry that an inbox of a lane has; -1 if there is none."""
    return max((one.index for name, one in known.items() if _lane(name) == lane), default=-1)


async def cursor_at(store: Store, lane: str, base: int, known: Mapping[str, Inbox]) -> Cursor:
    """The cursor of a lane of which everything up to an entry was delivered, but for what inboxes lack.

    Args:
        store: the ledger, which has the entry.
        lane: the lane.
        base: the entry.
        known: every inbox of the lane.
    """
    numbers = {in_topic(row["org"], row["lane"]): int(row["seq"]) for row in await store.fetch("read_recipients")}
    behind = {
        name: one
        for name, one in known.items()
        if _lane(name) == lane and (name == HUB_DIRECTORY or one.seq < numbers.get(name, -1))
    }
    (row,) = await store.fetch("leaf_hash_at", base)
    return Cursor(base, row["leaf_hash"].hex(), await _owed(store, lane, base, behind))


async def _owed(store: Store, lane: str, base: int, behind: dict[str, Inbox]) -> dict[str, int]:
    """The first entry, up to ``base``, that each of these topics should have and has not."""
    expired_us = time.time_ns() // 1000 - int(topic_settings()["in"]["retention.ms"]) * 1000
    owed: dict[str, int] = {}
    at = min((one.index for one in behind.values()), default=base) + 1
    while at <= base and behind:
        rows = await store.fetch("deliverable", at, base + 1, lane, CHUNK, DIRECTORY)
        for row in rows:
            for topic in _topics(row):
                one = behind.get(topic)
                if one is None or row["index"] <= one.index:
                    continue
                if one.is_emptied and Leaf.decode(row["leaf"]).time_us < expired_us:
                    continue  # it was there for as long as anything is
                owed[topic] = row["index"]
                del behind[topic]
        at = rows[-1]["index"] + 1 if len(rows) == CHUNK else base + 1
    return owed


def _topics(row: Mapping[str, object]) -> list[str]:
    """Where an accepted entry is delivered."""
    if row["schema_id"] in DIRECTORY:
        return [HUB_DIRECTORY]
    decision = row["decision"]
    assert isinstance(decision, bytes)
    return [in_topic(one.org, one.lane) for one in decode_decision(decision).recipients if one.allow]


def _lane(topic: str) -> str:
    """The lane whose courier writes a topic."""
    return "bulk" if topic == HUB_DIRECTORY else lane_of_topic(topic)
