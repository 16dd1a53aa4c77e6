"""The JSON form of an event: ``{"type", "header", "body", "sealed"}`` (formats §2).

``sealed`` is the plaintext. Null and absent are the same. What a person need not say is filled in: nonce, salt, event
id, hub, issuer, time of issue, thread, lane, and whatever header fields a profile has defaults for.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from typing import Any, cast

from msgspec import Struct

from bus.errors import InvalidEvent, UsageError
from bus.events import registry, shapes
from bus.events.clock import format_us
from bus.events.ids import dashed, uuid7
from bus.events.jsonvalues import Context, check_keys, expect_object, read_record, write_record
from bus.events.names import HUB, lane_of
from bus.events.registry import SchemaInfo
from bus.events.types import Header, Sealed

RETAIN_DAYS = 365
"""How long an event is kept where neither it nor the profile says."""

_DAY_US = 86_400_000_000
_EPOCH = dt.date(1970, 1, 1)


class Fill(Struct, frozen=True):
    """What fills the fields that an event does not give.

    Attributes:
        hub: Origin of the log that the event is for.
        issuer: The organisation that says it.
        now_us: The time, in microseconds since 1970.
        defaults: Header fields in their JSON form; ``retain_days`` stands for ``retain_until``.
        audience: The audience of an event that names none; events of the directory go to the hub.
        subject: Event id -> (thread, lane) of an event that this organisation knows, else None.
    """

    hub: str
    issuer: str
    now_us: int
    defaults: Mapping[str, Any]
    audience: tuple[str, ...] | None
    subject: Callable[[bytes], tuple[bytes, str] | None]


class Parts(Struct, frozen=True):
    """An event whose fields are all there, before anything is sealed."""

    info: SchemaInfo
    header: Header
    body: Any
    plaintext: Any


def parse_event(obj: Mapping[str, Any], fill: Fill) -> Parts:
    """Read an event from its JSON form and fill in what it leaves out.

    Raises:
        InvalidEvent: with the path of the field and the rule it breaks, and never its value.
    """
    check_keys(expect_object(obj, "event"), ("type", "header", "body", "sealed"), "")
    info = _info(obj.get("type"))
    schema = registry.shape(info)
    header = _header(info, cast("shapes.Record", schema.header), obj.get("header"), fill)
    given = dict(expect_object(_or_empty(obj.get("body")), "body"))
    if given.get("salt") is None:
        given["salt"] = secrets.token_hex(32)
    body = read_record(schema.body, given, "body", Context(info.id, header.step))
    plaintext = _plaintext(info, schema.plaintext, obj.get("sealed"), Context(info.id, header.step, body))
    return Parts(info, header, body, plaintext)


def to_json(info: SchemaInfo, header: Header, body: Any, plaintext: Struct | None) -> dict[str, Any]:
    """The JSON form of an event.

    What ``parse_event`` read, it reads again to the same. A ``Sealed`` that was not opened is shown by what anyone can
    see of it, and such an object is not an event that could be published.
    """
    schema = registry.shape(info)
    out: dict[str, Any] = {
        "type": info.name,
        "header": write_record(cast("shapes.Record", schema.header), header),
        "body": write_record(schema.body, body),
    }
    if isinstance(plaintext, Sealed):
        keys = [wrap.key_id.hex() for wrap in plaintext.wraps]
        out["sealed"] = {"unopened": {"suite": plaintext.suite, "key_ids": keys, "bytes": len(plaintext.ct)}}
    elif plaintext is not None and schema.plaintext is not None:
        out["sealed"] = write_record(schema.plaintext, plaintext)
    return out


def _info(name: Any) -> SchemaInfo:
    if not isinstance(name, str):
        raise InvalidEvent("type", "must be the name of an event type")
    try:
        info = registry.by_name(name)
    except UsageError as error:
        raise InvalidEvent("type", "no such event type", hint=error.hint) from None
    if info.kind != "event":
        raise InvalidEvent("type", "is no event")
    return info


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


def _plaintext(info: SchemaInfo, shape: shapes.Record | None, value: Any, context: Context) -> Any:
    if shape is None:
        if value is not None:
            raise InvalidEvent("sealed", f"{info.name} has no sealed part")
        return None
    if value is None:
        needed = [f for f in shape.fields if context.step in f.required_at]
        if needed:
            read_record(shape, {}, "sealed", context)
        return None
    return read_record(shape, value, "sealed", context)


def _header(info: SchemaInfo, shape: shapes.Record, value: Any, fill: Fill) -> Header:
    known = [f.name for f in shape.fields]
    check_keys(fill.defaults, [*known, "retain_days"], "defaults")
    given = {k: v for k, v in expect_object(_or_empty(value), "header").items() if v is not None}
    check_keys(given, known, "header")
    subject = None
    filled = _filled(info, given, fill)
    if "about" in given:
        about: Header = read_record(shape, {**filled, "thread": "00" * 16, "lane": "bulk"}, "header", Context(info.id))
        subject = fill.subject(cast("bytes", about.about))
        _inherit(filled, subject)
    header: Header = read_record(shape, filled, "header", Context(info.id))
    _check(info, header, fill, subject)
    return header


def _filled(info: SchemaInfo, given: Mapping[str, Any], fill: Fill) -> dict[str, Any]:
    """The header with its gaps filled, in JSON form; what was given goes first, then the moment, then the profile."""
    defaults = {k: v for k, v in fill.defaults.items() if v is not None}
    days = defaults.pop("retain_days", RETAIN_DAYS)
    if not isinstance(days, int):
        raise InvalidEvent("defaults.retain_days", "must be a whole number")
    moment: dict[str, Any] = {
        "nonce": secrets.token_hex(16),
        "event_id": dashed(uuid7(fill.now_us, secrets.token_bytes(8))),
        "hub": fill.hub,
        "issuer": fill.issuer,
        "issued_at": format_us(fill.now_us),
    }
    if info.directory:
        moment["audience"] = [HUB]
    elif fill.audience is not None:
        moment["audience"] = list(fill.audience)
    day = _EPOCH + dt.timedelta(days=fill.now_us // _DAY_US + days)
    filled = {"retain_until": day.isoformat(), **defaults, **moment, **given}
    if "about" not in given:
        filled.setdefault("thread", filled.get("case") or str(filled["event_id"]).replace("-", ""))
        filled.setdefault("lane", lane_of(str(filled.get("priority"))))
    return filled


def _inherit(filled: dict[str, Any], subject: tuple[bytes, str] | None) -> None:
    """Take thread and lane from the subject; where it is not known here, they must be given."""
    if subject is not None:
        filled.setdefault("thread", subject[0].hex())
        filled.setdefault("lane", subject[1])
    elif "thread" not in filled or "lane" not in filled:
        raise InvalidEvent(
            "header.about",
            "is not known here, so its thread and lane must be given",
            hint="Consume it first, or give header.thread and header.lane as the subject has them.",
        )


def _check(info: SchemaInfo, header: Header, fill: Fill, subject: tuple[bytes, str] | None) -> None:
    """The rules between header fields, and between the header and what is known here."""
    if header.step not in info.steps:
        raise InvalidEvent("header.step", f"must be one of {', '.join(info.steps)}")
    for name in info.header_required:
        if getattr(header, name) is None:
            raise InvalidEvent(f"header.{name}", f"must be given for {info.name}")
    if header.hub != fill.hub:
        raise InvalidEvent("header.hub", f"must be {fill.hub}")
    if header.issuer != fill.issuer:
        raise InvalidEvent("header.issuer", f"must be {fill.issuer}")
    if header.about is None:
        subject = (header.case or header.event_id, lane_of(header.priority))
        whose = "the case, else the event id; the lane follows from the priority"
    else:
        whose = "the subject's"
    if subject is not None and (header.thread, header.lane) != subject:
        field = "thread" if header.thread != subject[0] else "lane"
        raise InvalidEvent(f"header.{field}", f"must be {whose}")
    _check_audience(info, header)


def _check_audience(info: SchemaInfo, header: Header) -> None:
    if info.directory and header.audience != (HUB,):
        raise InvalidEvent("header.audience", "is the hub alone: everyone reads the directory")
    if not info.directory and HUB in header.audience:
        raise InvalidEvent("header.audience", "must not name the hub, which records everything anyway")
    if not info.directory and header.issuer in header.audience:
        raise InvalidEvent("header.audience", "must not name the issuer")
