"""Single values of other people's formats, as the bus writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def micros(text: str) -> str | None:
    """An RFC 3339 time as the bus writes it, in UTC with microseconds; None for anything else."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    second, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{second}.{(fraction or '0')[:6]:0<6}{zone.replace('Z', '+00:00')}")
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)
    except (ValueError, OverflowError):
        return None


def short_time(text: str) -> str:
    """A time of the bus without a fraction that is nought, as most formats write it."""
    return text.removesuffix(".000000Z") + "Z" if text.endswith(".000000Z") else text


def size(text: str) -> int:
    """Bytes of a text in UTF-8, which bounds count."""
    return len(text.encode())


def cut(text: str, most: int) -> str:
    """The beginning of a text, at most so many bytes, never half a character."""
    return text.encode()[:most].decode(errors="ignore")
