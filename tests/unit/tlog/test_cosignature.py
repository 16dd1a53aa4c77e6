"""Cosignatures of both kinds."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import CheckFailed, Malformed
from bus.tlog import cosignature
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.cosignature import ED25519_SIZE, MLDSA44_SIZE, Cosignature
from bus.tlog.note import Note, Signature, sign_note
from bus.tlog.vkey import Kind, VerifierKey
from tests.unit.tlog.support import ORIGIN, log_key, seed, signed, witness_key

CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)), ("an extension",))
TEXT = CHECKPOINT.encode()
WITNESS = witness_key("witness.example/w1")
MLDSA = MLDSA44PrivateKey.from_seed_bytes(seed("an ML-DSA witness"))
MLDSA_KEY = VerifierKey("witness.example/w2", Kind.MLDSA44_COSIGNATURE, MLDSA.public_key().public_bytes_raw())


def mldsa_line(checkpoint: Checkpoint, time_s: int, name: str = MLDSA_KEY.name) -> Signature:
    """An ML-DSA-44 cosignature, made from the bytes of the specification."""
    struct = b"subtree/v1\n\x00" + bytes([len(name)]) + name.encode() + time_s.to_bytes(8)
    struct += bytes([len(checkpoint.origin)]) + checkpoint.origin.encode()
    struct += (0).to_bytes(8) + checkpoint.size.to_bytes(8) + checkpoint.root
    return Signature(MLDSA_KEY.name, MLDSA_KEY.key_id, time_s.to_bytes(8) + MLDSA.sign(struct))


@given(st.integers(0, 2**63 - 1), st.sampled_from([ED25519_SIZE, MLDSA44_SIZE]))
def test_a_cosignature_survives_its_bytes(time_s: int, size: int) -> None:
    """Encoding and decoding give the same cosignature."""
    cosigned = Cosignature(time_s, bytes(size))
    assert Cosignature.decode(cosigned.encode()) == cosigned


@pytest.mark.parametrize(
    "data", [b"", bytes(8), bytes(71), bytes(73), bytes(8 + 2419), b"\xff" * 8 + bytes(64), b"\x80" + bytes(71)]
)
def test_bytes_of_another_length_or_time_are_malformed(data: bytes) -> None:
    """A cosignature has one of two lengths, and a time of 63 bits."""
    with pytest.raises(Malformed, match="cosignature"):
        Cosignature.decode(data)


def test_an_ed25519_cosigner_signs_the_whole_text_and_the_time() -> None:
    """The message is the header, the time and the text with its extension lines."""
    assert cosignature.message(TEXT, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + TEXT
    line = sign_note(TEXT, WITNESS, 1679315147)
    assert len(line.signature) == 72
    assert Cosignature.decode(line.signature).time_s == 1679315147
    assert Note(TEXT, (line,)).verified([WITNESS.verifier])


@given(st.integers(0, 71), st.integers(1, 255))
def test_no_byte_of_a_cosignature_can_change(at: int, change: int) -> None:
    """The time is signed as the rest is."""
    line = sign_note(TEXT, WITNESS, 1679315147)
    data = bytearray(line.signature)
    data[at] ^= change
    assert not WITNESS.verifier.verify(TEXT, bytes(data))


def test_an_mldsa_cosignature_is_verified() -> None:
    """A post-quantum witness is believed, and says when it cosigned."""
    note = Note.decode(Note(TEXT, (mldsa_line(CHECKPOINT, 1_700_000_000),)).encode())
    ((key, line),) = note.verified([MLDSA_KEY])
    assert key == MLDSA_KEY
    assert Cosignature.decode(line.signature).time_s == 1_700_000_000


def test_an_mldsa_cosignature_holds_for_its_tree_name_and_time_only() -> None:
    """Another size, root, origin, cosigner's name or time does not hold; extension lines are not covered."""
    good = mldsa_line(CHECKPOINT, 5).signature
    verify = MLDSA_KEY.verify
    assert verify(TEXT, good)
    assert verify(Checkpoint(ORIGIN, 7, CHECKPOINT.root).encode(), good)
    for other in (
        Checkpoint(ORIGIN, 8, CHECKPOINT.root),
        Checkpoint(ORIGIN, 7, bytes(32)),
        Checkpoint("else", 7, CHECKPOINT.root),
    ):
        assert not verify(other.encode(), good)
    assert not verify(TEXT, (6).to_bytes(8) + good[8:])
    assert not verify(TEXT, mldsa_line(CHECKPOINT, 5, name="witness.example/w3").signature)
    assert not verify(TEXT, good[:-1])
    assert not verify(b"no checkpoint\n", good)
    assert not verify(Checkpoint("o" * 256, 7, CHECKPOINT.root).encode(), good)


def test_names_that_cannot_be_signed_are_never_cosigned() -> None:
    """An origin or a cosigner of more than 255 bytes has no ML-DSA message."""
    for name, checkpoint in (("w" * 256, CHECKPOINT), ("w", Checkpoint("o" * 256, 1, bytes(32)))):
        with pytest.raises(ValueError, match="255"):
            cosignature.mldsa_message(name, checkpoint, 1)


def test_only_a_checkpoint_is_cosigned() -> None:
    """A cosignature over any other text, even a true one, does not hold."""
    text = b"not a checkpoint\n"
    with pytest.raises(CheckFailed):
        Note(text, (sign_note(text, WITNESS, 5),)).verified([WITNESS.verifier])


def test_a_logs_signature_is_no_cosignature_of_the_same_key() -> None:
    """One key in two roles has two ids, and the signature of one role is not that of the other."""
    key = witness_key(ORIGIN)
    note = signed(CHECKPOINT, key)
    as_log = VerifierKey(ORIGIN, Kind.ED25519, key.verifier.public_key)
    assert as_log.key_id != key.verifier.key_id
    assert note.verified([as_log]) == []
    assert not as_log.verify(TEXT, note.signatures[0].signature)
    assert signed(CHECKPOINT, log_key()).verified([log_key().verifier])


def test_a_cosignature_out_of_range_is_never_written() -> None:
    """A time before 1970 or a signature of another length is a mistake of the caller."""
    for wrong in (Cosignature(-1, bytes(64)), Cosignature(2**63, bytes(64)), Cosignature(1, bytes(63))):
        with pytest.raises(ValueError, match="rule"):
            wrong.encode()
