"""The shape of a schema: its Avro JSON read into a small tree that programs can walk.

The decoders' generator, the JSON form, the encoder and the tests all walk this tree, so that a bound or a rule has one
reading. A released schema is plain Avro; the attributes beyond Avro that are understood here:

====================  =========  ==========================================================================
attribute             stands on  means
====================  =========  ==========================================================================
``min``, ``max``      a type     bytes of a string or bytes; value of a number
``pattern``           string     name of a pattern of ``schemas/common/patterns.toml``, matched from end to end
``codes``             string     name of an open list ``schemas/codes/<name>.csv``
``minItems`` …        array      ``minItems``, ``maxItems``
``sorted``            array      ascending, no item twice
``sortedBy``          array      of records: ascending by that field, no value twice
``requiredIf``        field      {other field: [values]}: must be there if the other field has one of the values
``requiredWith``      field      must be there if that other field is
``requiredAt``        field      [steps]: must be there at these steps
``unlessBody``        field      {body field: value}: lifts ``requiredAt`` of a sealed field
``lengthBy``          field      {other field: {value: length}}: bytes of exactly that length, 0 for not there
``oneOf``             record     exactly one of these fields is there
``steps``             schema     the closed list of steps
``headerRequired``    schema     header fields that this type must have
``plaintext``         field ct   the schema of what is sealed
====================  =========  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

from msgspec import Struct

Json: TypeAlias = Mapping[str, Any]


class Text(Struct, frozen=True):
    """UTF-8, bounded in bytes."""

    min: int
    max: int
    pattern: str
    codes: str = ""


class Raw(Struct, frozen=True):
    """Bytes of bounded length."""

    min: int
    max: int


class Fixed(Struct, frozen=True):
    """Bytes of one length."""

    name: str
    size: int


class Number(Struct, frozen=True):
    """A whole number; ``logical`` is ``timestamp-micros``, ``date`` or nothing."""

    bits: int
    min: int
    max: int
    logical: str = ""


class Flag(Struct, frozen=True):
    """A boolean."""


class Optional(Struct, frozen=True):
    """Null or the inner shape."""

    inner: Shape


class Many(Struct, frozen=True):
    """An array."""

    item: Shape
    min: int
    max: int
    sorted: bool = False
    sorted_by: str = ""


class Field(Struct, frozen=True):
    """A field of a record, with the rules that tie it to others."""

    name: str
    shape: Shape
    doc: str = ""
    required_if: tuple[tuple[str, tuple[str, ...]], ...] = ()
    required_with: str = ""
    required_at: tuple[str, ...] = ()
    unless_body: tuple[tuple[str, Any], ...] = ()
    length_by: tuple[str, tuple[tuple[str, int], ...]] | None = None


class Record(Struct, frozen=True):
    """A record. ``one_of`` names fields of which exactly one is there."""

    name: str
    fields: tuple[Field, ...]
    doc: str = ""
    one_of: tuple[str, ...] = ()

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(f for f in self.fields if f.name == name)


Shape: TypeAlias = Text | Raw | Fixed | Number | Flag | Optional | Many | Record


class Schema(Struct, frozen=True):
    """A released schema. Plain ones (Receipt, Decision) have a body only."""

    name: str
    doc: str
    kind: str
    directory: bool
    steps: tuple[str, ...]
    header_required: tuple[str, ...]
    header: Record | None
    body: Record
    sealed: Record | None
    plaintext: Record | None


def read(schema: Json) -> Schema:
    """Read the Avro JSON of a released schema."""
    kind = schema.get("kind", "event")
    known: dict[str, Shape] = {}
    top = cast("Record", _shape(schema, known))
    parts = {f.name: f.shape for f in top.fields}
    sealed = parts.get("sealed")
    return Schema(
        name=schema["name"],
        doc=schema.get("doc", ""),
        kind=kind,
        directory=schema.get("directory", False),
        steps=tuple(schema.get("steps", ())),
        header_required=tuple(schema.get("headerRequired", ())),
        header=cast("Record", parts["header"]) if kind == "event" else None,
        body=cast("Record", parts["body"]) if kind == "event" else top,
        sealed=cast("Record", sealed.inner) if isinstance(sealed, Optional) and kind == "event" else None,
        plaintext=_plaintext(schema),
    )


def _plaintext(schema: Json) -> Record | None:
    found = next(_find(schema, "plaintext"), None)
    return None if found is None else cast("Record", _shape(found, {}))


def _find(node: Any, key: str) -> Iterator[Any]:
    if isinstance(node, Mapping):
        for name, value in cast("Json", node).items():
            if name == key:
                yield value
            else:
                yield from _find(value, key)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _find(value, key)


def _shape(node: Any, known: dict[str, Shape]) -> Shape:
    if isinstance(node, str):
        return known[node] if node in known else _primitive({"type": node})
    if isinstance(node, list):
        null, inner = cast("list[Any]", node)
        if null != "null":
            raise ValueError("a union is null first, then one type")
        return Optional(_shape(inner, known))
    match node["type"]:
        case "record":
            shape: Shape = Record(
                name=node["name"],
                fields=tuple(_field(f, known) for f in node["fields"]),
                doc=node.get("doc", ""),
                one_of=tuple(node.get("oneOf", ())),
            )
            known[node["name"]] = shape
        case "fixed":
            shape = known[node["name"]] = Fixed(node["name"], node["size"])
        case "array":
            shape = Many(
                item=_shape(node["items"], known),
                min=node.get("minItems", 0),
                max=node["maxItems"],
                sorted=node.get("sorted", False),
                sorted_by=node.get("sortedBy", ""),
            )
        case _:
            shape = _primitive(node)
    return shape


def _primitive(node: Json) -> Shape:
    match node["type"]:
        case "string":
            return Text(node.get("min", 0), node["max"], node["pattern"], node.get("codes", ""))
        case "bytes":
            return Raw(node.get("min", 0), node["max"])
        case "int" | "long" as name:
            bits = 32 if name == "int" else 64
            return Number(bits, node["min"], node["max"], node.get("logicalType", ""))
        case "boolean":
            return Flag()
        case other:
            raise ValueError(f"no shape for Avro type {other!r}")


def _field(node: Json, known: dict[str, Shape]) -> Field:
    lengths = next(iter(node.get("lengthBy", {}).items()), None)
    return Field(
        name=node["name"],
        shape=_shape(node["type"], known),
        doc=node.get("doc", ""),
        required_if=tuple((k, tuple(v)) for k, v in node.get("requiredIf", {}).items()),
        required_with=node.get("requiredWith", ""),
        required_at=tuple(node.get("requiredAt", ())),
        unless_body=tuple(node.get("unlessBody", {}).items()),
        length_by=None if lengths is None else (lengths[0], tuple(lengths[1].items())),
    )


def avro(shape: Shape, known: set[str] | None = None) -> Any:
    """The shape as bare Avro: no logical types, which cost the encoder time, and no bounds, which it ignores."""
    known = set() if known is None else known
    match shape:
        case Text():
            return "string"
        case Raw():
            return "bytes"
        case Number():
            return "int" if shape.bits == 32 else "long"
        case Flag():
            return "boolean"
        case Optional():
            return ["null", avro(shape.inner, known)]
        case Many():
            return {"type": "array", "items": avro(shape.item, known)}
        case Fixed() | Record():
            if shape.name in known:
                return shape.name
            known.add(shape.name)
            if isinstance(shape, Fixed):
                return {"type": "fixed", "name": shape.name, "size": shape.size}
            fields = [{"name": f.name, "type": avro(f.shape, known)} for f in shape.fields]
            return {"type": "record", "name": shape.name, "fields": fields}


def records(shape: Shape) -> Iterator[Record]:
    """Every record in a shape, inner ones first; one that is used twice comes twice."""
    match shape:
        case Optional():
            yield from records(shape.inner)
        case Many():
            yield from records(shape.item)
        case Record():
            for field in shape.fields:
                yield from records(field.shape)
            yield shape
        case _:
            return
