"""The auditor's questions, asked of the ledger itself, and the survey counted again from what stands in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from bus.audit import answers
from bus.audit.ledger import Head, Ledger, open_ledger
from bus.audit.words import when
from bus.demo.edition import Edition
from bus.demo.tally import Tally
from bus.errors import CheckFailed
from bus.events import registry
from bus.events.codec import decode_body, decode_header
from bus.events.refusals import refusals
from bus.events.registry import SchemaInfo
from bus.events.types import Header
from bus.evidence.gather import open_snapshot
from bus.ledger.sql import parse_queries

ADVISORY_TIMEOUT_S = 180.0
QUERIES = parse_queries((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))


class Answers(Struct, frozen=True):
    """What the ledger says.

    Attributes:
        who: who knew of the report, and when.
        refused: what was refused of this edition, with reason and remedy.
        nations: entries by the issuer's nation.
        late: the clerk's statements, by who was late with what.
        recall: who answered the recall, and who did not.
        head: how far the ledger has come.
    """

    who: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    nations: list[dict[str, Any]]
    late: list[dict[str, Any]]
    recall: dict[str, Any]
    head: Head


class Questions(Struct, frozen=True):
    """What the auditor asks about: the edition's report and recall, and the entries of what was refused."""

    edition: Edition
    report: bytes
    recall: bytes
    refused: Sequence[int]


async def ask(dsn: str, asked: Questions, last: Mapping[str, int]) -> Answers:
    """Ask, once the courier has said how far it has come.

    Args:
        dsn: the desk's read-only login.
        asked: what about.
        last: by lane, the highest index that was given to one of the edition's events.
    """
    await courier_said(dsn, last)
    late = await lateness(dsn, asked.edition)
    async with open_ledger(dsn) as ledger:
        traced = await answers.trace(ledger, UUID(bytes=asked.report))
        recalls = (await answers.trace(ledger, UUID(bytes=asked.recall)))["recalls"]
        stats = await answers.stats(ledger)
        why = [await _refusal(ledger, index) for index in sorted(asked.refused)]
        return Answers(traced["who"], why, stats["nations"], late, recalls[0], await ledger.head())


async def lateness(dsn: str, edition: Edition) -> list[dict[str, Any]]:
    """What the clerk stated of lateness about an edition's events: a row for each who was late with something."""
    found: dict[tuple[bytes, str, str], dict[str, Any]] = {}
    async for event in _accepted(dsn, edition, ("Overdue",)):
        header, body = event.header, event.body
        if header.about is None or header.addressee is None or edition.number(header.about) is None:
            continue
        if header.step in {"overdue", "escalated", "cured"}:
            row = found.setdefault(
                (header.about, header.addressee, body.deadline),
                {"who": header.addressee, "deadline": body.deadline, "due": when(body.due_at), "stated": ""},
            )
            row["stated"] = f"{row['stated']} {header.step}".lstrip()
            row["late_s"] = body.late_s if header.step == "cured" else None
    return list(found.values())


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
    async for event in _accepted(dsn, edition, ("HashHit", "Assessment", "HashListing", "Survey")):
        tally.take(edition, event.info.name, event.header, event.body)
        if event.header.event_id == survey:
            claim = event.body
    if claim is None:
        raise CheckFailed("the survey does not stand in the ledger")
    return tally, claim


class _Event(Struct, frozen=True, gc=False):
    """An accepted event as the ledger has it."""

    info: SchemaInfo
    header: Header
    body: Any


async def _accepted(dsn: str, edition: Edition, types: Sequence[str]) -> AsyncIterator[_Event]:
    """Accepted events of these types since an edition began, in order."""
    ids = registry.ids_of(types)
    async with open_snapshot(dsn) as connection:
        query = QUERIES["accepted_events"]
        async for row in connection.cursor(query, edition.first_index, ids, prefetch=2000):
            info = registry.by_id(row["schema_id"])
            assert info is not None
            header = decode_header(info, row["header"])
            yield _Event(info, header, decode_body(info, row["body"], header.step))


async def _refusal(ledger: Ledger, index: int) -> dict[str, Any]:
    """A refused entry, with what its reason means and what to do about it."""
    shown = await answers.show(ledger, index)
    meanings = refusals()
    reason = shown["reasons"][0] if shown["reasons"] else ""
    meaning, remedy = meanings.get(reason, ("", ""))
    return {"index": index, "issuer": shown["issuer"], "type": shown["type"], "step": shown["step"],
            "reason": reason, "meaning": meaning, "remedy": remedy}  # fmt: skip
