"""Time, which is given and never taken, so that tests can run months in seconds."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z", re.ASCII)
_SECONDS: dict[int, str] = {}
_MAX_CACHED = 1024


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000


def format_us(us: int) -> str:
    """The text form of an instant: ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""
    second, micro = divmod(us, 1_000_000)
    text = _SECONDS.get(second)
    if text is None:
        if len(_SECONDS) >= _MAX_CACHED:
            _SECONDS.clear()
        text = (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.")
        text = _SECONDS[second] = text.rjust(20, "0")  # strftime leaves years before 1000 short
    return f"{text}{micro:06d}Z"


def parse_us(text: str) -> int:
    """The instant of an RFC 3339 text in UTC, with ``Z`` and no more than six digits of a second.

    Raises:
        ValueError: anything else, and leap seconds.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time in UTC")
    second = datetime(*(int(x) for x in found.groups()[:6]), tzinfo=UTC)
    return (second - _EPOCH) // timedelta(microseconds=1) + int((found[7] or "").ljust(6, "0"))
