"""Codes of an event that no list of ``schemas/codes`` has: carried all the same, and told to whoever wrote them.

Lists are open, so that an agency's new code need not wait for a release. A slip of the pen looks just the same, and
passes too: hence a word about it, with the code that is most like it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from bus.events import registry, shapes
from bus.events.codes import codes
from bus.events.jsonform import Parts
from bus.events.registry import SchemaInfo
from bus.nearest import nearest

OTHERS = frozenset({"classification", "law", "step"})
"""Not looked at: codes of others' scales and laws, of which our lists are samples; and steps, which are checked."""


class Unlisted(NamedTuple):
    """One code that its list does not have.

    Attributes:
        type: The event's type.
        field: Where it stands, such as ``body.context.surface``; an item of a list has ``[]``.
        list: The list's name.
        code: The code; None in the sealed part, of which nothing is repeated anywhere.
        near: The code of the list that is most like it, if one is.
    """

    type: str
    field: str
    list: str
    code: str | None
    near: str | None


class _Place(NamedTuple):
    """A field that holds a code, or holds records that do."""

    name: str
    many: bool
    list: str
    inner: Sequence[_Place]


def unlisted(parts: Parts) -> list[Unlisted]:
    """The codes of an event that are in no list, in the order of its fields. Pure."""
    places = _places(parts.info)
    found: list[Unlisted] = []
    for part, record in (("header", parts.header), ("body", parts.body), ("sealed", parts.plaintext)):
        for field, name, code in _found(places.get(part, ()), record, part) if record is not None else ():
            shown = None if part == "sealed" else code
            found.append(Unlisted(parts.info.name, field, name, shown, nearest_in(code, name)))
    return found


def _found(places: Sequence[_Place], record: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Field, list and code of what is in no list."""
    for place in places:
        value = getattr(record, place.name)
        if value is None:
            continue
        field = f"{path}.{place.name}[]" if place.many else f"{path}.{place.name}"
        for one in value if place.many else (value,):
            if place.inner:
                yield from _found(place.inner, one, field)
            elif one not in codes(place.list):
                yield field, place.list, one


@lru_cache(1024)
def nearest_in(code: str, name: str) -> str | None:
    """The code of a list that is most like this one; None if none is."""
    return next(iter(nearest(code, codes(name), 1)), None)


@cache
def _places(info: SchemaInfo) -> dict[str, Sequence[_Place]]:
    """Where the codes of a type are, by part."""
    found = registry.shape(info)
    parts = {"header": found.header, "body": found.body, "sealed": found.plaintext}
    return {part: _inside(record) for part, record in parts.items() if record is not None}


def _inside(record: shapes.Record) -> Sequence[_Place]:
    placed = (_place(field) for field in record.fields)
    return [place for place in placed if place is not None]


def _place(field: shapes.Field) -> _Place | None:
    """The field's place, or None where no code is in it."""
    many, shape = False, field.shape
    while isinstance(shape, shapes.Optional | shapes.Many):
        many = many or isinstance(shape, shapes.Many)
        shape = shape.inner if isinstance(shape, shapes.Optional) else shape.item
    if isinstance(shape, shapes.Text) and shape.codes and shape.codes not in OTHERS:
        return _Place(field.name, many, shape.codes, ())
    if isinstance(shape, shapes.Record) and (inner := _inside(shape)):
        return _Place(field.name, many, "", inner)
    return None
