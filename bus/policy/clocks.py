"""Clocks that stand still: running time between two instants, and the instant at which so much of it has run.

Instants and lengths are microseconds since 1970, UTC; an interval holds its first instant and not its last. A clock
stands still during pauses and, if its calendar is ``business``, on Saturdays, Sundays and holidays. A day is one of
UTC. Splitting a pause in two changes nothing, nor does the order in which pauses are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

DAY_US: Final = 86_400_000_000
FOREVER: Final = 253_402_300_800_000_000
"""The end of the year 9999: of a pause that nothing has ended."""
_SATURDAY: Final = 5

Interval = tuple[int, int]


class Calendar(Struct, frozen=True):
    """On which days a clock runs."""

    business: bool = False
    holidays: frozenset[int] = frozenset()

    def closed(self, day: int) -> bool:
        """Whether it stands still on this day (days since 1970; the first was a Thursday)."""
        return self.business and ((day + 3) % 7 >= _SATURDAY or day in self.holidays)


ALWAYS: Final = Calendar()


def merged(pauses: Iterable[Interval]) -> list[Interval]:
    """The same time as disjoint intervals in order; what is empty or turned round is no time."""
    found: list[Interval] = []
    for first, last in sorted((a, b) for a, b in pauses if a < b):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def measure(pauses: Sequence[Interval], start_us: int, until_us: int) -> int:
    """How much of the time from ``start_us`` to ``until_us`` these merged pauses cover."""
    return sum(max(0, min(last, until_us) - max(first, start_us)) for first, last in pauses)


def running(start_us: int, until_us: int, pauses: Sequence[Interval], calendar: Calendar = ALWAYS) -> int:
    """How long a clock has run between two instants; 0 if the second is not later."""
    open_time = _open(start_us, until_us, calendar)
    return sum(last - first - measure(pauses, first, last) for first, last in open_time)


def after(start_us: int, length_us: int, pauses: Sequence[Interval], calendar: Calendar = ALWAYS) -> int | None:
    """The first instant at which a clock has run for so long; None if a pause never ends.

    ``pauses`` are merged.
    """
    if length_us <= 0:
        return start_us
    left, at = length_us, start_us
    for first, last in [*pauses, (FOREVER, FOREVER)]:
        if last <= at:
            continue
        for opened, closed in _open(at, max(first, at), calendar):
            if closed - opened >= left:
                return opened + left
            left -= closed - opened
        at = last
    return None


def _open(start_us: int, until_us: int, calendar: Calendar) -> Iterator[Interval]:
    """The time between two instants without the days on which the calendar is closed."""
    if not calendar.business:
        if start_us < until_us:
            yield (start_us, until_us)
        return
    at = start_us
    while at < until_us:
        day = at // DAY_US
        end = min((day + 1) * DAY_US, until_us)
        if not calendar.closed(day):
            yield (at, end)
        at = end
