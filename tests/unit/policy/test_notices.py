"""A notice secures what it has taken down, or says why nothing is secured."""

from __future__ import annotations

from typing import Any

import pytest

from bus.events.ids import parse_uuid
from bus.tlog import Outcome
from tests.unit.hub.support import World
from tests.unit.hub.test_lifecycles import make, send

EVENT = "018f2d3c-0000-7000-8000-000000000001"


@pytest.fixture
def world() -> World:
    """An open log."""
    return World().open()


def notice(step: str, about: bytes | None, world: World) -> dict[str, Any]:
    """A notice of a hotline that says nothing of evidence."""
    event = make(world, "lighthouse", "TakedownNotice", step, about, ("pixelpost",), addressee="pixelpost")
    event["body"].pop("why_not_preserved")
    return event


def issued(world: World) -> bytes:
    """A notice that later steps are about."""
    event = notice("issued", None, world)
    event["body"]["preservation"] = EVENT
    assert send(world, "lighthouse", event)[0] == Outcome.ACCEPTED
    return parse_uuid(event["header"]["event_id"])


@pytest.mark.parametrize("step", ["issued", "corrected"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ("preservation-unsaid",)),
        ({"why_not_preserved": "no_evidence_value"}, ()),
        ({"why_not_preserved": "a_reason_of_tomorrow"}, ()),
        ({"preservation": EVENT}, ()),
        ({"preservation": EVENT, "why_not_preserved": "already_preserved"}, ()),
    ],
)
def test_a_notice_secures_evidence_or_says_why_not(
    world: World, step: str, said: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """What is taken down is gone as evidence too, unless somebody was asked to keep it; a correction says it anew."""
    event = notice(step, None if step == "issued" else issued(world), world)
    event["body"] |= said
    assert send(world, "lighthouse", event)[1] == expected


def test_a_notice_is_withdrawn_without_a_word_of_evidence(world: World) -> None:
    """Nothing is taken down by that, so nothing need be kept for it."""
    assert send(world, "lighthouse", notice("withdrawn", issued(world), world))[1] == ()
