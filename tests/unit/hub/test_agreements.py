"""Agreements, suspensions and revocations as the notary sees them, in one flush and after."""

from __future__ import annotations

from typing import Any

import pytest

from bus.events.codec import decode_decision
from bus.kafka.records import Outgoing
from bus.tlog import Outcome
from tests.unit.hub.support import World

AGREEMENT = {
    "agreement": "@harbour",
    "members": ["chirpnest", "lighthouse", "pixelpost"],
    "onward": "none",
    "valid_from": "2020-01-01T00:00:00.000000Z",
}


@pytest.fixture
def world() -> World:
    """An open log."""
    return World().open()


def advisory(world: World, *audience: str, wrap_for: tuple[str, ...] = ()) -> Outgoing:
    """An event of a platform, for an agreement; sealed if anyone is to open it."""
    event = world.forge.event("pixelpost", audience, "Advisory")
    if not wrap_for:
        event["sealed"] = None
    return world.forge.record("pixelpost", event, wrap_for=wrap_for)


def heard(world: World, record: Outgoing) -> list[tuple[str, bool, str]]:
    """Who may hear it."""
    built = world.sequence([record])
    return [(r.org, r.allow, r.reason) for r in decode_decision(built.rows.record[0][3]).recipients]


def test_an_agreement_expands_to_its_members_without_the_issuer(world: World) -> None:
    """Members as of that index, sorted, each once; who is named besides is there by name."""
    assert world.outcome(advisory(world, "@harbour")) == (Outcome.REFUSED, "audience-unknown")
    world.send("AgreementConcluded", AGREEMENT)
    members = [("chirpnest", True, "agreement"), ("lighthouse", True, "agreement")]
    assert heard(world, advisory(world, "@harbour")) == members
    assert heard(world, advisory(world, "@harbour", "polder-police")) == [*members, ("polder-police", True, "audience")]
    world.send("OrganisationSuspended", {"org": "chirpnest", "reason": "unreachable"})
    assert heard(world, advisory(world, "@harbour")) == [("chirpnest", False, "suspended"), members[1]]
    world.send("AgreementEnded", {"agreement": "@harbour", "reason": "terminated"})
    assert world.outcome(advisory(world, "@harbour")) == (Outcome.REFUSED, "audience-unknown")


def test_only_members_share_by_an_agreement(world: World) -> None:
    """Who never agreed cannot send to the circle, also beside names of its own; the hub can."""
    world.send("AgreementConcluded", AGREEMENT)
    for audience in (("@harbour",), ("@harbour", "lighthouse")):
        event = {**world.forge.event("polder-police", audience, "Advisory"), "sealed": None}
        assert world.outcome(world.forge.record("polder-police", event)) == (Outcome.REFUSED, "agreement-foreign")
    world.send("AgreementConcluded", {**AGREEMENT, "members": [*AGREEMENT["members"], "polder-police"]})
    event = {**world.forge.event("polder-police", ("@harbour",), "Advisory"), "sealed": None}
    assert world.outcome(world.forge.record("polder-police", event)) == (Outcome.ACCEPTED, None)


def test_sealed_content_cannot_go_to_an_agreement_yet(world: World) -> None:
    """There is no key that every member has, and later members will not."""
    world.send("AgreementConcluded", AGREEMENT)
    record = advisory(world, "@harbour", wrap_for=("chirpnest", "lighthouse"))
    assert world.outcome(record) == (Outcome.REFUSED, "agreement-sealed")


def directory(world: World, type_name: str, body: dict[str, Any], step: str | None = None) -> Outgoing:
    """A directory event of the hub."""
    event = world.forge.event("hub", ("hub",), type_name, step=step)
    return world.forge.record("hub", {**event, "body": body})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_revocation_counts_from_the_next_entry(world: World, place: int) -> None:
    """In one flush, what stands before it is accepted and what comes after is refused."""
    key_id = world.rings["pixelpost"].signing.key_id.hex()
    records = [world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",))) for _ in range(2)]
    records.insert(place, directory(world, "KeyRevoked", {"key_id": key_id}))
    built = world.sequence(records)
    expected = [Outcome.ACCEPTED if n <= place else Outcome.REFUSED for n in range(3)]
    assert [row[3] for row in built.rows.entry] == expected
    assert [row[18] for row in built.rows.entry if row[3] == Outcome.REFUSED] == [["key-revoked"]] * (2 - place)


def test_a_suspended_organisation_is_refused_until_it_is_reinstated(world: World) -> None:
    """Suspension and reinstatement are entries like any other, and count from the next one."""
    body = {"org": "pixelpost", "reason": "own_request"}
    hits = [world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",))) for _ in range(2)]
    records = [
        directory(world, "OrganisationSuspended", body),
        hits[0],
        directory(world, "OrganisationSuspended", {"org": "pixelpost"}, step="reinstated"),
        hits[1],
    ]
    built = world.sequence(records)
    assert [row[18] for row in built.rows.entry] == [None, ["issuer-suspended"], None, None]


def test_only_governance_suspends_and_revokes(world: World) -> None:
    """A member cannot speak for the directory."""
    key_id = world.rings["lighthouse"].signing.key_id.hex()
    record = world.directory_event("KeyRevoked", {"key_id": key_id}, issuer="pixelpost")
    assert world.outcome(record) == (Outcome.REFUSED, "not-governance")
