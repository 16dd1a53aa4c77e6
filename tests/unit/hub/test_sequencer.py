"""The notary's pure half: indexes, ids, numbers, times, gaps, and a tree that a second implementation agrees with."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events.codec import decode_decision
from bus.events.ids import dashed
from bus.hub.intake import inspect
from bus.hub.receipts import reissue, sign_receipts
from bus.hub.sequencer import Gap, build, items_of_rows
from bus.kafka.records import Outgoing
from bus.paths import ops_dir
from bus.tlog import Leaf, Outcome
from bus.tlog.tree import root
from bus.trust.adoptions import adoption
from bus.trust.bus_signature import BusSignature
from tests.forge import changed, now_us
from tests.unit.hub.support import ORIGIN, World

POLICY = (ops_dir() / "policy.toml").read_text(encoding="utf-8") + "# another\n"


@pytest.fixture
def world() -> World:
    """An open log."""
    return World().open()


def hit(
    world: World, issuer: str = "pixelpost", audience: tuple[str, ...] = ("lighthouse",), **header: Any
) -> Outgoing:
    """A record with a hash hit."""
    return world.forge.record(issuer, world.forge.event(issuer, audience, **header))


def test_first_entry_opens_the_log_with_the_key_it_carries() -> None:
    """Nothing stands before LogOpened, and a second LogOpened is refused."""
    world = World()
    assert world.outcome(hit(world)) == (Outcome.REFUSED, "not-open")
    world = World().open()
    assert Leaf.decode(world.built[0].rows.entry[0][1]).outcome == Outcome.ACCEPTED
    body = {
        "origin": ORIGIN,
        "hub_key": world.rings["hub"].signing.public_key.hex(),
        "governance_keys": [world.rings["hub"].signing.public_key.hex()],
        "threshold": 1,
        "policy_digest": world.state.policy.digest.hex(),
    }
    assert world.outcome(world.directory_event("LogOpened", body)) == (Outcome.REFUSED, "already-open")


def test_opening_under_a_key_that_it_does_not_carry_is_refused() -> None:
    """Who signs entry 0 must hold the key that it names."""
    world = World()
    body = {
        "origin": ORIGIN,
        "hub_key": world.rings["pixelpost"].signing.public_key.hex(),
        "governance_keys": [world.rings["hub"].signing.public_key.hex()],
        "threshold": 1,
        "policy_digest": world.state.policy.digest.hex(),
    }
    outcome, reason = world.outcome(world.directory_event("LogOpened", body))
    assert outcome == Outcome.REFUSED
    assert reason in {"signature-invalid", "key-foreign"}


def test_a_log_opens_with_the_policy_that_it_is_decided_by() -> None:
    """Entry 0 names the policy of every leaf behind it: another one there would be a lie that nobody can take back."""
    world = World()
    hub = world.rings["hub"].signing.public_key.hex()
    body = {"origin": ORIGIN, "hub_key": hub, "governance_keys": [hub], "threshold": 1, "policy_digest": "ab" * 32}
    assert world.outcome(world.directory_event("LogOpened", body)) == (Outcome.REFUSED, "policy-other")


def test_a_text_that_is_no_policy_does_not_come_into_force(world: World) -> None:
    """The hub could not start with it; what is one stands, and the directory says so."""
    for text, found in (("version = 1\n", (Outcome.REFUSED, "policy-invalid")), (POLICY, (Outcome.ACCEPTED, None))):
        (body,) = adoption("policy", "policy", text)
        assert world.outcome(world.directory_event("PolicyAdopted", body)) == found
    assert world.state.directory.policy_in_force == (world.state.frontier.size - 1, sha256(POLICY.encode()).digest())


def test_same_event_again_is_repeated_and_points_to_the_first_time(world: World) -> None:
    """The same commitment under the same id is a success that names the first index."""
    record = hit(world)
    first = world.sequence([record])
    again = world.sequence([record])
    entry = again.rows.entry[0]
    assert (entry[3], entry[17]) == (Outcome.REPEATED, first.first_index)
    assert again.items["pixelpost", "bulk"][0].first_index == first.first_index
    assert not again.rows.content


def test_two_events_of_one_id_in_one_flush(world: World) -> None:
    """Within one flush the first is accepted, its twin is repeated, other content is an id-conflict."""
    event = world.forge.event("pixelpost", ("lighthouse",))
    sections = world.forge.compose("pixelpost", event)
    event_id = dashed(sections.header.event_id)
    twin = world.forge.sign("pixelpost", [sections, sections])
    other = hit(world, event_id=event_id)
    built = world.sequence([*twin, other])
    assert [item.outcome for item in built.items["pixelpost", "bulk"]] == [1, 2, 3]
    assert built.items["pixelpost", "bulk"][2].reasons == ("id-conflict",)


def test_anothers_event_replayed_is_refused_and_tells_nothing(world: World) -> None:
    """Who puts another's accepted record on its own outbox learns neither that it stands nor where."""
    record = hit(world)
    assert world.outcome(record) == (Outcome.ACCEPTED, None)
    replay = changed(record, topic="out.chirpnest")
    assert world.outcome(replay) == (Outcome.REFUSED, "issuer-mismatch")


def test_refusal_does_not_consume_the_id(world: World) -> None:
    """An id that was refused can be accepted later, with other content."""
    event = world.forge.event("pixelpost", ("lighthouse",))
    event_id = dashed(world.forge.compose("pixelpost", event).header.event_id)
    wrong = world.forge.record(
        "pixelpost", {**event, "header": {**event["header"], "event_id": event_id}}, wrap_for=["chirpnest"]
    )
    assert world.outcome(wrong) == (Outcome.REFUSED, "wraps-mismatch")
    assert world.outcome(hit(world, event_id=event_id)) == (Outcome.ACCEPTED, None)


def test_key_registered_in_the_same_flush_counts_from_the_next_entry(world: World) -> None:
    """The decision for index i depends on the entries before i only, within a flush too."""
    from bus.trust.keys import KeyRing

    fresh = KeyRing(KeyRing.generate().signing, world.rings["pixelpost"].sealing)
    before = world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",)), ring=fresh)
    after = world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",)), ring=fresh)
    registration = world.directory_event("KeyRegistered", world.key_body("pixelpost", "signing", fresh))
    built = world.sequence([before, registration, after])
    assert [row[3] for row in built.rows.entry] == [Outcome.REFUSED, Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert built.items["pixelpost", "bulk"][0].reasons == ("key-unknown",)


def test_numbers_are_gapless_per_recipient_and_lane(world: World) -> None:
    """Each recipient's inbox counts 0, 1, 2 … in each lane, whatever is refused between."""
    records = [
        hit(world, audience=("chirpnest", "lighthouse")),
        hit(world, issuer="chirpnest", audience=("lighthouse",)),
        hit(world, priority="immediate"),
        hit(world),
    ]
    built = world.sequence(records)
    seen: dict[tuple[str, str], list[int]] = {}
    for row in built.rows.record:
        for one in decode_decision(row[3]).recipients:
            assert one.seq is not None
            seen.setdefault((one.org, one.lane), []).append(one.seq)
    assert seen == {("chirpnest", "bulk"): [0], ("lighthouse", "bulk"): [0, 1, 2], ("lighthouse", "urgent"): [0]}
    assert built.rows.recipients == {("chirpnest", "bulk"): 0, ("lighthouse", "bulk"): 2, ("lighthouse", "urgent"): 0}


def test_ledger_time_never_goes_back(world: World) -> None:
    """A clock that is stepped back an hour does not take the ledger with it."""
    first = world.sequence([hit(world)])
    second = world.sequence([hit(world)], at_us=now_us() - 3_600_000_000)
    times = [row[4] for built in (first, second) for row in built.rows.entry]
    assert times == sorted(set(times))


def test_gap_is_an_entry_that_moves_the_offset(world: World) -> None:
    """Offsets without a record are covered by a leaf of outcome 4, and their owner is told."""
    built = build(
        world.state, [Gap("out.pixelpost", "bulk", 5, 9, "gap-deleted")], world.accepted, now_us(), world.nonces
    )
    leaf = Leaf.decode(built.rows.entry[0][1])
    assert (leaf.outcome, leaf.offset, leaf.last_offset) == (Outcome.GAP, 5, 9)
    assert built.rows.intake == {"out.pixelpost": 10}
    assert built.items["pixelpost", "bulk"][0].reasons == ("gap-deleted",)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_frontier_equals_a_naive_tree_over_the_leaves(sizes: list[int]) -> None:
    """After flushes of any sizes the root is that of a tree built from all leaves anew, and indexes are gapless."""
    world = World().open()
    for size in sizes:
        world.sequence([hit(world) for _ in range(size)])
    rows = [row for built in world.built for row in built.rows.entry]
    assert [row[0] for row in rows] == list(range(len(rows)))
    hashes = [sha256(b"\x00" + row[1]).digest() for row in rows]
    assert [row[2] for row in rows] == hashes
    assert world.state.frontier.root() == root(hashes)


def test_leaf_commits_to_every_byte_of_the_record(world: World) -> None:
    """The digests of the leaf are those of what was sent and decided."""
    record = hit(world)
    assert record.value is not None
    built = world.sequence([record])
    leaf = Leaf.decode(built.rows.entry[0][1])
    _, schema_id, header, decision, raw_signature = built.rows.record[0]
    _, body, sealed, *_ = built.rows.content[0]
    assert b"\x00" + schema_id.to_bytes(4, "big") + header + body + sealed == record.value
    parts = (record.topic.encode(), header, body, sealed, raw_signature, record.value, decision)
    found = (
        leaf.topic_d, leaf.header_d, leaf.body_d, leaf.sealed_d, leaf.signature_d, leaf.value_d, leaf.decision_d,
    )  # fmt: skip
    assert found == tuple(sha256(part).digest() for part in parts)
    assert leaf.policy_d == world.state.policy.digest


def test_receipts_of_a_flush_can_be_made_again_byte_for_byte(world: World) -> None:
    """From the entries' columns and the kept batch row the same records come out, signature included."""
    built = world.sequence([hit(world), hit(world, issuer="chirpnest"), hit(world, priority="immediate"), hit(world)])
    signed = sign_receipts(
        world.rings["hub"].signing,
        ORIGIN,
        first_index=built.first_index,
        last_index=built.frontier.size - 1,
        time_us=built.time_us,
        items=built.items,
    )
    assert [r.topic for r in signed.records] == [
        "receipts.chirpnest",
        "receipts.pixelpost",
        "receipts.pixelpost.urgent",
    ]
    columns = (
        "index", "leaf", "leaf_hash", "outcome", "time_us", "topic", "kafka_offset", "last_offset", "schema_id",
        "event_id", "issuer", "step", "lane", "thread", "about", "addressee", "due_us", "first_index", "reasons",
    )  # fmt: skip
    rows: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in built.rows.entry]
    again = reissue(ORIGIN, items_of_rows(rows), signed.rows)
    assert again == signed.records
    assert BusSignature.decode(dict(signed.records[0].headers)["bus-signature"]).batch.organisation == "hub"


def test_whole_batch_of_256_is_checked_at_once(world: World) -> None:
    """A full batch passes, and one changed member of it alone fails."""
    sections = [world.forge.compose("pixelpost", world.forge.event("pixelpost", ("lighthouse",))) for _ in range(256)]
    records = [world.arrive(record) for record in world.forge.sign("pixelpost", sections)]
    value = records[7].value
    assert value is not None
    from bus.kafka.records import Record

    broken = value[:-1] + bytes([value[-1] ^ 1])
    records[7] = Record("out.pixelpost", 7, 0, records[7].key, broken, records[7].headers)
    looked = inspect(records, "pixelpost", "bulk", world.state.verifier, world.state.directory.public_key)
    assert [c.reason for c in looked if c.reason] == ["path-invalid"]
    assert looked[7].reason == "path-invalid"
