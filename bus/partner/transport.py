"""The seam between the SDK and Kafka: what it asks of a broker, and nothing more.

``bus.testing.MemoryBus`` is the other implementation; the same behaviour tests run against both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from bus.kafka.connection import Connection
from bus.kafka.reader import GroupReader, Reader
from bus.kafka.records import Outgoing, Record, Sent
from bus.kafka.writer import Writer


class Writes(Protocol):
    """Writes records, in order per topic, and says where each landed (:class:`bus.kafka.writer.Writer`)."""

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        """Write all, or raise."""
        ...


class Reads(Protocol):
    """Reads topics from offsets that the caller keeps (:class:`bus.kafka.reader.Reader`)."""

    async def assign(self, offsets: Mapping[str, int | Literal["earliest", "latest"]]) -> dict[str, int]:
        """Read these topics from these offsets on."""
        ...

    async def read(self, timeout_s: float = 0.25, max_records: int | None = None) -> list[Record]:
        """What is there, or the first that comes in time."""
        ...

    async def position(self, topic: str) -> int:
        """The offset that is read next."""
        ...

    async def beginning_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """The first offset that each topic still has."""
        ...

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """The offset after the last stable record of each topic."""
        ...


class GroupReads(Reads, Protocol):
    """Reads whose offsets are kept under a group's name (:class:`bus.kafka.reader.GroupReader`)."""

    async def commit(self, offsets: Mapping[str, tuple[int, str]]) -> None:
        """Keep the offset to read next and a word of metadata, per topic."""
        ...

    async def committed(self, topics: Sequence[str]) -> dict[str, tuple[int, str] | None]:
        """What was kept."""
        ...


class Transport(Protocol):
    """Opens writers and readers."""

    def writer(self, client_id: str) -> AbstractAsyncContextManager[Writes]:
        """An idempotent producer."""
        ...

    def reader(self, client_id: str) -> AbstractAsyncContextManager[Reads]:
        """A ``read_committed`` consumer without a group."""
        ...

    def group_reader(self, client_id: str, group: str) -> AbstractAsyncContextManager[GroupReads]:
        """A ``read_committed`` consumer that keeps its offsets in a group."""
        ...


class KafkaTransport:
    """A real cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def writer(self, client_id: str) -> AbstractAsyncContextManager[Writes]:
        """See :class:`Transport`."""
        return Writer(self._connection, client_id)

    def reader(self, client_id: str) -> AbstractAsyncContextManager[Reads]:
        """See :class:`Transport`."""
        return Reader(self._connection, client_id)

    def group_reader(self, client_id: str, group: str) -> AbstractAsyncContextManager[GroupReads]:
        """See :class:`Transport`."""
        return GroupReader(self._connection, client_id, group)
