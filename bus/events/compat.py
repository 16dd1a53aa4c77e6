"""Whether one release of a schema can take another's place: compared both ways, on the whole of their JSON.

Avro's own rules look at names and types only, in a form that drops defaults and logical types: microseconds and
milliseconds are one to them. Here two releases are held together field by field. Against an older release a newer one
may add a field at the end of a record with a default, add steps and documentation, and widen a bound; everything else
that differs is told, with its path. Named records that several types share are compared across types too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from msgspec import Struct

_FREE = frozenset({"doc", "fields", "items", "type", "name", "default", "plaintext"})
"""Looked at in their own way, or not at all."""
_LOWER = frozenset({"min", "minItems"})
_UPPER = frozenset({"max", "maxItems"})
_MAY_GO = frozenset({"requiredIf", "requiredWith", "requiredAt", "headerRequired"})
"""Rules that a newer release may drop and never add: an older event would break them."""


class Break(Struct, frozen=True):
    """Where two releases do not agree, and the rule."""

    path: str
    rule: str


def breaks(older: Mapping[str, Any], newer: Mapping[str, Any]) -> list[Break]:
    """Why ``newer`` cannot take the place of ``older``, either way; empty if it can.

    Args:
        older: the JSON of a released schema.
        newer: the JSON of one that was, or would be, released after it.
    """
    return list(_node(_resolved(older), _resolved(newer), str(newer.get("name", ""))))


def shared_breaks(releases: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Break]:
    """The same for records of one name in releases, given oldest first: each against the next that has it."""
    last: dict[str, Any] = {}
    found: list[Break] = []
    for label, schema in releases:
        for name, record in _records(_resolved(schema)):
            if name in last:
                found += _node(last[name], record, f"{label}: {name}")
            last[name] = record
    return found


def _node(older: Any, newer: Any, path: str) -> Iterator[Break]:
    if isinstance(older, list) or isinstance(newer, list):
        yield from _union(older, newer, path)
        return
    if older["type"] != newer["type"] or older.get("size") != newer.get("size"):
        yield Break(path, f"was {older['type']} and is {newer['type']}")
        return
    yield from _attributes(older, newer, path)
    if older["type"] == "record":
        yield from _fields(older["fields"], newer["fields"], path)
    elif older["type"] == "array":
        yield from _node(older["items"], newer["items"], f"{path}[]")


def _union(older: Any, newer: Any, path: str) -> Iterator[Break]:
    if isinstance(older, list) and isinstance(newer, list):
        yield from _node(cast("list[Any]", older)[1], cast("list[Any]", newer)[1], path)
    else:
        yield Break(path, "may be null in one release and not in the other")


def _fields(older: list[Any], newer: list[Any], path: str) -> Iterator[Break]:
    for place, field in enumerate(older):
        inner = f"{path}.{field['name']}"
        if place >= len(newer) or newer[place]["name"] != field["name"]:
            gone = all(other["name"] != field["name"] for other in newer)
            yield Break(inner, "is gone" if gone else "stands in another place")
            continue
        other = newer[place]
        if ("default" in field, field.get("default")) != ("default" in other, other.get("default")):
            yield Break(inner, "has another default")
        yield from _attributes(field, other, inner)
        yield from _node(field["type"], other["type"], inner)
        if ("plaintext" in field) != ("plaintext" in other):
            yield Break(inner, "can be sealed in one release and not in the other")
        elif "plaintext" in field:
            yield from _node(field["plaintext"], other["plaintext"], f"{inner}.plaintext")
    known = {field["name"] for field in older}
    for field in newer:
        if field["name"] not in known and "default" not in field:
            yield Break(f"{path}.{field['name']}", "is new and has no default")


def _attributes(older: Mapping[str, Any], newer: Mapping[str, Any], path: str) -> Iterator[Break]:
    for name in sorted((older.keys() | newer.keys()) - _FREE):
        was, is_ = older.get(name), newer.get(name)
        if was != is_ and not _widens(name, was, is_):
            yield Break(path, f"{name} is not what it was")


def _widens(name: str, was: Any, is_: Any) -> bool:
    """Whether a change of an attribute leaves everything valid that was."""
    if name in _MAY_GO:
        return _fewer(was, is_)
    if name == "steps":
        return was is not None and is_ is not None and set(was) <= set(is_)
    if was is None or is_ is None:
        return False
    return (name in _LOWER and is_ < was) or (name in _UPPER and is_ > was)


def _fewer(was: Any, is_: Any) -> bool:
    if is_ is None:
        return True
    if isinstance(was, list) and isinstance(is_, list):
        return set(cast("list[str]", is_)) <= set(cast("list[str]", was))
    return False


def _resolved(schema: Mapping[str, Any]) -> Any:
    """The schema with every named type written out where it is used, and every type an object."""
    return _written_out(schema, {})


def _written_out(node: Any, known: dict[str, Any]) -> Any:
    if isinstance(node, str):
        return known.get(node) or {"type": node}
    if isinstance(node, list):
        return [_written_out(item, known) for item in cast("list[Any]", node)]
    out = dict(cast("dict[str, Any]", node))
    if "items" in out:
        out["items"] = _written_out(out["items"], known)
    if "fields" in out:
        out["fields"] = [_field(field, known) for field in out["fields"]]
    if "name" in out:
        known[out["name"]] = out
    return out


def _field(field: Mapping[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    out = {**field, "type": _written_out(field["type"], known)}
    if "plaintext" in out:
        out["plaintext"] = _written_out(out["plaintext"], {})
    return out


def _records(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            yield from _records(item)
        return
    if "items" in node:
        yield from _records(node["items"])
    for field in node.get("fields", ()):
        yield from _records(field["type"])
        if "plaintext" in field:
            yield from _records(field["plaintext"])
    if node["type"] == "record":
        fields = [{k: v for k, v in field.items() if k != "plaintext"} for field in node["fields"]]
        yield node["name"], {**node, "fields": fields}  # what is sealed is each type's own
