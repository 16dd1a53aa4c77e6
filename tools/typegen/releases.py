"""The released schemas, newest first, and the Python class of each of their records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from bus.events import shapes


class Release(NamedTuple):
    """One file of `schemas/released`."""

    id: int
    path: str
    fingerprint: str
    schema: shapes.Schema

    def parts(self) -> list[shapes.Record]:
        """The records that are decoded on their own."""
        found = [self.schema.header, self.schema.body, self.schema.sealed, self.schema.plaintext]
        return [r for r in found if r is not None]


def read_releases(folder: Path) -> list[Release]:
    """Every release, the newest first."""
    found: list[Release] = []
    for path in folder.glob("*.avsc"):
        raw = path.read_bytes()
        schema = shapes.read(json.loads(raw))
        found.append(Release(int(path.name.split("-")[0]), path.name, hashlib.sha256(raw).hexdigest(), schema))
    return sorted(found, key=lambda r: -r.id)


class Classes:
    """Record -> class name. The newest release of a record has its plain name, a differing older one `NameV<id>`."""

    def __init__(self, releases: list[Release]) -> None:
        self.names: dict[shapes.Record, str] = {}
        self.older: dict[tuple[int, str], str] = {}
        taken: set[str] = set()
        for release in releases:
            for part in release.parts():
                for record in shapes.records(part):
                    self._add(release.id, record, taken)

    def _add(self, id_: int, record: shapes.Record, taken: set[str]) -> None:
        name = self.names.get(record)
        if name is None:
            name = f"{record.name}V{id_}" if record.name in taken else record.name
            taken.add(name)
            self.names[record] = name
        if name != record.name:
            self.older[id_, record.name] = name

    def ordered(self) -> list[tuple[str, shapes.Record]]:
        """Classes so that each comes after what it uses."""
        return [(name, record) for record, name in self.names.items()]


def is_plain(release: Release) -> bool:
    """Whether the release is no event."""
    return release.schema.kind == "plain"


def quote(value: Any) -> str:
    """A literal with double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
