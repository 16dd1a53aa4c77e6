"""Times as other formats write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)", re.ASCII)
_END = 253402300800


def rfc3339(text: str) -> str | None:
    """An RFC 3339 time as the bus writes it, in UTC with microseconds; None for anything else.

    A time without a zone is none: nobody can say when it was. Fractions beyond microseconds are cut off.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    day, second, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{second}.{(fraction or '0')[:6]:0<6}{zone.upper().replace('Z', '+00:00')}")
        moment = at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return _written(moment)


def unix_seconds(seconds: object) -> str | None:
    """Whole seconds since 1970 as the bus writes a time; None for anything else."""
    if type(seconds) is not int or not 0 <= seconds < _END:
        return None
    return _written(datetime.fromtimestamp(seconds, UTC))


def _written(moment: datetime) -> str | None:
    """Years before 1970 cannot be said on the bus."""
    return None if moment.year < 1970 else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
