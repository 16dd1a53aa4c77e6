"""Every kind of hostile record ends as one refusal with its reason, and what follows is unharmed."""

from __future__ import annotations

import pytest

from bus.tlog import Leaf, Outcome
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


def test_there_are_enough_kinds() -> None:
    """At least twenty-five kinds are tried, over most of the refusal codes."""
    assert len(KINDS) >= 25
    assert len({reason for reason, _ in KINDS.values()}) >= 20
