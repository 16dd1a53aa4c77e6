"""Counting from outside: what topics and tables really hold, read without a line of the program under test.

It uses confluent-kafka (``read_committed``), SQL as the superuser, hashlib, and fastavro with the released schema
files; the tree is computed by the recursive definition of RFC 6962 §2.1. It asserts:

- G1: nothing stands in an inbox that does not stand in the ledger, leaf for leaf;
- G2: an accepted event id stands once in the ledger, and once in the inbox of each recipient that the decision
  allows, in ledger order, numbered without a gap;
- G3: the entries of each outbox cover its offsets from 0 to the end, each once, and each is told in a receipt;
- G4, in part: indexes are gapless and the head's root is that of the leaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from tests.patience import PATIENT_S, until_true

SCHEMAS = Path(__file__).parents[1] / "schemas" / "released"
_LEAF = struct.Struct(">BBq32sIQQ32s32s32s32s32s32s32s32sQ16s32s")

Message = tuple[int, bytes | None, bytes | None, dict[str, Any]]


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def schema(name: str) -> Any:
    """The newest released schema of a name, parsed by fastavro."""
    path = max(SCHEMAS.glob(f"*-{name}.avsc"), key=lambda p: int(p.name.split("-")[0]))
    return fastavro.parse_schema(json.loads(path.read_bytes()))


def read(parsed: Any, data: bytes) -> Any:
    """One Avro datum, read by fastavro."""
    return fastavro.schemaless_reader(io.BytesIO(data), parsed, None)


class Outside:
    """A sandbox as an outsider with all its credentials sees it."""

    def __init__(self, status: Mapping[str, Any], admin: Mapping[str, str]) -> None:
        """``status`` is that of ``bus sandbox status -o json``, ``admin`` librdkafka's settings of a superuser."""
        self.status = status
        self.admin = dict(admin)

    def topics(self, names: list[str]) -> dict[str, tuple[int, list[Message]]]:
        """End offset and all committed records, (offset, key, value, headers), of each topic."""
        consumer = Consumer(
            {**self.admin, "group.id": "outside", "enable.auto.commit": False, "isolation.level": "read_committed",
             "enable.partition.eof": True, "fetch.wait.max.ms": 50}
        )  # fmt: skip
        found: dict[str, list[Message]] = {name: [] for name in names}
        try:
            consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING) for name in names])
            open_topics = set(names)
            while open_topics:
                message = consumer.poll(PATIENT_S)
                assert message is not None, f"{sorted(open_topics)} cannot be read to the end"
                name, error = message.topic(), message.error()
                assert name is not None
                if error is None:
                    offset = message.offset()
                    assert offset is not None
                    found[name].append((offset, message.key(), message.value(), dict(message.headers() or [])))
                elif error.name() == "_PARTITION_EOF":
                    open_topics.discard(name)
                else:
                    raise KafkaException(error)
            ends = {
                name: consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=PATIENT_S)[1] for name in names
            }
        finally:
            consumer.close()
        return {name: (ends[name], found[name]) for name in names}

    def ends(self, names: list[str]) -> dict[str, int]:
        """The end offset of each topic."""
        consumer = Consumer({**self.admin, "group.id": "outside"})
        try:
            return {
                name: consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=PATIENT_S)[1] for name in names
            }
        finally:
            consumer.close()

    async def recorded(self) -> int:
        """The ledger's size once it has all that stands in the outboxes now."""
        members = ("hub", *self.status["organisations"])
        ends = await asyncio.to_thread(self.ends, [f"out.{org}{lane}" for org in members for lane in ("", ".urgent")])
        connection = await asyncpg.connect(self.status["postgres"]["admin_dsn"])
        size = 0

        async def has_all() -> bool:
            nonlocal size
            rows = await connection.fetch("SELECT topic, next_offset, size FROM ledger.intake, ledger.head")
            taken = {row["topic"]: row["next_offset"] for row in rows}
            size = max((row["size"] for row in rows), default=0)
            return all(taken.get(topic, 0) >= end for topic, end in ends.items())

        try:
            await until_true(has_all, "all that was sent is recorded")
        finally:
            await connection.close()
        return size

    async def check(self) -> dict[str, int]:
        """Assert all of it; give the counts."""
        connection = await asyncpg.connect(self.status["postgres"]["admin_dsn"])
        try:
            head = await connection.fetchrow("SELECT size, root FROM ledger.head")
            rows = await connection.fetch(
                "SELECT e.*, r.header, r.decision FROM ledger.entry e LEFT JOIN ledger.record r USING (index)"
                " ORDER BY index"
            )
        finally:
            await connection.close()
        # In a thread: what else runs here, such as a proxy that the hub speaks through, goes on.
        return await asyncio.to_thread(self._check, head, rows)

    def _check(self, head: Any, rows: list[Any]) -> dict[str, int]:
        self._tree(head, rows)
        self._ids(rows)
        delivered = self._inboxes(rows)
        covered = self._outboxes(rows)
        outcomes = [sum(row["outcome"] == n for row in rows) for n in (1, 2, 3, 4)]
        names = ("accepted", "repeated", "refused", "gaps")
        return {
            **dict(zip(names, outcomes, strict=True)),
            "delivered": delivered,
            "covered": covered,
            "size": len(rows),
        }

    def _tree(self, head: Any, rows: list[Any]) -> None:
        assert [row["index"] for row in rows] == list(range(head["size"]))
        assert naive_root([row["leaf"] for row in rows]) == head["root"]
        times = [row["time_us"] for row in rows]
        assert times == sorted(times)
        for row in rows:
            fields = _LEAF.unpack(row["leaf"])
            assert fields[:3] == (1, row["outcome"], row["time_us"])
            assert fields[3] == hashlib.sha256(row["topic"].encode()).digest()
            assert fields[5:7] == (row["kafka_offset"], row["last_offset"])
            if row["outcome"] == 1:
                assert fields[8] == hashlib.sha256(row["header"]).digest()
                assert fields[13] == hashlib.sha256(row["decision"]).digest()

    def _ids(self, rows: list[Any]) -> None:
        accepted = [row["event_id"] for row in rows if row["outcome"] == 1]
        assert len(accepted) == len(set(accepted))
        first = {row["event_id"]: row["index"] for row in rows if row["outcome"] == 1}
        for row in rows:
            if row["outcome"] == 2:
                assert row["first_index"] == first[row["event_id"]] < row["index"]

    def _inboxes(self, rows: list[Any]) -> int:
        """What each inbox must hold follows from the decisions; the rest of the world follows from nothing."""
        decision = schema("Decision")
        due: dict[str, list[tuple[int, int]]] = {}
        for organisation in self.status["organisations"]:
            for lane in ("", ".urgent"):
                due[f"in.{organisation}{lane}"] = []
        for row in rows:
            if row["outcome"] == 1:
                for one in read(decision, row["decision"])["recipients"]:
                    if one["allow"]:
                        suffix = ".urgent" if one["lane"] == "urgent" else ""
                        due[f"in.{one['org']}{suffix}"].append((row["index"], one["seq"]))
        count = 0
        inboxes = self.topics(list(due))
        for name, expected in due.items():
            found = inboxes[name][1]
            got = [(int(m[3]["bus-index"]), int(m[3]["bus-seq"])) for m in found]
            assert got == expected, f"{name}: {len(got)} records, {len(expected)} decided"
            assert [seq for _, seq in got] == list(range(len(got)))
            for _, _, value, headers in found:
                row = rows[int(headers["bus-index"])]
                assert headers["bus-entry"] == row["leaf"]
                assert value is not None
                assert hashlib.sha256(value).digest() == _LEAF.unpack(row["leaf"])[12]
            count += len(found)
        return count

    def _outboxes(self, rows: list[Any]) -> int:
        receipt = schema("Receipt")
        covered: dict[str, list[tuple[int, int, int]]] = {}
        for row in rows:
            covered.setdefault(row["topic"], []).append((row["kafka_offset"], row["last_offset"], row["index"]))
        total = 0
        members = ("hub", *self.status["organisations"])
        outboxes = self.topics(
            [f"{kind}.{org}{lane}" for kind in ("out", "receipts") for org in members for lane in ("", ".urgent")]
        )
        for organisation in members:
            for lane in ("", ".urgent"):
                entries = sorted(covered.get(f"out.{organisation}{lane}", []))
                high = outboxes[f"out.{organisation}{lane}"][0]
                at = 0
                for first, last, _ in entries:
                    assert first == at, f"out.{organisation}{lane}: offset {at} is not covered, or twice"
                    at = last + 1
                assert at == high, f"out.{organisation}{lane}: covered to {at} of {high}"
                total += high
                told: dict[int, bytes] = {}
                for _, _, value, _ in outboxes[f"receipts.{organisation}{lane}"][1]:
                    assert value is not None
                    for item in read(receipt, value[5:])["items"]:
                        told[item["index"]] = item["leaf_hash"]
                for _, _, index in entries:
                    assert told.get(index) == rows[index]["leaf_hash"], f"entry {index} has no receipt"
        return total
