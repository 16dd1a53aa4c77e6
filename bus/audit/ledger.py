"""Reads the ledger for an auditor: one connection, read-only, one snapshot for a whole answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

from bus.events.erasures import AGREED, schema_ids
from bus.ledger.snapshot import snapshot
from bus.ledger.sql import parse_queries

QUERIES = parse_queries((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))

_PREFETCH = 1000
_PLANNING = {"plan_cache_mode": "force_custom_plan"}
"""A search has a condition for each thing that could be asked: a plan for all searches would suit none."""
_NO_INDEX = (1 << 63) - 1


class Filter(Struct, frozen=True, kw_only=True):
    """What to look for; None asks nothing. Times are microseconds, ``until_us`` is left out itself."""

    outcomes: Sequence[int] | None = None
    schema_ids: Sequence[int] | None = None
    step: str | None = None
    issuer: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    thread: UUID | None = None
    reason: str | None = None
    limit: int | None = None
    newest_first: bool = False

    def values(self) -> tuple[Any, ...]:
        """The parameters of the query, in its order."""
        return (
            self.outcomes, self.schema_ids, self.step, self.issuer, self.since_us, self.until_us, self.thread,
            self.reason, self.limit,
        )  # fmt: skip


class Head(Struct, frozen=True):
    """How far the ledger has come."""

    size: int
    root: bytes
    time_us: int
    receipted: int


class Ledger:
    """A snapshot of the ledger; made by :func:`open_ledger`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._db = connection

    async def head(self) -> Head:
        """The committed head."""
        row = await self._one("head")
        assert row is not None
        return Head(row["size"], row["root"], row["time_us"], row["receipted"])

    async def search(self, wanted: Filter) -> AsyncIterator[asyncpg.Record]:
        """Entries in ledger order, as a stream: the server keeps the rest."""
        name = "search_newest" if wanted.newest_first else "search"
        low = 0 if wanted.since_us is None else await self._first_from(wanted.since_us)
        high = _NO_INDEX if wanted.until_us is None else await self._first_from(wanted.until_us)
        async for row in self._db.cursor(QUERIES[name], *wanted.values(), low, high, prefetch=_PREFETCH):
            yield row

    async def _first_from(self, time_us: int) -> int:
        """The first entry recorded at or after a time: the ledger's time never goes back."""
        low, high = 0, (await self.head()).size
        while low < high:
            middle = (low + high) // 2
            row = await self._one("time_at", middle)
            if row is not None and row["time_us"] < time_us:
                low = middle + 1
            else:
                high = middle
        return low

    async def resolve(self, wanted: UUID | int) -> int | None:
        """The index of an entry: of an event id, the accepted one, else the last there is."""
        if isinstance(wanted, int):
            return wanted
        rows = await self._db.fetch(QUERIES["entries_of_event"], wanted)
        accepted = [row["index"] for row in rows if row["outcome"] == 1]
        return accepted[0] if accepted else rows[-1]["index"] if rows else None

    async def entries_of(self, event_id: UUID) -> list[asyncpg.Record]:
        """Every entry that covers a record of this event id: index and outcome."""
        return await self._db.fetch(QUERIES["entries_of_event"], event_id)

    async def entry(self, index: int) -> asyncpg.Record | None:
        """One entry with its record."""
        return await self._one("entry", index) if index < 1 << 63 else None

    async def erasures(self, entry: Any) -> list[asyncpg.Record]:
        """What may have let the content of an entry go: later Erasures of its thread."""
        values = (entry["thread"], entry["index"], schema_ids(), AGREED)
        return await self._db.fetch(QUERIES["erasures"], *values)

    async def thread(self, thread: UUID) -> list[asyncpg.Record]:
        """The accepted events of a thread, in order."""
        return await self._db.fetch(QUERIES["thread"], thread)

    async def overdue(self, thread: UUID, schema_ids: Sequence[int]) -> list[asyncpg.Record]:
        """What was stated of deadlines in a thread, in order."""
        return await self._db.fetch(QUERIES["overdue"], thread, schema_ids)

    async def delivered_at(self, lane: str, index: int) -> Any:
        """When the courier says it had delivered an entry; None if it does not say so yet."""
        row = await self._one("delivered_at", lane, index)
        return row["delivered_at"] if row is not None else None

    async def delivered_to(self, lane: str, index: int, topics: Sequence[str]) -> dict[str, Any]:
        """When the courier says an entry stood in each of these inboxes; None where it does not say so yet."""
        rows = await self._db.fetch(QUERIES["delivered_to"], lane, index, list(topics))
        return {row["topic"]: row["delivered_at"] for row in rows}

    async def receipts_of(self, index: int) -> list[asyncpg.Record]:
        """The receipt batches of the flush that an entry stands in."""
        return await self._db.fetch(QUERIES["receipt_of"], index)

    async def counts(self, size: int) -> list[asyncpg.Record]:
        """How many entries below a size there are of each outcome, schema, step and issuer."""
        return await self._db.fetch(QUERIES["counts"], size)

    async def reasons(self, size: int) -> list[asyncpg.Record]:
        """Why records below a size were refused, and how often."""
        return await self._db.fetch(QUERIES["reasons"], size)

    async def delivered(self) -> list[asyncpg.Record]:
        """How far the courier says it has come, by lane."""
        return await self._db.fetch(QUERIES["delivered_counts"])

    async def admissions(self, schema_ids: Sequence[int]) -> list[asyncpg.Record]:
        """The bodies of the events that admitted organisations."""
        return await self._db.fetch(QUERIES["admissions"], schema_ids)

    async def _one(self, name: str, *values: Any) -> asyncpg.Record | None:
        return await self._db.fetchrow(QUERIES[name], *values)


@contextlib.asynccontextmanager
async def open_ledger(dsn: str) -> AsyncGenerator[Ledger]:
    """Open a snapshot of the ledger.

    Args:
        dsn: a login that may read; a ``postgresql://`` URL.

    Raises:
        UsageError, Unavailable, NotAllowed, LedgerError: as :func:`bus.ledger.snapshot.snapshot` says.
    """
    async with snapshot(dsn, "audit", _PLANNING) as connection:
        yield Ledger(connection)
