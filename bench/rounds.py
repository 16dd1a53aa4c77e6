"""Rounds: the same new records through the bare pipe, then through the bus; each count is checked afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bench.ground import FOLDER, ROOT, Ground, make_pipe_topics
from bench.pipe import Plan
from bench.records import STREAMS, Kind, Stream, shares, value_size, whole_size
from bench.report import Pass, Round, Throughput
from bench.watch import Cost, RoundError, Watch, read_all
from bus.events.names import in_topic, out_topic
from bus.kafka.records import Outgoing
from bus.sandbox.lifecycle import HUB_ROLES

OUTBOXES = [out_topic(issuer) for issuer, _ in STREAMS]
INBOXES = [in_topic(recipient) for _, recipient in STREAMS]
ROUTES = {f"bench.{out}": f"bench.{inbox}" for out, inbox in zip(OUTBOXES, INBOXES, strict=True)}

WARM_UPS, WARM_UP = 5, 20_000
"""Rounds of small records before anything counts: Kafka's virtual machine compiles itself for a hundred thousand."""

Say = Callable[[str], None]
Environment = Mapping[str, Mapping[str, str]]
"""Additions to the environment of each role of the hub: how a profiler gets in."""


async def throughput(
    ground: Ground, streams: Sequence[Stream], kind: Kind, *, rounds: int, events: int, say: Say
) -> Throughput:
    """Rounds of one kind of record, after one that is not counted."""
    done: list[Round] = []
    sizes: list[tuple[int, int]] = []
    for number in range(rounds + 1):
        records = make(streams, kind, events)
        sizes.append((round(mean(map(value_size, records))), round(mean(map(whole_size, records)))))
        found = Round(events, await bare_pass(ground, records), await bus_pass(ground, records))
        what = f"round {number}" if number else "not counted"
        say(f"{kind}, {what}: bare {found.bare.per_s:,.0f}/s, bus {found.bus.per_s:,.0f}/s, {found.ratio:.3f}")
        if number:
            done.append(found)
    return Throughput(kind, *sizes[-1], done)


async def warm_up(ground: Ground, streams: Sequence[Stream], *, rounds: int, say: Say) -> None:
    """Make the bare pipe's topics, and let both run until Kafka is as fast as it gets."""
    await make_pipe_topics(ground, ROUTES)
    for number in range(1, rounds + 1):
        records = make(streams, "small", WARM_UP)
        bare, bus = await bare_pass(ground, records), await bus_pass(ground, records)
        say(f"warm-up {number} of {rounds}: bare {bare.per_s:,.0f}/s, bus {bus.per_s:,.0f}/s")


def make(streams: Sequence[Stream], kind: Kind, count: int) -> list[Outgoing]:
    """New records, evenly from all streams."""
    return [
        record
        for stream, share in zip(streams, shares(count, len(streams)), strict=True)
        for record in stream.make(kind, share)
    ]


# --- the bare pipe --------------------------------------------------------------------------------------------------


async def bare_pass(ground: Ground, records: Sequence[Outgoing]) -> Pass:
    """Time the bare pipe over these records.

    Raises:
        RoundError: they did not all arrive, once.
    """
    await ground.stop_hub()
    async with Watch(ground, list(ROUTES.values())) as watch, Watch(ground, list(ROUTES)) as intake:
        offsets, starts = await intake.ends(), await watch.ends()
        rows = await _rows(ground)
        await ground.fill([replace(record, topic=f"bench.{record.topic}") for record in records])
        await ground.settle()
        ready = FOLDER / "pipe.ready"
        process = await _start_pipe(Plan(ground.kafka, ground.admin_dsn, offsets, ROUTES, str(ready)))
        try:
            begun = await _wait_for(ready, process)
            cost, grown = _cost(ground, {"pipe": process.pid}), sum((await watch.ends()).values())
            arrived = await watch.until(len(records), starts, None, timeout_s=_patience(len(records)))
            used = cost.since()
        finally:
            await _stop_pipe(process)
        ends = await watch.ends()
    left = len(records) - (grown - sum(starts.values()))
    _check(records, ground, starts, ends)
    if await _rows(ground) - rows != len(records):
        raise RoundError("the bare pipe's table does not hold each record once")
    return Pass(len(records) / (arrived.topics_s - begun), _each(used, left))


async def _rows(ground: Ground) -> int:
    return await ground.number("SELECT count(*) FROM bench.pipe")


async def _start_pipe(plan: Plan) -> asyncio.subprocess.Process:
    Path(plan.ready).unlink(missing_ok=True)  # noqa: ASYNC240 - before the clock starts
    file = FOLDER / "pipe.json"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(msgspec.json.encode(plan))
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.pipe", str(file), cwd=ROOT)


async def _stop_pipe(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.wait()
    (FOLDER / "pipe.json").unlink(missing_ok=True)


async def _wait_for(ready: Path, process: asyncio.subprocess.Process) -> float:
    """When the file was written, which is right before the first read."""
    deadline = time.monotonic() + 30
    while (found := _written(ready)) is None:
        if process.returncode is not None or time.monotonic() > deadline:
            raise RoundError("the bare pipe did not start")
        await asyncio.sleep(0.01)
    return found


def _written(file: Path) -> float | None:
    return file.stat().st_mtime if file.exists() else None


# --- the bus --------------------------------------------------------------------------------------------------------


async def bus_pass(ground: Ground, records: Sequence[Outgoing], environment: Environment | None = None) -> Pass:
    """Time notary, ledger and courier over these records.

    Raises:
        RoundError: they did not all arrive in the ledger and in the inboxes, once.
    """
    await ground.stop_hub()
    async with Watch(ground, INBOXES) as watch:
        starts, size = await watch.ends(), await watch.head()
        await ground.fill(records)
        await ground.settle()
        await ground.start_hub(environment)
        begun = _written(ground.ready_file("notary")) or time.time()
        pids = {role: ground.sandbox.pid(role) or 0 for role in HUB_ROLES}
        cost, done = _cost(ground, pids), await watch.head() - size
        target = size + len(records)
        arrived = await watch.until(len(records), starts, target, timeout_s=_patience(len(records)))
        used = cost.since()
        first_us = await ground.number("SELECT time_us FROM ledger.entry WHERE index = $1", size)
        ends = await watch.ends()
    await ground.stop_hub()
    begun = min(begun, first_us / 1e6)
    _check(records, ground, starts, ends)
    await _check_ledger(ground, size, len(records))
    assert arrived.ledger_s is not None
    count = len(records)
    return Pass(count / (arrived.topics_s - begun), _each(used, count - done), count / (arrived.ledger_s - begun))


async def _check_ledger(ground: Ground, size: int, count: int) -> None:
    accepted = await ground.number(
        "SELECT count(DISTINCT event_id) FROM ledger.entry WHERE index >= $1 AND outcome = 1", size
    )
    head = await ground.number("SELECT size FROM ledger.head")
    if (accepted, head - size) != (count, count):
        raise RoundError(f"{count} records gave {head - size} entries, {accepted} of them accepted")


# --- both -----------------------------------------------------------------------------------------------------------


def _check(records: Sequence[Outgoing], ground: Ground, starts: Mapping[str, int], ends: Mapping[str, int]) -> None:
    """Every record stands once where it should go, with its whole value, and nothing else does."""
    wanted = sorted((str(UUID(bytes=record.key)), len(record.value or b"")) for record in records)
    found = sorted((event_id, size) for _, event_id, size in read_all(ground.kafka, starts, ends))
    if wanted != found:
        raise RoundError(f"{len(wanted)} records were sent, {len(found)} arrived, or they are not the same")


def _cost(ground: Ground, pids: Mapping[str, int]) -> Cost:
    servers = {role: ground.sandbox.pid(role) or 0 for role in ("kafka", "postgres")}
    return Cost({**pids, **servers})


def _each(used: Mapping[str, float], events: int) -> dict[str, float]:
    """CPU microseconds an event."""
    return {name: seconds / max(1, events) * 1e6 for name, seconds in used.items()}


def _patience(records: int) -> float:
    return 60 + records / 200
