"""A clock that goes only when it is told to."""

from __future__ import annotations


class ManualClock:
    """Says the time that was set, and moves by ``advance``."""

    def __init__(self, now_us: int = 1_800_000_000_000_000) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return self._now_us

    def advance(self, *, us: int = 0, seconds: float = 0) -> int:
        """Move on, and say the new time."""
        self._now_us += us + round(seconds * 1_000_000)
        return self._now_us

    def set(self, now_us: int) -> None:
        """Go to an instant, earlier or later."""
        self._now_us = now_us
