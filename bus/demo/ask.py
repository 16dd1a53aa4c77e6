"""The auditor's three questions, asked of the ledger itself, and the counts that must agree with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from bus.audit import answers
from bus.audit.ledger import Head, Ledger, open_ledger
from bus.audit.words import OUTCOMES
from bus.errors import CheckFailed
from bus.events.refusals import refusals

ADVISORY_TIMEOUT_S = 15.0


class Answers(Struct, frozen=True):
    """What the ledger says.

    Attributes:
        who: who knew of the report, and when.
        refused: what was refused of this run, with reason and remedy.
        nations: entries by the issuer's nation.
        head: how far the ledger has come.
        standing: how many of the run's events stand in it.
    """

    who: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    nations: list[dict[str, Any]]
    head: Head
    standing: int


async def ask(dsn: str, *, report: bytes, ids: Sequence[bytes], last: Mapping[str, int]) -> Answers:
    """Ask all three, in one snapshot, once the courier has said how far it has come.

    Args:
        dsn: the desk's read-only login.
        report: the event that the first question is about.
        ids: the events of this run.
        last: by lane, the highest index that was given to one of them.
    """
    await courier_said(dsn, last)
    async with open_ledger(dsn) as ledger:
        traced = await answers.trace(ledger, UUID(bytes=report))
        stats = await answers.stats(ledger)
        standing, refused = 0, list[dict[str, Any]]()
        for event_id in ids:
            entries = await ledger.entries_of(UUID(bytes=event_id))
            outcomes = [OUTCOMES[entry["outcome"]] for entry in entries]
            standing += outcomes.count("accepted")
            if "refused" in outcomes:
                refused.append(await _refusal(ledger, entries[outcomes.index("refused")]["index"]))
        return Answers(traced["who"], refused, stats["nations"], await ledger.head(), standing)


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
        await asyncio.sleep(0.01)
    raise CheckFailed("the courier has not written down its deliveries", hint="See the courier's log.")


async def _refusal(ledger: Ledger, index: int) -> dict[str, Any]:
    """A refused entry, with what its reason means and what to do about it."""
    shown = await answers.show(ledger, index)
    meanings = refusals()
    reason = shown["reasons"][0] if shown["reasons"] else ""
    meaning, remedy = meanings.get(reason, ("", ""))
    return {"index": index, "issuer": shown["issuer"], "type": shown["type"], "reason": reason,
            "meaning": meaning, "remedy": remedy}  # fmt: skip
