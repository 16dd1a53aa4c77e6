"""Sealing: who can open, and what can be moved where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bus.errors import Malformed
from bus.events.types import Sealed, Wrap
from bus.trust.keys import KeyRing, SealingKey, SigningKey
from bus.trust.sealing import pad, seal, seal_context, unpad, unseal

ALICE, BOB, EVE = SealingKey.generate(), SealingKey.generate(), SealingKey.generate()
PLACE: dict[str, Any] = {
    "origin": "ledger.example.org/safeguard",
    "issuer": "platform-a",
    "event_id": bytes(range(16)),
    "fp": bytes(range(32)),
    "header": b"a header, as sent",
}
SECRET = b"a hash and a locator"


def sealed_for(*keys: SealingKey) -> Sealed:
    """``SECRET`` sealed for these keys."""
    return seal(SECRET, recipients=[key.public_key for key in keys], **PLACE)


def refuses(sealed: Sealed, key: SealingKey, **changed: Any) -> bool:
    """Whether opening fails with the one opaque refusal."""
    with pytest.raises(Malformed) as caught:
        unseal(sealed, key, **(PLACE | changed))
    return str(caught.value) == "unseal: it does not open"


def test_each_recipient_opens_and_nobody_else_does() -> None:
    """Both recipients read what was sealed; another key, and a recipient's wrap under another id, do not."""
    sealed = sealed_for(ALICE, BOB)
    assert unseal(sealed, ALICE, **PLACE) == unseal(sealed, BOB, **PLACE) == SECRET
    assert refuses(sealed, EVE)
    relabelled = replace(sealed, wraps=(Wrap(EVE.key_id, sealed.wraps[0].wrap),))
    assert refuses(relabelled, EVE)


def test_wraps_have_1168_bytes_and_are_sorted_by_key_id() -> None:
    """A sealed part has one wrap of the stated size a recipient, in the order of key ids, and suite 1."""
    keys = [SealingKey.generate() for _ in range(5)]
    sealed = sealed_for(*keys)
    assert [wrap.key_id for wrap in sealed.wraps] == sorted(key.key_id for key in keys)
    assert {len(wrap.wrap) for wrap in sealed.wraps} == {1168}
    assert (sealed.suite, sealed.audience_key_id) == (1, None)


def test_the_same_content_is_never_sealed_to_the_same_bytes() -> None:
    """Each sealing has a content key of its own, so equal content does not show."""
    assert sealed_for(ALICE).ct != sealed_for(ALICE).ct


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "ledger.example.org/safeguarD"},
        {"issuer": "platform-b"},
        {"event_id": bytes(16)},
        {"fp": bytes(32)},
        {"header": b"a header, as sent."},
        {"header": b""},
        {"origin": "ledger.example.org/safeguardp", "issuer": "latform-a"},
    ],
)
def test_a_ciphertext_opens_at_its_own_event_only(changed: dict[str, Any]) -> None:
    """Published again under another log, issuer, event id, schema or header, it opens for nobody."""
    assert refuses(sealed_for(ALICE), ALICE, **changed)


def test_content_under_a_wrap_of_the_same_event_cannot_be_swapped() -> None:
    """A wrap of one sealing does not open the content of another, nor does a recipient's wrap serve another."""
    first, second = sealed_for(ALICE, BOB), sealed_for(ALICE, BOB)
    assert refuses(replace(first, ct=second.ct), ALICE)
    assert refuses(replace(first, wraps=second.wraps), BOB)
    low, high = first.wraps
    swapped = (Wrap(low.key_id, high.wrap), Wrap(high.key_id, low.wrap))
    assert refuses(replace(first, wraps=swapped), ALICE)


def test_a_retired_key_does_not_open_what_is_sealed_for_its_successor() -> None:
    """After a change of keys a ring opens old and new content, each with its own key only."""
    old = KeyRing(SigningKey(bytes(32)), [ALICE])
    ring = old.with_sealing(BOB)
    before, after = sealed_for(ALICE), sealed_for(BOB)
    for sealed in (before, after):
        key = ring.sealing_key(wrap.key_id for wrap in sealed.wraps)
        assert key is not None
        assert unseal(sealed, key, **PLACE) == SECRET
    assert old.sealing_key(wrap.key_id for wrap in after.wraps) is None
    assert refuses(after, ALICE)


def test_another_suite_does_not_open() -> None:
    """Suites and audience keys that this version does not know are refused, not guessed at."""
    sealed = sealed_for(ALICE)
    assert refuses(replace(sealed, suite=2), ALICE)
    assert refuses(replace(sealed, audience_key_id=bytes(16)), ALICE)
    assert refuses(replace(sealed, wraps=()), ALICE)


@settings(max_examples=60)
@given(st.data())
def test_one_byte_changed_in_wrap_or_ciphertext_is_caught(data: st.DataObject) -> None:
    """Neither wrap nor ciphertext can change, shrink or grow by a byte."""
    sealed = sealed_for(ALICE)
    wrap = sealed.wraps[0]
    whole = bytearray(wrap.wrap + sealed.ct)
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    changed = replace(sealed, wraps=(Wrap(wrap.key_id, bytes(whole[:1168])),), ct=bytes(whole[1168:]))
    assert refuses(changed, ALICE)
    assert refuses(replace(sealed, ct=sealed.ct[:-1]), ALICE)
    assert refuses(replace(sealed, wraps=(Wrap(wrap.key_id, wrap.wrap + b"\x00"),)), ALICE)
    assert refuses(replace(sealed, wraps=(Wrap(wrap.key_id, b""),), ct=b""), ALICE)


@given(st.binary(max_size=1100))
def test_padding_hides_the_length_in_steps_of_256_and_comes_off_again(plaintext: bytes) -> None:
    """Padded content is a multiple of 256, by the fewest zeros, and gives back the content."""
    padded = pad(plaintext)
    assert len(padded) % 256 == 0
    assert len(padded) - len(plaintext) - 4 < 256
    assert unpad(padded) == plaintext


def test_other_paddings_are_refused() -> None:
    """A block too many, a byte that is not zero, a length beyond the end and a ragged end are not padding."""
    sound = pad(b"content")
    for wrong in (
        sound + bytes(256),
        sound[:-1] + b"\x01",
        sound[:-1],
        b"\x00\x00\x01\x00" + sound[4:],
        b"\xff\xff\xff\xff" + sound[4:],
        b"\x00\x00\x00\x06" + sound[4:],
        b"",
        bytes(3),
    ):
        with pytest.raises(Malformed):
            unpad(wrong)
    assert unpad(bytes(256)) == b""


def test_recipients_are_one_to_24_different_keys() -> None:
    """No recipient, one twice, one too many, or bytes that are no key, are refused before anything is sealed."""
    many = [bytes([n]) * 1216 for n in range(25)]
    for recipients in ([], [ALICE.public_key] * 2, many):
        with pytest.raises(ValueError, match="1 to 24 different"):
            seal(SECRET, recipients=recipients, **PLACE)
    with pytest.raises(ValueError, match="1,216"):
        seal(SECRET, recipients=[ALICE.public_key[:-1]], **PLACE)
    with pytest.raises(ValueError, match="16 bytes"):
        seal_context("a.example", "platform-a", bytes(15), bytes(32), b"")
