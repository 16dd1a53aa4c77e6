"""The leaf's bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from bus.errors import Malformed
from bus.tlog import Leaf, Outcome, pack_leaf
from bus.tlog.leaf import LEAF_SIZE, ZERO32

digests = st.binary(min_size=32, max_size=32)
u64 = st.integers(0, 2**64 - 1)


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    """Any leaf that can stand in a ledger."""
    outcome = draw(st.sampled_from(Outcome))
    first, last = sorted((draw(u64), draw(u64)))
    covers_many = outcome in {Outcome.REFUSED, Outcome.GAP}
    return Leaf(
        outcome=outcome,
        time_us=draw(st.integers(-(2**63), 2**63 - 1)),
        topic_d=draw(digests),
        partition=draw(st.integers(0, 2**32 - 1)),
        offset=first,
        last_offset=last if covers_many else first,
        fingerprint=draw(digests),
        header_d=draw(digests),
        body_d=draw(digests),
        sealed_d=draw(digests),
        signature_d=draw(digests),
        value_d=draw(digests),
        decision_d=draw(digests) if outcome == Outcome.ACCEPTED else ZERO32,
        policy_d=draw(digests),
        first_index=draw(u64),
        event_id=draw(st.binary(min_size=16, max_size=16)),
        commitment=draw(digests),
    )


@given(leaves())
def test_a_leaf_survives_its_374_bytes(leaf: Leaf) -> None:
    """Encoding and decoding give the same leaf, and the notary's fast way gives the same bytes."""
    data = leaf.encode()
    assert len(data) == LEAF_SIZE == 374
    assert Leaf.decode(data) == leaf
    assert pack_leaf(*astuple(leaf)) == data


@given(leaves(), st.integers(0, LEAF_SIZE - 1), st.integers(1, 255))
def test_a_changed_byte_is_another_leaf_or_none(leaf: Leaf, place: int, change: int) -> None:
    """No byte can change without the leaf changing or the bytes becoming malformed."""
    data = bytearray(leaf.encode())
    data[place] ^= change
    assert _decoded(bytes(data)) != leaf


def bare(outcome: Outcome) -> Leaf:
    """A leaf of zeros at offset 5."""
    z = ZERO32
    return Leaf(outcome, 1, z, 0, 5, 5, z, z, z, z, z, z, z, z, 0, bytes(16), z)


def _decoded(data: bytes) -> Leaf | None:
    try:
        return Leaf.decode(data)
    except Malformed:
        return None


@given(leaves(), st.binary(max_size=400))
def test_only_374_bytes_can_be_a_leaf(leaf: Leaf, noise: bytes) -> None:
    """Missing or trailing bytes are malformed, and noise never raises anything else."""
    data = leaf.encode()
    for wrong in (data[:-1], data + b"\x00", noise):
        with pytest.raises(Malformed):
            Leaf.decode(wrong)


def test_fields_that_contradict_each_other_are_malformed() -> None:
    """A version or outcome that is not there, a decision on a refusal, or an offset range upside down is no leaf."""
    zeros = bare(Outcome.REFUSED)
    assert Leaf.decode(zeros.encode()) == zeros
    for wrong in (
        replace(zeros, outcome=0),
        replace(zeros, outcome=5),
        replace(zeros, last_offset=4),
        replace(zeros, decision_d=bytes([1]) * 32),
        replace(zeros, outcome=Outcome.ACCEPTED, last_offset=6),
        replace(zeros, outcome=Outcome.REPEATED, last_offset=6),
    ):
        with pytest.raises(Malformed):
            Leaf.decode(wrong.encode())
    with pytest.raises(Malformed):
        Leaf.decode(b"\x02" + zeros.encode()[1:])


def test_a_field_of_the_wrong_length_is_never_packed() -> None:
    """A digest cut short or a number too large is a mistake of the caller, not a padded leaf."""
    sound = bare(Outcome.ACCEPTED)
    for wrong in (
        replace(sound, value_d=bytes(31)),
        replace(sound, event_id=bytes(17)),
        replace(sound, offset=-1),
        replace(sound, partition=2**32),
        replace(sound, outcome=256),
    ):
        with pytest.raises(ValueError, match="leaf"):
            wrong.encode()
