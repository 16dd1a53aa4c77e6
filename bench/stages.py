"""What each stage of the hub costs by itself: its own functions over the same records, no server, no waiting.

The least CPU time of several repetitions is told, so that a busy machine disturbs little. What needs a server
(sockets, the driver's COPY, the client's fetches) is not here: ``--profile`` has it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from rich.console import Console
from rich.table import Table

from bench.ground import FOLDER
from bench.records import Kind, streams
from bus.events.examples import example
from bus.events.jsonform import Fill, parse_event
from bus.hub.courier import inbox_records
from bus.hub.intake import Candidate, check, inspect, parse
from bus.hub.nonces import nonces_of
from bus.hub.receipts import sign_receipts
from bus.hub.sequencer import Built, State, build, owner_of
from bus.kafka.records import Outgoing, Record
from bus.kafka.writer import BATCH_BYTES
from bus.ledger.store import CONTENT_COLUMNS, ENTRY_COLUMNS, RECORD_COLUMNS
from bus.policy import Policy
from bus.sandbox import outfit
from bus.sandbox.home import Home
from bus.sandbox.world import HUB, ORIGIN, WORLD
from bus.tlog import Frontier
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory, prove_key
from bus.trust.keys import KeyRing

EVENTS = 1024
"""One flush."""
REPEATED = 15

T = TypeVar("T")


def measure(kind: Kind) -> dict[str, float]:
    """CPU microseconds an event of each stage, in the order of the way."""
    home = Home.at(FOLDER / "stages")
    home.make()
    try:
        outfit.prepare(home, defaultdict(lambda: 1))
        return _Way(home, streams(home)[0].make(kind, EVENTS)).walk()
    finally:
        home.erase(keep_jars=False)


class _Way:
    """The way of one flush of records, a stage after another."""

    def __init__(self, home: Home, outgoing: Sequence[Outgoing]) -> None:
        self._outgoing = outgoing
        self._records = [Record(o.topic, n, 0, o.key, o.value, tuple(o.headers)) for n, o in enumerate(outgoing)]
        self._hub_key = KeyRing.load(home.hub / "keys.json").signing
        self._nonces = nonces_of(self._hub_key)
        self._policy = Policy.load(home.hub / "policy.toml")
        self._directory = directory_of(home)
        self._found: dict[str, float] = {}

    def walk(self) -> dict[str, float]:
        batches = self._stage("client: Kafka batches built", self._batches)
        self._stage("client: Kafka batches parsed", lambda: [_unpacked(batch) for batch in batches])
        candidates = self._stage("notary: slice, digests, commitment", self._sliced)
        self._stage("notary: verify signatures", lambda: self._verified(candidates))
        self._stage("notary: decode, compare headers", lambda: [parse(candidate) for candidate in candidates])
        built = self._stage("notary: decide, leaf, rows", lambda: self._sequenced(candidates))
        assert built.accepted == len(candidates)
        self._stage("notary: receipts", lambda: self._receipted(built))
        rows = _as_read(built)
        self._stage("courier: inbox records", lambda: [inbox_records(row) for row in rows])
        return self._found

    def _stage(self, name: str, work: Callable[[], T]) -> T:
        best, result = float("inf"), work()
        for _ in range(REPEATED):
            begun = time.process_time()
            result = work()
            best = min(best, time.process_time() - begun)
        self._found[name] = best / len(self._records) * 1e6
        return result

    def _batches(self) -> list[bytes]:
        found: list[bytes] = []
        builder = _builder()
        for o in self._outgoing:
            if builder.append(timestamp=None, key=o.key, value=o.value, headers=list(o.headers)) is None:
                found.append(_closed(builder))
                builder = _builder()
                builder.append(timestamp=None, key=o.key, value=o.value, headers=list(o.headers))
        return [*found, _closed(builder)]

    def _sliced(self) -> list[Candidate]:
        """With no key known, a candidate goes no further than its commitment."""
        owner = owner_of(self._records[0].topic)
        return inspect(self._records, owner, "bulk", BatchVerifier(), lambda _: None)

    def _verified(self, candidates: Sequence[Candidate]) -> None:
        check(candidates, BatchVerifier(), self._directory.public_key)

    def _sequenced(self, candidates: Sequence[Candidate]) -> Built:
        state = State(self._directory, Frontier(), 0, self._policy, {}, BatchVerifier())
        return build(state, candidates, {}, time.time_ns() // 1000, self._nonces)

    def _receipted(self, built: Built) -> None:
        last = built.frontier.size - 1
        sign_receipts(self._hub_key, ORIGIN, first_index=0, last_index=last, time_us=built.time_us, items=built.items)


def _builder() -> Any:
    return BatchBuilder(BATCH_BYTES, 0, is_transactional=1)


def _closed(builder: Any) -> bytes:
    builder.close()
    return bytes(builder._build())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _unpacked(batch: bytes) -> list[Any]:
    found = MemoryRecords(batch).next_batch()
    assert found is not None
    found.validate_crc()
    return list(found)


def _as_read(built: Built) -> list[dict[str, Any]]:
    """The rows of the flush as the courier's query gives them."""
    rows = built.rows
    return [
        {
            **dict(zip(ENTRY_COLUMNS, entry, strict=True)),
            **dict(zip(RECORD_COLUMNS, record, strict=True)),
            **dict(zip(CONTENT_COLUMNS, content, strict=True)),
            "content_index": entry[0],
        }
        for entry, record, content in zip(rows.entry, rows.record, rows.content, strict=True)
    ]


# --- the directory --------------------------------------------------------------------------------------------------


def directory_of(home: Home) -> Directory:
    """The directory of the sandbox's organisations, with their keys."""
    opening: dict[str, Any] = {
        "origin": ORIGIN,
        "hub_key": KeyRing.load(home.hub / "keys.json").signing.public_key.hex(),
        "governance_keys": sorted(ring.signing.public_key.hex() for ring in outfit.governors(home)),
        "threshold": outfit.THRESHOLD,
        "policy_digest": Policy.load(home.hub / "policy.toml").digest.hex(),
    }
    directory = _with(Directory(), 0, "LogOpened", opening)
    for number, member in enumerate(WORLD, 1):
        body = {"org": member.id, "name": member.name, "nation": member.nation, "roles": sorted(member.roles)}
        directory = _with(directory, number, "OrganisationAdmitted", body)
        ring = KeyRing.load(home.organisation(member.id) / "keys.json")
        proof = prove_key(ring.signing, ORIGIN, member.id).hex()
        for key, more in ((ring.signing, {"use": "signing", "proof": proof}), (ring.sealing[0], {"use": "sealing"})):
            named = {"org": member.id, "public_key": key.public_key.hex(), "key_id": key.key_id.hex()}
            dated = {"valid_from": "2020-01-01T00:00:00.000000Z"}
            directory = _with(directory, number, "KeyRegistered", {**named, **dated, **more})
    return directory


def _with(directory: Directory, index: int, type_name: str, body: Mapping[str, Any]) -> Directory:
    now_us = time.time_ns() // 1000
    event = example(type_name, issuer=HUB, audience=[HUB], nations=["IE"], now_us=now_us)
    parts = parse_event({**event, "body": body}, Fill(ORIGIN, HUB, now_us, {}, None, lambda _: None))
    return directory.apply(parts.info, parts.header, parts.body, index)


def show(console: Console) -> None:
    """Measure and print both kinds of record."""
    found: dict[Kind, dict[str, float]] = {"full": measure("full"), "small": measure("small")}
    table = Table(title="CPU µs an event, stage by stage", title_justify="left")
    table.add_column("stage", min_width=40)
    for kind in found:
        table.add_column(f"{kind} records", justify="right")
    for name in found["full"]:
        table.add_row(name, *(f"{part[name]:.1f}" for part in found.values()))
    table.add_section()
    table.add_row("all of these", *(f"{sum(part.values()):.1f}" for part in found.values()))
    console.print(table)
