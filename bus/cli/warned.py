"""Warnings about codes that no list has: said on stderr, and rows for ``-o json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bus.cli.base import say
from bus.nearest import did_you_mean

if TYPE_CHECKING:
    from bus.events.unlisted import Unlisted

MOST = 20
"""Warnings that are said one by one; more are counted."""


class Warned:
    """What is odd in an input, though nothing forbids it; each oddity once, with how many events have it."""

    MOST_KEPT = 1000

    def __init__(self) -> None:
        self._first: dict[Unlisted, tuple[str, str]] = {}
        self._count: dict[Unlisted, int] = {}

    def __call__(self, file: str, place: str, found: Unlisted) -> None:
        """Take a code that no list has. Beyond :data:`MOST_KEPT` different ones no new one is kept."""
        if found in self._count or len(self._count) < self.MOST_KEPT:
            self._first.setdefault(found, (file, place))
            self._count[found] = self._count.get(found, 0) + 1

    def rows(self) -> list[dict[str, Any]]:
        """One for each: ``file`` and ``place`` of the first, what :class:`Unlisted` has, and how many ``events``."""
        return [
            {"file": file, "place": place, **one._asdict(), "events": self._count[one]}
            for one, (file, place) in self._first.items()
        ]

    def tell(self) -> None:
        """Say them."""
        for row in self.rows()[:MOST]:
            times = f" ({row['events']:,} times)" if row["events"] > 1 else ""
            say(f"{row['file']}, {row['place']}: {row['field']}: {words(row)}{times}", colour="yellow")
        if len(self._count) > MOST:
            say(f"… and {len(self._count) - MOST:,} more codes that no list has", colour="yellow")


def words(row: dict[str, Any]) -> str:
    """What is odd about it, and what may have been meant."""
    return f"{rule(row)}, and goes as it is. {remedy(row)}"


def rule(row: dict[str, Any]) -> str:
    """What is odd. A code of the sealed part is not repeated."""
    code = "a code" if row["code"] is None else repr(row["code"])
    return f"{code} is not in the list {row['list']}"


def remedy(row: dict[str, Any]) -> str:
    """What may have been meant."""
    return did_you_mean([row["near"]] if row["near"] else []) or f"`bus schema show {row['list']}` has the list."
