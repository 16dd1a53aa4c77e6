"""What of the directory evidence carries, and what both verifiers make of it: revocation, suspension, agreements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus.events.clock import format_us
from bus.events.codec import decode_decision
from bus.events.ids import parse_uuid
from bus.evidence.exhibit import Evidence
from bus.evidence.verify import verify
from bus.trust.directory import key_recovery_message
from bus.trust.keys import KeyRing
from tests.forge import now_us
from tests.unit.evidence.support import ORIGIN, POLICY, Ledger
from tests.unit.evidence.test_alone import holds
from tests.unit.evidence.test_verify import outcome, text

HOUR_US = 3_600_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with its directory."""
    return Ledger(tmp_path / "publisher")


def both(evidence: Evidence) -> bool:
    """The verdict of both verifiers, which must be one."""
    data = evidence.encode()
    found = verify(data, POLICY).holds
    assert holds(data) == found
    return found


def types(evidence: Evidence, ledger: Ledger) -> list[str]:
    """The types of the directory's entries in evidence."""
    names = {one.index: one.type for one in ledger.directory}
    return [names[exhibit.index] for exhibit in evidence.directory]


def without(evidence: Evidence, *indexes: int) -> Evidence:
    """The evidence without some entries of the directory."""
    directory = tuple(one for one in evidence.directory if one.index not in indexes)
    used = {one.leaf.fingerprint.hex() for one in directory}
    schemas = {name: schema for name, schema in evidence.schemas.items() if name in used}
    return replace(evidence, directory=directory, schemas=schemas)


def revoke(ledger: Ledger, org: str = "pixelpost", since_us: int | None = None) -> int:
    """Revoke an organisation's signing key."""
    body = {"key_id": ledger.world.rings[org].signing.key_id.hex()}
    if since_us is not None:
        body["compromised_since"] = format_us(since_us)
    return ledger.record("KeyRevoked", body)


def test_a_key_that_was_revoked_afterwards_still_stood(ledger: Ledger) -> None:
    """Under a later checkpoint the revocation is carried and told; what was signed before it holds."""
    (index,) = ledger.say()
    ledger.publish()
    revoked = revoke(ledger)
    ledger.publish()
    early, late = ledger.prove(index), ledger.prove(index, newest=True)
    assert "KeyRevoked" not in types(early, ledger)
    assert types(late, ledger)[-1] == "KeyRevoked"
    assert both(early)
    assert both(late)
    report = verify(late.encode(), POLICY)
    assert outcome(report, "revocation") == "not shown"
    assert f"Entry {revoked} revoked the signing key: after the event" in text(report, "revocation")
    assert outcome(report, f"directory/{revoked}") == "holds"
    assert "revoked the signing key" in text(report, f"directory/{revoked}")


@pytest.mark.parametrize(("hours", "good"), [(-1, False), (1, True)])
def test_a_key_that_others_may_have_had_proves_nothing_from_then_on(ledger: Ledger, hours: int, good: bool) -> None:
    """A revocation that says since when the key was lost decides by that time, not by its own."""
    (index,) = ledger.say()
    revoked = revoke(ledger, since_us=now_us() + hours * HOUR_US)
    ledger.publish()
    evidence = ledger.prove(index)
    assert both(evidence) == good
    report = verify(evidence.encode(), POLICY)
    assert outcome(report, "revocation") == ("not shown" if good else "false")
    assert f"Entry {revoked}" in text(report, "revocation")
    assert ("before the event" in text(report, "revocation")) == (not good)


def test_a_revocation_that_came_before_makes_the_event_false(ledger: Ledger) -> None:
    """The hub recorded an event under a key that it had recorded as revoked: then it did not keep its own rules."""
    directory = ledger.world.state.directory
    revoked = revoke(ledger)
    ledger.world.state.directory = directory  # a hub that forgets what it has recorded
    (index,) = ledger.say()
    ledger.publish()
    evidence = ledger.prove(index)
    assert not both(evidence)
    report = verify(evidence.encode(), POLICY)
    assert (outcome(report, "key"), outcome(report, "revocation")) == ("false", "false")
    assert f"Entry {revoked} revoked the signing key before" in text(report, "revocation")


def test_a_suspended_issuer_cannot_be_shown_to_have_been_admitted(ledger: Ledger) -> None:
    """A suspension before the event is carried; reinstated, the same organisation is an issuer again."""
    directory = ledger.world.state.directory
    body = {"org": "pixelpost", "reason": "own_request"}
    ledger.record("OrganisationSuspended", body, step="suspended")
    ledger.world.state.directory = directory
    (index,) = ledger.say()
    ledger.record("OrganisationSuspended", body, step="reinstated")
    (later,) = ledger.say()
    ledger.publish()
    assert not both(ledger.prove(index))
    report = verify(ledger.prove(index).encode(), POLICY)
    assert text(report, "issuer") == "pixelpost was suspended."
    assert types(ledger.prove(later), ledger).count("OrganisationSuspended") == 2
    assert both(ledger.prove(later))


def test_a_suspended_recipient_is_withheld_from_and_all_holds(ledger: Ledger) -> None:
    """Who was suspended when the event came does not hear it, and the evidence says so."""
    ledger.record("OrganisationSuspended", {"org": "lighthouse", "reason": "own_request"}, step="suspended")
    (index,) = ledger.say(to=("lighthouse", "polder-police"))
    ledger.publish()
    evidence = ledger.prove(index)
    assert "OrganisationSuspended" in types(evidence, ledger)
    assert both(evidence)
    assert "withholds it from lighthouse (suspended)" in text(verify(evidence.encode(), POLICY), "decision")


def conclude(ledger: Ledger, *members: str) -> int:
    """An agreement of these members."""
    body = {"agreement": "@circle", "members": sorted(members), "legal_basis": ["law@1"], "onward": "none",
            "valid_from": "2020-01-01T00:00:00.000000Z"}  # fmt: skip
    body |= {"families": [], "compartments": [], "purposes": []}
    return ledger.record("AgreementConcluded", body)


def tell_circle(ledger: Ledger) -> int:
    """An event to the agreement, unsealed: for an agreement nothing can be sealed yet."""
    event = ledger.world.forge.event("pixelpost", ("@circle",))
    event["sealed"] = None
    return ledger.say_this("pixelpost", event)


def test_an_agreement_is_shown_with_its_members(ledger: Ledger) -> None:
    """The agreement as it stood is carried, so that the audience can be checked; a later one is of no matter."""
    conclude(ledger, "chirpnest", "pixelpost")
    concluded = conclude(ledger, "lighthouse", "pixelpost", "polder-police")
    index = tell_circle(ledger)
    conclude(ledger, "chirpnest", "pixelpost")
    ledger.publish()
    evidence = ledger.prove(index)
    assert [one.index for one in evidence.directory if one.index >= concluded] == [concluded]
    assert both(evidence)
    report = verify(evidence.encode(), POLICY)
    assert outcome(report, "audience") == "holds"
    assert "lighthouse, pixelpost, polder-police concluded @circle" in text(report, f"directory/{concluded}")
    hidden = without(evidence, concluded)
    assert both(hidden)
    assert outcome(verify(hidden.encode(), POLICY), "audience") == "not shown"


def test_a_decision_that_is_not_the_agreements_is_false(ledger: Ledger) -> None:
    """An earlier agreement of other members, shown in the place of the one in force, does not fit the decision."""
    earlier = conclude(ledger, "chirpnest", "pixelpost")
    conclude(ledger, "lighthouse", "pixelpost")
    index = tell_circle(ledger)
    ledger.publish()
    ledger.directory = [one for one in ledger.directory if one.type != "AgreementConcluded" or one.index == earlier]
    evidence = ledger.prove(index)
    assert not both(evidence)
    assert outcome(verify(evidence.encode(), POLICY), "audience") == "false"


def test_an_agreement_whose_members_are_not_admitted_is_false(ledger: Ledger) -> None:
    """Without a member's admission the agreement does not fit the directory before it."""
    concluded = conclude(ledger, "lighthouse", "pixelpost", "polder-police")
    index = tell_circle(ledger)
    ledger.publish()
    evidence = ledger.prove(index)
    (admission,) = [
        one.index for one in ledger.directory if one.type == "OrganisationAdmitted" and one.org == "lighthouse"
    ]
    less = without(evidence, admission)
    assert not both(less)
    assert outcome(verify(less.encode(), POLICY), f"directory/{concluded}") == "false"


def recall(ledger: Ledger) -> int:
    """A hit told to two, and its recall, which names one of them and reaches both; the recall's index."""
    hit = ledger.world.forge.event("pixelpost", ("lighthouse", "polder-police"))
    ledger.say_this("pixelpost", hit)
    known = ledger.world.accepted[parse_uuid(hit["header"]["event_id"])]
    about = {"about": hit["header"]["event_id"], "thread": known.thread.hex(), "lane": known.lane}
    return ledger.say_this("pixelpost", ledger.world.forge.event("pixelpost", ("lighthouse",), "Recall", **about))


def test_a_recall_that_reached_others_than_it_named_holds(ledger: Ledger) -> None:
    """The hub told everyone who had got what is recalled; that they had got it is in another entry, so not shown."""
    index = recall(ledger)
    ledger.publish()
    evidence = ledger.prove(index)
    assert [one.org for one in decode_decision(evidence.event.decision).recipients] == ["lighthouse", "polder-police"]
    assert both(evidence)
    report = verify(evidence.encode(), POLICY)
    assert outcome(report, "audience") == "not shown"
    assert "polder-police" in text(report, "audience")


def recovered(by: Callable[[KeyRing], KeyRing]) -> Callable[[Ledger], int]:
    """Admit an organisation with a recovery key, and register its second key with a recovery signature."""

    def act(ledger: Ledger) -> int:
        world, recovery = ledger.world, KeyRing.generate()
        world.rings["cove"] = KeyRing.generate()
        body = {"org": "cove", "name": "cove", "nation": "US", "roles": ["platform"]}
        ledger.record("OrganisationAdmitted", {**body, "recovery_key": recovery.signing.public_key.hex()})
        key = world.key_body("cove", "signing")
        message = key_recovery_message(ORIGIN, "cove", bytes.fromhex(key["key_id"]))
        key["recovery_signature"] = by(recovery).signing.sign(message).hex()
        ledger.record("KeyRegistered", key)
        return ledger.say(issuer="cove")[0]

    return act


def test_a_key_that_the_recovery_key_signed_for_holds(ledger: Ledger) -> None:
    """The organisation's own offline key vouches for the new one."""
    index = recovered(lambda recovery: recovery)(ledger)
    ledger.publish()
    assert both(ledger.prove(index))


def test_a_recovery_signature_of_another_key_is_false(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that lets anybody's recovery signature pass is found out by both."""
    with monkeypatch.context() as patch:
        patch.setattr("bus.trust.directory._is_proven", lambda *_: True)
        index = recovered(lambda _: KeyRing.generate())(ledger)
    ledger.publish()
    evidence = ledger.prove(index)
    assert not both(evidence)
    assert outcome(verify(evidence.encode(), POLICY), "key") == "false"


def test_an_entry_of_the_directory_that_nothing_rests_on_is_false(ledger: Ledger) -> None:
    """Evidence has one form: an entry of another kind beside those that it rests on makes it false."""
    (index,) = ledger.say()
    tool = ledger.record("ToolRegistered")
    ledger.publish()
    evidence, more = ledger.prove(index), ledger.prove(tool)
    assert both(evidence)
    assert both(more)
    schemas = {**evidence.schemas, more.event.leaf.fingerprint.hex(): more.schema}
    added = replace(evidence, directory=(*evidence.directory, more.event), schemas=schemas)
    assert not both(added)
    assert "or none that an event rests on" in text(verify(added.encode(), POLICY), f"directory/{tool}")
