"""Outboxes that end before what the ledger has read of them: filled up to there, with what nobody has read behind.

Kafka truncates a log to a prefix of itself. What stood behind it stands in the ledger; what its owner has written
since stands at offsets that the ledger has given to other records, and would never be read. So the missing offsets
are filled with empty records, and each record below that is not the one that the ledger has there is written again
behind them, byte for byte (docs/adr/0030).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from bus.errors import UsageError
from bus.hub import faults
from bus.hub.sequencer import owner_of
from bus.hub.tilefiles import sync_folder, write_durable
from bus.hub.topics import topics_of
from bus.kafka.admin import Admin
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing, Record
from bus.kafka.writer import Writer
from bus.ledger.store import Store
from bus.repair.files import read_file
from bus.repair.heard import of_kind
from bus.repair.report import Report
from bus.tlog import Leaf

SHORT: Final = "outbox-short"
FILLER: Final = (("bus-filler", b"1"),)
"""The headers of a record that only takes up an offset; it has neither key nor value, and no notary reads it."""
WINDOW: Final = 5_000
MOST: Final = 1_000
MARKS: Final = "outboxes"
MAX_MARKS: Final = 1 << 20
ZERO32: Final = bytes(32)


class Outboxes:
    """The outboxes of a stopped hub.

    Args:
        connection: the hub's.
        store: the ledger.
        folder: the publisher's, where is noted which outboxes are being mended, and up to where.
        topics: all that there are.
    """

    def __init__(self, connection: Connection, store: Store, folder: Path, topics: Sequence[str]) -> None:
        self._connection, self._store, self._folder = connection, store, folder
        self._outboxes = of_kind(topics, "out")

    async def look(self, report: Report) -> None:
        """Note which outboxes are short, and what would be done about each."""
        short = await self._short()
        async with Reader(self._connection, "hub-repair-outbox", isolation="read_uncommitted") as reader:
            ends = await reader.end_offsets([one for one in short if one in self._outboxes])
            for topic, goal in short.items():
                end = ends.get(topic, 0)
                lacks = f"{topic} ends at offset {end}, but the ledger has read it to {goal}"
                report.finding(SHORT, lacks if end < goal else f"{topic}: filling it up was cut short")
                unread = len(await self._unread(reader, topic, min(end, goal))) if topic in ends else 0
                sentence = f"fill {topic} up to offset {goal}, and write behind it {unread} records that were not read"
                report.step("outboxes", sentence)

    async def mend(self) -> None:
        """Fill up the outboxes that are short; cut short, it is done again, and what was sent twice is `repeated`."""
        short = await self._short()
        if not short:
            return
        write_durable(self._folder / MARKS, msgspec.json.encode(short))
        admin = Admin(self._connection)
        missing = short.keys() - set(self._outboxes)
        made = [topic for org in sorted({owner_of(one) for one in missing}) for topic in topics_of(org)]
        await admin.create_topics([topic for topic in made if topic.name in missing])
        async with (
            Reader(self._connection, "hub-repair-outbox", isolation="read_uncommitted") as reader,
            Writer(self._connection, "hub-repair-outbox") as writer,
        ):
            for topic, goal in short.items():
                await _fill(reader, writer, topic, goal)
                faults.at("repair.filled")
                unread = await self._unread(reader, topic, goal)
                async for some in _records(reader, topic, unread):
                    await writer.send_all([Outgoing(topic, one.key, one.value, one.headers) for one in some])
        (self._folder / MARKS).unlink()
        sync_folder(self._folder)

    async def _short(self) -> dict[str, int]:
        """The offset up to which each outbox that is short, or was when its repair was cut short, must be filled."""
        short = self._marked()
        intake = {row["topic"]: row["next_offset"] for row in await self._store.fetch("read_intake")}
        async with Reader(self._connection, "hub-repair-outbox") as reader:
            ends = await reader.end_offsets([topic for topic in intake if topic in self._outboxes])
        short |= {topic: offset for topic, offset in intake.items() if offset > ends.get(topic, 0)}
        return dict(sorted(short.items()))

    def _marked(self) -> dict[str, int]:
        data = read_file(self._folder / MARKS, MAX_MARKS)
        if data is None:
            return {}
        try:
            return msgspec.json.decode(data, type=dict[str, int])
        except msgspec.DecodeError:
            hint = "It was not written by a repair: put it aside, and repair again."
            raise UsageError(f"{self._folder / MARKS} does not name outboxes", hint=hint) from None

    async def _unread(self, reader: Reader, topic: str, end: int) -> list[int]:
        """The offsets below ``end`` whose record is not the one that the ledger has there, in order.

        Looked for from the end: a log that was truncated is as it was before, so a window in which the ledger knows
        every record ends it.
        """
        first = (await reader.beginning_offsets([topic]))[topic]
        unread: list[int] = []
        while first < end:
            low = max(first, end - WINDOW)
            rows = await self._store.fetch("values_of_outbox", topic, low, end)
            known = {row["kafka_offset"]: Leaf.decode(row["leaf"]).value_d for row in rows}
            records = await reader.fetch({topic: low}, {topic: end})
            found = [one.offset for one in records if not _is_filler(one) and known.get(one.offset) != _digest(one)]
            unread = [*found, *unread]
            if records and not found and not any(map(_is_filler, records)):
                break
            end = low
        return unread


async def _fill(reader: Reader, writer: Writer, topic: str, goal: int) -> None:
    """Write empty records until the outbox ends at ``goal``; fewer at a time near it, for its owner may write too."""
    while (end := (await reader.end_offsets([topic]))[topic]) < goal:
        some = max(1, min(MOST, (goal - end) // 2))
        await writer.send_all([Outgoing(topic, None, None, FILLER)] * some)


async def _records(reader: Reader, topic: str, offsets: Sequence[int]) -> AsyncGenerator[list[Record]]:
    """The records at some offsets, in pieces."""
    for at in range(0, len(offsets), MOST):
        wanted = set(offsets[at : at + MOST])
        found = await reader.fetch({topic: min(wanted)}, {topic: max(wanted) + 1})
        yield [record for record in found if record.offset in wanted]


def _is_filler(record: Record) -> bool:
    return record.key is None and record.value is None and tuple(record.headers) == FILLER


def _digest(record: Record) -> bytes:
    """As the leaf has it: zeros where there is no value."""
    return ZERO32 if record.value is None else sha256(record.value).digest()
