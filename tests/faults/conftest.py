"""The hub's roles in the test's hands, the sandbox's own again afterwards; and the eyes of an outsider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bus.sandbox.lifecycle import Sandbox
from tests.faults.roles import Roles
from tests.members import Members
from tests.outside import Outside


@pytest.fixture(scope="session")
async def outside(sandbox: Sandbox) -> Outside:
    """The hub as an outsider with all its credentials sees it."""
    members = Members(sandbox)
    return Outside(members.status, members.librdkafka("hub"))


@pytest.fixture
async def roles(sandbox: Sandbox) -> AsyncIterator[Roles]:
    """Notary and courier as children of the test."""
    found = Roles(sandbox)
    try:
        await sandbox.stop("courier")
        await sandbox.stop("notary")
        await found.start("notary")
        await found.start("courier")
        yield found
    finally:
        found.stop()
        await sandbox.up()
