"""What the hub puts into an inbox, and the checks that need no trust in it.

::

    value           as its sender signed it; null if it is withheld or erased
    bus-signature   as sent
    bus-index       ASCII decimal: its place in the ledger
    bus-entry       the leaf, 374 bytes
    bus-seq         ASCII decimal, gapless per recipient and lane; not in hub.directory
    bus-withheld    why the value is null
    ce_…            regenerated from the signed header

The value must be what the leaf commits to and what its issuer's registered key signed, whoever delivered it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256

from msgspec import Struct

from bus.errors import Malformed
from bus.events import registry
from bus.events.codec import Decoded, decode
from bus.events.names import HUB, LANES, ce_headers, out_topic
from bus.kafka.records import Record
from bus.tlog.leaf import Leaf, Outcome
from bus.trust.batch import BatchVerifier, BusSignature, KeyLookup
from bus.trust.commitment import commitment_of_digests
from bus.trust.directory import Directory
from bus.trust.keys import signing_key_id

FRAMING = 5
UNREADABLE = "inbox-malformed"
MISMATCH = "leaf-mismatch"
UNKNOWN_KEY = "key-unknown"
UNKNOWN_SCHEMA = "unknown-schema"

_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")


class Arrival(Struct, frozen=True, gc=False):
    """An inbox record taken apart. ``value`` is None exactly if ``withheld`` says why."""

    record: Record
    index: int
    seq: int | None
    leaf: Leaf
    value: bytes | None
    withheld: str | None
    signature: bytes | None


class Checked(Struct, gc=False):
    """An inbox record and what the checks said; ``problem`` is a code, None where all is well."""

    record: Record
    arrival: Arrival | None = None
    signature: BusSignature | None = None
    commitment: bytes = b""
    decoded: Decoded | None = None
    problem: str | None = None


def parse(record: Record) -> Arrival:
    """Take the hub's headers off a record.

    Raises:
        Malformed: one is missing, doubled or not in its one form.
    """
    headers = dict(record.headers)
    if len(headers) != len(record.headers):
        raise Malformed(UNREADABLE, "a header is doubled")
    index, withheld = _number(headers.get("bus-index")), headers.get("bus-withheld")
    if index is None or (record.value is None) != (withheld is not None):
        raise Malformed(UNREADABLE, "bus-index or bus-withheld")
    seq = headers.get("bus-seq")
    return Arrival(
        record=record,
        index=index,
        seq=None if seq is None else _number(seq),
        leaf=_leaf(headers.get("bus-entry")),
        value=record.value,
        withheld=None if withheld is None else withheld.decode("ascii", "replace"),
        signature=headers.get("bus-signature"),
    )


def _leaf(found: bytes | None) -> Leaf:
    try:
        return Leaf.decode(found or b"")
    except Malformed:
        raise Malformed(UNREADABLE, "bus-entry") from None


def _number(found: bytes | None) -> int | None:
    return int(found) if found is not None and _DECIMAL.fullmatch(found) else None


class Checker:
    """Checks inbox records against the directory. Remembers batches it has verified; for one thread."""

    def __init__(self, origin: str, hub_key: bytes) -> None:
        self._origin = origin
        self._hub_key = hub_key
        self._hub_key_id = signing_key_id(hub_key)
        self._verifier = BatchVerifier()

    def check(self, records: Sequence[Record], directory: Directory) -> list[Checked]:
        """Check records, in order. Never raises: whatever does not fit is a problem of that record."""
        found = [Checked(record) for record in records]
        for one in found:
            _attempt(one, _bind)
        signed = [one for one in found if one.problem is None and one.signature is not None]
        items = [(one.signature, one.commitment) for one in signed if one.signature is not None]
        lookup = self._lookup(directory)
        for one, problem in zip(signed, self._verifier.verify_many(items, lookup), strict=True):
            one.problem = problem or self._sender_problem(one, directory)
            if one.problem is None:
                _attempt(one, self._decode)
        return found

    def _lookup(self, directory: Directory) -> KeyLookup:
        def public_key(key_id: bytes) -> bytes | None:
            return self._hub_key if key_id == self._hub_key_id else directory.public_key(key_id)

        return public_key

    def _sender_problem(self, one: Checked, directory: Directory) -> str | None:
        """The key is the batch organisation's own, known before this entry, and the outbox was its own too."""
        assert one.signature is not None
        assert one.arrival is not None
        batch = one.signature.batch
        if batch.origin != self._origin:
            return "wrong-hub"
        if batch.key_id == self._hub_key_id:
            owned = batch.organisation == HUB
        else:
            key = directory.signing_key(batch.key_id)
            owned = key is not None and key.org == batch.organisation and key.registered_index < one.arrival.index
        if not owned:
            return "key-foreign"
        topics = [sha256(out_topic(batch.organisation, lane).encode()).digest() for lane in LANES]
        return None if one.arrival.leaf.topic_d in topics else MISMATCH

    def _decode(self, one: Checked) -> None:
        """Decode what is known to be its issuer's."""
        arrival, signature = one.arrival, one.signature
        assert arrival is not None
        assert arrival.value is not None
        assert signature is not None
        if registry.by_id(int.from_bytes(arrival.value[1:FRAMING], "big")) is None:
            raise Malformed(UNKNOWN_SCHEMA)
        decoded = decode(arrival.value)
        header = decoded.header
        if decoded.info.fingerprint != signature.fp or decoded.header_end != FRAMING + signature.header_len:
            raise Malformed(MISMATCH)
        if header.issuer != signature.batch.organisation or header.event_id != arrival.leaf.event_id:
            raise Malformed("issuer-mismatch")
        if header.hub != self._origin:
            raise Malformed("wrong-hub")
        given = dict(arrival.record.headers)
        if any(given.get(name) != value for name, value in ce_headers(decoded.info, header)):
            raise Malformed("ce-mismatch")
        one.decoded = decoded


def _attempt(one: Checked, step: Callable[[Checked], None]) -> None:
    try:
        step(one)
    except Malformed as error:
        one.problem = error.reason


def _bind(one: Checked) -> None:
    """Take a record apart and hold its bytes against the leaf."""
    arrival = one.arrival = parse(one.record)
    leaf, value = arrival.leaf, arrival.value
    if leaf.outcome != Outcome.ACCEPTED:
        raise Malformed(MISMATCH, "an entry that was not accepted")
    if value is None:
        return
    signature = one.signature = BusSignature.decode(arrival.signature or b"")
    header_end = FRAMING + signature.header_len
    body_end = header_end + signature.body_len
    digests = [
        sha256(part).digest() for part in (value[FRAMING:header_end], value[header_end:body_end], value[body_end:])
    ]
    one.commitment = commitment_of_digests(signature.fp, *digests)
    same = (
        sha256(value).digest() == leaf.value_d
        and sha256(arrival.signature or b"").digest() == leaf.signature_d
        and signature.fp == leaf.fingerprint
        and digests == [leaf.header_d, leaf.body_d, leaf.sealed_d]
        and one.commitment == leaf.commitment
    )
    if not same:
        raise Malformed(MISMATCH)
