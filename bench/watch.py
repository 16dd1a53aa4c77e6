"""Watching from outside: how far topics and the ledger are, what it cost, and whether every record arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from bench.ground import Ground
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader

SLOW_S, FAST_S = 0.1, 0.01
"""Seconds between two looks: seldom at first, often towards the end, where the clock is read."""
QUIET_S = 0.5
"""An end offset that stays this long is the last one."""


class RoundError(Exception):
    """A round whose counts do not agree: its figures mean nothing."""


class Arrived(Struct, frozen=True):
    """When all was there, by the machine's clock: in the ledger (if there is one) and in the topics."""

    ledger_s: float | None
    topics_s: float


class Watch:
    """Looks at end offsets of topics as a ``read_committed`` reader sees them, and at the head of the ledger."""

    def __init__(self, ground: Ground, topics: Sequence[str]) -> None:
        self._ground = ground
        self._topics = list(topics)
        self._reader = Reader(ground.kafka, "bench-watch")

    async def __aenter__(self) -> Self:
        await self._reader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.close()

    async def ends(self) -> dict[str, int]:
        """The end of each topic, committed records only."""
        return await self._reader.end_offsets(self._topics)

    async def head(self) -> int:
        """The size of the ledger."""
        return await self._ground.number("SELECT size FROM ledger.head")

    async def until(self, records: int, ends: Mapping[str, int], size: int | None, *, timeout_s: float) -> Arrived:
        """Wait until the topics have grown by that many records since ``ends``, and grow no more.

        Args:
            records: expected in all topics together; control records come on top.
            ends: where the topics ended before.
            size: of the ledger at the end, or None where there is no ledger.
            timeout_s: until this is taken for a standstill.

        Raises:
            RoundError: it took too long.
        """
        deadline = time.monotonic() + timeout_s
        ledger_s: float | None = None
        last, changed_s = -1, 0.0
        while True:
            grown = sum((await self.ends()).values()) - sum(ends.values())
            now = time.time()
            if grown != last:
                last, changed_s = grown, now
            if size is not None and ledger_s is None and await self.head() >= size:
                ledger_s = time.time()
            if grown >= records and now - changed_s > QUIET_S and (size is None or ledger_s is not None):
                return Arrived(ledger_s, changed_s)
            if time.monotonic() > deadline:
                raise RoundError(f"{grown} of {records} records arrived within {timeout_s:.0f} s")
            await asyncio.sleep(SLOW_S if grown < 0.7 * records else FAST_S)


def read_all(connection: Connection, starts: Mapping[str, int], ends: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Every committed record between two offsets of each topic: topic, ``ce_id`` and size of the value.

    Read with librdkafka, which shares no line with what is measured.
    """
    consumer: Any = Consumer({
        **connection.librdkafka(),
        "group.id": "bench-count",
        "enable.auto.commit": "false",
        "isolation.level": "read_committed",
        "enable.partition.eof": "true",
        "auto.offset.reset": "error",
    })  # fmt: skip
    found: list[tuple[str, str, int]] = []
    open_topics = {topic for topic in starts if starts[topic] < ends[topic]}
    try:
        consumer.assign([TopicPartition(topic, 0, starts[topic]) for topic in open_topics])
        while open_topics:
            for message in consumer.consume(1000, 10.0) or [None]:
                if message is None:
                    raise RoundError(f"{', '.join(sorted(open_topics))} cannot be read to the end")
                if message.error() is None:
                    headers = dict(message.headers() or ())
                    found.append((message.topic(), headers["ce_id"].decode(), len(message.value() or b"")))
                else:
                    open_topics.discard(_ended(message))
    finally:
        consumer.close()
    return found


def _ended(message: Any) -> str:
    error = message.error()
    if error.name() != "_PARTITION_EOF":
        raise KafkaException(error)
    return str(message.topic())


class Cost:
    """CPU seconds of processes and their children, by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._trees = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._begun = self.used()

    def used(self) -> dict[str, float]:
        """CPU seconds since each process began."""
        return {name: _cpu_s(process) for name, process in self._trees.items()}

    def since(self) -> dict[str, float]:
        """CPU seconds since this was made."""
        return {name: used - self._begun[name] for name, used in self.used().items()}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return total
