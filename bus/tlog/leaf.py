"""The leaf: what the ledger's tree holds for each entry.

374 bytes, integers big-endian, ``_d`` a SHA-256 digest::

    u8 1 ‖ u8 outcome ‖ i64 time_us
    ‖ topic_d 32 ‖ u32 partition ‖ u64 offset ‖ u64 last_offset
    ‖ fingerprint 32 ‖ header_d 32 ‖ body_d 32 ‖ sealed_d 32
    ‖ signature_d 32 ‖ value_d 32 ‖ decision_d 32 ‖ policy_d 32
    ‖ u64 first_index ‖ event_id 16 ‖ commitment 32

What was not parsed, or is not there, is zeros. Only accepted entries have a decision; only refused ones and
gaps cover more than one offset.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct as Layout
from struct import error as struct_error
from typing import Final

import msgspec

from bus.errors import Malformed

LEAF_SIZE: Final = 374
ZERO32: Final = bytes(32)
ZERO16: Final = bytes(16)

_VERSION: Final = 1
_FRONT = Layout(">BBq")
_PLACE = Layout(">IQQ")
_FIRST = Layout(">Q")
_WHOLE = Layout(">BBq32sIQQ32s32s32s32s32s32s32s32sQ16s32s")


class Outcome(IntEnum):
    """What became of a record."""

    ACCEPTED = 1
    REPEATED = 2
    REFUSED = 3
    GAP = 4


def pack_leaf(
    outcome: int,
    time_us: int,
    topic_d: bytes,
    partition: int,
    offset: int,
    last_offset: int,
    fingerprint: bytes,
    header_d: bytes,
    body_d: bytes,
    sealed_d: bytes,
    signature_d: bytes,
    value_d: bytes,
    decision_d: bytes,
    policy_d: bytes,
    first_index: int,
    event_id: bytes,
    commitment: bytes,
) -> bytes:
    """The leaf's bytes, for the notary's inner loop: no struct is built, only the whole length is checked.

    Raises:
        ValueError: a digest or id has not its length, or a number is out of range.
    """
    try:
        leaf = b"".join(
            (
                _FRONT.pack(_VERSION, outcome, time_us),
                topic_d,
                _PLACE.pack(partition, offset, last_offset),
                fingerprint,
                header_d,
                body_d,
                sealed_d,
                signature_d,
                value_d,
                decision_d,
                policy_d,
                _FIRST.pack(first_index),
                event_id,
                commitment,
            )
        )
    except struct_error as error:
        raise ValueError("a number of the leaf is out of range") from error
    if len(leaf) != LEAF_SIZE:
        raise ValueError("a field of the leaf has not its length")
    return leaf


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One entry as the tree holds it; fields as the module says, in the order of the bytes."""

    outcome: int
    time_us: int
    topic_d: bytes
    partition: int
    offset: int
    last_offset: int
    fingerprint: bytes
    header_d: bytes
    body_d: bytes
    sealed_d: bytes
    signature_d: bytes
    value_d: bytes
    decision_d: bytes
    policy_d: bytes
    first_index: int
    event_id: bytes
    commitment: bytes

    def encode(self) -> bytes:
        """The 374 bytes.

        Raises:
            ValueError: a field has not its length or range.
        """
        return pack_leaf(*msgspec.structs.astuple(self))

    @classmethod
    def decode(cls, data: bytes) -> Leaf:
        """The leaf of its bytes.

        Raises:
            Malformed: the bytes are no leaf.
        """
        if len(data) != LEAF_SIZE:
            raise Malformed("malformed", "leaf")
        version, *fields = _WHOLE.unpack(data)
        leaf = cls(*fields)
        if version != _VERSION or not _is_sound(leaf) or leaf.encode() != data:
            raise Malformed("malformed", "leaf")
        return leaf


def _is_sound(leaf: Leaf) -> bool:
    """Whether the fields agree with each other."""
    covers_one = leaf.offset == leaf.last_offset
    if leaf.outcome == Outcome.ACCEPTED:
        return covers_one
    if leaf.decision_d != ZERO32:
        return False
    if leaf.outcome == Outcome.REPEATED:
        return covers_one
    return leaf.outcome in {Outcome.REFUSED, Outcome.GAP} and leaf.offset <= leaf.last_offset
