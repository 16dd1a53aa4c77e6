"""What every kind of test may ask for: one real sandbox, started once in a run, and only if a test wants it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.sandbox.lifecycle import Sandbox

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run in the background of a shell hands this down, and a Ctrl-C that a test sends would mean nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).resolve().parent
BUILD = TESTS.parent / "build"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""Which of two processes that share the tests this is: each has sandboxes of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares a sandbox: two processes take the attacks and the rest of the real thing."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder != "unit":
            item.add_marker(pytest.mark.xdist_group("faults" if folder == "faults" else "hub"))


@pytest.fixture(scope="session")
def jars() -> Path:
    """Kafka's jars, fetched once for all sandboxes of all runs."""
    return BUILD / "jars"


async def _lived_in(home: Path, jars: Path) -> AsyncIterator[Sandbox]:
    """A sandbox that is up; at the end, whatever happened, it is gone. What a killed run left is removed first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUS_SANDBOX_JARS", str(jars))
        sandbox = Sandbox(home, say=print)
        await sandbox.down(destroy=True)
        try:
            await sandbox.up()
            yield sandbox
        finally:
            await sandbox.down(destroy=True)


@pytest.fixture(scope="session")
async def sandbox(jars: Path) -> AsyncIterator[Sandbox]:
    """A whole hub for all tests that leave it up and working. Failing to start is an error, never a skip."""
    async for found in _lived_in(BUILD / f"test-sandbox{WORKER}", jars):
        yield found


@pytest.fixture(scope="module")
async def trial(jars: Path) -> AsyncIterator[Sandbox]:
    """A sandbox of a module's own, to be killed, broken and written to."""
    async for found in _lived_in(BUILD / f"test-trial{WORKER}", jars):
        yield found
