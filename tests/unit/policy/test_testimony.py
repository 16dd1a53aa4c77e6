"""Steps that people take say that people took them, and police say how sure they are."""

from __future__ import annotations

from typing import Any

import pytest

from bus.events.ids import parse_uuid
from bus.tlog import Outcome
from tests.unit.hub.support import World
from tests.unit.hub.test_lifecycles import make, send

TO = ("chirpnest", "lighthouse", "pixelpost", "polder-police")


@pytest.fixture
def world() -> World:
    """An open log."""
    return World().open()


def first(world: World, org: str, name: str, step: str) -> bytes:
    """An event that later ones are about."""
    event = make(world, org, name, step, None, TO)
    assert send(world, org, event)[0] == Outcome.ACCEPTED
    return parse_uuid(event["header"]["event_id"])


@pytest.mark.parametrize(
    ("org", "name", "begin", "step", "machine", "person"),
    [
        *(
            ("pixelpost", "HashHit", "detected", step, {"review": review}, {"review": {"human_reviewed": True}})
            for step in ("confirmed", "false_positive", "inconclusive")
            for review in (None, {}, {"human_reviewed": False}, {"reviewers": 2})
        ),
        *(
            ("lighthouse", "HashListing", "proposed", "verified", {"assessors_agreeing": n}, {"assessors_agreeing": 1})
            for n in (None, 0)
        ),
        ("lighthouse", "Assessment", "proposed", "asserted", {"human_agrees": "not_reviewed"}, {"human_agrees": "yes"}),
        ("lighthouse", "Appeal", "opened", "reassessed", {"independent": False}, {"independent": True}),
    ],
)  # fmt: skip
def test_a_step_of_people_says_that_they_took_it(
    world: World, org: str, name: str, begin: str, step: str, machine: dict[str, Any], person: dict[str, Any]
) -> None:
    """What a machine alone says, or nobody, is refused; the same by a person stands."""
    if name == "Appeal":
        hit = first(world, "pixelpost", "HashHit", "detected")
        event = make(world, "chirpnest", name, begin, hit, ("lighthouse", "pixelpost"))
        assert send(world, "chirpnest", event)[0] == Outcome.ACCEPTED
        about = parse_uuid(event["header"]["event_id"])
    else:
        about = first(world, org, name, begin)
    for body, expected in ((machine, ("human-needed",)), (person, ())):
        event = make(world, org, name, step, about, ("chirpnest", "pixelpost"))
        event["body"].pop("viewed", None)
        event["body"] |= body
        assert send(world, org, event)[1] == expected


@pytest.mark.parametrize(
    "missing", [{"source_eval": None}, {"info_eval": None}, {"source_eval": None, "info_eval": None}]
)
def test_police_say_how_sure_they_are(world: World, missing: dict[str, None]) -> None:
    """Both marks, or the event is refused; a platform need give none."""
    event = make(world, "polder-police", "Advisory", "published", None, ("lighthouse",), **missing)
    assert send(world, "polder-police", event)[1] == ("evaluation-missing",)
    event = make(world, "pixelpost", "Advisory", "published", None, ("lighthouse",), **missing)
    assert send(world, "pixelpost", event)[1] == ()
