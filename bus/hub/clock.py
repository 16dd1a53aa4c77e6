"""What time it is for the roles of the hub; a test may set it ahead.

``BUS_TEST_CLOCK`` names a file that holds a whole number of microseconds by which every role that was given it is
ahead of the machine: so that tests run months in seconds, with real processes on a real Kafka and Postgres. Without
the variable it costs one comparison. The check of the notary's clock against the database's stays: it leaves the
offset out.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from bus.errors import Unavailable
from bus.ledger.store import CLOCK_TOLERANCE_S

VARIABLE = "BUS_TEST_CLOCK"

_path = os.environ.get(VARIABLE, "")


def ahead_us() -> int:
    """By how many microseconds a test has set this process ahead."""
    return int(Path(_path).read_text(encoding="ascii")) if _path else 0


def check_clock(role: str, now_us: int, database_s: float) -> None:
    """A role that dates what it says does so by the time that the database has too.

    Args:
        role: whose clock it is.
        now_us: the time by that clock.
        database_s: the same moment by the database's.

    Raises:
        Unavailable: they differ by more than the tolerance.
    """
    ahead = (now_us - ahead_us()) / 1e6 - database_s
    if abs(ahead) > CLOCK_TOLERANCE_S:
        raise Unavailable(
            f"the {role}'s clock differs from the database's by {ahead:.1f} s",
            hint="Set the clocks right: what is dated here must hold against every witness.",
        )


class HubClock:
    """The machine's clock, and what a test adds to it."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000 + ahead_us()
