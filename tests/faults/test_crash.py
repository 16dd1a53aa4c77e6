"""Notary and courier are killed with SIGKILL at every named point and at random, under load; nothing is lost or doubled.

The load goes on all the time: accepted events of two platforms on both lanes, the same records again, and hostile
ones. Afterwards everything is counted from outside (:mod:`tests.outside`).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
import pytest_asyncio

from bus.hub.faults import POINTS
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.sandbox.lifecycle import Sandbox
from tests.hostile import KINDS, Cast
from tests.members import Members
from tests.outside import Outside

pytestmark = pytest.mark.integration

ROUNDS_AT_POINTS = 2
RANDOM_KILLS = 14
READY_S = 30.0
DIE_S = 30.0


class Roles:
    """Notary and courier as children of the test, to be armed and killed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._home = sandbox.home
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0

    async def start(self, role: str, fault: str = "") -> None:
        """Start a role; unless it is armed, wait until it works."""
        ready = self._home.root / "tmp" / f"{role}.ready"
        ready.unlink(missing_ok=True)
        with self._home.log(role).open("ab") as log:
            self._running[role] = subprocess.Popen(  # noqa: ASYNC220 - a child to be killed, not awaited
                [sys.executable, "-m", "bus", "hub", "run", "--config", str(self._home.hub / "hub.toml"),
                 "--role", role, "--ready-file", str(ready)],
                env={**os.environ, "BUS_FAULT": fault},
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        if not fault:
            await until(ready.is_file, READY_S, f"{role} is ready")

    async def died(self, role: str) -> None:
        """Wait until an armed role has killed itself."""
        process = self._running[role]
        await until(lambda: process.poll() is not None, DIE_S, f"{role} comes to its fault point")
        assert process.returncode == -signal.SIGKILL
        self.kills += 1

    def kill(self, role: str) -> None:
        """Kill a role now, wherever it is."""
        process = self._running[role]
        assert process.poll() is None, f"{role} ended by itself"
        process.kill()
        process.wait()
        self.kills += 1

    def stop(self) -> None:
        """End what runs."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(20)


class Load:
    """Traffic of two platforms on both lanes, with repeats and hostile records, in bursts."""

    def __init__(self, members: Members, seed: int) -> None:
        self._members = members
        self._random = random.Random(seed)
        self._platforms = members.having("platform")[:2]
        self._hotlines = members.having("hotline")
        self._old: dict[str, list[Outgoing]] = {org: [] for org in self._platforms}
        self.bursts = 0
        self.sent = 0
        self._stop = False

    def burst(self, org: str) -> list[Outgoing]:
        """Some new events, some sent before, one hostile record."""
        forge, chance = self._members.forge, self._random
        made: list[Outgoing] = []
        for priority in ("routine", "immediate"):
            audience = tuple(sorted(chance.sample(self._hotlines, chance.randint(1, 2))))
            number = chance.randint(1, 12)
            sections = [forge.compose(org, forge.event(org, audience, priority=priority)) for _ in range(number)]
            made += forge.sign(org, sections)
        again = chance.sample(self._old[org], min(2, len(self._old[org])))
        self._old[org] = [*self._old[org], *made][-200:]
        _, hostile = chance.choice(list(KINDS.values()))
        other = next(platform for platform in self._platforms if platform != org)
        return [*made, *again, hostile(Cast(forge, org, self._hotlines[0], other))]

    async def run(self) -> None:
        """Send bursts until told to stop."""
        async with asyncio.TaskGroup() as group:
            for org in self._platforms:
                group.create_task(self._send(org))

    async def _send(self, org: str) -> None:
        async with Writer(self._members.connection(org), f"load-{org}") as writer:
            while not self._stop:
                records = await asyncio.to_thread(self.burst, org)
                await writer.send_all(records)
                self.bursts += 1
                self.sent += len(records)

    def stop(self) -> None:
        """No more bursts."""
        self._stop = True

    async def more(self, bursts: int) -> None:
        """Wait until so many more bursts have been sent."""
        goal = self.bursts + bursts
        await until(lambda: self.bursts >= goal, DIE_S, "the load goes on")


async def until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until a condition holds, or fail with its name."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        await asyncio.sleep(0.01)


async def watch_recorded_before_delivered(members: Members, org: str, stop: asyncio.Event) -> int:
    """G1, all the while: whatever can be read in an inbox is committed in the ledger at that moment."""
    connection = await asyncpg.connect(members.status["postgres"]["dsn"])
    seen = 0
    try:
        async with Reader(members.connection(org), "watch") as reader:
            await reader.assign({f"in.{org}": "latest", f"in.{org}.urgent": "latest"})
            while not stop.is_set():
                records = await reader.read(timeout_s=0.1)
                if records:
                    size = await connection.fetchval("SELECT size FROM ledger.head")
                    indexes = [int(record.header("bus-index") or b"-1") for record in records]
                    assert max(indexes) < size, "an inbox holds what the ledger does not"
                    seen += len(records)
    finally:
        await connection.close()
    return seen


@pytest_asyncio.fixture(loop_scope="session")
async def roles(sandbox: Sandbox) -> AsyncIterator[Roles]:
    """The hub's roles in the test's hands; the sandbox's own again afterwards."""
    await sandbox.stop("courier")
    await sandbox.stop("notary")
    found = Roles(sandbox)
    await found.start("notary")
    await found.start("courier")
    yield found
    found.stop()
    await sandbox.up()


async def test_kills_at_every_point_and_at_random_lose_and_double_nothing(
    sandbox: Sandbox, outside: Outside, roles: Roles
) -> None:
    """G1, G2 and G3 hold after at least thirty kills of notary and courier under load."""
    seed = int(os.environ.get("BUS_TEST_SEED", "20231025"))
    members, chance = Members(sandbox), random.Random(seed)
    load, stop = Load(members, seed), asyncio.Event()
    watcher = asyncio.create_task(watch_recorded_before_delivered(members, members.having("hotline")[0], stop))
    traffic = asyncio.create_task(load.run())
    try:
        for point in POINTS:
            role = point.split(".")[0]
            for count in range(1, ROUNDS_AT_POINTS + 1):
                roles.kill(role)
                await roles.start(role, f"{point}:{count}")
                await roles.died(role)
                await roles.start(role)
        for _ in range(RANDOM_KILLS):
            await load.more(chance.randint(1, 4))
            victims = chance.choice([["notary"], ["courier"], ["notary", "courier"]])
            for role in victims:
                roles.kill(role)
            for role in victims:
                await roles.start(role)
    finally:
        load.stop()
        await asyncio.wait([traffic])
        stop.set()
    traffic.result()
    assert roles.kills >= 30
    counts = await settled(outside)
    assert await watcher > 0
    assert counts["accepted"] > 500
    assert counts["repeated"] > 10
    assert counts["refused"] > 10
    print(f"seed {seed}: {roles.kills} kills, {load.sent} records sent, {counts}")  # noqa: T201


async def settled(outside: Outside, timeout_s: float = 60.0) -> dict[str, int]:
    """The counts from outside, once everything sent has been recorded, told and delivered."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await outside.check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
