"""How far the courier is: a record of the compacted topic ``hub.cursor`` for each lane.

::

    key   = the lane
    value = JSON {"index": last index covered, "leaf_hash": its leaf hash in hex, "parked": {topic: next index owed}}

It is written in the Kafka transaction that delivers, so neither can be there without the other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from msgspec import Struct, field

from bus.errors import StartRefused, Unavailable
from bus.events.names import HUB_CURSOR, LANES
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing

OPEN_TRANSACTION_S = 45.0
"""Longer than the couriers' transaction time-out of 30 s."""


class Cursor(Struct, frozen=True):
    """How far one lane is, and what is owed to parked topics."""

    index: int = -1
    leaf_hash: str = ""
    parked: dict[str, int] = field(default_factory=dict)

    def record(self, lane: str) -> Outgoing:
        """The cursor as it stands in the topic."""
        return Outgoing(HUB_CURSOR, lane.encode(), msgspec.json.encode(self), ())


async def read_cursors(connection: Connection, client_id: str, *, patient: bool = True) -> dict[str, Cursor]:
    """The newest cursor of each lane that has one, read to the end of the topic.

    The end is that of everything written: an open transaction of the other lane holds back what is committed behind
    it, so it is waited for; the broker ends it within its time-out. Not ``patient``: an older cursor will do.

    Raises:
        StartRefused: the newest record of a key is no cursor, or the key no lane.
        Unavailable: Kafka is away, or a transaction does not end.
    """
    return {
        _lane(key): _decoded(value) for key, value in (await newest(connection, client_id, patient=patient)).items()
    }


async def newest(connection: Connection, client_id: str, *, patient: bool = True) -> dict[bytes, bytes]:
    """The newest record of each key of the topic, whatever it is; a tombstone takes its key out.

    Raises:
        Unavailable: as :func:`read_cursors`.
    """
    found: dict[bytes, bytes | None] = {}
    async with Reader(
        connection, f"{client_id}-end", isolation="read_uncommitted" if patient else "read_committed"
    ) as reader:
        end = (await reader.end_offsets([HUB_CURSOR]))[HUB_CURSOR]
    deadline = time.monotonic() + OPEN_TRANSACTION_S
    async with Reader(connection, client_id) as reader:
        at = (await reader.assign({HUB_CURSOR: "earliest"}))[HUB_CURSOR]
        while at < end:
            if time.monotonic() > deadline:
                raise Unavailable("a transaction on hub.cursor stays open: the newest cursor cannot be read")
            for record in await reader.read(timeout_s=0.5):
                found[record.key or b""] = record.value
            at = await reader.position(HUB_CURSOR)
    return {key: value for key, value in found.items() if value is not None}


def readable(raw: Mapping[bytes, bytes]) -> dict[str, Cursor]:
    """The cursors among the newest records of the topic: what is none is passed over."""
    found: dict[str, Cursor] = {}
    for key, value in raw.items():
        with suppress(StartRefused):
            found[_lane(key)] = _decoded(value)
    return found


def _lane(key: bytes) -> str:
    lane = key.decode(errors="replace")
    if lane not in LANES:
        raise StartRefused("a record of hub.cursor is no cursor")
    return lane


def _decoded(value: bytes) -> Cursor:
    try:
        return msgspec.json.decode(value, type=Cursor)
    except msgspec.DecodeError as error:
        raise StartRefused("a record of hub.cursor is no cursor") from error
