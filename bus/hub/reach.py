"""Who has an accepted event: its issuer, whom its decision allowed it, and to whom a later step passed it on.

A recall reaches all of them, and whatever names an event may go to them only. What was passed on is kept as rows of
``ledger.reach``: one for each organisation at most, so that however often it happens, looking it up stays cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from asyncpg.pgproto.pgproto import UUID

from bus.errors import Malformed
from bus.events import registry
from bus.events.codec import decode_decision
from bus.events.lifecycle import LIFECYCLES
from bus.events.registry import SchemaInfo
from bus.events.types import Header
from bus.hub.standing import standing_of
from bus.ledger.store import Accepted

RECALL: Final = "Recall"
RECALLED: Final = ""
"""Stands in place of an organisation where an event was recalled."""

Row = tuple[UUID, str, int]
"""A row of ``ledger.reach``."""

_DIRECTORY: Final = frozenset(info.name for info in registry.all_schemas() if info.directory)


def heard_by(accepted: Accepted) -> frozenset[str] | None:
    """Who has an event; None if everybody, as what is the directory's; its issuer alone, if the decision is gone."""
    standing = standing_of(accepted)
    if standing is None:
        return frozenset()
    if standing.type in _DIRECTORY:
        return None
    if accepted.heard is None:
        accepted.heard = frozenset((standing.issuer, *_allowed(accepted.decision)))
    return accepted.heard | accepted.reach - {RECALLED}


def _allowed(decision: bytes | None) -> Iterable[str]:
    """Whom a decision allowed the event; nobody, if it was removed or cannot be read."""
    if decision is None:
        return ()
    try:
        return [one.org for one in decode_decision(decision).recipients if one.allow]
    except Malformed:
        return ()


def spread(info: SchemaInfo, header: Header, stands: Accepted, accepted: Mapping[bytes, Accepted]) -> list[Row]:
    """Note what an accepted event passes on, or that it recalls.

    Args:
        info: its schema.
        header: its header.
        stands: its place in the ledger, already noted where its subject is.
        accepted: what is known; whom it reached grows.

    Returns:
        The rows that keep it.
    """
    about = header.about
    if about is None or about not in accepted:
        return []
    if info.name == RECALL:
        return _note(about, accepted[about], {RECALLED}, stands.index)
    own = standing_of(stands)
    if own is None or own.subject == header.event_id or not LIFECYCLES[info.name].steps[header.step].passes:
        return []
    told = frozenset(_allowed(stands.decision))
    return [row for one in sorted({about, own.subject}) for row in _spread_to(one, accepted.get(one), told, stands)]


def _spread_to(event: bytes, known: Accepted | None, told: frozenset[str], stands: Accepted) -> list[Row]:
    heard = None if known is None else heard_by(known)
    if known is None or heard is None:
        return []
    return _note(event, known, told - heard, stands.index)


def _note(event: bytes, known: Accepted, orgs: Iterable[str], index: int) -> list[Row]:
    """One row for each that was not there yet."""
    new = frozenset(orgs) - known.reach
    known.reach |= new
    return [(UUID(event), org, index) for org in sorted(new)]
