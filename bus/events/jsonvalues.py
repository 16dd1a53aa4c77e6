"""Values of a schema as JSON, one form each: UUIDs dashed, other bytes lower-case hex, times RFC 3339, dates ISO.

Reading checks every bound, pattern and rule of the shape, and raises InvalidEvent with the field's path. No message
holds a value: what people put into a wrong field is often what should not be in a log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, cast

from bus.errors import InvalidEvent
from bus.events import shapes
from bus.events.clock import format_us, parse_us
from bus.events.ids import dashed, parse_uuid
from bus.events.names import PATTERNS
from bus.events.types import record_class
from bus.nearest import did_you_mean, nearest

_EPOCH = dt.date(1970, 1, 1)


class Context:
    """What reading needs to know beside the shape: the schema's id, and the step for rules that depend on it."""

    def __init__(self, schema_id: int, step: str = "", body: Any = None) -> None:
        self.schema_id = schema_id
        self.step = step
        self.body = body


# --- reading --------------------------------------------------------------------------------------------------------


def read_record(shape: shapes.Record, value: Any, path: str, context: Context) -> Any:
    """The struct of a JSON object."""
    given = expect_object(value, path)
    check_keys(given, [f.name for f in shape.fields], path)
    found = {f.name: _field(f, given.get(f.name), _join(path, f.name), context) for f in shape.fields}
    for field in shape.fields:
        _check_rules(field, found, _join(path, field.name), context)
    if shape.one_of and sum(found[name] is not None for name in shape.one_of) != 1:
        raise InvalidEvent(path, f"exactly one of {' and '.join(shape.one_of)} must be given")
    return record_class(context.schema_id, shape.name)(*found.values())


def expect_object(value: Any, path: str) -> Mapping[str, Any]:
    """The value, which must be a JSON object."""
    if not isinstance(value, Mapping):
        raise InvalidEvent(path, "must be an object")
    return cast("Mapping[str, Any]", value)


def check_keys(given: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    """Refuse keys that are not known, with the nearest that are."""
    for key in given:
        if key not in known:
            hint = did_you_mean(nearest(str(key), known, 1)) or f"There are {', '.join(known)}."
            shown = "".join(c if c.isprintable() else "?" for c in str(key)[:40])
            raise InvalidEvent(_join(path, shown), "unknown field", hint=hint)


def _field(field: shapes.Field, value: Any, path: str, context: Context) -> Any:
    if value is None:
        if isinstance(field.shape, shapes.Optional):
            return None
        if isinstance(field.shape, shapes.Many) and field.shape.min == 0:
            return ()
        raise InvalidEvent(path, "must be given")
    return _value(field.shape, value, path, context)


def _check_rules(field: shapes.Field, found: Mapping[str, Any], path: str, context: Context) -> None:
    """The rules that tie a field to others of its record, to the step and to the body."""
    value = found[field.name]
    if value is None or value == ():
        for other, values in field.required_if:
            if found[other] in values:
                raise InvalidEvent(path, f"must be given where {other} is {' or '.join(values)}")
        if field.required_with and found[field.required_with] is not None:
            raise InvalidEvent(path, f"must be given with {field.required_with}")
        lifted = any(getattr(context.body, name, None) == lifting for name, lifting in field.unless_body)
        if context.step in field.required_at and not lifted:
            raise InvalidEvent(path, f"must be given at step {' or '.join(field.required_at)}")
    elif field.length_by is not None:
        other, lengths = field.length_by
        length = dict(lengths).get(found[other], len(value))
        if length == 0:
            raise InvalidEvent(path, f"is not given inline for this {other}")
        if length != len(value):
            raise InvalidEvent(path, f"must be {length} bytes for this {other}")


def _value(shape: shapes.Shape, value: Any, path: str, context: Context) -> Any:
    match shape:
        case shapes.Text():
            return _text(shape, value, path)
        case shapes.Raw():
            return _hex(value, shape.min, shape.max, path)
        case shapes.Fixed():
            return _uuid(value, path) if shape.name == "Uuid" else _hex(value, shape.size, shape.size, path)
        case shapes.Number():
            return _number(shape, value, path)
        case shapes.Flag():
            if not isinstance(value, bool):
                raise InvalidEvent(path, "must be true or false")
            return value
        case shapes.Optional():
            return None if value is None else _value(shape.inner, value, path, context)
        case shapes.Many():
            return _many(shape, value, path, context)
        case shapes.Record():
            return read_record(shape, value, path, context)


def _text(shape: shapes.Text, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidEvent(path, "must be a string")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidEvent(path, "must be Unicode text") from None
    if not shape.min <= size <= shape.max:
        raise InvalidEvent(path, f"must be {_between(shape.min, shape.max)} bytes of UTF-8")
    if PATTERNS[shape.pattern].fullmatch(value) is None:
        hint = f"Codes are listed in schemas/codes/{shape.codes}.csv." if shape.codes else ""
        raise InvalidEvent(path, _PATTERN_RULES[shape.pattern], hint=hint)
    return value


_PATTERN_RULES = {
    "org": "must be an organisation's id: a-z, then a-z, 0-9 and -, 2 to 31 characters",
    "member": "must be an organisation's id, or @ and an agreement's",
    "origin": "must be a log's origin: a URL without its scheme",
    "lane": "must be bulk or urgent",
    "topic": "must be a topic",
    "code": "must be a code: a-z, 0-9, _ + . -, at most 32 characters",
    "std": "must be a code in its standard's spelling: letters, digits, _ + . -, at most 32 characters",
    "nation": "must be two capital letters (ISO 3166-1 alpha-2)",
    "basis": "must be the id of a registered law, @, and its version",
    "slug": "must be an id: a-z, then a-z, 0-9 and -, at most 40 characters",
    "ref": "must be an id of letters, digits and . _ : + = -, at most 63 characters",
    "version": "must be a version: letters, digits and . _ + -, at most 32 characters",
    "language": "must be a language tag (BCP 47)",
    "text": "must not hold control characters",
}


def _hex(value: Any, low: int, high: int, path: str) -> bytes:
    try:
        raw = bytes.fromhex(value)
    except (TypeError, ValueError):
        raw = None
    if raw is None or raw.hex() != value:
        raise InvalidEvent(path, "must be lower-case hexadecimal")
    if not low <= len(raw) <= high:
        raise InvalidEvent(path, f"must be {_between(low, high)} bytes, two digits each")
    return raw


def _uuid(value: Any, path: str) -> bytes:
    try:
        return parse_uuid(value)
    except (AttributeError, TypeError, ValueError):
        raise InvalidEvent(path, "must be a UUID in lower case, with dashes") from None


def _number(shape: shapes.Number, value: Any, path: str) -> int:
    if shape.logical == "timestamp-micros":
        return _time(value, path)
    if shape.logical == "date":
        number = _date(value, path)
        if not shape.min <= number <= shape.max:
            low = (_EPOCH + dt.timedelta(days=shape.min)).isoformat()
            raise InvalidEvent(path, f"must be a date from {low} on")
        return number
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidEvent(path, "must be a whole number")
    if not shape.min <= value <= shape.max:
        raise InvalidEvent(path, f"must be {_between(shape.min, shape.max)}")
    return value


def _time(value: Any, path: str) -> int:
    try:
        found = parse_us(value)
    except (AttributeError, TypeError, ValueError):
        found = -1
    if found < 0:
        raise InvalidEvent(path, "must be a time from 1970 on, as 2026-01-31T12:00:00.000000Z")
    return found


def _date(value: Any, path: str) -> int:
    try:
        day = dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != value:
        raise InvalidEvent(path, "must be a date, as 2026-01-31")
    return (day - _EPOCH).days


def _many(shape: shapes.Many, value: Any, path: str, context: Context) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidEvent(path, "must be a list")
    given = cast("Sequence[Any]", value)
    if not shape.min <= len(given) <= shape.max:
        raise InvalidEvent(path, f"must have {_between(shape.min, shape.max)} items")
    found = [_value(shape.item, item, f"{path}[{i}]", context) for i, item in enumerate(given)]
    if not shape.sorted and not shape.sorted_by:
        return tuple(found)
    keys: list[Any] = [getattr(x, shape.sorted_by) for x in found] if shape.sorted_by else found
    if len(set(keys)) != len(keys):
        raise InvalidEvent(path, "must not name anything twice")
    return tuple(x for _, x in sorted(zip(keys, found, strict=True), key=lambda pair: pair[0]))


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# --- writing --------------------------------------------------------------------------------------------------------


def write_record(shape: shapes.Record, record: Any) -> dict[str, Any]:
    """The JSON object of a struct; fields that are null are left out."""
    values = ((field, getattr(record, field.name)) for field in shape.fields)
    return {field.name: _written(field.shape, value) for field, value in values if value is not None}


def _written(shape: shapes.Shape, value: Any) -> Any:
    match shape:
        case shapes.Text() | shapes.Flag():
            return value
        case shapes.Raw():
            return value.hex()
        case shapes.Fixed():
            return dashed(value) if shape.name == "Uuid" else value.hex()
        case shapes.Number():
            if shape.logical == "timestamp-micros":
                return format_us(value)
            return (_EPOCH + dt.timedelta(days=value)).isoformat() if shape.logical == "date" else value
        case shapes.Optional():
            return _written(shape.inner, value)
        case shapes.Many():
            return [_written(shape.item, item) for item in value]
        case shapes.Record():
            return write_record(shape, value)
