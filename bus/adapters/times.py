"""Times as lists and reports of others write them, where one that cannot be said is left out and not refused."""

from __future__ import annotations

from datetime import UTC, datetime

from bus.adapters.values import micros

_END = 253402300800
_FIRST = "1970"


def rfc3339(text: str) -> str | None:
    """An RFC 3339 time as the bus writes it; None for anything else, and for what lies before 1970.

    A time without a zone is none: nobody can say when it was.
    """
    found = micros(text)
    return found if found is not None and found >= _FIRST else None


def unix_seconds(seconds: object) -> str | None:
    """Whole seconds since 1970 as the bus writes a time; None for anything else."""
    if type(seconds) is not int or not 0 <= seconds < _END:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
