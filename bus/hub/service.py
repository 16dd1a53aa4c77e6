"""Running the hub's roles until told to stop: each is started again, from nothing, when it ends with a doubt."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog
from msgspec import Struct

from bus.errors import BusError, StartRefused, UsageError
from bus.events.names import LANES
from bus.hub.clerk import Clerk
from bus.hub.config import HubConfig
from bus.hub.courier import Courier
from bus.hub.notary import Notary
from bus.ledger.store import reachable_error

log: Any = structlog.get_logger("bus.hub.service")

ROLES = ("notary", "courier", "publisher", "clerk")
RESTART_MIN_S = 0.2
RESTART_MAX_S = 5.0
GC_THRESHOLD = (50_000, 20, 100)


class Runner(Protocol):
    """What a role is made of: runs until the first doubt, and says when it works."""

    ready: asyncio.Event

    async def run(self) -> None:
        """Run until cancelled; an error ends it."""
        ...


class _Worker(Struct, frozen=True):
    """One restartable part of a role: makes a new runner each time."""

    name: str
    make: Callable[[], Runner]


async def run(
    config_path: Path, roles: Sequence[str] = (), ready_file: Path | None = None, *, serve: bool = False
) -> None:
    """Run roles of a hub in this process until SIGTERM or SIGINT.

    Args:
        config_path: the hub's TOML file.
        roles: which of :data:`ROLES`; without any, all that the configuration speaks of.
        serve: let the publisher serve the log's files too, where the configuration says.
        ready_file: written (with this process's id) once every role is working for the first time.

    Raises:
        UsageError: no such role, or the configuration is wrong.
        StartRefused: a start-up check failed; nothing was repaired, and nothing will be without a person.
    """
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise UsageError(f"there is no role {', '.join(sorted(unknown))}", hint=f"Roles are {', '.join(ROLES)}.")
    config = HubConfig.load(config_path)
    _calm_collector()
    workers = _workers(config, roles or _configured(config), serve=serve)
    ready = [asyncio.Event() for _ in workers]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(_keep(worker, event)) for worker, event in zip(workers, ready, strict=True)]
    tasks.append(asyncio.create_task(_announce(ready, ready_file)))
    stopper = asyncio.create_task(stop.wait())
    try:
        await _until_stopped(stopper, tasks)
    finally:
        running: list[asyncio.Task[Any]] = [*tasks, stopper]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)  # noqa: ASYNC240 - one small file, at the end
        log.info("hub.stopped", roles=list(roles))


def _calm_collector() -> None:
    """Look for cycles seldom: a flush makes a hundred thousand objects, none of them in a cycle."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


async def _until_stopped(stopper: asyncio.Task[Any], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when told to stop; raise when a role ends for good."""
    running: set[asyncio.Task[Any]] = {stopper, *tasks}
    while not stopper.done():
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task is not stopper:
                task.result()


def _configured(config: HubConfig) -> Sequence[str]:
    asked = {"publisher": config.publisher, "clerk": config.clerk}
    return [role for role in ROLES if role not in asked or asked[role] is not None]


def _workers(config: HubConfig, roles: Sequence[str], *, serve: bool) -> list[_Worker]:
    workers: list[_Worker] = []
    if "notary" in roles:
        workers.append(_Worker("notary", lambda: Notary(config)))
    if "courier" in roles:
        workers += [_Worker(f"courier.{lane}", lambda lane=lane: Courier(config, lane)) for lane in LANES]
    if "publisher" in roles:
        from bus.hub.publishing import Published  # noqa: PLC0415 - the web server is loaded by this role alone

        workers.append(_Worker("publisher", lambda: Published(config, serve=serve)))
    if "clerk" in roles:
        workers.append(_Worker("clerk", lambda: Clerk(config)))
    return workers


async def _keep(worker: _Worker, ready: asyncio.Event) -> None:
    """Run a worker, and start a new one whenever it ends with something that may pass."""
    pause = RESTART_MIN_S
    while True:
        runner = worker.make()
        started = time.monotonic()
        mark = asyncio.create_task(_mark(runner.ready, ready))
        try:
            await runner.run()
        except StartRefused as error:
            log.error(  # noqa: TRY400 - it is raised too
                "hub.start_refused", role=worker.name, error=error.message, hint=error.hint
            )
            raise
        except Exception as error:  # noqa: BLE001 - logged; whatever it is, state is dropped and loaded again
            _report(worker.name, error)
        finally:
            mark.cancel()
        lasted = time.monotonic() - started
        pause = RESTART_MIN_S if lasted > RESTART_MAX_S * 2 else min(pause * 2, RESTART_MAX_S)
        await asyncio.sleep(pause)


async def _mark(runner_ready: asyncio.Event, ready: asyncio.Event) -> None:
    await runner_ready.wait()
    ready.set()


async def _announce(ready: Sequence[asyncio.Event], ready_file: Path | None) -> None:
    """Say once that everything works."""
    waits: list[Awaitable[Any]] = [event.wait() for event in ready]
    await asyncio.gather(*waits)
    log.info("hub.ready")
    if ready_file is not None:
        draft = ready_file.with_suffix(".part")
        draft.write_text(f"{os.getpid()}\n", encoding="ascii")
        draft.replace(ready_file)


def _report(role: str, error: Exception) -> None:
    """A doubt that may pass in one line, anything unforeseen with its trace."""
    if isinstance(error, BusError):
        log.warning("hub.role_restarts", role=role, error=error.message)
    elif reachable_error(error):
        told: str | None = getattr(error, "strerror", None)  # such as that the disk is full; never a value of ours
        log.warning("hub.role_restarts", role=role, error=told or type(error).__name__)
    else:
        log.error("hub.role_failed", role=role, error=type(error).__name__, exc_info=error)
