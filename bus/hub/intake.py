"""The first half of the notary's work, which needs no database: size, slice, verify, decode.

A record that fails here becomes a refusal with its reason; whatever a parser raises is a refusal too, never a
crash. Nothing is parsed before its size is known, and nothing is decoded before its signature has been checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from msgspec import Struct

from bus.errors import Malformed
from bus.events import registry
from bus.events.codec import Decoded, decode, decode_header
from bus.events.names import ce_headers
from bus.events.registry import SchemaInfo
from bus.events.types import Header
from bus.kafka.records import Record
from bus.tlog.leaf import ZERO32
from bus.trust.batch import BatchVerifier
from bus.trust.bus_signature import BusSignature
from bus.trust.commitment import commitment_of_digests

MAX_VALUE = 64 * 1024
MAX_HEADER = 2 * 1024
MAX_BODY = 8 * 1024
MAX_SEALED = 48 * 1024
MAX_HEADERS = 32
FRAMING = 5

SIGNATURE = "bus-signature"


class Candidate(Struct, gc=False):
    """A record on its way into the ledger; ``reason`` is why it will be refused, if it will.

    ``unknown_key`` marks a signature whose key was not known when it was looked at: the key may stand in the
    flush before, so the sequencer asks again.
    """

    record: Record
    owner: str
    lane: str
    value_d: bytes = ZERO32
    raw_signature: bytes = b""
    signature_d: bytes = ZERO32
    reason: str | None = None
    unknown_key: bool = False
    signature: BusSignature | None = None
    info: SchemaInfo | None = None
    header_d: bytes = ZERO32
    body_d: bytes = ZERO32
    sealed_d: bytes = ZERO32
    commitment: bytes = ZERO32
    decoded: Decoded | None = None


def inspect(
    records: Sequence[Record],
    owner: str,
    lane: str,
    verifier: BatchVerifier,
    key_of: Callable[[bytes], bytes | None],
) -> list[Candidate]:
    """Look at records of one outbox, in order.

    Args:
        records: as read from ``out.<owner>`` or its urgent twin.
        owner: whose outbox it is.
        lane: bulk or urgent.
        verifier: remembers batches that it has checked.
        key_of: from a key id to the public key, as far as it is known now.

    Returns:
        One candidate a record, in order.
    """
    candidates, signed = sliced(records, owner, lane)
    check(signed, verifier, key_of)
    parse_all(signed)
    return candidates


def sliced(records: Sequence[Record], owner: str, lane: str) -> tuple[list[Candidate], list[Candidate]]:
    """One candidate a record, and those of them that have a signature to check."""
    candidates = [Candidate(record, owner, lane) for record in records]
    return candidates, [candidate for candidate in candidates if _sliced(candidate)]


def check(candidates: Sequence[Candidate], verifier: BatchVerifier, key_of: Callable[[bytes], bytes | None]) -> None:
    """Check signatures, a batch at a time, and set ``reason`` where one fails."""
    items = [(c.signature, c.commitment) for c in candidates if c.signature is not None]
    for candidate, reason in zip(candidates, verifier.verify_many(items, key_of), strict=True):
        candidate.reason = reason
        candidate.unknown_key = reason == "key-unknown"


def parse_all(candidates: Sequence[Candidate]) -> None:
    """Decode those whose signature holds."""
    for candidate in candidates:
        if candidate.reason is None:
            parse(candidate)


def parse(candidate: Candidate) -> None:
    """Decode a candidate whose signature holds, and compare what stands in two places."""
    value, signature = candidate.record.value, candidate.signature
    assert value is not None
    assert signature is not None
    try:
        decoded = decode(value)
        if (
            decoded.header_end - FRAMING != signature.header_len
            or decoded.body_end - decoded.header_end != signature.body_len
        ):
            candidate.reason = "non-canonical"
        else:
            candidate.reason = _headers_agree(candidate.record, decoded, candidate.raw_signature)
            candidate.decoded = decoded
    except Malformed as error:
        candidate.reason = error.reason


def claimed_header(candidate: Candidate) -> Header | None:
    """What a record says of itself, for looking up what it names; None if it cannot be read.

    Also of one whose key is not known yet: should the key be registered earlier in the same flush, the record is
    decided then, and what it names must have been looked up.
    """
    if candidate.decoded is not None:
        return candidate.decoded.header
    value, signature = candidate.record.value, candidate.signature
    if not candidate.unknown_key or candidate.info is None or value is None or signature is None:
        return None
    try:
        return decode_header(candidate.info, value[FRAMING : FRAMING + signature.header_len])
    except Malformed:
        return None


def _sliced(candidate: Candidate) -> bool:
    """Cut the value where the signature header says; False if it is refused already."""
    record = candidate.record
    value = record.value
    raw = _only_signature(candidate)
    if value is None:
        candidate.reason = "null-value"
        return False
    candidate.value_d = sha256(value).digest()
    if len(value) > MAX_VALUE:
        candidate.reason = "value-too-large"
        return False
    if raw is None:
        return False
    try:
        signature = BusSignature.decode(raw)
    except Malformed:
        candidate.reason = "signature-malformed"
        return False
    candidate.signature = signature
    return _framed(candidate, value, signature) and _commit(candidate, value, signature)


def _only_signature(candidate: Candidate) -> bytes | None:
    """The one ``bus-signature`` header; none or several is a refusal."""
    found = [value for name, value in candidate.record.headers if name == SIGNATURE]
    if len(found) == 1 and found[0] is not None:  # pyright: ignore[reportUnnecessaryComparison]
        candidate.raw_signature = found[0]
        candidate.signature_d = sha256(found[0]).digest()
        return found[0]
    candidate.reason = "signature-duplicate" if len(found) > 1 else "signature-missing"
    return None


def _framed(candidate: Candidate, value: bytes, signature: BusSignature) -> bool:
    if len(value) < FRAMING or value[0] != 0:
        candidate.reason = "framing"
        return False
    info = registry.by_id(int.from_bytes(value[1:5], "big"))
    if info is None or info.kind != "event" or info.fingerprint != signature.fp:
        candidate.reason = "unknown-schema"
        return False
    candidate.info = info
    return True


def _commit(candidate: Candidate, value: bytes, signature: BusSignature) -> bool:
    header_end = FRAMING + signature.header_len
    body_end = header_end + signature.body_len
    if body_end >= len(value):
        candidate.reason = "non-canonical"
        return False
    if signature.header_len > MAX_HEADER or signature.body_len > MAX_BODY or len(value) - body_end > MAX_SEALED:
        candidate.reason = "section-too-large"
        return False
    candidate.header_d = sha256(value[FRAMING:header_end]).digest()
    candidate.body_d = sha256(value[header_end:body_end]).digest()
    candidate.sealed_d = sha256(value[body_end:]).digest()
    candidate.commitment = commitment_of_digests(signature.fp, candidate.header_d, candidate.body_d, candidate.sealed_d)
    return True


def _headers_agree(record: Record, decoded: Decoded, signature: bytes) -> str | None:
    """CloudEvents headers are derived from the signed header, each exactly once."""
    if [*ce_headers(decoded.info, decoded.header), (SIGNATURE, signature)] == [*record.headers]:
        return None  # as our own SDK writes them
    names = [name for name, _ in record.headers]
    given = dict(record.headers)
    if len(names) > MAX_HEADERS or len(given) != len(names):
        return "header-duplicate"
    for name, value in ce_headers(decoded.info, decoded.header):
        if name not in given:
            return "header-missing"
        if given[name] != value:
            return "ce-mismatch"
    return None
