"""The hub's roles and its load in a test's hands: armed, stopped, killed, counted."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import KafkaException

from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.sandbox.lifecycle import Sandbox
from tests.hostile import KINDS, Cast
from tests.members import Members
from tests.outside import Outside
from tests.patience import PATIENT_S, until


class Roles:
    """Notary and courier as children of the test, to be armed and killed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._home = sandbox.home
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills = 0

    async def start(self, role: str, fault: str = "", *, config: Path | None = None, wait: bool = True) -> None:
        """Start a role; unless it is armed, wait until it works. A second one of a role replaces the first here."""
        ready = self._home.root / "tmp" / f"{role}.ready"
        ready.unlink(missing_ok=True)
        with self._home.log(role).open("ab") as log:
            self._running[role] = subprocess.Popen(  # noqa: ASYNC220 - a child to be killed, not awaited
                [sys.executable, "-m", "bus", "hub", "run", "--config", str(config or self._home.hub / "hub.toml"),
                 "--role", role, "--ready-file", str(ready)],
                env={**os.environ, "BUS_FAULT": fault},
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        if wait and not fault:
            process = self._running[role]
            await until(lambda: ready.is_file() or process.poll() is not None, f"{role} is ready")
            assert process.poll() is None, f"{role} ended while it started"

    async def died(self, role: str) -> None:
        """Wait until an armed role has killed itself."""
        process = self._running[role]
        await until(lambda: process.poll() is not None, f"{role} comes to its fault point")
        assert process.returncode == -signal.SIGKILL
        self.kills += 1

    def kill(self, role: str) -> None:
        """Kill a role now, wherever it is."""
        process = self._running[role]
        assert process.poll() is None, f"{role} ended by itself"
        process.kill()
        process.wait()
        self.kills += 1

    def pid(self, role: str) -> int:
        """The process of a role."""
        return self._running[role].pid

    def release(self, role: str) -> subprocess.Popen[bytes]:
        """Take a role's process out of this object's care."""
        return self._running.pop(role)

    def returncode(self, role: str) -> int | None:
        """How a role ended, if it did."""
        return self._running[role].poll()

    def log_text(self, role: str) -> str:
        """All that a role has logged."""
        return self._home.log(role).read_text(encoding="utf-8")

    def stop(self) -> None:
        """End what runs, whatever becomes of one of them."""
        for process in self._running.values():
            process.terminate()
        try:
            for process in self._running.values():
                process.wait(PATIENT_S)
        finally:
            for process in self._running.values():
                process.kill()
                process.wait()


class Load:
    """Traffic of two platforms on both lanes, with repeats and hostile records, in bursts."""

    def __init__(self, members: Members, seed: int, *, pause_s: float = 0.1) -> None:
        """``pause_s`` between bursts leaves the two cores of a small machine to the hub."""
        self._members = members
        self._pause_s = pause_s
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
                await asyncio.sleep(self._pause_s)

    def stop(self) -> None:
        """No more bursts."""
        self._stop = True

    async def more(self, bursts: int) -> None:
        """Wait until so many more bursts have been sent."""
        goal = self.bursts + bursts
        await until(lambda: self.bursts >= goal, "the load goes on")


async def settled(outside: Outside, timeout_s: float = PATIENT_S) -> dict[str, int]:
    """The counts from outside, once everything sent has been recorded, told and delivered."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await outside.check()
        except (AssertionError, KafkaException):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
