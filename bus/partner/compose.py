"""From an event as its author gives it to the bytes of its sections, before it is sealed and signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, TypeAlias, cast

import orjson
from msgspec import Struct

from bus.errors import InvalidEvent
from bus.events.codec import encode_body, encode_header, encode_plaintext
from bus.events.ids import parse_uuid
from bus.events.jsonform import Fill, Parts, parse_event
from bus.events.names import out_topic
from bus.events.registry import SchemaInfo
from bus.events.types import Header
from bus.partner.journal import Item
from bus.partner.profile import Profile

Event: TypeAlias = "Mapping[str, Any] | Parts"
"""An event in its JSON form, or parsed from it."""

Subjects: TypeAlias = Callable[[bytes], "tuple[bytes, str] | None"]
"""From an event's id to its thread and lane, where they are known."""


class Draft(Struct, frozen=True):
    """An event to publish, and the item of another system's format that it speaks of.

    ``content`` overrides the digest by which the journal knows the same content again.
    """

    event: Event
    item: Item | None = None
    content: bytes | None = None


class Composed(Struct, frozen=True, gc=False):
    """An event whose header and body are fixed; its plaintext is not sealed yet."""

    event_id: bytes
    content: bytes
    item: Item | None
    topic: str
    info: SchemaInfo
    header: Header
    header_bytes: bytes
    body_bytes: bytes
    plaintext: bytes | None


def fill(profile: Profile, *, now_us: int, subjects: Subjects) -> Fill:
    """What a profile and the moment add to an event."""
    defaults = dict(profile.defaults)
    if profile.retain_days is not None:
        defaults["retain_days"] = profile.retain_days
    return Fill(
        hub=profile.origin,
        issuer=profile.organisation,
        now_us=now_us,
        defaults=defaults,
        audience=profile.audience,
        subject=subjects,
    )


def given_id(event: Event) -> bytes | None:
    """The event id that the author set, if any.

    Raises:
        InvalidEvent: it is no UUID in the dashed form.
    """
    if isinstance(event, Parts):
        return event.header.event_id
    header: Any = event.get("header")
    found: Any = cast("Mapping[str, Any]", header).get("event_id") if isinstance(header, Mapping) else None
    if found is None:
        return None
    try:
        return parse_uuid(found)
    except (ValueError, AttributeError, TypeError):
        raise InvalidEvent("header.event_id", "must be a dashed UUID") from None


def content_digest(given: Mapping[str, Any]) -> bytes:
    """What tells other content under one id: SHA-256 of the canonical JSON of what was given, without the id.

    Raises:
        InvalidEvent: the event is not JSON.
    """
    header: Any = given.get("header")
    if isinstance(header, Mapping):
        rest = {k: v for k, v in cast("Mapping[str, Any]", header).items() if k != "event_id"}
        given = {**given, "header": rest}
    try:
        canonical = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
        if b"null" in canonical:
            canonical = orjson.dumps(_without_nulls(given), option=orjson.OPT_SORT_KEYS)
        return sha256(canonical).digest()
    except TypeError as error:
        raise InvalidEvent("event", "must be JSON: strings, numbers, booleans, lists, objects") from error


def _without_nulls(value: Any) -> Any:
    """Absent and null are one."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {k: _without_nulls(v) for k, v in items if v is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(v) for v in cast("list[Any]", value)]
    return value


def compose(draft: Draft, filler: Fill, content: bytes | None) -> Composed:
    """Check an event and encode its header, body and plaintext.

    Without ``content`` its digest is that of the encoded sections: of what was parsed before, all is given.

    Raises:
        InvalidEvent: a field breaks a rule; the error has its path.
    """
    event = draft.event
    parts = event if isinstance(event, Parts) else parse_event(event, filler)
    info, header = parts.info, parts.header
    head, body = encode_header(info, header), encode_body(info, parts.body)
    plaintext = None if parts.plaintext is None else encode_plaintext(info, parts.plaintext)
    return Composed(
        event_id=header.event_id,
        content=content or sha256(b"".join((info.fingerprint, head, body, plaintext or b""))).digest(),
        item=draft.item,
        topic=out_topic(header.issuer, header.lane),
        info=info,
        header=header,
        header_bytes=head,
        body_bytes=body,
        plaintext=plaintext,
    )
