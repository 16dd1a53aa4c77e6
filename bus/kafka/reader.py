"""Reading from Kafka with the client's traps handled in one place.

- Offsets are the caller's: ``assign`` + ``seek``, no auto-commit, ``auto_offset_reset=none``; a position that the
  broker does not have is an error with a name (:class:`OffsetLost`), never a silent jump.
- Values stay bytes: a deserializer that raises would be called again for the same record for ever.
- A consumer does not fetch from a broker while one partition's buffer is undrained: ``read`` always takes all
  that is there, and bounds memory by the fetch size instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaError,
    NotCoordinatorError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata

from bus.errors import NotAllowed, Unavailable
from bus.kafka.connection import Connection
from bus.kafka.records import Record

STOP_TIMEOUT_S = 10.0
OFFSETS_TIMEOUT_S = 30.0
COORDINATOR_TIMEOUT_S = 15.0
_NO_COORDINATOR = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)

Isolation = Literal["read_committed", "read_uncommitted"]


class OffsetLost(Unavailable):
    """A position that its partition does not have (records deleted ahead of the reader, or a topic recreated)."""

    def __init__(self, positions: Mapping[str, int]) -> None:
        super().__init__(f"the broker does not have the offsets asked for of {', '.join(sorted(positions))}")
        self.positions = dict(positions)


class Unreadable(Unavailable):
    """Some topic holds a record that the client cannot parse: a header whose name is no UTF-8, which brokers let pass.

    What was read of other topics in the same call is lost to the caller, who must go back to its own offsets.
    """


class Reader:
    """Reads topics of one partition each from offsets that the caller keeps."""

    def __init__(
        self,
        connection: Connection,
        client_id: str,
        *,
        isolation: Isolation = "read_committed",
        fetch_bytes: int = 8 * 1024 * 1024,
        max_wait_ms: int = 250,
    ) -> None:
        self._connection = connection
        self._options: dict[str, Any] = {
            "client_id": client_id,
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": isolation,
            "fetch_max_bytes": fetch_bytes,
            "max_partition_fetch_bytes": min(fetch_bytes, 2 * 1024 * 1024),
            "fetch_max_wait_ms": max_wait_ms,
            "fetch_min_bytes": 1,
            "retry_backoff_ms": 50,
            "request_timeout_ms": 20_000,
        }
        self._consumer: Any = None
        self._topics: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        consumer = AIOKafkaConsumer(**self._options, **self._connection.aiokafka())
        try:
            await consumer.start()
        except BaseException as error:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(consumer.stop(), STOP_TIMEOUT_S)
            if isinstance(error, KafkaError | OSError):
                raise Unavailable(self._connection.unreachable(error)) from error
            raise
        self._consumer = consumer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the consumer, in bounded time whatever the brokers do."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(asyncio.TimeoutError, KafkaError, ConnectionError):
                await asyncio.wait_for(consumer.stop(), STOP_TIMEOUT_S)

    async def assign(self, offsets: Mapping[str, int | Literal["earliest", "latest"]]) -> dict[str, int]:
        """Read these topics from these offsets on, and no others.

        Returns:
            The offset of each topic at which reading begins.

        Raises:
            NotAllowed: the broker's ACLs say no.
            Unavailable: the broker is away or a topic does not exist.
        """
        topics = sorted(offsets)
        partitions = {topic: TopicPartition(topic, 0) for topic in topics}
        self._topics = tuple(topics)
        self._consumer.assign(list(partitions.values()))
        symbolic = [topic for topic in topics if not isinstance(offsets[topic], int)]
        first = await self.beginning_offsets([t for t in symbolic if offsets[t] == "earliest"])
        last = await self.end_offsets([t for t in symbolic if offsets[t] == "latest"])
        start: dict[str, int] = {}
        for topic in topics:
            wanted = offsets[topic]
            start[topic] = wanted if isinstance(wanted, int) else {**first, **last}[topic]
            self._consumer.seek(partitions[topic], start[topic])
        return start

    def seek(self, topic: str, offset: int) -> None:
        """Go on reading a topic from another offset."""
        self._consumer.seek(TopicPartition(topic, 0), offset)

    async def read(self, timeout_s: float = 0.25, max_records: int | None = None) -> list[Record]:
        """All records that are there, or the first that come within ``timeout_s`` seconds.

        Raises:
            OffsetLost: a position that the broker does not have; the others go on after ``assign``.
            Unreadable: a record that cannot be parsed; see :func:`readable_from`.
            NotAllowed, Unavailable: as :meth:`assign`.
        """
        if not self._topics:
            await asyncio.sleep(timeout_s)
            return []
        try:
            got = await self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except OffsetOutOfRangeError as error:
            positions: dict[TopicPartition, int] = error.args[0]
            raise OffsetLost({tp.topic: offset for tp, offset in positions.items()}) from error
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            raise NotAllowed(f"Kafka does not let {self._connection.username} read {self._topics}") from error
        except (KafkaError, OSError) as error:
            raise Unavailable(f"reading from Kafka failed: {type(error).__name__}") from error
        except ValueError as error:
            raise Unreadable("a record cannot be parsed") from error
        records: list[Record] = []
        for tp, batch in got.items():
            topic: str = tp.topic
            records += [Record(topic, r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in batch]
        return records

    async def position(self, topic: str) -> int:
        """The offset that will be read next (it moves past control records too)."""
        return await self._consumer.position(TopicPartition(topic, 0))

    async def beginning_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """The first offset that each topic still has."""
        return await self._offsets(topics, "beginning_offsets")

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """The offset after the last record of each topic (after the last stable one when ``read_committed``)."""
        return await self._offsets(topics, "end_offsets")

    async def offsets_at(self, topics: Sequence[str], time_ms: int) -> dict[str, int]:
        """The offset of the first record of each topic that is not older than a time; the end where there is none.

        Raises:
            NotAllowed, Unavailable: as :meth:`assign`.
        """
        found = await self.end_offsets(topics)
        wanted = {TopicPartition(topic, 0): max(time_ms, 0) for topic in topics}
        try:
            async with asyncio.timeout(OFFSETS_TIMEOUT_S):
                first = await self._consumer.offsets_for_times(wanted)
        except (TimeoutError, KafkaError, OSError) as error:
            raise Unavailable(f"offsets by time cannot be read: {type(error).__name__}") from error
        return {**found, **{tp.topic: one.offset for tp, one in first.items() if one is not None}}

    async def span(self, topic: str, first: int, end: int) -> AsyncGenerator[Record]:
        """The records of a topic from ``first`` to before ``end``, as far as the broker still has them.

        A batch that cannot be parsed is passed over. Leaves this reader assigned to ``topic``.

        Raises:
            NotAllowed, Unavailable: as :meth:`assign`.
        """
        at = max(first, (await self.beginning_offsets([topic]))[topic])
        end = min(end, (await self.end_offsets([topic]))[topic])
        if at >= end:
            return
        await self.assign({topic: at})
        while at < end:
            try:
                for record in await self.read(timeout_s=0.5):
                    if record.offset < end:
                        yield record
                at = await self.position(topic)
            except Unreadable:
                at = await readable_from(self, topic, at, end)
                await self.assign({topic: at})

    async def spans(self, starts: Mapping[str, int], ends: Mapping[str, int]) -> AsyncGenerator[Record]:
        """The records of many topics, each from its start to before its end; in order within a topic.

        Raises:
            Unreadable: a batch cannot be parsed; :meth:`span` reads one topic past it.
            NotAllowed, Unavailable: as :meth:`assign`.
        """
        left = {topic: end for topic, end in ends.items() if starts[topic] < end}
        await self.assign({topic: starts[topic] for topic in left})
        while left:
            for record in await self.read(timeout_s=0.5):
                if record.offset < left.get(record.topic, 0):
                    yield record
            for topic in list(left):
                if await self.position(topic) >= left[topic]:
                    del left[topic]

    async def fetch(self, starts: Mapping[str, int], ends: Mapping[str, int]) -> list[Record]:
        """All records of some spans that the broker still has; what cannot be parsed is passed over.

        Raises:
            NotAllowed, Unavailable: as :meth:`assign`.
        """
        topics = sorted(starts)
        first, last = await self.beginning_offsets(topics), await self.end_offsets(topics)
        low = {topic: max(starts[topic], first[topic]) for topic in topics}
        high = {topic: min(ends[topic], last[topic]) for topic in topics}
        try:
            return [record async for record in self.spans(low, high)]
        except Unreadable:
            return [record for topic in topics async for record in self.span(topic, low[topic], high[topic])]

    async def _offsets(self, topics: Sequence[str], which: str) -> dict[str, int]:
        if not topics:
            return {}
        partitions = [TopicPartition(topic, 0) for topic in topics]
        asked = asyncio.ensure_future(getattr(self._consumer, which)(partitions))
        try:
            found = await self._unless_denied(asked, topics)
        except TopicAuthorizationFailedError as error:
            raise NotAllowed(f"Kafka does not let {self._connection.username} read {sorted(topics)}") from error
        except TimeoutError as error:
            raise Unavailable(f"offsets of {sorted(topics)} cannot be read: is there such a topic?") from error
        except (KafkaError, OSError) as error:
            raise Unavailable(f"offsets of {sorted(topics)} cannot be read: {type(error).__name__}") from error
        finally:
            asked.cancel()
        return {tp.topic: offset for tp, offset in found.items()}

    async def _unless_denied(self, asked: asyncio.Future[Any], topics: Sequence[str]) -> Any:
        """The answer; the client itself would ask for the offsets of a topic that is denied or missing for ever."""
        deadline = time.monotonic() + OFFSETS_TIMEOUT_S
        while not asked.done():
            await asyncio.wait([asked], timeout=0.2)
            denied = self._consumer._client.cluster.unauthorized_topics.intersection(topics)  # noqa: SLF001
            if denied and not asked.done():
                raise TopicAuthorizationFailedError(denied)
            if time.monotonic() > deadline:
                raise TimeoutError
        return asked.result()


async def readable_from(reader: Reader, topic: str, offset: int, end: int) -> int:
    """Where a topic can be read again, if it cannot be at ``offset``.

    A batch is parsed from its first record whatever offset is asked for, so all of it is passed over; in strides that
    double, then by halves, so that a batch of thousands costs a dozen fetches. Leaves ``reader`` assigned to ``topic``.

    Returns:
        An offset from ``offset`` + 1 to ``end``, from which nothing that is there now is unreadable at once.
    """
    bad, stride = offset, 1
    while True:
        good = min(bad + stride, end)
        if good == end or await _is_readable(reader, topic, good):
            break
        bad, stride = good, stride * 2
    while good - bad > 1:
        middle = (bad + good) // 2
        if await _is_readable(reader, topic, middle):
            good = middle
        else:
            bad = middle
    return good


async def _is_readable(reader: Reader, topic: str, offset: int) -> bool:
    await reader.assign({topic: offset})
    try:
        await reader.read(timeout_s=2.0, max_records=1)
    except Unreadable:
        return False
    return True


class GroupReader(Reader):
    """A :class:`Reader` whose offsets, with a word of metadata each, are kept in a consumer group."""

    def __init__(self, connection: Connection, client_id: str, group: str, **options: Any) -> None:
        super().__init__(connection, client_id, **options)
        self._group = group
        self._options["group_id"] = group

    async def commit(self, offsets: Mapping[str, tuple[int, str]]) -> None:
        """Keep, per topic, the offset to read next and a word of metadata.

        Raises:
            NotAllowed, Unavailable: as :meth:`Reader.assign`.
        """
        wanted = {TopicPartition(topic, 0): OffsetAndMetadata(*kept) for topic, kept in offsets.items()}
        try:
            await self._consumer.commit(wanted)
        except GroupAuthorizationFailedError as error:
            raise NotAllowed(f"Kafka does not let {self._connection.username} use group {self._group}") from error
        except (KafkaError, OSError) as error:
            raise Unavailable(f"offsets could not be committed: {type(error).__name__}") from error

    async def committed(self, topics: Sequence[str]) -> dict[str, tuple[int, str] | None]:
        """What :meth:`commit` kept, or None where nothing was."""
        admin = AIOKafkaAdminClient(**self._connection.aiokafka())
        partitions = [TopicPartition(topic, 0) for topic in topics]
        try:
            await admin.start()
            found = await self._group_offsets(admin, partitions)
        except GroupAuthorizationFailedError as error:
            raise NotAllowed(f"Kafka does not let {self._connection.username} use group {self._group}") from error
        except (KafkaError, OSError) as error:
            raise Unavailable(f"offsets of group {self._group} cannot be read: {type(error).__name__}") from error
        finally:
            await admin.close()
        kept = {tp.topic: (entry.offset, entry.metadata) for tp, entry in found.items() if entry.offset >= 0}
        return {topic: kept.get(topic) for topic in topics}

    async def _group_offsets(self, admin: Any, partitions: Sequence[TopicPartition]) -> Any:
        """Ask until every partition is answered, in bounded time.

        A new cluster makes the topic of offsets at the first question, and has no coordinator until then. Where a
        coordinator is still loading, the client gives an answer without the partitions instead of an error.
        """
        deadline = time.monotonic() + COORDINATOR_TIMEOUT_S
        while True:
            try:
                found = await admin.list_consumer_group_offsets(self._group, partitions=list(partitions))
                if all(tp in found for tp in partitions):
                    return found
            except _NO_COORDINATOR:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise CoordinatorLoadInProgressError
            await asyncio.sleep(0.1)
