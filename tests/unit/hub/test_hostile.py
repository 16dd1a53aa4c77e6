"""Every kind of hostile record ends as one refusal with its reason, and what follows is unharmed."""

from __future__ import annotations

from typing import Any

import pytest

from bus.ledger.store import CONTENT_COLUMNS, ENTRY_COLUMNS
from bus.tlog import Leaf, Outcome
from bus.verify.rows import check_row
from tests.hostile import KINDS, Cast
from tests.unit.hub.support import World


@pytest.fixture(scope="module")
def world() -> World:
    """An open log."""
    return World().open()


@pytest.fixture
def cast(world: World) -> Cast:
    """Who takes part."""
    return Cast(world.forge, "pixelpost", "lighthouse", "chirpnest")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_record_is_refused_with_its_reason(kind: str, world: World, cast: Cast) -> None:
    """The record is refused for the reason it deserves, quarantined whole, and the next one is accepted."""
    reason, make = KINDS[kind]
    record = make(cast)
    built = world.sequence([record])
    item = next(iter(built.items.values()))[0]
    assert (item.outcome, item.reasons) == (Outcome.REFUSED, (reason,))
    leaf = Leaf.decode(built.rows.entry[0][1])
    assert leaf.outcome == Outcome.REFUSED
    assert built.rows.content[0][3] == record.value
    assert not built.rows.record
    assert not built.rows.accepted
    assert world.outcome(cast.good()) == (Outcome.ACCEPTED, None)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_of_a_refusal_is_what_its_leaf_says(kind: str, world: World, cast: Cast) -> None:
    """Whatever a member sends, nobody who verifies the ledger afterwards is told that the hub changed it."""
    rows = world.sequence([KINDS[kind][1](cast)]).rows
    row: dict[str, Any] = dict.fromkeys(("record_index", "header", "decision", "bus_signature"))
    row |= zip(ENTRY_COLUMNS, rows.entry[0], strict=True)
    row |= zip(CONTENT_COLUMNS, rows.content[0], strict=True)
    leaf = check_row(row | {"content_index": row["index"]})
    assert leaf.outcome == Outcome.REFUSED


def test_there_are_enough_kinds() -> None:
    """At least twenty-five kinds are tried, over most of the refusal codes."""
    assert len(KINDS) >= 25
    assert len({reason for reason, _ in KINDS.values()}) >= 20
