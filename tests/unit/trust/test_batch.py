"""Batches: signing, and checking together, in part or alone."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bus.errors import Malformed
from bus.tlog.ed25519 import verify
from bus.tlog.tree import path_length
from bus.trust import batch as batch_module
from bus.trust.batch import NO_ROOT, BatchHeader, BatchVerifier, BusSignature, SignedBatch, sign_batch
from bus.trust.keys import SigningKey

KEY = SigningKey(bytes(32))
OTHER = SigningKey(bytes([1]) * 32)
KEYS = {KEY.key_id: KEY.public_key}
ORIGIN = "ledger.example.org/safeguard"
HEADER = BatchHeader(ORIGIN, "platform-a", KEY.key_id, bytes(16), 0, 1, 1, NO_ROOT)

Member = tuple[BusSignature, bytes]


def commitments(size: int) -> list[bytes]:
    """That many different commitments."""
    return [sha256(b"%d" % number).digest() for number in range(size)]


def signed(size: int, *, seq: int = 0, key: SigningKey = KEY) -> SignedBatch:
    """A batch of ``commitments(size)``."""
    return sign_batch(
        key,
        origin=ORIGIN,
        organisation="platform-a",
        stream=bytes(range(16)),
        seq=seq,
        prev_root=bytes([9]) * 32 if seq else NO_ROOT,
        signed_at_us=1_767_225_600_000_000,
        items=[(commitment, 250 + n, 90, bytes([n % 3]) * 32) for n, commitment in enumerate(commitments(size))],
    )


def members(size: int, *, seq: int = 0, key: SigningKey = KEY) -> list[Member]:
    """The same as a receiver has it."""
    batch = signed(size, seq=seq, key=key)
    return [(BusSignature.decode(data), c) for data, c in zip(batch.signatures, commitments(size), strict=True)]


names = st.from_regex(r"[a-z][a-z0-9-]{1,30}", fullmatch=True)
digests = st.binary(min_size=32, max_size=32)


@st.composite
def headers(draw: st.DrawFn) -> BatchHeader:
    """Any batch header."""
    seq = draw(st.integers(0, 2**64 - 1))
    return BatchHeader(
        origin=draw(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}(:[0-9]{1,5})?(/[A-Za-z0-9._~-]{1,20})?", fullmatch=True)),
        organisation=draw(names),
        key_id=draw(digests),
        stream=draw(st.binary(min_size=16, max_size=16)),
        seq=seq,
        size=draw(st.integers(1, 256)),
        signed_at_us=draw(st.integers(0, 2**63 - 1)),
        prev_root=draw(digests.filter(lambda root: root != NO_ROOT)) if seq else NO_ROOT,
    )


@st.composite
def signatures(draw: st.DrawFn) -> BusSignature:
    """Any bus signature, whether or not it holds."""
    header = draw(headers())
    position = draw(st.integers(0, header.size - 1))
    path = 32 * path_length(position, header.size)
    lengths = st.integers(0, 2**32 - 1)
    return BusSignature(
        header_len=draw(lengths),
        body_len=draw(lengths),
        fp=draw(digests),
        batch_bytes=header.encode(),
        batch=header,
        position=position,
        path=draw(st.binary(min_size=path, max_size=path)),
        signature=draw(st.binary(min_size=64, max_size=64)),
    )


@given(headers())
def test_a_batch_header_survives_its_bytes(header: BatchHeader) -> None:
    """Encoding and decoding give the same batch header, and a byte more or less gives none."""
    data = header.encode()
    assert BatchHeader.decode(data) == header
    for wrong in (data + b"\x00", data[:-1], data[1:], b"\x02" + data[1:]):
        with pytest.raises(Malformed):
            BatchHeader.decode(wrong)


@given(signatures())
def test_a_bus_signature_survives_its_bytes(signature: BusSignature) -> None:
    """Encoding and decoding give the same signature, and a byte more or less gives none."""
    data = signature.encode()
    assert BusSignature.decode(data) == signature
    for wrong in (data + b"\x00", data[:-1], data[1:]):
        with pytest.raises(Malformed):
            BusSignature.decode(wrong)


@given(st.binary(max_size=500))
def test_noise_is_malformed_and_nothing_else(noise: bytes) -> None:
    """Whatever bytes come, the parsers answer with one opaque refusal, or with what re-encodes to them."""
    for wrong in (noise, b"\x01\x01" + noise, signed(2).signatures[1][:60] + noise):
        with pytest.raises(Malformed, match="signature-malformed"):
            BusSignature.decode(wrong)
        with pytest.raises(Malformed, match="signature-malformed"):
            BatchHeader.decode(wrong)


@given(st.sampled_from([1, 2, 3, 5, 8, 200, 256]), st.data())
def test_one_byte_changed_anywhere_is_caught(size: int, data: st.DataObject) -> None:
    """Any change in a bus signature makes it malformed, changes a stated length or fingerprint, or fails to verify."""
    position = data.draw(st.integers(0, size - 1))
    raw = bytearray(signed(size).signatures[position])
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        signature = BusSignature.decode(bytes(raw))
    except Malformed:
        return
    reason = BatchVerifier().verify(signature, commitments(size)[position], lambda _: KEY.public_key)
    # Lengths and fingerprint are not signed here: what they cut and name is, by the commitment.
    assert reason is not None or 2 <= place < 42


@given(st.sampled_from([1, 2, 3, 7, 256]), st.data())
def test_another_commitment_is_caught(size: int, data: st.DataObject) -> None:
    """A record whose commitment differs by one bit does not stand under the signature, alone or among all."""
    position, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 255))
    group = members(size)
    signature, commitment = group[position]
    group[position] = (signature, (int.from_bytes(commitment) ^ 1 << bit).to_bytes(32))
    reasons = BatchVerifier().verify_many(group, KEYS.get)
    assert [n for n, reason in enumerate(reasons) if reason] == [position]
    assert BatchVerifier().verify(*group[position], KEYS.get) == "signature-invalid"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 9, 100, 129, 255, 256])
def test_records_verify_together_alone_and_in_any_part(size: int) -> None:
    """All members, each alone, each half, and every third in reverse order are accepted."""
    group = members(size)
    for part in (group, group[: size // 2], group[size // 2 :], group[::-3], group[-1:]):
        assert BatchVerifier().verify_many(part, KEYS.get) == [None] * len(part)
    verifier = BatchVerifier()
    assert [verifier.verify(*member, KEYS.get) for member in group[::-1]] == [None] * size


def test_a_batch_costs_one_signature_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, in parts over several flushes, or sent again, a batch's signature is checked once."""
    checked: list[bytes] = []

    def counted(key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return verify(key, message, signature)

    monkeypatch.setattr(batch_module, "verify", counted)
    first, second = members(256), members(100, seq=1)
    verifier = BatchVerifier()
    for part in (first[:100], first[100:], first, second + first):
        assert not any(verifier.verify_many(part, KEYS.get))
    assert len(checked) == 2


def test_a_forged_path_is_caught_although_the_batch_is_whole() -> None:
    """With all members at hand the tree is rebuilt, and yet a record with a wrong path of its own is refused."""
    group = members(256)
    signature, commitment = group[77]
    for place in (0, 31, 100, 255):
        path = bytearray(signature.path)
        path[place] ^= 1
        forged = [*group[:77], (replace(signature, path=bytes(path)), commitment), *group[78:]]
        reasons = BatchVerifier().verify_many(forged, KEYS.get)
        assert {n: reason for n, reason in enumerate(reasons) if reason} == {77: "path-invalid"}


def test_a_forged_path_is_caught_where_others_have_proven_its_nodes() -> None:
    """A wrong path is refused at whatever known node it meets, and leaves nothing known behind."""
    group = members(200)
    for seen in (range(10, 20), range(100), [150], [199]):
        verifier = BatchVerifier()
        assert not any(verifier.verify_many([group[n] for n in seen], KEYS.get))
        for position in (9, 15, 99, 151, 198, 199):
            signature, commitment = group[position]
            for place in range(0, len(signature.path), 32):
                path = bytearray(signature.path)
                path[place] ^= 1
                forged = replace(signature, path=bytes(path))
                assert verifier.verify(forged, commitment, KEYS.get) == "path-invalid"
            assert verifier.verify(signature, commitment, KEYS.get) is None


def test_members_that_swap_places_are_refused() -> None:
    """Each record stands at its own position only."""
    group = members(4)
    swapped = [(group[1][0], group[0][1]), (group[0][0], group[1][1]), group[2], group[3]]
    reasons = BatchVerifier().verify_many(swapped, KEYS.get)
    assert reasons == ["path-invalid", "path-invalid", None, None]


def test_a_member_sent_twice_is_fine_and_a_false_twin_is_not() -> None:
    """The same record twice in one flush verifies twice; another one claiming its place is refused."""
    group = members(3)
    twin = (group[1][0], bytes(32))
    assert BatchVerifier().verify_many([*group, group[1]], KEYS.get) == [None] * 4
    for order in ([*group, twin], [twin, *group]):
        reasons = BatchVerifier().verify_many(order, KEYS.get)
        assert {reason for (_, c), reason in zip(order, reasons, strict=True) if c == bytes(32)} == {"path-invalid"}
        assert [r for (_, c), r in zip(order, reasons, strict=True) if c != bytes(32)] == [None] * 3


def test_a_signature_by_another_key_is_invalid() -> None:
    """A batch that names one key and is signed by another is refused, whole or in part."""
    lying = {OTHER.key_id: KEY.public_key}
    group = members(5, key=OTHER)
    for part in (group, group[:2]):
        assert set(BatchVerifier().verify_many(part, lying.get)) == {"signature-invalid"}


def test_an_unknown_key_is_named_as_such_each_time() -> None:
    """Keys are looked up at every call: what was proven before helps nobody whose key is no longer given."""
    verifier = BatchVerifier()
    group = members(2)
    assert verifier.verify_many(group, KEYS.get) == [None, None]
    assert verifier.verify_many(group, lambda _: None) == ["key-unknown"] * 2
    assert verifier.verify_many(group, lambda _: OTHER.public_key) == ["signature-invalid"] * 2


def test_batches_in_one_flush_do_not_disturb_each_other() -> None:
    """Interleaved records of several batches, one of them forged, get their own answers in order."""
    good, bad = members(3), members(3, seq=1)
    flush = [
        member
        for ours, theirs in zip(good, bad, strict=True)
        for member in (ours, (replace(theirs[0], signature=bytes(64)), theirs[1]))
    ]
    assert BatchVerifier().verify_many(flush, KEYS.get) == [None, "signature-invalid"] * 3
    assert BatchVerifier().verify_many([], KEYS.get) == []


def test_memory_of_proven_batches_is_bounded() -> None:
    """Only so many batches are remembered, and a forgotten one still verifies."""
    verifier = BatchVerifier(remembered=2)
    groups = [members(2, seq=seq) for seq in range(5)]
    for group in [*groups, groups[0]]:
        assert not any(verifier.verify_many(group, KEYS.get))
    assert len(verifier._proven) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://ledger.example.org"},
        {"origin": "Ledger.example.org"},
        {"origin": "a" * 65},
        {"origin": ""},
        {"origin": "ledger.example.org/safeguard\n"},
        {"organisation": "p"},
        {"organisation": "Platform"},
        {"organisation": "p" * 32},
        {"organisation": "plattfórm"},
        {"organisation": "@circle"},
        {"key_id": bytes(31)},
        {"stream": bytes(15)},
        {"size": 0},
        {"size": 257},
        {"signed_at_us": -1},
        {"seq": 1},
        {"seq": -1, "prev_root": bytes([1]) * 32},
        {"seq": 2**64, "prev_root": bytes([1]) * 32},
        {"prev_root": bytes([1]) * 32},
    ],
)
def test_a_batch_header_that_breaks_a_rule_is_neither_made_nor_read(change: dict[str, Any]) -> None:
    """Names follow their patterns, a batch has 1 to 256 members, and only the first has no predecessor."""
    with pytest.raises(ValueError, match="batch header"):
        replace(HEADER, **change).encode()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (-42, bytes([0, 0])),  # size 0
        (-42, bytes([1, 1])),  # size 257
        (-40, bytes([128])),  # signed before 1970
        (-50, bytes([0, 0, 0, 0, 0, 0, 0, 1])),  # a second batch without predecessor
        (-32, bytes([1])),  # a first batch with one
        (3, b"L"),  # no origin
        (1, b"\xff\xff"),  # longer than there are bytes
    ],
)
def test_bytes_that_break_a_rule_are_malformed(place: int, value: bytes) -> None:
    """What may not be written may not be read either."""
    data = bytearray(HEADER.encode())
    at = place % len(data)
    data[at : at + len(value)] = value
    with pytest.raises(Malformed):
        BatchHeader.decode(bytes(data))


def test_a_path_of_another_length_is_malformed() -> None:
    """The number of hashes is the one that position and size have, and the position is below the size."""
    raw = signed(5).signatures[4]
    at = len(raw) - 64 - 32 - 2
    assert raw[at : at + 2] == bytes([4, 1])
    for wrong in (
        raw[:at] + bytes([4, 0]) + raw[-64:],
        raw[:at] + bytes([4, 2]) + raw[at + 2 : at + 34] * 2 + raw[-64:],
        raw[:at] + bytes([5, 1]) + raw[at + 2 :],
        raw[:at] + bytes([3, 1]) + raw[at + 2 :],
        raw[:1] + b"\x02" + raw[2:],
        b"\x02" + raw[1:],
    ):
        with pytest.raises(Malformed):
            BusSignature.decode(wrong)
    assert BusSignature.decode(raw).position == 4


def test_a_signature_that_contradicts_itself_is_not_encoded() -> None:
    """Fields that do not belong together are a mistake of the caller."""
    sound = members(5)[4][0]
    for change in (
        {"fp": bytes(31)},
        {"signature": bytes(63)},
        {"batch_bytes": HEADER.encode()},
        {"position": 5},
        {"path": bytes(64)},
        {"header_len": 2**32},
    ):
        with pytest.raises(ValueError, match=r"bus signature|path|length"):
            replace(sound, **change).encode()


def test_a_batch_has_one_to_256_items() -> None:
    """Nothing, or more than 256, cannot be signed at once."""
    for size in (0, 257):
        with pytest.raises(ValueError, match="batch header"):
            signed(size)


def test_hand_made_signatures_cannot_hang_the_verifier() -> None:
    """A signature that was never parsed, with a place outside its batch, is refused like any other."""
    group = members(5)
    verifier = BatchVerifier()
    assert not any(verifier.verify_many(group[:1], KEYS.get))
    odd = replace(group[4][0], position=9)
    assert verifier.verify(odd, group[4][1], KEYS.get) == "path-invalid"
    assert BatchVerifier().verify(odd, group[4][1], KEYS.get) == "signature-invalid"
