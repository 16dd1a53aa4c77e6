"""Hostile bytes, each refused with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bus.errors import Malformed
from bus.events import codec, registry
from bus.events.types import Header, Sealed, Wrap
from tests.unit.events.test_codec import NOW_US, sample

HASH_HIT = registry.by_name("HashHit")
ACKNOWLEDGEMENT = registry.by_name("Acknowledgement")
HUB = 5 + 32
"""Where the length of the header's `hub` stands."""


def value() -> bytes:
    """An acknowledgement as it should be."""
    return sample(ACKNOWLEDGEMENT)


def swap(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace what stands there exactly once."""
    assert data.count(old) == 1
    return data.replace(old, new)


def header_with(**changes: object) -> bytes:
    """An acknowledgement whose header was changed after it was checked."""
    import msgspec

    found = codec.decode(value())
    header: Header = msgspec.structs.replace(found.header, **changes)
    body = codec.encode_body(found.info, found.body)
    return codec.assemble(found.info, codec.encode_header(found.info, header), body, b"\x00")


def reason(data: bytes) -> str:
    """Why these bytes are refused."""
    with pytest.raises(Malformed) as caught:
        codec.decode(data)
    return caught.value.reason


AUDIENCE = b"\x02\x18lantern-line\x00"
"""One member in the audience."""

CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "framing"),
    "four bytes": (lambda: b"\x00\x00\x00\x00", "framing"),
    "another magic byte": (lambda: b"\x01" + value()[1:], "framing"),
    "a schema of the future": (lambda: b"\x00\x00\x01\x00\x00" + value()[5:], "unknown-schema"),
    "a receipt's schema": (lambda: b"\x00\x00\x00\x00\x01" + value()[5:], "unknown-schema"),
    "a value above 64 KiB": (lambda: value() + bytes(64 * 1024), "value-too-large"),
    "a length with a byte too many": (
        lambda: value()[:HUB] + bytes([value()[HUB] | 128, 0]) + value()[HUB + 1 :],
        "non-canonical",
    ),
    "a negative length": (lambda: value()[:HUB] + b"\x37" + value()[HUB + 1 :], "non-canonical"),
    "a length of 2^40": (lambda: value()[:HUB] + b"\x80\x80\x80\x80\x80\x40" + value()[HUB + 1 :], "field-bounds"),
    "a varint that never ends": (lambda: value()[:HUB] + b"\xff" * 20 + value()[HUB + 1 :], "non-canonical"),
    "a varint above 64 bits": (lambda: value()[:HUB] + b"\x80" * 9 + b"\x7e" + value()[HUB + 1 :], "non-canonical"),
    "an empty origin": (lambda: value()[:HUB] + b"\x00" + value()[HUB + 1 :], "field-bounds"),
    "text that is not UTF-8": (lambda: swap(value(), b"north-harbour", b"north-\xff\xfe\xfdbour"), "non-canonical"),
    "an overlong UTF-8 slash": (lambda: swap(value(), b"north-harbour", b"north-\xc0\xafrbour"), "non-canonical"),
    "letters that only look like ASCII": (lambda: header_with(issuer="n\u043erth"), "field-pattern"),
    "digits that only look like ASCII": (lambda: header_with(issuer="north\u0663"), "field-pattern"),
    "a line break at the end of a name": (lambda: header_with(issuer="north\n"), "field-pattern"),
    "an upper-case organisation": (lambda: header_with(issuer="North"), "field-pattern"),
    "an organisation of one letter": (lambda: header_with(issuer="n"), "field-bounds"),
    "an organisation of 32 letters": (lambda: header_with(issuer="n" * 32), "field-bounds"),
    "a lane of one's own": (lambda: header_with(lane="slow"), "field-pattern"),
    "a step of one's own": (lambda: header_with(step="invented"), "step-unknown"),
    "a step of another type": (lambda: header_with(step="detected"), "step-unknown"),
    "no subject where one is called for": (lambda: header_with(about=None), "field-missing"),
    "an empty audience": (lambda: swap(value(), AUDIENCE, b"\x00"), "field-bounds"),
    "an audience counted with its bytes": (
        lambda: swap(value(), AUDIENCE, b"\x01\x1a\x18lantern-line\x00"),
        "non-canonical",
    ),
    "an audience in two blocks": (
        lambda: swap(value(), AUDIENCE, b"\x02\x18lantern-line\x02\x0aorg-z\x00"),
        "non-canonical",
    ),
    "an audience of 2^34": (
        lambda: swap(value(), AUDIENCE, b"\x80\x80\x80\x80\x80\x01" + AUDIENCE[1:]),
        "field-bounds",
    ),
    "an audience of 25": (lambda: header_with(audience=tuple(f"org-{i:02}" for i in range(25))), "field-bounds"),
    "an audience out of order": (lambda: header_with(audience=("org-b", "org-a")), "non-canonical"),
    "somebody twice in the audience": (lambda: header_with(audience=("org-a", "org-a")), "non-canonical"),
    "nine causes": (lambda: header_with(causes=tuple(bytes([i] * 16) for i in range(9))), "field-bounds"),
    "a nation in three letters": (lambda: header_with(audit_nations=("USA",)), "field-bounds"),
    "a nation in small letters": (lambda: header_with(audit_nations=("us",)), "field-pattern"),
    "no audit nation": (lambda: header_with(audit_nations=()), "field-bounds"),
    "a law without version": (lambda: header_with(legal_basis="us-2258a"), "field-pattern"),
    "a time before 1970": (lambda: header_with(issued_at=-1), "field-bounds"),
    "a time after the year 9999": (lambda: header_with(issued_at=253402300800000000), "field-bounds"),
    "a date after the year 9999": (lambda: header_with(retain_until=2932897), "field-bounds"),
    "a date before 1970": (lambda: header_with(retain_until=-1), "field-bounds"),
    "a URL for a code": (lambda: header_with(purpose="https://example.invalid"), "field-pattern"),
    "a code of 33 letters": (lambda: header_with(purpose="p" * 33), "field-bounds"),
    "sealed where nothing may be": (
        lambda: value()[:-1] + b"\x02" + codec.encode_sealed(_sealed())[1:],
        "sealed-unexpected",
    ),
    "a union index of 4": (lambda: value()[:-1] + b"\x04", "non-canonical"),
    "a union index of -1": (lambda: value()[:-1] + b"\x01", "non-canonical"),
    "no sealed part at all": (lambda: value()[:-1], "non-canonical"),
    "a reason left out": (lambda: header_with(step="rejected"), "field-missing"),
}


def _sealed() -> Sealed:
    return Sealed(1, None, (Wrap(bytes(32), bytes(1168)),), bytes(272))


@pytest.mark.parametrize("case", CASES)
def test_hostile_bytes_are_refused_with_their_reason(case: str) -> None:
    """Each has its own code, which the receipt will name."""
    make, expected = CASES[case]
    assert reason(make()) == expected


def test_a_boolean_is_0_or_1() -> None:
    """A tri-state of 7, which fastavro takes for true, is refused."""
    data = sample(HASH_HIT)
    tri_state = b"\x02\x00\x02\x00\x02\x00" + b"\x1anorth-harbour"
    assert reason(swap(data, tri_state, b"\x02\x07" + tri_state[2:])) == "non-canonical"
    decision = codec.encode_decision(
        codec.Decision(bytes(16), (codec.Recipient("org-a", True, "audience", "bulk", 1),))
    )
    with pytest.raises(Malformed, match="non-canonical"):
        codec.decode_decision(swap(decision, b"org-a\x01", b"org-a\x07"))


@pytest.mark.parametrize(
    ("sealed", "expected"),
    [
        (Sealed(0, None, (), bytes(272)), "field-bounds"),
        (Sealed(3, None, (), bytes(272)), "field-bounds"),
        (Sealed(1, None, (Wrap(bytes(32), bytes(1167)),), bytes(272)), "field-bounds"),
        (Sealed(1, None, (Wrap(bytes(32), bytes(1169)),), bytes(272)), "field-bounds"),
        (Sealed(1, None, (Wrap(b"b" * 32, bytes(1168)), Wrap(b"a" * 32, bytes(1168))), bytes(272)), "non-canonical"),
        (Sealed(1, None, tuple(Wrap(bytes([i] * 32), bytes(1168)) for i in range(25)), bytes(272)), "field-bounds"),
        (Sealed(1, None, (), bytes(271)), "field-bounds"),
        (Sealed(1, None, (), bytes(48 * 1024)), "section-too-large"),
    ],
    ids=[
        "suite 0", "suite 3", "a short wrap", "a long wrap", "wraps out of order", "25 wraps", "too short to be padded",
        "a sealed part above its cap",
    ],
)  # fmt: skip
def test_sealed_parts_keep_their_bounds(sealed: Sealed, expected: str) -> None:
    """What cannot be sealed content of ours is refused before anyone tries to open it."""
    data = sample(HASH_HIT)
    end = codec.decode(data).body_end
    assert reason(data[:end] + codec.encode_sealed(sealed)) == expected


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [("MD5", 15), ("MD5", 17), ("SHA1", 16), ("SHA256", 31), ("PDQ", 33), ("PDNA", 143), ("VIDENTIFIER", 32)],
)
def test_a_fingerprint_has_its_algorithms_length(algorithm: str, size: int) -> None:
    """A cut fingerprint, or a large one inline, never reaches a matcher."""
    from bus.events.types import Hash, HashHitSealed

    plaintext = HashHitSealed((Hash(algorithm, bytes(size), None, None, None),), None, None, None)
    with pytest.raises(Malformed, match="field-bounds"):
        codec.decode_plaintext(HASH_HIT, codec.encode_plaintext(HASH_HIT, plaintext))


def test_a_fingerprint_is_inline_or_with_its_custodian() -> None:
    """Neither both nor none."""
    from bus.events.types import CustodianRef, Hash, HashHitSealed

    ref = CustodianRef("lantern-line", "store 1")
    for value_, custodian in ((None, None), (bytes(16), ref)):
        plaintext = HashHitSealed((Hash("MD5", value_, custodian, None, None),), None, None, None)
        with pytest.raises(Malformed, match="field-missing"):
            codec.decode_plaintext(HASH_HIT, codec.encode_plaintext(HASH_HIT, plaintext))


def test_a_picture_fits_nowhere() -> None:
    """A JPEG put where prose or a fingerprint belongs is refused, in the sealed part too."""
    from bus.events.types import AssessmentSealed, Hash, HashListingSealed

    jpeg = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043") * 20
    listing = registry.by_name("HashListing")
    sealed = HashListingSealed((Hash("NETCLEAN", jpeg, None, None, None),), None)
    with pytest.raises(Malformed, match="field-bounds"):
        codec.decode_plaintext(listing, codec.encode_plaintext(listing, sealed))
    assessment = registry.by_name("Assessment")
    note = codec.encode_plaintext(assessment, AssessmentSealed(None, None, None, "x" * len(jpeg)))
    with pytest.raises(Malformed, match="non-canonical"):
        codec.decode_plaintext(assessment, note.replace(b"x" * len(jpeg), jpeg))


def test_control_characters_are_no_prose() -> None:
    """A zero byte, which Postgres cannot hold, is refused; tabs and line breaks are not."""
    admitted = registry.by_name("OrganisationAdmitted")
    data = sample(admitted)
    assert reason(swap(data, b"Lantern Line", b"Lantern\x00Line")) == "field-pattern"
    assert codec.decode(swap(data, b"Lantern Line", b"Lantern\tLine")).body.name == "Lantern\tLine"


def test_sections_keep_their_caps() -> None:
    """A body of more than 8 KiB is refused though the value is small enough."""
    import msgspec

    from bus.events.types import Classification, Tool

    listing = registry.by_name("HashListing")
    found = codec.decode(sample(listing))
    tool = Tool("t" * 63, "v" * 32, 1000, 1000)
    rating = Classification("s" * 32, "v" * 32, "GB", "c" * 32, "r" * 63, NOW_US, True, 1000, tool)
    flags = tuple(sorted(f"{'f' * 30}{i:02}" for i in range(16)))
    body = msgspec.structs.replace(found.body, classifications=(rating,) * 8, flags=flags)
    raw = codec.encode_body(listing, body)
    assert len(raw) < codec.MAX_BODY  # the schema's own bounds keep every body below the cap
    header = codec.encode_header(listing, found.header)
    assert codec.decode(codec.assemble(listing, header, raw, b"\x00")).body == body


def test_a_small_hostile_record_costs_little() -> None:
    """The largest counts and lengths that 64 KiB can claim are refused without work in proportion."""
    start = time.process_time()
    claim = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
    base = value()
    for place in range(5, len(base)):
        with pytest.raises(Malformed):
            codec.decode(base[:place] + claim + base[place + 1 :])
    assert time.process_time() - start < 5


def test_refusals_never_hold_content() -> None:
    """The message names a reason and a field, and nothing of the bytes."""
    with pytest.raises(Malformed) as caught:
        codec.decode(header_with(purpose="SECRET-MARKER"))
    assert "SECRET" not in str(caught.value)
    assert caught.value.detail == "header.purpose"


def test_a_string_once_seen_is_still_checked_where_another_is_called_for() -> None:
    """What is remembered for one pattern does not pass for another."""
    assert codec.decode(header_with(purpose="north_harbour")).header.purpose == "north_harbour"
    assert reason(header_with(issuer="north_harbour")) == "field-pattern"


def test_memories_are_bounded() -> None:
    """A sender of ever new codes does not fill the hub's memory."""
    from bus.events import decoders

    data = header_with(purpose="p-000000")
    for i in range(decoders._MAX_CACHED + 50):
        codec.decode(data.replace(b"p-000000", b"p-%06d" % i))
    seen = [d for name, d in vars(decoders).items() if name.startswith("_SEEN_")]
    assert max(map(len, seen)) <= decoders._MAX_CACHED
