"""Examples: every type and step has one, and each is valid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bus.errors import UsageError
from bus.events import codec, registry
from bus.events.examples import example
from bus.events.jsonform import Fill, parse_event
from bus.events.registry import SchemaInfo
from bus.paths import schemas_dir
from tests.unit.events.strategies import EVENT_TYPES

NOW_US = 1_800_000_000_000_000
STEPS = [(info, step) for info in EVENT_TYPES for step in info.steps]
FILL = Fill("ledger.example.org/safeguard", "garda-example", NOW_US, {}, None, lambda _: None)


@pytest.mark.parametrize(("info", "step"), STEPS, ids=[f"{info.name}.{step}" for info, step in STEPS])
@pytest.mark.parametrize(
    "audience", [["lantern-line"], ["@north-sea", "bay-police", "a-platform"]], ids=["one", "three"]
)
def test_each_step_has_a_valid_example(info: SchemaInfo, step: str, audience: list[str]) -> None:
    """The example parses, encodes, and decodes strictly to the same, whoever it is for."""
    event = example(info.name, step=step, issuer="garda-example", audience=audience, nations=["IE"], now_us=NOW_US)
    assert event["header"]["step"] == step
    assert "event_id" in event["header"]
    parts = parse_event(json.loads(json.dumps(event)), FILL)
    header, body = codec.encode_header(info, parts.header), codec.encode_body(info, parts.body)
    found = codec.decode(codec.assemble(info, header, body, b"\x00"))
    assert (found.header, found.body) == (parts.header, parts.body)
    if parts.plaintext is not None:
        assert codec.decode_plaintext(info, codec.encode_plaintext(info, parts.plaintext)) == parts.plaintext


@pytest.mark.parametrize("info", EVENT_TYPES, ids=lambda info: info.name)
def test_an_example_file_lists_the_types_own_steps(info: SchemaInfo) -> None:
    """No step is missing, and none is invented."""
    source = json.loads((schemas_dir() / "examples" / f"{info.name}.json").read_text())
    assert tuple(source["steps"]) == info.steps


def test_examples_are_new_each_time() -> None:
    """Two examples are two events."""
    who: dict[str, Any] = {"issuer": "garda-example", "audience": ["lantern-line"], "nations": ["IE"], "now_us": NOW_US}
    one, other = (example("HashHit", **who) for _ in range(2))
    assert one["header"]["event_id"] != other["header"]["event_id"]
    assert one["sealed"] != other["sealed"]


@pytest.mark.parametrize(("type_", "step"), [("HashHitt", None), ("Receipt", None), ("HashHit", "exploded")])
def test_what_has_no_example_says_what_there_is(type_: str, step: str | None) -> None:
    """A wrong type or step gets a hint."""
    with pytest.raises(UsageError) as caught:
        example(type_, step=step, issuer="a-a", audience=["b-b"], nations=["IE"], now_us=NOW_US)
    assert caught.value.hint


def test_every_example_file_belongs_to_a_type() -> None:
    """Nothing lies about."""
    names = {path.stem for path in (schemas_dir() / "examples").glob("*.json")}
    assert names == {info.name for info in registry.all_schemas() if info.kind == "event"}


def test_an_example_is_its_callers_to_change() -> None:
    """What is changed in one is not found in the next."""
    made = example("HashHit", issuer="a-a", audience=["b-b"], nations=["IE"], now_us=NOW_US)
    made["header"]["handling"]["tlp"] = "ULTRAVIOLET"
    again = example("HashHit", issuer="a-a", audience=["b-b"], nations=["IE"], now_us=NOW_US)
    assert again["header"]["handling"]["tlp"] == "AMBER"
