"""Kinds of hostile record, each with the reason that its refusal must give.

Used twice: in memory against the notary's pure half, and on a real Kafka against a running hub.
"""

from __future__ import annotations

import dataclasses
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

from bus.events.codec import encode_header
from bus.events.ids import dashed, uuid7
from bus.kafka.records import Outgoing
from bus.trust.keys import KeyRing
from tests.forge import Forge, changed, now_us, with_header

DAY_US = 86_400_000_000


@dataclasses.dataclass(frozen=True)
class Cast:
    """Who takes part: a sender whose outbox is used, who hears, a bystander, and the forge with their keys."""

    forge: Forge
    sender: str
    hears: str
    other: str

    def event(self, **header: Any) -> dict[str, Any]:
        """A hash hit of the sender."""
        return self.forge.event(self.sender, (self.hears,), **header)

    def good(self, **header: Any) -> Outgoing:
        """A record that would be accepted."""
        return self.forge.record(self.sender, self.event(**header))


Kind = Callable[[Cast], Outgoing]


def _mutated(cast: Cast, change: Callable[[bytes, int, int], bytes]) -> Outgoing:
    """A record signed over a value that is not canonical: ``change`` gets value, header end and body end."""
    forge = cast.forge
    sections = forge.compose(cast.sender, cast.event())
    header_end = 5 + len(sections.h)
    body_end = header_end + len(sections.b)
    value = change(sections.value, header_end, body_end)
    grown = len(value) - len(sections.value)
    broken = sections._replace(s=value[body_end:]) if value[:body_end] == sections.value[:body_end] else None
    if broken is None and value[header_end : len(value)] == sections.value[header_end - grown :]:
        broken = sections._replace(h=value[5 : header_end + grown])
    if broken is None:
        broken = sections._replace(h=value[5:header_end], b=value[header_end : body_end + grown])
    return forge.sign(cast.sender, [broken])[0]


def _field(cast: Cast, **fields: Any) -> Outgoing:
    """A record whose header struct was changed behind the back of every check of the SDK."""
    import msgspec

    sections = cast.forge.compose(cast.sender, cast.event())
    header = msgspec.structs.replace(sections.header, **fields)
    return cast.forge.sign(cast.sender, [sections._replace(header=header, h=encode_header(sections.info, header))])[0]


def _ids(cast: Cast, at_us: int) -> Outgoing:
    return cast.good(event_id=dashed(uuid7(at_us, os.urandom(8))))


def _huge(cast: Cast) -> Outgoing:
    return changed(cast.good(), value=b"\x00\x00\x00\x00\x14" + bytes(70_000))


def _twice(record: Outgoing, name: str) -> Outgoing:
    found = next((n, v) for n, v in record.headers if n == name)
    return changed(record, headers=(*record.headers, found))


def _null(record: Outgoing, name: str) -> Outgoing:
    """A header that is there, and null: clients can write that, and ours cannot read it as text."""
    headers: list[tuple[str, Any]] = [(n, None if n == name else v) for n, v in record.headers]
    return changed(record, headers=tuple(headers))


def _no_headers(cast: Cast) -> Outgoing:
    return changed(cast.good(), headers=())


def _signature(cast: Cast, change: Callable[[bytes], bytes]) -> Outgoing:
    record = cast.good()
    raw = next(v for n, v in record.headers if n == "bus-signature")
    return with_header(record, "bus-signature", change(raw))


def _value(cast: Cast, change: Callable[[bytes], bytes]) -> Outgoing:
    """A good record whose value was changed on the way."""
    record = cast.good()
    assert record.value is not None
    return changed(record, value=change(record.value))


def _unknown_schema(cast: Cast) -> Outgoing:
    record = cast.good()
    assert record.value is not None
    return changed(record, value=record.value[:1] + struct.pack(">I", 4_000_000) + record.value[5:])


def _overlong_varint(value: bytes, _header_end: int, body_end: int) -> bytes:
    """The suite of the sealed part (1, as 0x02) in two bytes instead of one."""
    assert value[body_end : body_end + 2] == b"\x02\x02"
    return value[: body_end + 1] + b"\x82\x00" + value[body_end + 2 :]


def _negative_union(value: bytes, _header_end: int, body_end: int) -> bytes:
    return value[:body_end] + b"\x01" + value[body_end + 1 :]


def _negative_count(value: bytes, _header_end: int, body_end: int) -> bytes:
    """The block of wraps with a negative count and its size in bytes, as Avro also allows."""
    assert value[body_end + 3] == 2
    size = 32 + 2 + 1168
    return value[: body_end + 3] + b"\x01" + _zigzag(size) + value[body_end + 4 :]


def _zigzag(number: int) -> bytes:
    number = number << 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _trailing(value: bytes, _header_end: int, _body_end: int) -> bytes:
    return value + b"\x00"


def _replayed(cast: Cast) -> Outgoing:
    """Another organisation's record, byte for byte, on our own outbox."""
    foreign = cast.forge.record(cast.other, cast.forge.event(cast.other, (cast.hears,)))
    return changed(foreign, topic=f"out.{cast.sender}")


def _in_anothers_name(cast: Cast) -> Outgoing:
    """Our signature under an event whose issuer is somebody else."""
    event = cast.event()
    event["header"]["issuer"] = cast.other
    return cast.forge.record(cast.sender, event)


def _by_the_hub(cast: Cast) -> Outgoing:
    body = {"org": "mallory", "name": "Mallory", "nation": "XX", "roles": ["police"]}
    event = cast.forge.event(cast.sender, ("hub",), "OrganisationAdmitted")
    event["body"] = body
    return cast.forge.record(cast.sender, event)


KINDS: Mapping[str, tuple[str, Kind]] = {
    "null value": ("null-value", lambda c: changed(c.good(), value=None)),
    "empty value": ("framing", lambda c: changed(c.good(), value=b"")),
    "value of 70 kB": ("value-too-large", _huge),
    "random bytes": ("framing", lambda c: changed(c.good(), value=b"\x13\x37" * 200)),
    "JSON instead of Avro": ("framing", lambda c: changed(c.good(), value=b'{"type":"HashHit"}')),
    "no headers at all": ("signature-missing", _no_headers),
    "no signature": ("signature-missing", lambda c: with_header(c.good(), "bus-signature", None)),
    "null for a signature": ("signature-missing", lambda c: _null(c.good(), "bus-signature")),
    "two signatures": ("signature-duplicate", lambda c: _twice(c.good(), "bus-signature")),
    "empty signature": ("signature-malformed", lambda c: _signature(c, lambda _: b"")),
    "signature cut short": ("signature-malformed", lambda c: _signature(c, lambda raw: raw[:-1])),
    "signature with a byte behind": ("signature-malformed", lambda c: _signature(c, lambda raw: raw + b"\x00")),
    "signature of another algorithm": (
        "signature-malformed",
        lambda c: _signature(c, lambda r: r[:1] + b"\x02" + r[2:]),
    ),
    "last signature byte flipped": (
        "signature-invalid",
        lambda c: _signature(c, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
    ),
    "a body byte flipped": (
        "signature-invalid",
        lambda c: _value(c, lambda v: v[:-40] + bytes([v[-40] ^ 1]) + v[-39:]),
    ),
    "value cut short": (
        "signature-invalid",
        lambda c: _value(c, lambda v: v[:-1]),
    ),
    "value cut to its header": ("non-canonical", lambda c: _value(c, lambda v: v[:60])),
    "unknown schema id": ("unknown-schema", _unknown_schema),
    "schema id of a receipt": (
        "unknown-schema",
        lambda c: _value(c, lambda v: b"\x00\x00\x00\x00\x01" + v[5:]),
    ),
    "signed by a key nobody registered": (
        "key-unknown",
        lambda c: c.forge.record(c.sender, c.event(), ring=KeyRing.generate()),
    ),
    "signed by another's key": (
        "key-foreign",
        lambda c: c.forge.record(c.sender, c.event(), ring=c.forge.rings[c.other]),
    ),
    "a batch in another's name": (
        "issuer-mismatch",
        lambda c: c.forge.record(c.sender, c.event(), organisation=c.other),
    ),
    "an event in another's name": ("issuer-mismatch", _in_anothers_name),
    "another's record replayed": ("issuer-mismatch", _replayed),
    "a batch for another log": ("wrong-hub", lambda c: c.forge.record(c.sender, c.event(), origin="other.example/log")),
    "an event for another log": ("wrong-hub", lambda c: _field(c, hub="other.example/log")),
    "overlong varint": ("non-canonical", lambda c: _mutated(c, _overlong_varint)),
    "negative union index": ("non-canonical", lambda c: _mutated(c, _negative_union)),
    "negative array count": ("non-canonical", lambda c: _mutated(c, _negative_count)),
    "trailing byte, signed": ("non-canonical", lambda c: _mutated(c, _trailing)),
    "unknown step": ("step-unknown", lambda c: _field(c, step="vanished")),
    "issuer id in capitals": ("field-pattern", lambda c: _field(c, issuer="Not-An-Org")),
    "audience not sorted": ("non-canonical", lambda c: _field(c, audience=(c.hears, c.hears))),
    "empty audience": ("field-bounds", lambda c: _field(c, audience=())),
    "no CloudEvents id": ("header-missing", lambda c: with_header(c.good(), "ce_id", None)),
    "another CloudEvents type": (
        "ce-mismatch",
        lambda c: with_header(c.good(), "ce_type", b"org.safeguard.Recall.called"),
    ),
    "a CloudEvents header twice": ("header-duplicate", lambda c: _twice(c.good(), "ce_time")),
    "another record key": ("record-key-mismatch", lambda c: changed(c.good(), key=b"k" * 16)),
    "no record key": ("record-key-mismatch", lambda c: changed(c.good(), key=None)),
    "an urgent event on the bulk lane": (
        "wrong-lane",
        lambda c: changed(c.good(priority="immediate"), topic=f"out.{c.sender}"),
    ),
    "a routine event on the urgent lane": ("wrong-lane", lambda c: changed(c.good(), topic=f"out.{c.sender}.urgent")),
    "a lane that its priority does not give": (
        "wrong-lane",
        lambda c: changed(_field(c, lane="urgent"), topic=f"out.{c.sender}.urgent"),
    ),
    "a thread of its own choosing": (
        "thread-mismatch",
        lambda c: changed(_field(c, thread=b"t" * 16), key=b"t" * 16),
    ),
    "an id of version 4": ("id-form", lambda c: _same_thread(c, bytes.fromhex("a3bb189e8bf94c4c9ae2a1b2c3d4e5f6"))),
    "an id of 31 days ago": ("id-time", lambda c: _ids(c, now_us() - 31 * DAY_US)),
    "an id of ten minutes ahead": ("id-time", lambda c: _ids(c, now_us() + 600_000_000)),
    "an audience nobody knows": (
        "audience-unknown",
        lambda c: c.forge.record(c.sender, c.forge.event(c.sender, ("nobody-here",)), wrap_for=[c.hears]),
    ),
    "an agreement nobody concluded": (
        "audience-unknown",
        lambda c: c.forge.record(c.sender, c.forge.event(c.sender, ("@nothing",)), wrap_for=[c.hears]),
    ),
    "itself in its audience": (
        "audience-self",
        lambda c: _field(c, audience=tuple(sorted((c.sender, c.hears)))),
    ),
    "the hub in its audience": ("audience-hub", lambda c: _field(c, audience=tuple(sorted((c.hears, "hub"))))),
    "one wrap too few": (
        "wraps-mismatch",
        lambda c: c.forge.record(
            c.sender, c.forge.event(c.sender, tuple(sorted((c.hears, c.other)))), wrap_for=[c.hears]
        ),
    ),
    "one wrap too many": ("wraps-mismatch", lambda c: c.forge.record(c.sender, c.event(), wrap_for=[c.hears, c.other])),
    "wrapped for somebody else": ("wraps-mismatch", lambda c: c.forge.record(c.sender, c.event(), wrap_for=[c.other])),
    "an organisation admitting another": ("not-governance", _by_the_hub),
}


def _same_thread(cast: Cast, event_id: bytes) -> Outgoing:
    return changed(_field(cast, event_id=event_id, thread=event_id), key=event_id)
