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

VARIABLE = "BUS_TEST_CLOCK"

_path = os.environ.get(VARIABLE, "")


def ahead_us() -> int:
    """By how many microseconds a test has set this process ahead."""
    return int(Path(_path).read_text(encoding="ascii")) if _path else 0


class HubClock:
    """The machine's clock, and what a test adds to it."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000 + ahead_us()
