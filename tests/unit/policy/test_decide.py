"""The decision: who may hear what, for which reason; it fails closed and never raises."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import UsageError
from bus.hub.intake import inspect
from bus.kafka.records import Outgoing
from bus.policy import Claim, Policy, Subject, Verdict, decide
from bus.trust.directory import Directory, Organisation
from tests.forge import now_us
from tests.unit.hub.support import World


@pytest.fixture(scope="module")
def world() -> World:
    """An open log."""
    return World().open()


def claim_of(world: World, record: Outgoing) -> Claim:
    """What the notary would ask about a record."""
    directory = world.state.directory
    (candidate,) = inspect([world.arrive(record)], "pixelpost", "bulk", world.state.verifier, directory.public_key)
    assert candidate.decoded is not None
    assert candidate.signature is not None
    decoded, batch = candidate.decoded, candidate.signature.batch
    return Claim(
        "pixelpost", "bulk", record.key, batch.origin, batch.organisation, batch.key_id,
        decoded.info, decoded.header, decoded.body, decoded.sealed,
    )  # fmt: skip


@pytest.fixture(scope="module")
def claim(world: World) -> Claim:
    """A claim that stands."""
    audience = ("chirpnest", "lighthouse")
    return claim_of(world, world.forge.record("pixelpost", world.forge.event("pixelpost", audience)))


def ask(world: World, claim: Claim, directory: Directory | None = None, subject: Subject | None = None) -> Verdict:
    """The verdict now."""
    return decide(claim, directory or world.state.directory, subject, world.state.policy, now_us())


def suspended(directory: Directory, org: str) -> Directory:
    """The directory with one member suspended."""
    entry: Organisation = msgspec.structs.replace(directory.organisations[org], suspended=True)
    return msgspec.structs.replace(directory, organisations={**directory.organisations, org: entry})


def test_everybody_in_the_audience_may_hear(world: World, claim: Claim) -> None:
    """Each recipient stands in the verdict, sorted, with its reason."""
    assert ask(world, claim) == Verdict(None, (("chirpnest", True, "audience"), ("lighthouse", True, "audience")))


def test_suspended_recipient_hears_nothing_and_the_event_stands(world: World, claim: Claim) -> None:
    """A suspended organisation gets allow = false; the others hear the event."""
    verdict = ask(world, claim, suspended(world.state.directory, "lighthouse"))
    assert verdict.refusal is None
    assert verdict.recipients == (("chirpnest", True, "audience"), ("lighthouse", False, "suspended"))


def test_suspended_issuer_is_refused(world: World, claim: Claim) -> None:
    """Nobody hears what a suspended organisation says."""
    assert ask(world, claim, suspended(world.state.directory, "pixelpost")).refusal == "issuer-suspended"


def test_revoked_or_expired_key_is_refused(world: World, claim: Claim) -> None:
    """A key counts from its first to its last instant, and not after its revocation."""
    directory = world.state.directory
    entry = directory.keys[claim.key_id]
    for change, reason in (
        ({"revoked": True}, "key-revoked"),
        ({"valid_to_us": now_us() - 1_000_000}, "key-expired"),
        ({"valid_from_us": now_us() + 60_000_000}, "key-expired"),
        ({"org": "chirpnest"}, "key-foreign"),
    ):
        keys = {**directory.keys, claim.key_id: msgspec.structs.replace(entry, **change)}
        assert ask(world, claim, msgspec.structs.replace(directory, keys=keys)).refusal == reason


def test_thread_and_lane_follow_a_known_subject(world: World, claim: Claim) -> None:
    """What is about a known event has its thread and its lane; an unknown subject binds nothing."""
    header = msgspec.structs.replace(claim.header, about=b"a" * 16)
    about = msgspec.structs.replace(claim, header=header)
    thread = claim.header.thread
    assert ask(world, about, subject=None).refusal is None
    assert ask(world, about, subject=Subject(thread, "bulk", heard=None)).refusal is None
    assert ask(world, about, subject=Subject(b"t" * 16, "bulk")).refusal == "thread-mismatch"
    assert ask(world, about, subject=Subject(thread, "urgent")).refusal == "wrong-lane"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nobody_outside_the_audience_is_ever_allowed(data: st.DataObject, world: World, claim: Claim) -> None:
    """Whatever a header says, a verdict names the audience and nobody else, or refuses with a code; it never raises."""
    names = st.sampled_from(["pixelpost", "chirpnest", "lighthouse", "polder-police", "hub", "nobody", "@nothing"])
    audience = tuple(sorted(data.draw(st.sets(names, min_size=1))))
    changes = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "issuer": names,
                "lane": st.sampled_from(["bulk", "urgent"]),
                "priority": st.sampled_from(["routine", "urgent", "immediate", "odd"]),
                "legal_basis": st.sampled_from(["us-2258a@1", "us-2258a", "@1", "x" * 40]),
                "hub": st.sampled_from([claim.header.hub, "other.example/log"]),
                "event_id": st.binary(min_size=16, max_size=16),
                "about": st.none() | st.binary(min_size=16, max_size=16),
                "case": st.none() | st.binary(min_size=16, max_size=16),
            },
        )
    )
    header = msgspec.structs.replace(claim.header, audience=audience, **changes)
    sealed = data.draw(st.sampled_from([claim.sealed, None]))
    subject = data.draw(st.sampled_from([None, Subject(claim.header.thread, "bulk"), Subject(b"t" * 16, "urgent")]))
    verdict = ask(world, msgspec.structs.replace(claim, header=header, sealed=sealed), subject=subject)
    if verdict.refusal is None:
        assert tuple(org for org, _, _ in verdict.recipients) == audience
        assert not {"pixelpost", "hub", "nobody", "@nothing"} & set(audience)
    else:
        assert verdict.recipients == ()


@pytest.mark.parametrize(
    "text", ["", "version = 2", "not toml [", "version = 1\n[ids]\npast_days = 30\nfuture_minutes = 5\n"]
)
def test_a_file_that_is_no_policy_is_refused(text: str) -> None:
    """A policy is whole and of a known version, or the hub does not start on it."""
    with pytest.raises(UsageError):
        Policy.parse(text.encode())


def test_digest_is_that_of_the_file() -> None:
    """Two files that differ in a comment are two policies."""
    first = b"".join([b"# one\n", policy_text()])
    assert Policy.parse(first).digest != Policy.parse(policy_text()).digest


def test_a_policy_of_another_table_of_lifecycles_is_not_decided_by(tmp_path: Path) -> None:
    """The digest in a leaf binds the steps too; the next release's policy can be adopted before it is decided by."""
    file = tmp_path / "policy.toml"
    text = policy_text().decode()
    file.write_text(text)
    assert Policy.load(file) == Policy.load()
    other = text.replace('digest = "', 'digest = "0')
    file.write_text(other)
    assert Policy.parse(other.encode()).lifecycles != Policy.load().lifecycles
    with pytest.raises(UsageError, match="another table of lifecycles") as caught:
        Policy.load(file)
    assert Policy.load().lifecycles in str(caught.value.hint)
    file.write_text(text.partition("[lifecycles]")[0])
    assert Policy.load(file).digest != Policy.load().digest


def policy_text() -> bytes:
    """The shipped policy."""
    from bus.paths import ops_dir

    return (ops_dir() / "policy.toml").read_bytes()
