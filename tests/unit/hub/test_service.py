"""What the log says of a role that ended and is started again."""

from __future__ import annotations

import errno
import os

import asyncpg
from structlog.testing import capture_logs

from bus.hub.service import _report  # pyright: ignore[reportPrivateUsage]


def test_why_a_role_restarts_is_what_the_system_says() -> None:
    """A full disk is told from a database that is away, and no path and no value stands in the log."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/published/log/tile/0/000")
    with capture_logs() as logs:
        _report("publisher", full)
        _report("notary", asyncpg.InterfaceError("a value"))
    assert [line["error"] for line in logs] == ["No space left on device", "InterfaceError"]
