"""Whose auditors may see a header: nations of who is concerned, never a victim's."""

from __future__ import annotations

from typing import Any

import pytest

from bus.tlog import Outcome
from tests.unit.hub.support import World

CIRCLE = {
    "agreement": "@harbour", "members": ["chirpnest", "pixelpost"], "onward": "none",
    "valid_from": "2020-01-01T00:00:00.000000Z",
}  # fmt: skip


@pytest.fixture
def world() -> World:
    """An open log: pixelpost is of US, chirpnest of IN, lighthouse of DE, polder-police of NL."""
    return World().open()


@pytest.mark.parametrize(
    ("nations", "header", "stands"),
    [
        (["US"], {}, True),
        (["DE", "US"], {}, True),
        (["DE"], {}, True),
        (["NL"], {}, False),
        (["BR"], {}, False),
        (["DE", "NL", "US"], {}, False),
        (["NL", "US"], {"on_behalf_of": "polder-police"}, True),
        (["IN", "US"], {"addressee": "chirpnest"}, True),
        (["IN", "US"], {"addressee": "nobody-here"}, False),
    ],
)
def test_only_nations_of_who_is_concerned_are_named(
    world: World, nations: list[str], header: dict[str, Any], stands: bool
) -> None:
    """Issuer, addressee, for whom it is said and who hears it; a nation of nobody's is refused."""
    event = world.forge.event("pixelpost", ("lighthouse",), audit_nations=nations, **header)
    expected = (Outcome.ACCEPTED, None) if stands else (Outcome.REFUSED, "audit-nations")
    assert world.outcome(world.forge.record("pixelpost", event)) == expected


def test_members_of_an_agreement_are_concerned(world: World) -> None:
    """Who hears by an agreement counts as who hears by name."""
    world.send("AgreementConcluded", CIRCLE)
    for nations, expected in ((["IN"], None), (["NL"], "audit-nations")):
        event = world.forge.event("pixelpost", ("@harbour",), "Advisory", audit_nations=nations)
        assert world.outcome(world.forge.record("pixelpost", {**event, "sealed": None}))[1] == expected
