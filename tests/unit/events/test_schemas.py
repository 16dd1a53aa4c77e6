"""The schemas keep the promises made about them: nothing personal in a header, a bound on everything."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from bus.events import registry, shapes
from bus.events.names import PATTERNS
from bus.events.registry import SchemaInfo
from bus.paths import schemas_dir
from tests.unit.events.strategies import EVENT_TYPES

HEADER_FIELDS = [
    "nonce",
    "event_id",
    "hub",
    "issuer",
    "thread",
    "lane",
    "on_behalf_of",
    "step",
    "about",
    "supersedes",
    "causes",
    "case",
    "issued_at",
    "effect_at",
    "addressee",
    "deadline",
    "due_at",
    "audience",
    "audit_nations",
    "handling",
    "source_eval",
    "info_eval",
    "purpose",
    "compulsion",
    "source_kind",
    "legal_basis",
    "compartment",
    "priority",
    "retain_until",
    "preserve_until",
]
NEVER_IN_A_HEADER = {
    "hash",
    "hashes",
    "url",
    "urls",
    "onion",
    "locator",
    "username",
    "user",
    "account",
    "ip",
    "number",
    "ref",
    "reference",
    "age",
    "sex",
    "severity",
    "classification",
    "victim",
    "suspect",
    "offender",
    "person",
    "name",
    "officer",
    "contact",
    "email",
    "phone",
    "query",
    "text",
    "note",
    "narrative",
    "incident",
    "country",
    "location",
    "device",
    "value",
    "token",
    "media",
    "image",
    "file",
}
TEXT_IN_BODIES = {("OrganisationAdmitted", "name"), ("PolicyAdopted", "text"), ("AccessRecorded", "query")}
MAX_BYTES = {"text": 16000, "bytes": 49152}
each_schema = pytest.mark.parametrize("info", registry.all_schemas(), ids=lambda info: info.name)


def released(info: SchemaInfo) -> dict[str, Any]:
    """The released file's JSON."""
    return json.loads((schemas_dir() / "released" / info.path).read_text())


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every type of an Avro schema, of sealed plaintexts too, with where it stands."""
    if isinstance(node, list):
        for item in node:
            yield from nodes(item, path)
    elif isinstance(node, dict):
        yield path, node
        for field in node.get("fields", ()):
            yield from nodes(field["type"], f"{path}.{field['name']}")
            if "plaintext" in field:
                yield from nodes(field["plaintext"], f"{path}.plaintext")
        for key in ("items", "type"):
            if isinstance(node.get(key), dict | list):
                yield from nodes(node[key], path)
    elif node in {"string", "bytes", "int", "long"}:
        yield path, {"type": node}


@each_schema
def test_everything_has_a_small_bound(info: SchemaInfo) -> None:
    """Strings, bytes, numbers and arrays say how large they may be; a picture fits into none of them but ciphertext."""
    for path, node in nodes(released(info)):
        match node["type"]:
            case "string":
                assert 1 <= node["min"] <= node["max"] <= MAX_BYTES["text"], path
                assert node["pattern"] in PATTERNS, path
            case "bytes":
                assert 1 <= node["min"] <= node["max"], path
                small = node["max"] <= 144 or path.endswith((".ct", ".wrap", ".public_key"))
                assert small, path
                assert node["max"] <= MAX_BYTES["bytes"], path
            case "int" | "long":
                assert node["min"] <= node["max"], path
            case "array":
                assert 0 <= node["minItems"] <= node["maxItems"] <= 4096, path
            case "fixed":
                assert node["size"] in {16, 32, 64}, path
            case "record":
                assert node["fields"], path
            case "boolean":
                pass
            case other:
                pytest.fail(f"{path}: {other} is not used here")


@each_schema
def test_a_union_is_null_first_and_then_one_type(info: SchemaInfo) -> None:
    """So that a field is there or not, and an index is 0 or 1."""
    text = json.dumps(released(info))
    assert not re.search(r'"(map|enum|float|double|union)"', text)
    for _, node in nodes(released(info)):
        for field in node.get("fields", ()):
            if isinstance(field["type"], list):
                assert len(field["type"]) == 2
                assert field["type"][0] == "null"
                assert field["default"] is None


@pytest.mark.parametrize("info", EVENT_TYPES, ids=lambda info: info.name)
def test_a_header_holds_nothing_personal(info: SchemaInfo) -> None:
    """No field is named as what must never be there, and no string is free text."""
    header = cast("shapes.Record", registry.shape(info).header)
    assert [f.name for f in header.fields] == HEADER_FIELDS
    for record in shapes.records(header):
        for field in record.fields:
            assert not NEVER_IN_A_HEADER & set(field.name.split("_")), field.name
            for shape in _leaves(field.shape):
                if isinstance(shape, shapes.Text):
                    assert shape.pattern not in {"text", "ref"}, field.name
                    assert shape.max <= 64, field.name


def _leaves(shape: shapes.Shape) -> Iterator[shapes.Shape]:
    if isinstance(shape, shapes.Optional):
        yield from _leaves(shape.inner)
    elif isinstance(shape, shapes.Many):
        yield from _leaves(shape.item)
    else:
        yield shape


@pytest.mark.parametrize("info", EVENT_TYPES, ids=lambda info: info.name)
def test_hashes_and_locators_are_sealed(info: SchemaInfo) -> None:
    """Neither stands in a body, and no free text does but what the hub itself publishes; a body begins with its salt."""
    body = registry.shape(info).body
    assert (body.fields[0].name, body.fields[0].shape) == ("salt", shapes.Fixed("Bytes32", 32))
    for record in shapes.records(body):
        assert record.name not in {"Hash", "Locator", "Person", "Account", "IpEvent", "Device"}
        for field in record.fields:
            texts = [s for s in _leaves(field.shape) if isinstance(s, shapes.Text) and s.pattern == "text"]
            assert not texts or (info.name, field.name) in TEXT_IN_BODIES, field.name


@each_schema
def test_every_field_says_what_it_is(info: SchemaInfo) -> None:
    """Partners read the schema, not our code."""
    schema = registry.shape(info)
    for part in (schema.header, schema.body, schema.plaintext):
        for record in shapes.records(part) if part else ():
            assert record.doc
            assert all(f.doc for f in record.fields), record.name


@each_schema
def test_codes_have_their_list(info: SchemaInfo) -> None:
    """Each list that a schema names is there, and each of its codes can be carried."""
    for path, node in nodes(released(info)):
        if "codes" in node:
            rows = _rows(node["codes"])
            key = "code" if node["codes"] == "refusal" else "value"
            for row in rows:
                assert PATTERNS[node["pattern"]].fullmatch(row[key]), (path, row)
                assert len(row[key]) <= node["max"]
            if "step" in path:
                assert set(info.steps) <= {row["value"] for row in rows}


def _rows(name: str) -> list[dict[str, str]]:
    with (schemas_dir() / "codes" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", sorted(p.stem for p in (schemas_dir() / "codes").glob("*.csv")))
def test_a_code_list_is_complete_and_used(name: str) -> None:
    """Each code stands once, with a meaning and with its source, or its remedy; and a schema names the list."""
    rows = _rows(name)
    key, last = ("code", "remedy") if name == "refusal" else ("value", "source")
    codes = [row[key] for row in rows]
    assert len(set(codes)) == len(codes) > 0
    assert all(row["meaning"] and row[last] for row in rows)
    assert not [row for row in rows if "|" in row["meaning"]]
    used = {node["codes"] for info in registry.all_schemas() for _, node in nodes(released(info)) if "codes" in node}
    assert name in used


@each_schema
def test_a_fingerprint_is_the_files_own(info: SchemaInfo) -> None:
    """The table, the file and the record of releases agree."""
    raw = (schemas_dir() / "released" / info.path).read_bytes()
    assert hashlib.sha256(raw).digest() == info.fingerprint
    recorded = (schemas_dir() / "released" / "FINGERPRINTS").read_text()
    assert f"{info.fingerprint.hex()}  {info.path}\n" in recorded
    assert released(info)["namespace"] == "org.safeguard"


def test_the_algorithms_lengths_are_those_of_the_list() -> None:
    """The list of hash algorithms, read by people, says what the schema checks."""
    hashes = next(r for r in shapes.records(_plaintext("HashHit")) if r.name == "Hash")
    lengths = hashes.field("value").length_by
    assert lengths is not None
    listed = {row["value"]: int(row["bytes"]) for row in _rows("hash_algorithm") if row["bytes"]}
    assert dict(lengths[1]) == listed


def _plaintext(name: str) -> shapes.Record:
    return cast("shapes.Record", registry.shape(registry.by_name(name)).plaintext)


def test_every_refusal_of_ours_is_in_the_list() -> None:
    """A reason that a receipt names is explained, with what to do."""
    from bus import events

    root = Path(next(iter(events.__path__)))
    raised = re.compile(r'Malformed\(\s*"([a-z-]+)"')
    found = {code for path in root.rglob("*.py") for code in raised.findall(path.read_text(encoding="utf-8"))}
    assert {"framing", "non-canonical", "field-bounds", "field-pattern", "field-missing", "step-unknown"} <= found
    assert found <= {row["code"] for row in _rows("refusal")}
