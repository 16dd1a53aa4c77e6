"""The auditor's questions, asked of the ledger itself, and the survey counted again from what stands in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from bus.audit import answers
from bus.audit.ledger import Head, Ledger, open_ledger
from bus.demo.edition import Edition
from bus.demo.tally import Tally
from bus.errors import CheckFailed
from bus.events import registry
from bus.events.codec import decode_body, decode_header
from bus.events.refusals import refusals
from bus.evidence.gather import open_snapshot
from bus.ledger.sql import parse_queries

ADVISORY_TIMEOUT_S = 60.0
QUERIES = parse_queries((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))
_COUNTED = ("HashHit", "Assessment", "HashListing", "Survey")


class Answers(Struct, frozen=True):
    """What the ledger says.

    Attributes:
        who: who knew of the report, and when.
        refused: what was refused of this edition, with reason and remedy.
        nations: entries by the issuer's nation.
        head: how far the ledger has come.
    """

    who: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    nations: list[dict[str, Any]]
    head: Head


async def ask(dsn: str, *, report: bytes, refused: Sequence[int], last: Mapping[str, int]) -> Answers:
    """Ask in one snapshot, once the courier has said how far it has come.

    Args:
        dsn: the desk's read-only login.
        report: the event that the question of who knew is about.
        refused: the entries of what was refused.
        last: by lane, the highest index that was given to one of the edition's events.
    """
    await courier_said(dsn, last)
    async with open_ledger(dsn) as ledger:
        traced = await answers.trace(ledger, UUID(bytes=report))
        stats = await answers.stats(ledger)
        why = [await _refusal(ledger, index) for index in sorted(refused)]
        return Answers(traced["who"], why, stats["nations"], await ledger.head())


async def head(dsn: str) -> Head:
    """How far the ledger has come."""
    async with open_ledger(dsn) as ledger:
        return await ledger.head()


async def courier_said(dsn: str, last: Mapping[str, int]) -> None:
    """Wait for the courier's own record of delivery, which it writes after the fact.

    Args:
        dsn: the desk's read-only login.
        last: by lane, the index that must be covered.

    Raises:
        CheckFailed: it does not come, though the inboxes have everything.
    """
    deadline = time.monotonic() + ADVISORY_TIMEOUT_S
    while time.monotonic() < deadline:
        async with open_ledger(dsn) as ledger:
            if all([await ledger.delivered_at(lane, index) for lane, index in last.items()]):
                return
        await asyncio.sleep(0.05)
    raise CheckFailed("the courier has not written down its deliveries", hint="See the courier's log.")


async def recount(dsn: str, edition: Edition, survey: bytes) -> tuple[Tally, Any]:
    """Count the survey's numbers from the ledger: headers and bodies as they stand, streamed.

    Args:
        dsn: the desk's read-only login.
        edition: what is counted.
        survey: the event that claims the numbers.

    Returns:
        The counts, and the survey's body.

    Raises:
        CheckFailed: the survey does not stand in the ledger.
    """
    tally, claim = Tally(), None
    ids = [info.id for info in registry.all_schemas() if info.name in _COUNTED]
    async with open_snapshot(dsn) as connection:
        query = QUERIES["survey_events"]
        async for row in connection.cursor(query, edition.first_index, ids, prefetch=2000):
            info = registry.by_id(row["schema_id"])
            assert info is not None
            header = decode_header(info, row["header"])
            body = decode_body(info, row["body"], header.step)
            tally.take(edition, info.name, header, body)
            if header.event_id == survey:
                claim = body
    if claim is None:
        raise CheckFailed("the survey does not stand in the ledger")
    return tally, claim


async def _refusal(ledger: Ledger, index: int) -> dict[str, Any]:
    """A refused entry, with what its reason means and what to do about it."""
    shown = await answers.show(ledger, index)
    meanings = refusals()
    reason = shown["reasons"][0] if shown["reasons"] else ""
    meaning, remedy = meanings.get(reason, ("", ""))
    return {"index": index, "issuer": shown["issuer"], "type": shown["type"], "step": shown["step"],
            "reason": reason, "meaning": meaning, "remedy": remedy}  # fmt: skip
