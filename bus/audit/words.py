"""How the ledger's numbers read: outcomes by name, times as RFC 3339, ids dashed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bus.errors import UsageError
from bus.events.clock import format_us

OUTCOMES = {1: "accepted", 2: "repeated", 3: "refused", 4: "gap"}
OUTCOME_CODES = {name: code for code, name in OUTCOMES.items()}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def when(time_us: int | None) -> str | None:
    """Microseconds since 1970 as RFC 3339 with microseconds and Z; None stays None."""
    return None if time_us is None else format_us(time_us)


def moment(at: datetime | None) -> str | None:
    """A time of the database's as :func:`when` writes it."""
    return None if at is None else when((at - _EPOCH) // timedelta(microseconds=1))


def time_us(text: str, *, now_us: int) -> int:
    """Read a time that a person gives: RFC 3339, a date, or how long ago (``90m``, ``2d``).

    Raises:
        UsageError: it is none of these.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        back = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return now_us - back // timedelta(microseconds=1)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", hint="Give RFC 3339 (2026-01-31T12:00:00Z), a date, or how long ago: 90m, 2d."
        ) from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (at - _EPOCH) // timedelta(microseconds=1)


def event_or_index(text: str) -> UUID | int:
    """Read what names an entry: an event id in its dashed form, or a ledger index.

    Raises:
        UsageError: it is neither.
    """
    if re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.ASCII):
        return int(text)
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        raise UsageError(f"{text!r} is neither an event id nor a ledger index")
    return found
