"""Bringing a whole hub up on this machine, and down again.

What is up is left alone; what is missing is started on the ports it always had; what a killed process left behind
is cleaned. Kafka and PostgreSQL start side by side, then the hub's roles, then, once, the log is opened.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from bus.errors import NO_SANDBOX, SandboxError
from bus.hub import topics
from bus.kafka.connection import Connection
from bus.ledger.migrate import migrate
from bus.sandbox import broker, database, java, outfit, ports, processes, witnesses
from bus.sandbox.home import Home, secret, write_private
from bus.sandbox.processes import Identity, Role
from bus.sandbox.state import State, published
from bus.sandbox.witnesses import Witness
from bus.sandbox.world import HUB

HUB_ROLES = ("notary", "courier", "publisher", "clerk")
ROLES = ("kafka", "postgres", *HUB_ROLES)
WITNESS_ROLES = tuple(witness.role for witness in witnesses.WITNESSES)
ALL_ROLES = (*ROLES, *WITNESS_ROLES)
_STOP_ORDER = ("clerk", "courier", "publisher", *WITNESS_ROLES, "notary", "postgres", "kafka")
_HUB_READY_TIMEOUT_S = 60.0

ORIGIN_RE = re.compile(r"(?=.{3,64}\Z)[a-z0-9.-]+(/[a-z0-9._-]+)*", re.ASCII)
Say = Callable[[str], None]


def _silent(_line: str) -> None:
    """Say nothing."""


class Sandbox:
    """One state folder and what runs from it. Safe to use from several processes: a lock orders them.

    Args:
        home: the state folder (``.bus``).
        say: told what happens, a line at a time.
    """

    def __init__(self, home: Path | str, *, say: Say = _silent) -> None:
        self.home = Home.at(home)
        self._say = say

    async def up(self, *, fresh: bool = False, origin: str | None = None) -> None:
        """Start what is missing; return when all of it works.

        Args:
            fresh: stop everything and forget it first: a new ledger, new keys, new ports.
            origin: the name of the log, where a new sandbox is begun; what the sandbox has already otherwise.

        Raises:
            SandboxError: something could not be started; it names the log and the next step.
        """
        async with self.home.lock(self._say):
            if fresh:
                await self._stop_all()
                self.home.erase(keep_jars=True)
            self.home.make()
            self._name(origin)
            state = State.load(self.home) or await self._first_state()
            passwords = outfit.prepare(self.home, state.ports)
            state.save(self.home)
            await _together(
                self._bring_kafka(state, passwords),
                self._bring_postgres(state),
                *(self._bring_witness(state, witness) for witness in witnesses.WITNESSES),
            )
            await _together(*(self._bring_hub(state, name) for name in HUB_ROLES))
            await self._found(state)

    async def down(self, *, destroy: bool = False, hub_only: bool = False) -> None:
        """Stop everything, and see that nothing is left running.

        Args:
            destroy: remove the state folder's content too.
            hub_only: stop the hub's roles alone; Kafka, PostgreSQL and the witnesses go on.

        Raises:
            SandboxError: a process could not be stopped.
        """
        if not self.home.root.is_dir():
            return
        async with self.home.lock(self._say):
            await (self._stop_hub() if hub_only else self._stop_all())
            if destroy:
                self.home.erase(keep_jars=False)

    def status(self) -> dict[str, Any]:
        """How to connect, and what runs, as ``docs/interfaces.md`` has it.

        Raises:
            SandboxError: there is no sandbox here.
        """
        state = self._state()
        facts = published(self.home, state.ports)
        running = [(name, self._find(state, name)) for name in ROLES]
        facts["processes"] = [
            {"role": name, "pid": identity.pid, "log": str(self.home.log(name))}
            for name, identity in running
            if identity is not None
        ]
        facts["witnesses"] = [{**one, **self._witness_process(state, one["name"])} for one in facts["witnesses"]]
        keys = ("kafka", "postgres", "log", "witnesses", "processes", "organisations")
        return {key: facts[key] for key in keys}

    def _witness_process(self, state: State, name: str) -> dict[str, Any]:
        """Role and process of a witness; no process where it does not run."""
        role = next(witness.role for witness in witnesses.WITNESSES if witness.name == name)
        identity = self._find(state, role)
        return {"role": role, "pid": None if identity is None else identity.pid}

    def pid(self, role: str) -> int | None:
        """The process of a role, if it runs."""
        identity = self._find(self._state(), role)
        return None if identity is None else identity.pid

    def connection(self, username: str) -> Connection:
        """How an organisation, the hub, or ``admin`` (a super user) reaches Kafka.

        Raises:
            SandboxError: there is no sandbox here, or nobody of that name in it.
        """
        port = self._state().ports["kafka"]
        if username == broker.ADMIN:
            return broker.admin_connection(self.home, port)
        file = (self.home.hub if username == HUB else self.home.organisation(username)) / "password"
        if not file.is_file():
            raise SandboxError(f"{username} is not in this sandbox", hint="bus sandbox status")
        return broker.connection(port, username, secret(file))

    async def start(self, role: str, *, env: Mapping[str, str] | None = None) -> int:
        """Start one role of the hub, with additions to its environment, and wait until it is ready.

        Raises:
            SandboxError: it is not one of the hub's, or did not become ready.
        """
        if role not in HUB_ROLES:
            raise SandboxError(f"{role} is started by `bus sandbox up` only")
        state = self._state()
        return (await self._bring_hub(state, role, env)).pid

    async def stop(self, role: str) -> None:
        """Stop one role in its own good way."""
        identity = self._find(self._state(), role)
        if identity is not None:
            await processes.stop(self._role(role), identity)

    async def kill(self, role: str) -> None:
        """Kill one role with SIGKILL, as a crash would."""
        identity = self._find(self._state(), role)
        if identity is not None:
            await processes.kill(self._role(role), identity)

    def _name(self, origin: str | None) -> None:
        """Give a new sandbox's log its name."""
        if origin is None or origin == self.home.origin:
            return
        if not ORIGIN_RE.fullmatch(origin):
            raise SandboxError(
                f"{origin!r} is no log's origin", hint="A URL without its scheme, 64 characters at most."
            )
        if (self.home.hub / "hub.toml").is_file():
            raise SandboxError(
                f"the log of this sandbox is {self.home.origin}", hint="Give --fresh, or another --home."
            )
        write_private(self.home.hub / "origin", f"{origin}\n")

    def _state(self) -> State:
        state = State.load(self.home)
        if state is None:
            raise SandboxError(f"there is no sandbox in {self.home.root}", hint=NO_SANDBOX)
        return state

    async def _first_state(self) -> State:
        """A new state. What runs from this folder although its state was lost has ports that nobody knows: stop it."""
        await self._stop_all()
        return State.new(self.home)

    def _role(self, name: str) -> Role:
        if name == "kafka":
            return broker.role(self.home)
        if name == "postgres":
            return database.role(self.home)
        if name in WITNESS_ROLES:
            return _witness_role(self.home, name)
        return _hub_role(self.home, name)

    def _find(self, state: State | None, name: str) -> Identity | None:
        return processes.find(self._role(name), state.started.get(name) if state else None)

    def _start(self, state: State, name: str, argv: list[str], env: Mapping[str, str] | None = None) -> Identity:
        self._say(f"{name}: starting")
        identity = processes.start(self._role(name), argv, env)
        state.started[name] = identity
        state.save(self.home)
        return identity

    async def _bring_kafka(self, state: State, passwords: Mapping[str, str]) -> None:
        begun, identity = time.monotonic(), self._find(state, "kafka")
        was_up = identity is not None
        if identity is None:
            for name in ("kafka", "controller"):
                await ports.require_free(name, state.ports[name])
            runtime = await asyncio.to_thread(java.find_java)
            jars = await java.ensure_jars(self.home, runtime, self._say)
            broker.configure(self.home, state.ports)
            await broker.ensure_formatted(self.home, runtime, jars, state.cluster_id)
            identity = self._start(state, "kafka", broker.command(self.home, runtime, jars))
        admin = await broker.wait_ready(self.home, identity, state.ports["kafka"], state.cluster_id)
        await topics.ensure(admin, passwords, hub=HUB)
        self._report("kafka", state.ports["kafka"], identity, was_up, begun)

    async def _bring_postgres(self, state: State) -> None:
        begun, identity = time.monotonic(), self._find(state, "postgres")
        was_up, port = identity is not None, state.ports["postgres"]
        if identity is None:
            await ports.require_free("postgres", port)
            binaries = database.find_binaries()
            await database.ensure_initialised(self.home, binaries)
            await database.clear_leftovers(self.home)
            database.configure(self.home, port)
            command = database.command(self.home, binaries)
            identity = self._start(state, "postgres", command, database.environment(self.home))
        await database.wait_ready(self.home, identity, port)
        await database.ensure_roles(self.home, port)
        await migrate(database.dsn(self.home, port, database.SUPERUSER))
        self._report("postgres", port, identity, was_up, begun)

    async def _bring_hub(self, state: State, name: str, env: Mapping[str, str] | None = None) -> Identity:
        begun, identity = time.monotonic(), self._find(state, name)
        was_up, ready = identity is not None, self.home.hub / f"{name}.ready"
        if identity is None:
            if name == "publisher":
                await ports.require_free(name, state.ports["log"])
            ready.unlink(missing_ok=True)
            command = [sys.executable, "-m", "bus", *_hub_arguments(self.home, name), "--ready-file", str(ready)]
            identity = self._start(state, name, command, env)

        async def is_ready() -> bool:
            return ready.is_file()

        await processes.wait_until(self._role(name), identity, is_ready, timeout_s=_HUB_READY_TIMEOUT_S)
        self._report(name, None, identity, was_up, begun)
        return identity

    async def _bring_witness(self, state: State, witness: Witness) -> None:
        begun, identity, name = time.monotonic(), self._find(state, witness.role), witness.role
        was_up, ready = identity is not None, self.home.tmp / f"{name}.ready"
        if identity is None:
            await ports.require_free(name, state.ports[name])
            ready.unlink(missing_ok=True)
            arguments = witnesses.arguments(self.home, witness, state.ports[name])
            command = [sys.executable, "-m", "bus", *arguments, "--ready-file", str(ready)]
            identity = self._start(state, name, command)

        async def is_ready() -> bool:
            return ready.is_file()

        await processes.wait_until(self._role(name), identity, is_ready, timeout_s=_HUB_READY_TIMEOUT_S)
        self._report(name, state.ports[name], identity, was_up, begun)

    async def _found(self, state: State) -> None:
        if state.founded:
            return
        from bus.sandbox.founding import found  # noqa: PLC0415 - only the first start needs the partner's side

        self._say("hub: opening the log, admitting the organisations")
        await found(self.home)
        state.founded = True
        state.save(self.home)

    def _report(self, name: str, port: int | None, identity: Identity, was_up: bool, begun: float) -> None:
        where = f"pid {identity.pid}" + (f", port {port}" if port else "")
        took = "already up" if was_up else f"up after {time.monotonic() - begun:.1f} s"
        self._say(f"{name}: {took} ({where})")

    async def _stop_hub(self) -> None:
        for name in _STOP_ORDER:
            if name in HUB_ROLES and self.pid(name) is not None:
                await self.stop(name)
                self._say(f"{name}: stopped")

    async def _stop_all(self) -> None:
        """Stop the roles in order, whatever the state file says; then whatever else runs from this folder."""
        try:
            state = State.load(self.home)
        except SandboxError:
            state = None
        for name in _STOP_ORDER:
            identity = self._find(state, name)
            while identity is not None:
                by_itself = await processes.stop(self._role(name), identity)
                self._say(f"{name}: stopped" if by_itself else f"{name}: did not stop when asked, and was killed")
                identity = self._find(None, name)
        await database.clear_leftovers(self.home)


def running(status: Mapping[str, Any]) -> frozenset[str]:
    """Which of :data:`ALL_ROLES` run, by a sandbox's status."""
    return frozenset(one["role"] for one in (*status["processes"], *status["witnesses"]) if one["pid"])


def _hub_arguments(home: Home, name: str) -> list[str]:
    serve = ["--serve"] if name == "publisher" else []
    return ["hub", "run", "--config", str(outfit.hub_config(home)), "--role", name, *serve]


def _hub_role(home: Home, name: str) -> Role:
    arguments = _hub_arguments(home, name)

    def owns(process: psutil.Process) -> bool:
        line = process.cmdline()
        return line[3 : 3 + len(arguments)] == arguments and line[1:3] == ["-m", "bus"]

    return Role(name, home.hub, home.log(name), owns, stop_timeout_s=15)


def _witness_role(home: Home, name: str) -> Role:
    witness = next(witness for witness in witnesses.WITNESSES if witness.role == name)
    place = witnesses.folder(home, witness).folder
    beginning = ["witness", "run", "--dir", str(place)]

    def owns(process: psutil.Process) -> bool:
        line = process.cmdline()
        return line[3 : 3 + len(beginning)] == beginning and line[1:3] == ["-m", "bus"]

    return Role(name, place, home.log(name), owns, stop_timeout_s=15)


async def _together(*parts: Awaitable[Any]) -> None:
    """Run all to their ends, then raise the first error: one that fails does not stop another halfway."""
    for result in await asyncio.gather(*parts, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
