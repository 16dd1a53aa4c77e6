"""Why a search may have found nothing: what was asked for is nothing that there is."""

from __future__ import annotations

from collections.abc import Iterable

from bus.audit.answers import issuer_nations
from bus.audit.ledger import Filter, Ledger
from bus.events.names import HUB
from bus.events.refusals import refusals
from bus.events.registry import all_schemas
from bus.nearest import did_you_mean, nearest

ALLOWED = "allowed."
"""What stands before a step in a reason."""


async def doubts(ledger: Ledger, wanted: Filter) -> list[str]:
    """What of a search names nothing that is known here, with what may have been meant; a sentence for each.

    An auditor who reads "nothing" takes it for an answer. A slip in a name is not one. What is not known here is
    asked for all the same: a ledger may be newer than whoever asks.
    """
    steps = {step for info in all_schemas() for step in info.steps}
    reasons = {*refusals(), *(ALLOWED + step for step in steps)}
    return [
        *_doubt("no organisation was ever admitted as", wanted.issuer, {HUB, *await issuer_nations(ledger)}),
        *_doubt("no event type has the step", wanted.step, steps),
        *_doubt("no refusal has the reason", wanted.reason, reasons),
    ]


def _doubt(words: str, asked: str | None, known: Iterable[str]) -> list[str]:
    """The sentence about one thing that was asked for, if it is not known."""
    names = sorted(known)
    if asked is None or asked in names:
        return []
    meant = did_you_mean(nearest(asked, names))
    return [f"{words} {asked}" + (f". {meant}" if meant else "")]
