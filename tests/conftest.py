"""What every kind of test may ask for: one real sandbox, started once in a run, and only if a test wants it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from bus.sandbox.lifecycle import Sandbox

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run in the background of a shell hands this down, and a Ctrl-C that a test sends would mean nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("always", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("roaming", settings.get_profile("always"), derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("BUS_TEST_EXAMPLES", "always"))
"""The examples of a property are the same in every run, and a slow machine is no fault. ``roaming`` looks for new ones."""

TESTS = Path(__file__).resolve().parent
BUILD = TESTS.parent / "build"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""Which of two processes that share the tests this is: each has sandboxes of its own."""


class BySandbox(LoadScopeScheduling):
    """Two processes share the tests: one takes the attacks, the other the rest of the real thing; unit tests fill up."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        return nodeid.partition("::")[0] if folder == "unit" else "faults" if folder == "faults" else "hub"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySandbox:
    """Keep together what shares a sandbox. Groups by a mark would do, but pytest 9 takes no node ids from xdist."""
    return BySandbox(config, log)


@pytest.fixture(autouse=True)
def all_is_logged() -> Iterator[None]:
    """Whatever a command that ran in this process left behind: alarms are part of what is tested."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


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
