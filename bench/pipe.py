"""The bare pipe: Kafka → binary COPY → Kafka, nothing checked, in one process and as well as these libraries can.

It is what the bus is measured against, so it is written to be fast: uvloop, one fetch for all topics, rows copied
while the batch before is on its way out, batches built by hand, no object a record beside the client's own. Its
durability is the bus's: a transaction per batch with ``synchronous_commit=on``, an idempotent producer with
``acks=all``. What it lacks is every promise.

Run as ``python -m bench.pipe PLAN.json``; it writes the ready file right before its first read and works until
it is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from msgspec import Struct

from bus.kafka.connection import Connection

BATCH = 1024
"""Rows of one transaction: the notary's flush."""
PRODUCED_BYTES = 384 * 1024
"""Bytes of one produced batch: the courier's."""
GC_THRESHOLD = (50_000, 20, 100)
"""As the hub's roles have it: nothing here makes cycles worth looking for."""

TABLE = """
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.pipe (
    topic text NOT NULL, kafka_offset bigint NOT NULL, key bytea, headers bytea NOT NULL, value bytea
);
ALTER TABLE bench.pipe ALTER COLUMN value SET STORAGE EXTERNAL;
ALTER TABLE bench.pipe SET (toast_tuple_target = 8160);
"""
"""The value stays in its row, as the ledger's content does."""
COLUMNS = ("topic", "kafka_offset", "key", "headers", "value")


class Plan(Struct, frozen=True):
    """Where the pipe reads, keeps and writes. ``offsets`` are where to begin, by topic; ``routes`` map in to out."""

    kafka: Connection
    dsn: str
    offsets: dict[str, int]
    routes: dict[str, str]
    ready: str


async def run(plan: Plan) -> None:
    """Carry records until cancelled."""
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False, auto_offset_reset="none", fetch_max_bytes=8 << 20,
        max_partition_fetch_bytes=2 << 20, fetch_max_wait_ms=100, **plan.kafka.aiokafka(),
    )  # fmt: skip
    producer = AIOKafkaProducer(
        acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=PRODUCED_BYTES, max_request_size=2 << 20,
        **plan.kafka.aiokafka(),
    )  # fmt: skip
    read: asyncio.Queue[list[Any]] = asyncio.Queue(maxsize=4)
    kept: asyncio.Queue[list[Any]] = asyncio.Queue(maxsize=4)
    async with contextlib.AsyncExitStack() as stack:
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        await producer.start()
        stack.push_async_callback(producer.stop)
        connection = await asyncpg.connect(plan.dsn)
        stack.push_async_callback(connection.close)
        places = {topic: TopicPartition(topic, 0) for topic in plan.offsets}
        consumer.assign(list(places.values()))
        for topic, offset in plan.offsets.items():
            consumer.seek(places[topic], offset)
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep(connection, read, kept))
            group.create_task(_write(producer, plan.routes, kept))
            await asyncio.to_thread(Path(plan.ready).touch)
            await _read(consumer, read)


async def _read(consumer: Any, read: asyncio.Queue[list[Any]]) -> None:
    while True:
        got = await consumer.getmany(timeout_ms=250)
        records = [record for batch in got.values() for record in batch]
        for at in range(0, len(records), BATCH):
            await read.put(records[at : at + BATCH])


async def _keep(connection: Any, read: asyncio.Queue[list[Any]], kept: asyncio.Queue[list[Any]]) -> None:
    pack = msgspec.msgpack.Encoder().encode
    while True:
        records = await read.get()
        rows = [(r.topic, r.offset, r.key, pack(r.headers), r.value) for r in records]
        await connection.copy_records_to_table("pipe", schema_name="bench", columns=COLUMNS, records=rows)
        await kept.put(records)


async def _write(producer: Any, routes: dict[str, str], kept: asyncio.Queue[list[Any]]) -> None:
    while True:
        records = await kept.get()
        by_topic: dict[str, list[Any]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        sent = [
            await producer.send_batch(batch, routes[topic], partition=0)
            for topic, members in by_topic.items()
            for batch in _batches(producer, members)
        ]
        for future in sent:
            await future


def _batches(producer: Any, members: list[Any]) -> list[Any]:
    builder = producer.create_batch()
    found = [builder]
    for record in members:
        headers = list(record.headers)
        if builder.append(timestamp=None, key=record.key, value=record.value, headers=headers) is None:
            builder.close()
            builder = producer.create_batch()
            found.append(builder)
            builder.append(timestamp=None, key=record.key, value=record.value, headers=headers)
    builder.close()
    return found


async def _main(plan: Plan) -> None:
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    task = asyncio.ensure_future(run(plan))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)))
