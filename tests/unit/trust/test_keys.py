"""Keys and their file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bus.errors import UsageError
from bus.tlog.ed25519 import verify
from bus.trust.keys import KeyRing, SealingKey, SigningKey, sealing_key_id, signing_key_id

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    """Another message, key or signature does not verify."""
    key, other = SigningKey(bytes(32)), SigningKey(bytes([1]) * 32)
    signature = key.sign(b"message")
    assert verify(key.public_key, b"message", signature)
    assert not verify(other.public_key, b"message", signature)
    assert not verify(key.public_key, b"massage", signature)
    for place in range(64):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not verify(key.public_key, b"message", bytes(changed))


def test_signatures_follow_rfc_8032() -> None:
    """The first test vector of RFC 8032 §7.1 comes out."""
    key = SigningKey.from_seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


def test_the_rule_is_the_strict_one() -> None:
    """S of the group's order or more, and public keys of low order, are refused though the equation holds."""
    key = SigningKey(bytes(32))
    signature = key.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert not verify(key.public_key, b"message", signature[:32] + scalar.to_bytes(32, "little"))
    identity = bytes([1]) + bytes(31)
    assert not verify(identity, b"message", identity + bytes(32))


def test_lengths_are_checked_before_libsodium_reads() -> None:
    """A key or signature of another length is simply not valid."""
    key = SigningKey(bytes(32))
    signature = key.sign(b"")
    assert not verify(key.public_key[:31], b"", signature)
    assert not verify(key.public_key + b"\x00", b"", signature)
    assert not verify(key.public_key, b"", signature[:63])
    assert not verify(key.public_key, b"", signature + b"\x00")
    assert not verify(b"", b"", b"")


def test_ids_of_the_two_kinds_of_keys_never_meet() -> None:
    """The same bytes have one id as a signing key and another as a sealing key."""
    assert signing_key_id(bytes(32)) != sealing_key_id(bytes(32))


def test_a_sealing_key_survives_its_private_bytes() -> None:
    """96 private bytes give back the 1,216 public ones, and no other number is a key."""
    key = SealingKey.generate()
    private = key.to_private()
    assert len(private) == 96
    assert len(key.public_key) == 1216
    assert SealingKey.from_private(private).key_id == key.key_id == sealing_key_id(key.public_key)
    with pytest.raises(UsageError):
        SealingKey.from_private(private[:-1])
    with pytest.raises(UsageError):
        SigningKey(bytes(31))


def test_a_key_ring_survives_its_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Saved and loaded, a ring has the same keys, newest sealing key first, in a file of mode 0600."""
    file = tmp_path / "keys.json"
    old = KeyRing.generate()
    old.save(file)
    ring = old.with_sealing(SealingKey.generate())
    ring.save(file)
    loaded = KeyRing.load(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert loaded.signing.key_id == old.signing.key_id
    assert [key.key_id for key in loaded.sealing] == [key.key_id for key in ring.sealing]
    assert loaded.sealing[1].key_id == old.sealing[0].key_id
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_the_key_that_opens_is_found_by_id() -> None:
    """A ring answers with its own key among the ids of an event's wraps, or with none."""
    ring = KeyRing.generate()
    own = ring.sealing[0]
    assert ring.sealing_key([bytes(32), own.key_id]) is own
    assert ring.sealing_key([bytes(32)]) is None


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A key file open to its group is not used, and the hint says how to close it."""
    file = tmp_path / "keys.json"
    KeyRing.generate().save(file)
    file.chmod(0o640)
    with pytest.raises(UsageError, match="read by others") as caught:
        KeyRing.load(file)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"signing": "00", "sealing": []}',
        '{"signing": 1, "sealing": []}',
        '{"signing": "zz", "sealing": []}',
    ],
)
def test_a_file_that_is_no_key_file_is_refused_without_being_quoted(tmp_path: Path, content: str) -> None:
    """Anything but a key file is a usage error that shows nothing of what it holds."""
    file = tmp_path / "keys.json"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(UsageError) as caught:
        KeyRing.load(file)
    assert caught.value.__cause__ is None


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(UsageError, match=r"none\.json"):
        KeyRing.load(tmp_path / "none.json")


def test_no_secret_shows_in_a_representation() -> None:
    """What a log or traceback shows of a key is the start of its public id."""
    ring = KeyRing.generate()
    shown = f"{ring!r} {ring.signing!r} {ring.sealing[0]!r}"
    assert ring.signing.key_id.hex()[:16] in shown
    assert ring.signing.seed.hex()[:12] not in shown
    assert ring.sealing[0].to_private().hex()[:12] not in shown
