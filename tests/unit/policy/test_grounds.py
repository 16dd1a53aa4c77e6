"""The register of laws: what an event rests on is in force, and the event has what that law asks for."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from bus.events.clock import format_us
from bus.kafka.records import Outgoing
from bus.paths import schemas_dir
from bus.policy import Policy
from bus.policy.grounds import _REQUIREMENTS
from bus.tlog import Outcome
from tests.forge import now_us
from tests.unit.hub.support import World

DAY_US = 86_400_000_000
LAW: dict[str, Any] = {"basis": "us-2258a@1", "country": "US", "instrument": "18-usc", "valid_from": "2024-05-07"}


@pytest.fixture
def world() -> World:
    """An open log."""
    return World().open()


def register(world: World, step: str = "registered", **body: Any) -> tuple[int, str | None]:
    """The hub registers a law, or ends it."""
    event = world.forge.event("hub", ("hub",), "LegalBasis", step=step)
    return world.outcome(world.forge.record("hub", {**event, "body": {**LAW, **body}}))


def hit(world: World, basis: str = "us-2258a@1", header: Mapping[str, Any] = MappingProxyType({})) -> Outgoing:
    """A hit that rests on a law."""
    event = world.forge.event("pixelpost", ("lighthouse",))
    event["header"] |= {"legal_basis": basis, "source_eval": None, "info_eval": None, **header}
    return world.forge.record("pixelpost", event)


def day(offset: int) -> str:
    """A date, so many days from today, UTC."""
    return format_us(now_us() + offset * DAY_US)[:10]


@pytest.mark.parametrize(
    ("first", "last", "stands"),
    [(0, 0, True), (-1, None, True), (0, 1, True), (1, None, False), (-9, -1, False)],
)
def test_nothing_rests_on_a_law_outside_its_dates(world: World, first: int, last: int | None, stands: bool) -> None:
    """First and last day count as a whole, UTC; the day before and the day after do not."""
    dates = {"valid_from": day(first), **({} if last is None else {"valid_to": day(last)})}
    assert register(world, **dates)[0] == Outcome.ACCEPTED
    expected = (Outcome.ACCEPTED, None) if stands else (Outcome.REFUSED, "legal-basis")
    assert world.outcome(hit(world)) == expected
    assert world.outcome(hit(world, "voluntary@1")) == (Outcome.ACCEPTED, None)


def test_a_law_ends_and_comes_back_and_its_version_counts(world: World) -> None:
    """Ended, it carries nothing, while the directory can still be spoken of under it; another version is another law."""
    assert register(world)[0] == Outcome.ACCEPTED
    assert world.outcome(hit(world)) == (Outcome.ACCEPTED, None)
    assert register(world, "ended")[0] == Outcome.ACCEPTED
    assert world.outcome(hit(world)) == (Outcome.REFUSED, "legal-basis")
    assert world.outcome(hit(world, "us-2258a@2")) == (Outcome.ACCEPTED, None)
    assert register(world)[0] == Outcome.ACCEPTED
    assert world.outcome(hit(world)) == (Outcome.ACCEPTED, None)


def test_dates_that_are_turned_round_are_refused(world: World) -> None:
    """A law that ends before it begins is no law."""
    assert register(world, valid_to="2024-05-06") == (Outcome.REFUSED, "directory-conflict")


def test_where_the_policy_says_so_only_registered_laws_count(world: World) -> None:
    """What nobody registered is refused; the directory itself is not held to it."""
    world.state.policy = msgspec.structs.replace(world.state.policy, registered_only=True)
    assert world.outcome(hit(world)) == (Outcome.REFUSED, "legal-basis")
    assert register(world)[0] == Outcome.ACCEPTED
    assert world.outcome(hit(world)) == (Outcome.ACCEPTED, None)
    assert not Policy.load().registered_only


MEETS: dict[str, dict[str, Any]] = {
    "deadline": {"deadline": "no-such-row"},
    "addressee": {"addressee": "lighthouse"},
    "on_behalf_of": {"on_behalf_of": "lighthouse"},
    "case": {"case": "ab" * 16, "thread": "ab" * 16},
    "police_codes": {"handling": {"tlp": "AMBER", "onward": "none", "police_codes": ["H1"]}},
    "evaluation": {"source_eval": "B", "info_eval": "2"},
    "preserve_until": {"preserve_until": "2030-01-01"},
}


@pytest.mark.parametrize("code", [*MEETS, "something_new"])
def test_a_law_is_met_by_what_it_asks_for(world: World, code: str) -> None:
    """Without the field the event is refused, with it it stands; what this version does not know, nothing meets."""
    assert register(world, requires=[code])[0] == Outcome.ACCEPTED
    plain = hit(world)
    assert world.outcome(plain) == (Outcome.REFUSED, "basis-requires")
    if code in MEETS:
        assert world.outcome(hit(world, header=MEETS[code])) == (Outcome.ACCEPTED, None)


def test_half_an_evaluation_is_none(world: World) -> None:
    """Source and information are both evaluated."""
    register(world, requires=["evaluation"])
    assert world.outcome(hit(world, header={"source_eval": "B"})) == (Outcome.REFUSED, "basis-requires")


def test_every_requirement_of_the_list_is_known() -> None:
    """The code list and the rule name the same."""
    with (schemas_dir() / "codes" / "basis_requirement.csv").open(encoding="utf-8", newline="") as file:
        assert {row["value"] for row in csv.DictReader(file)} == set(_REQUIREMENTS) == set(MEETS)
