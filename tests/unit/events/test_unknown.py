"""What this version does not know goes through it unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bus.errors import Malformed
from bus.events import codec, registry
from bus.events.examples import example
from bus.events.jsonform import Fill, parse_event, to_json

NOW_US = 1_800_000_000_000_000
FILL = Fill("ledger.example.org/safeguard", "north-harbour", NOW_US, {}, None, lambda _: None)
FUTURE = "a_code_of_the_future"


def report() -> dict[str, Any]:
    """A report whose open codes are all of the future, in header, body and sealed part."""
    made = example("Report", issuer="north-harbour", audience=["lantern-line"], nations=["US"], now_us=NOW_US)
    for name in ("purpose", "compulsion", "source_kind", "compartment"):
        made["header"][name] = FUTURE
    made["header"]["handling"]["tlp"] = "ULTRAVIOLET"
    made["body"] |= {"incident_types": [FUTURE], "statutory_channel": FUTURE}
    made["sealed"]["external_refs"] = [{"system": FUTURE, "value": "filler-7"}]
    return made


def test_unknown_codes_survive_a_round_trip() -> None:
    """JSON to bytes to JSON: a code that no list has is carried as it is, never dropped and never null."""
    parts = parse_event(report(), FILL)
    info = parts.info
    header, body = codec.encode_header(info, parts.header), codec.encode_body(info, parts.body)
    found = codec.decode(codec.assemble(info, header, body, b"\x00"))
    plaintext = codec.decode_plaintext(info, codec.encode_plaintext(info, parts.plaintext))
    told = json.loads(json.dumps(to_json(info, found.header, found.body, plaintext)))
    assert json.dumps(told).count(FUTURE) == 7
    assert told["header"]["handling"]["tlp"] == "ULTRAVIOLET"
    assert parse_event(told, FILL) == parts


def test_an_event_of_a_newer_schema_is_told_apart_from_a_broken_one() -> None:
    """Its reason is its own, whatever stands behind the id, so that who holds it can keep the bytes and upgrade."""
    newest = max(info.id for info in registry.all_schemas())
    for rest in (b"", b"\xff" * 400):
        value = b"\x00" + (newest + 1).to_bytes(4, "big") + rest
        with pytest.raises(Malformed) as caught:
            codec.decode(value)
        assert caught.value.reason == "unknown-schema"
