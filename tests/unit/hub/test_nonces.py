"""A decision's nonce follows from the hub's key, the event and its place, and from nothing that is published."""

from __future__ import annotations

import hmac

from bus.events.codec import decode_decision
from bus.hub.nonces import nonces_of
from bus.trust.keys import SigningKey
from tests.unit.hub.support import World

KEY = SigningKey(bytes(range(32)))


def test_a_nonce_is_what_the_formula_says() -> None:
    """Two HMACs, written out by hand."""
    secret = hmac.new(bytes(range(32)), b"safeguard/decision-nonce/v1", "sha256").digest()
    wanted = hmac.new(secret, b"c" * 32 + b"\x00" * 7 + b"\x05", "sha256").digest()[:16]
    assert nonces_of(KEY)(b"c" * 32, 5) == wanted


def test_another_key_event_or_index_gives_another_nonce() -> None:
    """None can be told from another."""
    made = nonces_of(KEY)
    other = nonces_of(SigningKey(bytes(32)))
    found = {made(b"c" * 32, 5), made(b"c" * 32, 6), made(b"d" * 32, 5), other(b"c" * 32, 5)}
    assert len(found) == 4


def test_the_same_record_at_the_same_index_and_time_gives_the_same_entry_again() -> None:
    """A second notary with the same key makes the same decision, byte for byte, and so the same leaf."""
    world, twin = World().open(), None
    record = world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",)))
    before = (world.state.directory, world.state.frontier, world.state.time_us, dict(world.state.seqs))
    first = world.sequence([record], world.state.time_us + 1_000)
    world.state.directory, world.state.frontier, world.state.time_us, world.state.seqs = before
    world.accepted.popitem()
    world.offsets[record.topic] -= 1
    twin = world.sequence([record], first.time_us)
    assert twin.rows == first.rows
    assert decode_decision(first.rows.record[0][3]).nonce == world.nonces(first.rows.accepted[0][2], first.first_index)
