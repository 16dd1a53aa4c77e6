"""PDQ signals as ``HashListing`` events, one each. ``docs/adapters/pdq.md``.

::

    HASH                     64 hexadecimal digits, one a line, as ThreatExchange's tools print them
    HASH,QUALITY             with the quality that the hasher gave, 0 to 100
    PATH,HASH                as its test data and hashing tools write it: a head FilePath,Hash says so

A signal has no id but itself, so the journal knows it by a digest of itself, and it is published once.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from bus.adapters.drafts import Context, Draft, Input, Notice
from bus.adapters.fingerprints import hexadecimal, means_nothing
from bus.adapters.listing import Entry, Lister
from bus.adapters.signals import lines
from bus.errors import InvalidFile

FORMAT = LIST_ID = "pdq"
LOWEST_QUALITY = 50
"""Below it a PDQ hash matches what it should not (ThreatExchange)."""

_HEADS: dict[tuple[str, ...], tuple[int, int | None]] = {
    ("filepath", "hash"): (1, None),
    ("hash",): (0, None),
    ("hash", "quality"): (0, 1),
}


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft a listing for each signal of a file.

    Raises:
        InvalidFile: a line is no signal.
    """
    ((stream, name),) = inputs
    lister = Lister(FORMAT, LIST_ID, name, context)
    columns: tuple[int, int | None] | None = None
    for number, line in lines(stream, name):
        place = f"line {number}"
        cells = _cells(line, name, place)
        if columns is None:
            head = _HEADS.get(tuple(cell.lower() for cell in cells))
            columns = head or (0, 1)
            if head is not None:
                continue
        signal = _signal(cells, columns, name, place, headed=columns != (0, 1))
        if isinstance(signal, str):
            context.tell(Notice("left-out", name, place, signal))
            continue
        key = hashlib.sha256(f"PDQ:{signal['value']}".encode()).hexdigest()[:32]
        draft = lister.draft(Entry(key, place, body={"media": "image"}, sealed={"hashes": [signal]}))
        if draft is not None:
            yield draft


def _cells(line: str, name: str, place: str) -> list[str]:
    """The cells of a line; a path may stand in quotes."""
    try:
        [cells] = csv.reader([line], strict=True)
    except (csv.Error, ValueError):
        raise InvalidFile(name, place, "not a line of comma-separated values") from None
    return [cell.strip() for cell in cells]


def _signal(
    cells: list[str], columns: tuple[int, int | None], name: str, place: str, *, headed: bool
) -> dict[str, Any] | str:
    """The hash of a line as the bus has it, or why it is left out."""
    at, quality_at = columns
    most = max(at, quality_at or 0) + 1
    if not (at < len(cells) <= most) or (headed and len(cells) != most):
        raise InvalidFile(name, place, "it has not the cells that it should have: a hash, or what the head says")
    value = hexadecimal("PDQ", cells[at])
    if value is None:
        return _other(cells[at], name, place)
    if means_nothing("PDQ", value):
        return "the hash of a plain surface, which matches what it should not"
    if quality_at is None or len(cells) <= quality_at:
        return {"algorithm": "PDQ", "value": value}
    quality = quality_of(cells[quality_at], name, place)
    if quality < LOWEST_QUALITY:
        return f"its quality is below {LOWEST_QUALITY}, so it matches what it should not"
    return {"algorithm": "PDQ", "value": value, "quality": quality}


def _other(text: str, name: str, place: str) -> str:
    """A file of the same tools may hold MD5 of videos between PDQ hashes; anything else is an error."""
    if hexadecimal("MD5", text) is not None:
        return "an MD5 among PDQ hashes"
    raise InvalidFile(name, place, "a PDQ hash must be 64 hexadecimal digits")


def quality_of(text: str, name: str, place: str) -> int:
    """A quality from 0 to 100.

    Raises:
        InvalidFile: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100):
        raise InvalidFile(name, place, "the quality must be a whole number from 0 to 100")
    return int(text)
