"""The last record of each of many topics, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from bus.kafka.reader import Reader
from bus.kafka.records import Record

STRIDE: Final = 16
"""Markers of transactions take offsets too, and aborted records: so more than one is read at first."""


class Tail(Struct, frozen=True):
    """The end of a topic: its offset, and the last record that was looked for."""

    end: int
    record: Record | None


async def tails(reader: Reader, topics: Sequence[str], is_wanted: Callable[[Record], bool]) -> dict[str, Tail]:
    """The last record of each topic that is of the wanted kind, read from its end in strides that grow.

    Raises:
        NotAllowed, Unavailable: as :meth:`Reader.assign`.
    """
    first, ends = await reader.beginning_offsets(topics), await reader.end_offsets(topics)
    found: dict[str, Record] = {}
    left, stride = [name for name in topics if first[name] < ends[name]], STRIDE
    while left:
        starts = {name: max(first[name], ends[name] - stride) for name in left}
        for record in await reader.fetch(starts, {name: ends[name] for name in left}):
            if is_wanted(record):
                found[record.topic] = record
        left = [name for name in left if name not in found and starts[name] > first[name]]
        stride *= STRIDE
    return {name: Tail(ends[name], found.get(name)) for name in topics}
