"""Writing to Kafka with the client's traps handled in one place.

What the client does by itself, and what is done about it here:

- ``send`` only enqueues, and a future that nobody awaits hides its failure: every batch is awaited.
- ``commit_transaction`` commits although a produce in the transaction was refused: a transaction commits here
  only when every batch of it was acknowledged, and is aborted otherwise.
- ``BatchBuilder.append`` returns None and drops the record when the batch is full: a new batch is opened.
- After a refused batch the idempotent producer's sequence numbers no longer fit the broker's: the producer is
  thrown away and a new one made.
- A transaction's first produce waits 20 ms when the one before is still completing: 2 ms here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer import sender as _sender

from bus.errors import NotAllowed, Unavailable
from bus.kafka.connection import Connection
from bus.kafka.records import Outgoing, Sent, WriteFailed

_sender.BACKOFF_OVERRIDE = 0.002  # type: ignore[attr-defined]

BATCH_BYTES = 384 * 1024
"""Bytes of one produced batch: well under a topic's 1 MiB, and large enough that requests are few."""

STOP_TIMEOUT_S = 10.0


class Fenced(Unavailable):
    """Another process has taken over this transactional id; this one must stop."""


class WriteError(Unavailable):
    """Some records were not acknowledged. ``failures`` says which topic and why."""

    def __init__(self, failures: Sequence[WriteFailed]) -> None:
        first = failures[0]
        super().__init__(f"Kafka did not take {len(failures)} batch(es); the first, for {first.topic}: {first.error}")
        self.failures = tuple(failures)

    @property
    def topics(self) -> frozenset[str]:
        """The topics that failed."""
        return frozenset(failure.topic for failure in self.failures)


class Writer:
    """An idempotent producer (acks=all) that sends lists of records and accounts for each.

    With ``transactional_id`` every ``send_all`` is one transaction, committed only if all of it was taken.
    """

    def __init__(
        self,
        connection: Connection,
        client_id: str,
        *,
        transactional_id: str | None = None,
        request_timeout_s: float = 15.0,
    ) -> None:
        self._connection = connection
        self._client_id = client_id
        self._transactional_id = transactional_id
        self._timeout_ms = int(request_timeout_s * 1000)
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the producer, in bounded time whatever the brokers do."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(asyncio.TimeoutError, KafkaError, ConnectionError):
                await asyncio.wait_for(producer.stop(), STOP_TIMEOUT_S)

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        """Write all records, in order per topic.

        Returns:
            Where each landed, in the order given.

        Raises:
            WriteError: some were refused or their fate is unknown; in a transaction nothing was committed.
            NotAllowed: the broker's ACLs say no.
            Fenced: another process took over the transactional id.
            Unavailable: the broker is away.
        """
        if not records:
            return []
        producer = self._producer or await self._open()
        if self._transactional_id is None:
            return await self._checked(records)
        async with self._transaction(producer, commit=True):
            return await self._checked(records)

    async def attempt(self, records: Sequence[Outgoing]) -> None:
        """Write all records in a transaction and abort it: whether they would be taken. No reader sees them.

        Raises:
            WriteError, NotAllowed, Fenced, Unavailable: as :meth:`send_all`.
        """
        if not records:
            return
        producer = self._producer or await self._open()
        async with self._transaction(producer, commit=False):
            await self._checked(records)

    @contextlib.asynccontextmanager
    async def _transaction(self, producer: Any, *, commit: bool) -> AsyncGenerator[None]:
        """A transaction around what is written within. Whatever fails, it is aborted and the producer thrown away."""
        try:
            await producer.begin_transaction()
            yield
            await (producer.commit_transaction() if commit else producer.abort_transaction())
        except ProducerFenced as error:
            await self.close()
            raise Fenced(f"{self._transactional_id} was taken over by another process") from error
        except KafkaError as error:
            await self._discard()
            raise Unavailable(f"a Kafka transaction of {self._client_id} failed: {type(error).__name__}") from error
        except BaseException:
            await self._discard()
            raise

    async def _open(self) -> Any:
        extra: dict[str, Any] = {}
        if self._transactional_id is not None:
            extra = {"transactional_id": self._transactional_id, "transaction_timeout_ms": 30_000}
        producer = AIOKafkaProducer(
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * 1024 * 1024,
            request_timeout_ms=self._timeout_ms,
            retry_backoff_ms=50,
            **self._connection.aiokafka(),
            **extra,
        )
        try:
            await producer.start()
        except BaseException as error:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), STOP_TIMEOUT_S)
            if isinstance(error, KafkaError | OSError):
                raise Unavailable(self._connection.unreachable(error)) from error
            raise
        self._producer = producer
        return producer

    async def _discard(self) -> None:
        """Abort what is open and throw the producer away: the next use makes a new one with a new epoch."""
        producer = self._producer
        if producer is not None and self._transactional_id is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.abort_transaction(), STOP_TIMEOUT_S)
        await self.close()

    async def _checked(self, records: Sequence[Outgoing]) -> list[Sent]:
        results = await self._produce(records)
        failures = [result for result in results if isinstance(result, WriteFailed)]
        if not failures:
            return [result for result in results if isinstance(result, Sent)]
        if self._transactional_id is None:
            await self._discard()
        if all("Authorization" in failure.error for failure in failures):
            topics = ", ".join(sorted({failure.topic for failure in failures}))
            raise NotAllowed(
                f"Kafka does not let {self._connection.username} write to {topics}",
                hint="An organisation may write to its own out topics only.",
            )
        raise WriteError(failures)

    async def _produce(self, records: Sequence[Outgoing]) -> list[Sent | WriteFailed]:
        """Build one or more batches per topic, send all, await all."""
        by_topic: dict[str, list[int]] = {}
        for number, record in enumerate(records):
            by_topic.setdefault(record.topic, []).append(number)
        pending: list[tuple[str, list[int], asyncio.Future[Any] | None, str]] = []
        for topic, numbers in by_topic.items():
            for members, builder in self._batches(records, numbers):
                try:
                    future = await self._producer.send_batch(builder, topic, partition=0)
                    pending.append((topic, members, future, ""))
                except ProducerFenced:
                    raise
                except KafkaError as error:
                    pending.append((topic, members, None, type(error).__name__))
        results: list[Sent | WriteFailed | None] = [None] * len(records)
        for topic, members, future, refused in pending:
            outcome = await self._outcome(topic, future, refused)
            for place, number in enumerate(members):
                results[number] = Sent(topic, outcome + place) if isinstance(outcome, int) else outcome
        return [result for result in results if result is not None]

    def _batches(self, records: Sequence[Outgoing], numbers: list[int]) -> list[tuple[list[int], Any]]:
        batches: list[tuple[list[int], Any]] = []
        builder = self._producer.create_batch()
        members: list[int] = []
        for number in numbers:
            record = records[number]
            headers = list(record.headers)
            if builder.append(timestamp=None, key=record.key, value=record.value, headers=headers) is None:
                batches.append((members, builder))
                builder, members = self._producer.create_batch(), []
                builder.append(timestamp=None, key=record.key, value=record.value, headers=headers)
            members.append(number)
        builder.close()
        batches.append((members, builder))
        return batches

    async def _outcome(self, topic: str, future: asyncio.Future[Any] | None, refused: str) -> int | WriteFailed:
        """The base offset, or what went wrong."""
        if future is None:
            return WriteFailed(topic, refused, unknown=False, retriable=False)
        try:
            return (await future).offset
        except ProducerFenced:
            raise
        except KafkaError as error:
            name = type(error).__name__
            unknown = bool(error.retriable) or name in {"KafkaTimeoutError", "RequestTimedOutError"}
            return WriteFailed(topic, name, unknown=unknown, retriable=bool(error.retriable))
