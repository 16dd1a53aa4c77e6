"""The released schemas: which id is which type, and its fingerprint.

Nothing is read from disk at import; the Avro JSON of a schema is read when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Container
from functools import cache
from typing import Any

from msgspec import Struct

from bus.errors import UsageError
from bus.events import shapes
from bus.events.table import RELEASES
from bus.nearest import did_you_mean, nearest
from bus.paths import schemas_dir


class SchemaInfo(Struct, frozen=True):
    """One released schema.

    Attributes:
        id: Its number in Confluent framing, for ever.
        name: The Avro record's name, such as ``HashHit``.
        fingerprint: SHA-256 of the released file, 32 bytes.
        steps: The closed list of steps that an event of this type may have.
        kind: ``event``, or ``plain`` for Receipt and Decision.
        sealed: Whether events of this type may carry a sealed part.
        directory: Whether it is an event of the directory, addressed to everyone through ``hub.directory``.
        header_required: Header fields that are nullable in general and not in this type.
        path: The file's name under ``schemas/released``.
    """

    id: int
    name: str
    fingerprint: bytes
    steps: tuple[str, ...]
    kind: str
    sealed: bool
    directory: bool
    header_required: tuple[str, ...]
    path: str


_ALL: tuple[SchemaInfo, ...] = tuple(
    SchemaInfo(id_, name, bytes.fromhex(digest), steps, kind, sealed, directory, required, path)
    for id_, name, digest, steps, kind, sealed, directory, required, path in RELEASES
)
_BY_ID = {info.id: info for info in _ALL}
_BY_NAME = {info.name: info for info in _ALL}  # ids ascend, so the newest release stays
_BY_FINGERPRINT = {info.fingerprint: info for info in _ALL}


def all_schemas() -> tuple[SchemaInfo, ...]:
    """Every released schema, by ascending id."""
    return _ALL


def ids_of(types: Container[str]) -> list[int]:
    """The ids of every release of these types."""
    return [info.id for info in _ALL if info.name in types]


def directory_ids() -> list[int]:
    """The ids of every schema whose events make the directory."""
    return [info.id for info in _ALL if info.directory]


def by_id(schema_id: int) -> SchemaInfo | None:
    """The schema of that id, or None if this version does not know it."""
    return _BY_ID.get(schema_id)


def by_fingerprint(fingerprint: bytes) -> SchemaInfo | None:
    """The schema whose released file has that SHA-256, or None."""
    return _BY_FINGERPRINT.get(fingerprint)


def by_name(name: str) -> SchemaInfo:
    """The newest release of a type.

    Raises:
        UsageError: there is no such type; the hint names the nearest ones.
    """
    info = _BY_NAME.get(name)
    if info is None:
        hint = did_you_mean(nearest(name, _BY_NAME)) or f"There are {', '.join(_BY_NAME)}."
        raise UsageError("no such event type", hint=hint)
    return info


@cache
def avro_schema(info: SchemaInfo) -> dict[str, Any]:
    """The Avro JSON of the released file, as it stands there. Do not change what is returned."""
    return json.loads((schemas_dir() / "released" / info.path).read_bytes())


@cache
def shape(info: SchemaInfo) -> shapes.Schema:
    """The same, as a tree that programs can walk."""
    return shapes.read(avro_schema(info))
