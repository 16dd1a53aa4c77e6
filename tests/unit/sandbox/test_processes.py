"""Processes are known by more than their number, ended as they should be, and never taken for another."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from bus.errors import SandboxError
from bus.sandbox import processes
from bus.sandbox.processes import Identity, Role
from tests.patience import PATIENT_S

WAITS = "import time; time.sleep(3600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(3600)"
)


@pytest.fixture
def role(tmp_path: Path) -> Role:
    """A role that owns processes which have this test's folder on their command line."""
    return Role(
        "waiter",
        tmp_path,
        tmp_path / "waiter.log",
        lambda process: str(tmp_path) in process.cmdline(),
        stop_timeout_s=PATIENT_S,
    )


def argv(role: Role, program: str = WAITS) -> list[str]:
    """A Python program that the role owns."""
    return [sys.executable, "-c", program, str(role.cwd)]


async def begun(role: Role, env: Mapping[str, str] | None = None) -> Identity:
    """A process of the role that has come so far that the system shows its command line and environment."""
    identity = processes.start(role, argv(role), env)

    async def is_shown() -> bool:
        process = psutil.Process(identity.pid)
        return role.owns(process) and bool(process.environ())

    await processes.wait_until(role, identity, is_shown, timeout_s=PATIENT_S)
    return identity


@pytest.fixture
async def running(role: Role) -> AsyncIterator[Identity]:
    """A process of the role, gone at the end."""
    identity = await begun(role)
    yield identity
    await processes.kill(role, identity)


async def test_a_started_process_leads_a_session_of_its_own(role: Role, running: Identity) -> None:
    """It outlives the command and its terminal, and stands in its role's folder."""
    process = psutil.Process(running.pid)
    assert process.cwd() == str(role.cwd)
    assert os.getsid(running.pid) == running.pid


async def test_our_variables_are_not_passed_on(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``BUS_*`` variable of the caller would set options of what is started; what is given on purpose is."""
    monkeypatch.setenv("BUS_HUB_CONFIG", "elsewhere")
    identity = await begun(role, {"BUS_FAULT": "here"})
    found = psutil.Process(identity.pid).environ()
    await processes.kill(role, identity)
    assert "BUS_HUB_CONFIG" not in found
    assert found["BUS_FAULT"] == "here"


async def test_a_known_process_is_found(role: Role, running: Identity) -> None:
    """By its identity."""
    assert processes.find(role, running) == running


async def test_a_process_whose_identity_was_lost_is_found(role: Role, running: Identity) -> None:
    """By what it was started with."""
    assert processes.find(role, None) == running


async def test_a_pid_given_to_another_is_not_ours(role: Role, running: Identity) -> None:
    """The same pid that began at another tick, or before a restart of the machine, is another process."""
    assert not processes.is_alive(replace(running, started=running.started - 1))
    assert not processes.is_alive(replace(running, boot="another"))


async def test_stop_never_signals_anothers_process(role: Role, running: Identity) -> None:
    """A stale identity is as good as ended; who has its pid now is left alone."""
    assert await processes.stop(role, replace(running, started=running.started - 1))
    assert processes.is_alive(running)


async def test_a_stopped_process_is_gone(role: Role) -> None:
    """After ``stop`` it is neither running nor waiting to be reaped."""
    identity = processes.start(role, argv(role))
    assert await processes.stop(role, identity)
    assert not psutil.pid_exists(identity.pid)


async def test_one_that_does_not_listen_is_killed(role: Role) -> None:
    """``stop`` says that it did not end by itself."""
    deaf = replace(role, stop_timeout_s=0.3)
    identity = processes.start(deaf, argv(deaf, STUBBORN))

    async def is_deaf() -> bool:
        return "deaf" in deaf.log.read_text()

    await processes.wait_until(deaf, identity, is_deaf, timeout_s=PATIENT_S)
    assert not await processes.stop(deaf, identity)
    assert not psutil.pid_exists(identity.pid)


async def test_the_stop_signal_is_the_roles_own(role: Role) -> None:
    """Postgres, for one, shuts down fast on SIGINT."""
    polite = replace(role, stop_signal=signal.SIGINT)
    program = (
        "import time\nprint('on', flush=True)\ntry: time.sleep(3600)\nexcept KeyboardInterrupt: print('interrupted')"
    )
    identity = processes.start(polite, argv(polite, program))

    async def is_on() -> bool:
        return "on" in polite.log.read_text()

    await processes.wait_until(polite, identity, is_on, timeout_s=PATIENT_S)
    assert await processes.stop(polite, identity)
    assert "interrupted" in polite.log.read_text()


async def test_an_early_end_names_the_log_and_its_last_line(role: Role) -> None:
    """Who waits for a process that ended is told where to look and what stands there."""
    identity = processes.start(role, argv(role, "raise SystemExit('the disk is full')"))

    async def never() -> bool:
        return False

    with pytest.raises(SandboxError, match="ended while it started") as caught:
        await processes.wait_until(role, identity, never, timeout_s=PATIENT_S)
    assert str(role.log) in caught.value.hint
    assert "the disk is full" in caught.value.hint


async def test_one_that_is_never_ready_is_stopped(role: Role) -> None:
    """Waiting is bounded, and leaves no half-started process behind."""
    identity = processes.start(role, argv(role))

    async def never() -> bool:
        return False

    with pytest.raises(SandboxError, match="not ready within"):
        await processes.wait_until(role, identity, never, timeout_s=0.2)
    assert not processes.is_alive(identity)


def test_what_cannot_be_run_says_so(role: Role) -> None:
    """A missing program is an error of the sandbox, not a traceback."""
    with pytest.raises(SandboxError, match="cannot be run"):
        processes.start(role, [str(role.cwd / "missing")])


async def test_a_program_runs_to_its_end(role: Role) -> None:
    """Its exit code is told, and what it said stands in the log."""
    code = await processes.run("it", argv(role, "print('said'); raise SystemExit(7)"), role.log, timeout_s=20)
    assert (code, role.log.read_text()) == (7, "said\n")


async def test_a_program_that_does_not_end_is_killed_and_named(role: Role) -> None:
    """Whoever waits is told what took too long, and where to look."""
    with pytest.raises(SandboxError, match="it did not end within 0 s") as raised:
        await processes.run("it", argv(role), role.log, timeout_s=0.3)
    assert str(role.log) in raised.value.hint
    assert processes.find(role, None) is None


async def test_a_program_does_not_outlive_whoever_waits(role: Role) -> None:
    """A command that is stopped leaves nothing behind that writes into the state folder."""
    waiting = asyncio.create_task(processes.run("it", argv(role), role.log, timeout_s=60))
    while processes.find(role, None) is None:  # noqa: ASYNC110 - it is another process that begins
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert processes.find(role, None) is None


async def test_a_program_that_is_not_there_is_named(role: Role) -> None:
    """It is no fault of ours."""
    with pytest.raises(SandboxError, match="it cannot be run"):
        await processes.run("it", [str(role.cwd / "nowhere")], role.log, timeout_s=20)
