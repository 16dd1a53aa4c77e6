"""Keys of notes as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog.cosignature import MLDSA44_PUBLIC_SIZE
from bus.tlog.vkey import Kind, NoteKey, VerifierKey, is_key_name
from tests.unit.tlog.support import VECTORS, log_key, seed, witness_key

OTHERS = json.loads((VECTORS / "others/mod/vectors.json").read_text(encoding="utf-8"))["note"]

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(is_key_name)


@given(names, st.sampled_from([Kind.ED25519, Kind.COSIGNATURE]), st.binary(min_size=32, max_size=32))
def test_a_key_survives_its_text(name: str, kind: Kind, secret: bytes) -> None:
    """A secret key and its verifier key are read from their texts again."""
    key = NoteKey(name, kind, secret)
    assert NoteKey.decode(key.encode()).encode() == key.encode()
    assert VerifierKey.decode(key.verifier.encode()) == key.verifier


def test_another_programs_keys_are_read() -> None:
    """The keys in the tests of Go's note package are keys here, and have the same ids."""
    for text in OTHERS["keys"]:
        assert VerifierKey.decode(text).encode() == text
    assert NoteKey.decode(OTHERS["skey"]).verifier.encode() == OTHERS["keys"][0]


def test_no_part_and_no_change_of_a_key_is_a_key() -> None:
    """No shorter piece of a key's text, and no text with one character changed, is a key."""
    for text, decode in ((OTHERS["keys"][0], VerifierKey.decode), (OTHERS["skey"], NoteKey.decode)):
        pieces = {text[a:b] for a in range(len(text)) for b in range(a + 1, len(text) + 1)} - {text}
        changed = [text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))]
        for wrong in (*pieces, *changed, *OTHERS["bad_keys"], ""):
            with pytest.raises(Malformed):
                decode(wrong)


def test_a_key_of_an_unknown_kind_or_size_is_malformed() -> None:
    """Kinds that are not known here, and keys that have not their kind's length, are malformed."""
    good = log_key().verifier
    for kind, size in ((1, 31), (4, 33), (6, 32), (6, MLDSA44_PUBLIC_SIZE - 1)):
        text = VerifierKey(good.name, Kind(kind), bytes(size)).encode()
        with pytest.raises(Malformed):
            VerifierKey.decode(text)
    mldsa = VerifierKey("w", Kind.MLDSA44_COSIGNATURE, bytes(MLDSA44_PUBLIC_SIZE))
    assert VerifierKey.decode(mldsa.encode()) == mldsa
    with pytest.raises(Malformed):
        NoteKey.decode("PRIVATE+KEY+" + mldsa.encode())


@pytest.mark.parametrize("name", ["", "a+b", "a b", "a\u00a0b", "a\u2028b", "a\u0085b", "a\tb", "a\x1fb", "a\u3000"])
def test_a_name_has_no_spaces_of_any_script(name: str) -> None:
    """A key's name is not empty and has no plus, no Unicode space and no control character."""
    assert not is_key_name(name)
    with pytest.raises(ValueError, match="name"):
        NoteKey(name, Kind.ED25519, seed("x"))


def test_a_secret_is_never_shown() -> None:
    """The representation of a secret key has its public part alone."""
    key = witness_key("w.example/1")
    assert key.encode() not in repr(key)
    assert key.verifier.encode() in repr(key)


def test_a_cosigner_signs_with_a_time_and_a_log_without() -> None:
    """A time that is missing, or one too many, is a mistake of the caller."""
    with pytest.raises(ValueError, match="time"):
        witness_key("w").sign(b"text\n")
    with pytest.raises(ValueError, match="time"):
        log_key().sign(b"text\n", 5)
    with pytest.raises(ValueError, match="kind"):
        NoteKey("w", Kind.MLDSA44_COSIGNATURE, seed("w"))
