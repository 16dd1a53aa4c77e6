"""Processes that outlive the command that starts them, known again by more than a number.

A process is identified by its pid, the tick at which it began and the boot of the machine, so that a pid given
anew to something else is never signalled. One whose identity was lost is found by its exact command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import psutil
from msgspec import Struct

from bus.errors import SandboxError
from bus.sandbox.home import trim_log


class Identity(Struct, frozen=True):
    """One process and no other: ``started`` is in clock ticks since the boot named."""

    pid: int
    started: int
    boot: str


_children: dict[Identity, subprocess.Popen[bytes]] = {}
"""Started by this very process, and so ours to reap."""


class Role(Struct, frozen=True):
    """One thing that runs here. ``owns`` tells its process from all others by what it was started with."""

    name: str
    cwd: Path
    log: Path
    owns: Callable[[psutil.Process], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 20.0


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identify(pid: int) -> Identity | None:
    """Who has this pid now; None if nobody has, or a dead process waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Identity(pid, int(fields[19]), _boot())


def is_alive(identity: Identity) -> bool:
    """Whether this very process still runs."""
    alive = identify(identity.pid) == identity
    if not alive and identity in _children:
        _children.pop(identity).wait()
    return alive


def start(role: Role, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Identity:
    """Start a role in a session of its own, with its output added to its log.

    Raises:
        SandboxError: it cannot be run.
    """
    trim_log(role.log)
    with role.log.open("ab") as log:
        try:
            child = subprocess.Popen(  # noqa: S603 - our own argument lists, no shell
                argv,
                cwd=role.cwd,
                env={**_clean_environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"{role.name} cannot be run: {error}", hint=f"See {role.log}.") from error
    identity = identify(child.pid)
    if identity is None:
        child.wait()
        raise SandboxError(f"{role.name} ended at once", hint=log_hint(role))
    _children[identity] = child
    return identity


def _clean_environment() -> dict[str, str]:
    """Ours without ``BUS_*``, which would set options of what we start."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BUS_")}


async def run(
    name: str,
    argv: Sequence[str],
    log: Path,
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a program to its end, with its output added to a log; its exit code. It does not outlive whoever waits.

    Raises:
        SandboxError: it cannot be run, or did not end in time; it is killed then.
    """
    with log.open("ab") as output:
        try:
            child = await asyncio.create_subprocess_exec(
                *argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=env
            )
        except OSError as error:
            raise SandboxError(f"{name} cannot be run: {error}", hint=f"See {log}.") from error
    try:
        return await asyncio.wait_for(child.wait(), timeout_s)
    except TimeoutError:
        raise SandboxError(
            f"{name} did not end within {timeout_s:.0f} s", hint=f"See {log}, then run `bus sandbox up` again."
        ) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def find(role: Role, known: Identity | None) -> Identity | None:
    """The role's running process: the known one, else one that the role owns by its command line."""
    if known is not None and is_alive(known):
        return known
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and role.owns(process):
                return identify(process.pid)
    return None


async def wait_until(role: Role, identity: Identity, probe: Callable[[], Awaitable[bool]], *, timeout_s: float) -> None:
    """Wait until the probe says yes.

    Raises:
        SandboxError: the process ended, or the time is over; it is stopped then.
    """
    deadline = time.monotonic() + timeout_s
    while not await probe():
        if not is_alive(identity):
            raise SandboxError(f"{role.name} ended while it started", hint=log_hint(role))
        if time.monotonic() > deadline:
            await stop(role, identity)
            raise SandboxError(f"{role.name} was not ready within {timeout_s:.0f} s", hint=log_hint(role))
        await asyncio.sleep(0.05)


async def stop(role: Role, identity: Identity) -> bool:
    """Ask a process to end, and kill it if it does not. Returns whether it ended by itself."""
    if await _signal(identity, role.stop_signal, role.stop_timeout_s):
        return True
    await kill(role, identity)
    return False


async def kill(role: Role, identity: Identity) -> None:
    """End a process with SIGKILL and wait until it is gone.

    Raises:
        SandboxError: it is still there.
    """
    if not await _signal(identity, signal.SIGKILL, 10.0):
        raise SandboxError(f"{role.name} (pid {identity.pid}) could not be killed", hint=log_hint(role))


async def _signal(identity: Identity, number: signal.Signals, timeout_s: float) -> bool:
    if is_alive(identity):
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, number)
    deadline = time.monotonic() + timeout_s
    while is_alive(identity):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def log_hint(role: Role) -> str:
    """Where to look, with the last line that was written there."""
    line = _last_line(role.log)
    said = f" Its last line: {line}" if line else ""
    return f"See {role.log}, then run `bus sandbox up` again.{said}"


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
