"""Who hears an event: agreements carry what they were concluded for and nothing else, and a recall reaches everyone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events.codes import codes
from bus.events.families import FAMILIES, family_of
from bus.policy import Claim, Subject, Verdict
from bus.policy.hearing import MAX_REACH, must_hear, not_covered, recipients, unseen
from bus.trust.directory import Agreement, Directory, Organisation
from tests.unit.events.strategies import EVENT_TYPES
from tests.unit.hub.support import World
from tests.unit.policy.test_decide import ask, claim_of

NAMES = ("alpha", "beta", "gamma", "delta", "hub-like", "omega")
ORGS = st.sampled_from(NAMES)
UNLIMITED: dict[str, set[str]] = {"families": set(), "compartments": set(), "purposes": set(), "legal_basis": set()}


@pytest.fixture(scope="module")
def world() -> World:
    """An open log."""
    return World().open()


@pytest.fixture(scope="module")
def claim(world: World) -> Claim:
    """A hash hit of pixelpost's."""
    return claim_of(world, world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",))))


def test_families_are_those_of_the_code_list() -> None:
    """The list says in words which types belong where; the program says the same."""
    told = {value: meaning.split(", ") for value, meaning in codes("family").items()}
    del told["directory"]
    assert {type_: family for family, types in told.items() for type_ in types} == FAMILIES
    assert {family_of(info.name) for info in EVENT_TYPES} == {*told, "directory"}


def organisation(org: str, *, suspended: bool = False) -> Organisation:
    """An admitted organisation."""
    return Organisation(org, org, "US", ("platform",), None, 0, suspended)


limits = st.fixed_dictionaries(
    {
        "families": st.sets(st.sampled_from(list(codes("family")))),
        "compartments": st.sets(st.sampled_from(list(codes("compartment")))),
        "purposes": st.sets(st.sampled_from(list(codes("purpose")))),
        "legal_basis": st.sets(st.sampled_from(["us-2258a@2024", "eu-epoc@1", "uk-osa-66@1"])),
    }
)


def agreement(name: str, members: Collection[str], limit: dict[str, set[str]]) -> Agreement:
    """An agreement in force."""
    some = {key: tuple(sorted(values)) for key, values in limit.items()}
    return Agreement(
        name, tuple(sorted(members)), some["families"], some["compartments"], some["purposes"], 0, None, 0,
        some["legal_basis"],
    )  # fmt: skip


def covered(limit: dict[str, set[str]], type_name: str, header: Any) -> bool:
    """The rule in one line: what is limited must name it."""
    said = {
        "families": family_of(type_name), "compartments": header.compartment, "purposes": header.purpose,
        "legal_basis": header.legal_basis,
    }  # fmt: skip
    return all(not values or said[key] in values for key, values in limit.items())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_nobody_hears_by_an_agreement_what_it_does_not_cover(data: st.DataObject, claim: Claim) -> None:
    """Whatever the agreements, bounds and suspensions: allowed are exactly those that a naive reading allows."""
    info = data.draw(st.sampled_from([one for one in EVENT_TYPES if not one.directory]))
    circles = {
        name: (data.draw(st.sets(ORGS, min_size=1)), data.draw(limits))
        for name in data.draw(st.sets(st.sampled_from(["@one", "@two", "@three"])))
    }
    named = data.draw(st.sets(st.sampled_from(NAMES[1:]), min_size=0 if circles else 1))
    audience = tuple(sorted({*circles, *named}))
    header = msgspec.structs.replace(
        claim.header, issuer="alpha", audience=audience,
        compartment=data.draw(st.sampled_from(list(codes("compartment")))),
        purpose=data.draw(st.sampled_from(list(codes("purpose")))),
        legal_basis=data.draw(st.sampled_from(["us-2258a@2024", "eu-epoc@1", "odd@9"])),
    )  # fmt: skip
    suspended = data.draw(st.sets(ORGS))
    bounds = data.draw(st.lists(st.frozensets(ORGS), max_size=2))
    past = data.draw(st.frozensets(ORGS))
    directory = Directory(
        organisations={org: organisation(org, suspended=org in suspended) for org in NAMES},
        agreements={name: agreement(name, *circle) for name, circle in circles.items()},
    )
    recalled = must_hear(past, "beta", "alpha")
    found = recipients(info, header, directory, 1, bounds, recalled)
    assert [org for org, _, _ in found] == sorted({org for org, _, _ in found})
    reached = {
        org for org in {*named, *(m for members, limit in circles.values() if covered(limit, info.name, header)
                                  for m in members)} if all(org in bound for bound in bounds)
    } | set(past)  # fmt: skip
    assert {org for org, allow, _ in found if allow} == reached - suspended - {"alpha"}
    everybody = {*named, *(m for members, _ in circles.values() for m in members), *past}
    assert {org for org, _, _ in found} == everybody - {"alpha"}
    assert {reason for _, _, reason in found} <= codes("decision_reason").keys()
    if unseen(header, bounds):
        assert any(org not in bound for org in named for bound in bounds)


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"families": ("reports",)}, "agreement-family"),
        ({"compartments": ("no_media",)}, "agreement-compartment"),
        ({"purposes": ("statistics",)}, "agreement-purpose"),
        ({"legal_basis": ("eu-epoc@1",)}, "agreement-basis"),
        ({"families": ("hash_hits",)}, None),
        ({}, None),
    ],
)
def test_the_reason_names_what_is_not_covered(
    limit: dict[str, tuple[str, ...]], reason: str | None, claim: Claim
) -> None:
    """A member that is left out stands in the decision, with which of the four it was."""
    whole = agreement("@one", {"beta"}, UNLIMITED)
    circle = msgspec.structs.replace(whole, **limit)
    assert not_covered(circle, claim.info, claim.header) == reason


def test_one_agreement_that_covers_is_enough(claim: Claim) -> None:
    """Who is in two circles hears by the one that carries the event, and who is named hears by name."""
    directory = Directory(
        organisations={org: organisation(org) for org in NAMES},
        agreements={
            "@narrow": agreement("@narrow", {"beta", "delta", "gamma"}, {**UNLIMITED, "families": {"reports"}}),
            "@wide": agreement("@wide", {"beta"}, UNLIMITED),
        },
    )
    header = msgspec.structs.replace(claim.header, issuer="alpha", audience=("@narrow", "@wide", "gamma"))
    assert recipients(claim.info, header, directory, 1) == (
        ("beta", True, "agreement"), ("delta", False, "agreement-family"), ("gamma", True, "audience"),
    )  # fmt: skip


def passing(world: World, reach: int) -> Verdict:
    """What becomes of an assessment's going on to one more organisation, when so many have it already."""
    event = world.forge.event("pixelpost", ("lighthouse",), "Assessment", step="asserted", priority="routine")
    for name in ("about", "thread", "lane", "supersedes", "case"):
        event["header"].pop(name, None)
    found = claim_of(world, world.forge.record("pixelpost", event))
    subject = Subject(
        found.header.thread, "bulk", "pixelpost", "pixelpost", None, "proposed", "proposed",
        heard=frozenset({"pixelpost"}), reach=reach,
    )  # fmt: skip
    header = msgspec.structs.replace(found.header, about=b"a" * 16)
    return ask(world, msgspec.structs.replace(found, header=header), subject=subject)


def test_an_event_is_passed_on_to_as_many_as_a_recall_can_reach(world: World) -> None:
    """One more than a decision has room for is refused when it is passed on, not when it must be recalled."""
    assert passing(world, MAX_REACH - 1).refusal is None
    assert passing(world, MAX_REACH).refusal == "passed-too-far"
