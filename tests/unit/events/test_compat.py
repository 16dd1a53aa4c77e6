"""Releases are held against each other on the whole of their JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from bus.events import registry
from bus.events.compat import breaks, shared_breaks
from bus.paths import schemas_dir


def released(name: str) -> dict[str, Any]:
    """The JSON of a released schema."""
    return json.loads((schemas_dir() / "released" / registry.by_name(name).path).read_text())


def test_every_release_can_take_the_place_of_every_older_one() -> None:
    """All releases of a type, both ways; and records that several types share are one."""
    infos = sorted(registry.all_schemas(), key=lambda info: info.id)
    schemas = {info.id: dict(registry.avro_schema(info)) for info in infos}
    for older, newer in combinations(infos, 2):
        if older.name == newer.name:
            assert breaks(schemas[older.id], schemas[newer.id]) == []
    assert shared_breaks([(info.path, schemas[info.id]) for info in infos]) == []


@pytest.mark.parametrize("info", registry.all_schemas(), ids=lambda info: info.name)
def test_a_release_agrees_with_itself(info: registry.SchemaInfo) -> None:
    """Nothing is told where nothing differs."""
    schema = dict(registry.avro_schema(info))
    assert breaks(schema, copy.deepcopy(schema)) == []


def body(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of the body."""
    return schema["fields"][1]["type"]["fields"]


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A field of the body."""
    return next(f for f in body(schema) if f["name"] == name)


def header(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A field of the header."""
    return next(f for f in schema["fields"][0]["type"]["fields"] if f["name"] == name)


def plaintext(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of what is sealed."""
    ct = next(f for f in schema["fields"][2]["type"][1]["fields"] if f["name"] == "ct")
    return ct["plaintext"]["fields"]


Change = Callable[[dict[str, Any]], Any]
NEW = {"name": "more", "type": ["null", "boolean"], "doc": "something new", "default": None}

WIDER: dict[str, Change] = {
    "a field with a default, at the end": lambda s: body(s).append(NEW),
    "a field with a default in what is sealed": lambda s: plaintext(s).append(NEW),
    "a step": lambda s: s["steps"].append("reviewed"),
    "documentation": lambda s: field(s, "match").update(doc="in other words"),
    "a longer list": lambda s: field(s, "platform_action")["type"].update(maxItems=16),
    "a longer string": lambda s: header(s, "legal_basis")["type"].update(max=64),
}
NARROWER: dict[str, tuple[Change, str, str]] = {
    "no default": (
        lambda s: body(s).append({"name": "more", "type": "boolean", "doc": "new"}),
        "HashHit.body.more", "is new and has no default",
    ),
    "a lost field": (lambda s: body(s).remove(field(s, "viewed")), "HashHit.body.viewed", "is gone"),
    "another order": (
        lambda s: body(s).insert(1, body(s).pop(2)), "HashHit.body.source", "stands in another place"
    ),
    "a new field in the middle": (lambda s: body(s).insert(1, NEW), "HashHit.body.source", "stands in another place"),
    "another default": (lambda s: field(s, "viewed").pop("default"), "HashHit.body.viewed", "has another default"),
    "milliseconds": (
        lambda s: header(s, "issued_at")["type"].update(logicalType="timestamp-millis"),
        "HashHit.header.issued_at", "logicalType is not what it was",
    ),
    "another type": (
        lambda s: field(s, "platform_action").update(type={"type": "bytes", "min": 1, "max": 9}),
        "HashHit.body.platform_action", "was array and is bytes",
    ),
    "no longer null": (
        lambda s: field(s, "review").update(type=field(s, "review")["type"][1]),
        "HashHit.body.review", "may be null in one release and not in the other",
    ),
    "a shorter list": (
        lambda s: field(s, "platform_action")["type"].update(maxItems=4),
        "HashHit.body.platform_action", "maxItems is not what it was",
    ),
    "another pattern": (
        lambda s: header(s, "issuer")["type"].update(pattern="member"), "HashHit.header.issuer", "pattern is not what it was"
    ),
    "another list of codes": (
        lambda s: header(s, "purpose")["type"].update(codes="measure"), "HashHit.header.purpose", "codes is not what it was"
    ),
    "a lost step": (lambda s: s["steps"].remove("inconclusive"), "HashHit", "steps is not what it was"),
    "a new rule": (
        lambda s: field(s, "token").update(requiredAt=["detected"]), "HashHit.body.token", "requiredAt is not what it was"
    ),
    "a lost field of what is sealed": (
        lambda s: plaintext(s).pop(), "HashHit.sealed.ct.plaintext.last_at", "is gone"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WIDER)
def test_what_only_adds_is_compatible(case: str) -> None:
    """An older program reads the newer event's known part, and a newer one the older event."""
    newer = released("HashHit")
    WIDER[case](newer)
    assert breaks(released("HashHit"), newer) == []


@pytest.mark.parametrize("case", NARROWER)
def test_what_takes_away_is_told_with_its_path(case: str) -> None:
    """Each has the field and the rule; also what Avro's own comparison does not see."""
    change, path, rule = NARROWER[case]
    newer = released("HashHit")
    change(newer)
    assert (path, rule) in [(one.path, one.rule) for one in breaks(released("HashHit"), newer)]


def test_a_shared_record_that_drifts_is_told() -> None:
    """One type's header cannot differ from another's."""
    changed = released("Report")
    header(changed, "case").pop("default")
    found = shared_breaks([("20", released("HashHit")), ("23", changed)])
    assert [one.path for one in found] == ["23: Header.case"]
