"""How far the courier is: a record of the compacted topic ``hub.cursor`` for each lane.

::

    key   = the lane
    value = JSON {"index": last index covered, "leaf_hash": its leaf hash in hex, "parked": {topic: next index owed}}

It is written in the Kafka transaction that delivers, so neither can be there without the other.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from bus.errors import StartRefused
from bus.events.names import HUB_CURSOR
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing


class Cursor(Struct, frozen=True):
    """How far one lane is, and what is owed to parked topics."""

    index: int = -1
    leaf_hash: str = ""
    parked: dict[str, int] = field(default_factory=dict)

    def record(self, lane: str) -> Outgoing:
        """The cursor as it stands in the topic."""
        return Outgoing(HUB_CURSOR, lane.encode(), msgspec.json.encode(self), ())


async def read_cursors(connection: Connection, client_id: str) -> dict[str, Cursor]:
    """The newest cursor of each lane that has one, read to the end of what is committed.

    Raises:
        StartRefused: a record of the topic is no cursor.
        Unavailable: Kafka is away.
    """
    found: dict[str, Cursor] = {}
    async with Reader(connection, client_id) as reader:
        end = (await reader.end_offsets([HUB_CURSOR]))[HUB_CURSOR]
        at = (await reader.assign({HUB_CURSOR: "earliest"}))[HUB_CURSOR]
        while at < end:
            for record in await reader.read(timeout_s=0.5):
                if record.key is not None and record.value is not None:
                    found[record.key.decode()] = _decoded(record.value)
            at = await reader.position(HUB_CURSOR)
    return found


def _decoded(value: bytes) -> Cursor:
    try:
        return msgspec.json.decode(value, type=Cursor)
    except msgspec.DecodeError as error:
        raise StartRefused("a record of hub.cursor is no cursor") from error
