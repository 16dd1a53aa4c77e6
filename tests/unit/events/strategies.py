"""Hypothesis strategies for every event, made from the released schemas: whatever they draw is valid.

`events(info)` draws an `Event` of that type, `any_events()` one of any type; `structs(shape, ...)` one record.
`publishable(info)` draws events as `parse_event` would have made them, whose thread, lane and audience fit together.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any, NamedTuple, cast

import msgspec
from hypothesis import strategies as st

from bus.events import codec, registry, shapes
from bus.events.names import HUB, PATTERNS, lane_of
from bus.events.registry import SchemaInfo
from bus.events.types import Header, Sealed, Wrap, record_class

EVENT_TYPES = tuple(info for info in registry.all_schemas() if info.kind == "event")
PLAIN_TYPES = tuple(info for info in registry.all_schemas() if info.kind == "plain")
ITEMS = 3
"""Longest array drawn; the bounds themselves have tests of their own."""


class Event(NamedTuple):
    """A drawn event. `sealed` looks sealed and opens to nothing; `plaintext` is what could have been."""

    info: SchemaInfo
    header: Header
    body: Any
    sealed: Sealed | None
    plaintext: Any

    @property
    def value(self) -> bytes:
        """The event's bytes."""
        return codec.assemble(
            self.info,
            codec.encode_header(self.info, self.header),
            codec.encode_body(self.info, self.body),
            codec.encode_sealed(self.sealed),
        )


def any_events() -> st.SearchStrategy[Event]:
    """An event of any type."""
    return st.sampled_from(EVENT_TYPES).flatmap(events)


@st.composite
def events(draw: st.DrawFn, info: SchemaInfo) -> Event:
    """An event of that type."""
    schema = registry.shape(info)
    header: Header = draw(structs(cast("shapes.Record", schema.header), info.id))
    required = {name: draw(_there(schema.header, name, info.id)) for name in info.header_required}
    header = msgspec.structs.replace(header, step=draw(st.sampled_from(info.steps)), **required)
    body = draw(structs(schema.body, info.id, header.step))
    if schema.plaintext is None:
        return Event(info, header, body, None, None)
    plaintext = draw(st.none() | structs(schema.plaintext, info.id, header.step))
    if plaintext is None and any(header.step in f.required_at for f in schema.plaintext.fields):
        plaintext = draw(structs(schema.plaintext, info.id, header.step))
    return Event(info, header, body, None if plaintext is None else draw(sealed_parts()), plaintext)


@st.composite
def publishable(draw: st.DrawFn, info: SchemaInfo, *, hub: str = "ledger.example.org/safeguard") -> Event:
    """An event whose header fields agree with one another."""
    event = draw(events(info))
    header = event.header
    if info.directory:
        audience = (HUB,)
    else:
        others = [m for m in header.audience if m not in {HUB, header.issuer}]
        audience = tuple(others) or tuple({"org-a", "org-b"} - {header.issuer})[:1]
    changes: dict[str, Any] = {"hub": hub, "audience": audience}
    if header.about is None:
        changes |= {"thread": header.case or header.event_id, "lane": lane_of(header.priority)}
    return event._replace(header=msgspec.structs.replace(header, **changes))


@st.composite
def sealed_parts(draw: st.DrawFn) -> Sealed:
    """Something with the form of a sealed part."""
    keys = draw(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=2, unique=True))
    wraps = tuple(Wrap(key, key[:1] * 1168) for key in sorted(keys))
    return Sealed(1, None, wraps, draw(st.binary(min_size=1, max_size=1)) * draw(st.sampled_from([272, 528])))


@st.composite
def structs(draw: st.DrawFn, shape: shapes.Record, schema_id: int, step: str = "") -> Any:
    """A struct of that record which keeps all its rules."""
    found = {f.name: draw(values(f.shape, schema_id)) for f in shape.fields}
    if shape.one_of:
        chosen = draw(st.sampled_from(shape.one_of))
        found |= {name: None for name in shape.one_of if name != chosen}
        if found[chosen] is None:
            found[chosen] = draw(_there(shape, chosen, schema_id))
    for field in shape.fields:
        needed = step in field.required_at
        needed |= any(found[other] in values_ for other, values_ in field.required_if)
        needed |= bool(field.required_with) and found[field.required_with] is not None
        if needed and found[field.name] in {None, ()}:
            found[field.name] = draw(_there(shape, field.name, schema_id))
        if field.length_by is not None and found[field.name] is not None:
            length = dict(field.length_by[1]).get(found[field.length_by[0]])
            if length == 0:  # only with its custodian
                found |= {field.name: None, "custodian": draw(_there(shape, "custodian", schema_id))}
            elif length is not None:
                found[field.name] = draw(st.binary(min_size=length, max_size=length))
    return record_class(schema_id, shape.name)(*found.values())


def _there(shape: shapes.Record | None, name: str, schema_id: int) -> st.SearchStrategy[Any]:
    """The field's value where it must not be null or empty."""
    inner = cast("shapes.Record", shape).field(name).shape
    if isinstance(inner, shapes.Optional):
        return values(inner.inner, schema_id)
    return values(inner, schema_id).filter(lambda x: x != ())


def values(shape: shapes.Shape, schema_id: int) -> st.SearchStrategy[Any]:
    """A value of that shape."""
    match shape:
        case shapes.Text():
            return _texts(shape)
        case shapes.Raw():
            return st.binary(min_size=shape.min, max_size=min(shape.max, shape.min + 40))
        case shapes.Fixed():
            return st.binary(min_size=shape.size, max_size=shape.size)
        case shapes.Number():
            return st.integers(shape.min, shape.max)
        case shapes.Flag():
            return st.booleans()
        case shapes.Optional():
            return st.none() | values(shape.inner, schema_id)
        case shapes.Many():
            return _arrays(shape, schema_id)
        case shapes.Record():
            return structs(shape, schema_id)


def _arrays(shape: shapes.Many, schema_id: int) -> st.SearchStrategy[tuple[Any, ...]]:
    def key(item: Any) -> Any:
        return getattr(item, shape.sorted_by) if shape.sorted_by else item

    ordered = shape.sorted or bool(shape.sorted_by)
    drawn = st.lists(
        values(shape.item, schema_id),
        min_size=shape.min,
        max_size=max(shape.min, min(shape.max, ITEMS)),
        unique_by=key if ordered else None,
    )
    return drawn.map(lambda items: tuple(sorted(items, key=key) if ordered else items))


_PROSE = st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t")
# codes on which the length of another field depends
_CODES = {"hash_algorithm": ("MD5", "SHA256", "PDQ", "VIDENTIFIER", "NEW_HASH"), "key_use": ("signing", "sealing")}
_SMALL, _CAPITAL, _DIGIT = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
# pattern -> first letters, further letters
_LETTERS = {
    "org": (_SMALL, _SMALL + _DIGIT + "-"),
    "code": (_SMALL + _DIGIT + "_+.-", _SMALL + _DIGIT + "_+.-"),
    "std": (_CAPITAL + _SMALL + _DIGIT, _CAPITAL + _SMALL + _DIGIT + "_+.-"),
    "nation": (_CAPITAL, _CAPITAL),
    "slug": (_SMALL, _SMALL + _DIGIT + "-"),
    "ref": (_CAPITAL + _SMALL + _DIGIT, _CAPITAL + _SMALL + _DIGIT + "._:+=-"),
    "version": (_CAPITAL + _SMALL + _DIGIT, _CAPITAL + _SMALL + _DIGIT + "._+-"),
    "topic": (_SMALL, _SMALL + _DIGIT + ".-"),
}
_WHOLE = {
    "lane": ("bulk", "urgent"),
    "origin": ("a", "ledger.example.org/safeguard", "log.example:8443", "l" * 64, "h.example/" + "p" * 53),
    "basis": ("us-2258a@1", "aa@1", f"b{'a' * 40}@{'9' * 16}"),
    "language": ("en", "pt-BR", "zh-Hant-TW", f"abc{'-abcdefgh' * 3}"),
}


def _texts(shape: shapes.Text) -> st.SearchStrategy[str]:
    if shape.pattern == "text":
        return st.text(_PROSE, min_size=shape.min, max_size=8).filter(lambda x: len(x.encode()) <= shape.max)
    return st.sampled_from(_CODES.get(shape.codes) or _pool(shape.pattern, shape.min, shape.max))


@cache
def _pool(pattern: str, low: int, high: int) -> tuple[str, ...]:
    """Strings of a pattern, of every length; to draw from these is ten times as fast as to draw their letters."""
    if pattern in _WHOLE:
        return _WHOLE[pattern]
    if pattern == "member":
        return (*_pool("org", low, high - 1), "@north-sea", "@" + "a" * 31)
    if pattern == "agreement":
        return ("@ab", "@north-sea", "@" + "a" * 31)
    first, further = _LETTERS[pattern]
    dice = random.Random(pattern)
    sizes = [*range(low, high + 1)] * (1 + 60 // (high - low + 1))
    pool = [dice.choice(first) + "".join(dice.choices(further, k=size - 1)) for size in sizes]
    assert all(PATTERNS[pattern].fullmatch(text) for text in pool)
    return tuple(dict.fromkeys(pool))
