"""Events as bytes: one valid byte string for each value, and fastavro agrees."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.events import codec, registry, shapes
from bus.events.examples import example
from bus.events.jsonform import Fill, parse_event
from bus.events.registry import SchemaInfo
from bus.events.types import Sealed, Wrap
from bus.paths import schemas_dir
from tests.unit.events.strategies import EVENT_TYPES, PLAIN_TYPES, Event, events, sealed_parts, structs

NOW_US = 1_800_000_000_000_000
thorough = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
each_type = pytest.mark.parametrize("info", EVENT_TYPES, ids=lambda info: info.name)


def oracle(info: SchemaInfo) -> Any:
    """The released file as fastavro has it, with plain numbers for times."""
    raw = json.loads((schemas_dir() / "released" / info.path).read_text())
    return fastavro.parse_schema(_without_logical(raw), named_schemas={})


def _without_logical(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _without_logical(v) for k, v in node.items() if k not in {"logicalType", "plaintext", "default"}}
    return [_without_logical(x) for x in node] if isinstance(node, list) else node


ORACLES = {info.id: oracle(info) for info in registry.all_schemas()}


def plain(value: Any) -> Any:
    """Structs as dicts and tuples as lists."""
    return _lists(msgspec.to_builtins(value, builtin_types=(bytes,)))


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _lists(v) for k, v in value.items()}
    return [_lists(x) for x in value] if isinstance(value, list | tuple) else value


def encode_again(value: bytes) -> bytes:
    """Decode, and encode what came out."""
    found = codec.decode(value)
    header = codec.encode_header(found.info, found.header)
    body = codec.encode_body(found.info, found.body)
    return codec.assemble(found.info, header, body, codec.encode_sealed(found.sealed))


def one_form(value: bytes) -> Malformed | None:
    """Check that bytes are refused, or are the one form of what they decode to; give the refusal."""
    try:
        again = encode_again(value)
    except Malformed as error:
        return error
    assert again == value
    return None


def sample(info: SchemaInfo, step: str | None = None) -> bytes:
    """The bytes of the type's example, as sealed for one if it can be."""
    who: dict[str, Any] = {
        "issuer": "north-harbour",
        "audience": ["lantern-line"],
        "nations": ["US", "IE"],
        "now_us": NOW_US,
    }
    fill = Fill("ledger.example.org/safeguard", "north-harbour", NOW_US, {}, None, lambda _: None)
    parts = parse_event(example(info.name, step=step, **who), fill)
    sealed = Sealed(1, None, (Wrap(b"k" * 32, b"w" * 1168),), b"c" * 272) if info.sealed else None
    return Event(info, parts.header, parts.body, sealed, None).value


@each_type
@thorough
@given(st.data())
def test_what_is_encoded_decodes_to_the_same(info: SchemaInfo, data: st.DataObject) -> None:
    """Header, body and sealed part come back, with the offsets at which they stood."""
    event = data.draw(events(info))
    header, body = codec.encode_header(info, event.header), codec.encode_body(info, event.body)
    value = codec.assemble(info, header, body, codec.encode_sealed(event.sealed))
    found = codec.decode(value)
    assert (found.header, found.body, found.sealed) == (event.header, event.body, event.sealed)
    assert (found.header_end, found.body_end) == (5 + len(header), 5 + len(header) + len(body))


@each_type
@thorough
@given(st.data())
def test_fastavro_reads_and_writes_the_same(info: SchemaInfo, data: st.DataObject) -> None:
    """A foreign Avro program decodes an event to the same values, and encodes these to the same bytes."""
    value = data.draw(events(info)).value
    found = codec.decode(value)
    same = {"header": plain(found.header), "body": plain(found.body), "sealed": plain(found.sealed)}
    stream = BytesIO(value[5:])
    assert fastavro.schemaless_reader(stream, ORACLES[info.id], None) == same
    assert stream.read() == b""
    out = BytesIO()
    fastavro.schemaless_writer(out, ORACLES[info.id], same, strict=True)
    assert out.getvalue() == value[5:]


@each_type
@thorough
@given(st.data())
def test_one_changed_byte_is_refused_or_says_something_else(info: SchemaInfo, data: st.DataObject) -> None:
    """No change of a byte gives a second form of the same event."""
    value = data.draw(events(info)).value
    place = data.draw(st.integers(0, len(value) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != value[place]))
    one_form(value[:place] + bytes([byte]) + value[place + 1 :])


@each_type
def test_every_byte_of_an_example_is_guarded(info: SchemaInfo) -> None:
    """At every place of a real event, flipped bits and telling bytes are refused or are something else."""
    value = sample(info)
    end = len(value) if len(value) < 1000 else value.index(b"w" * 100) + 10
    for place in [*range(end), len(value) - 273, len(value) - 1]:
        for byte in {value[place] ^ (1 << bit) for bit in range(8)} | {0, 1, 2, 7, 127, 128, 255}:
            if byte != value[place]:
                one_form(value[:place] + bytes([byte]) + value[place + 1 :])


@each_type
def test_what_is_refused_as_non_canonical_is_not_what_avro_writes(info: SchemaInfo) -> None:
    """Where the strict decoder says non-canonical, fastavro too fails, or would write other bytes."""
    value = sample(info)
    end = len(value) if len(value) < 1000 else value.index(b"w" * 100)
    for place in range(5, end):
        for byte in (value[place] ^ 1, value[place] | 128, 7):
            changed = value[:place] + bytes([byte]) + value[place + 1 :]
            error = one_form(changed)
            if error is not None and error.reason == "non-canonical" and "order" not in error.detail:
                assert _avro_again(info, changed[5:]) != changed[5:]


def _avro_again(info: SchemaInfo, data: bytes) -> bytes | None:
    out = BytesIO()
    try:
        found = fastavro.schemaless_reader(BytesIO(data), ORACLES[info.id], None)
        fastavro.schemaless_writer(out, ORACLES[info.id], found)
    except Exception:  # noqa: BLE001 - any failure is an answer here
        return None
    return out.getvalue()


@each_type
def test_a_cut_event_is_refused_at_every_length(info: SchemaInfo) -> None:
    """No beginning of an event is an event."""
    value = sample(info)
    for size in range(len(value)):
        with pytest.raises(Malformed) as caught:
            codec.decode(value[:size])
        assert caught.value.reason in {"framing", "non-canonical", "field-bounds", "field-pattern", "field-missing"}


@each_type
def test_nothing_may_stand_behind_the_end(info: SchemaInfo) -> None:
    """One byte more is one too many."""
    for more in (b"\x00", b"\x02", b"\xff", b"\x00" * 9):
        with pytest.raises(Malformed, match="non-canonical"):
            codec.decode(sample(info) + more)


@each_type
def test_longer_varints_are_refused_everywhere(info: SchemaInfo) -> None:
    """A length, count, index or number written with a byte too many is never accepted as the same."""
    value = sample(info)
    end = len(value) if len(value) < 1000 else value.index(b"w" * 100)
    for place in range(5, end):
        if value[place] < 128:
            one_form(value[:place] + bytes([value[place] | 128, 0]) + value[place + 1 :])


@pytest.mark.parametrize("info", PLAIN_TYPES, ids=lambda info: info.name)
@thorough
@given(st.data())
def test_receipts_and_decisions_come_back(info: SchemaInfo, data: st.DataObject) -> None:
    """Receipts and decisions decode to what was encoded, and fastavro writes the same bytes."""
    record = data.draw(structs(registry.shape(info).body, info.id))
    receipt = info.name == "Receipt"
    value = codec.encode_receipt(record) if receipt else codec.encode_decision(record)
    assert (codec.decode_receipt if receipt else codec.decode_decision)(value) == record
    out = BytesIO()
    fastavro.schemaless_writer(out, ORACLES[info.id], plain(record), strict=True)
    assert out.getvalue() == (value[5:] if receipt else value)


@thorough
@given(sealed_parts())
def test_sealed_parts_are_written_as_fastavro_writes_them(sealed: Sealed) -> None:
    """The hand-written encoder of sealed parts agrees with fastavro."""
    shape = registry.shape(registry.by_name("HashHit")).sealed
    assert shape is not None
    out = BytesIO()
    schema = fastavro.parse_schema(["null", shapes.avro(shape)], named_schemas={})
    fastavro.schemaless_writer(out, schema, plain(sealed), strict=True)
    assert codec.encode_sealed(sealed) == out.getvalue()


@pytest.mark.parametrize("info", [i for i in EVENT_TYPES if i.sealed], ids=lambda info: info.name)
@thorough
@given(st.data())
def test_plaintexts_come_back(info: SchemaInfo, data: st.DataObject) -> None:
    """What is to be sealed decodes to what was encoded, and a changed byte never gives a second form."""
    shape = registry.shape(info).plaintext
    assert shape is not None
    record = data.draw(structs(shape, info.id))
    raw = codec.encode_plaintext(info, record)
    assert codec.decode_plaintext(info, raw) == record
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:place] + bytes([data.draw(st.integers(0, 255))]) + raw[place + 1 :]
    try:
        other = codec.decode_plaintext(info, changed)
    except Malformed:
        return
    assert codec.encode_plaintext(info, other) == changed


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(registry.all_schemas()), st.binary(max_size=400))
def test_noise_is_refused_and_nothing_else(info: SchemaInfo, noise: bytes) -> None:
    """Whatever stands behind a known schema id, decoding ends in Malformed or in an event."""
    framed = b"\x00" + info.id.to_bytes(4, "big") + noise
    for read in (codec.decode, codec.decode_receipt):
        try:
            read(framed)
        except Malformed:
            continue


def test_a_decision_out_of_order_is_not_written() -> None:
    """Recipients that are not sorted, or stand twice, are a mistake of ours, told at once."""
    first, second = (codec.Recipient(org, True, "audience", "bulk", 1) for org in ("org-a", "org-b"))
    for wrong in ((second, first), (first, first)):
        with pytest.raises(ValueError, match="sorted"):
            codec.encode_decision(codec.Decision(bytes(16), wrong))


@each_type
def test_an_ordinary_avro_client_reads_a_released_schema(info: SchemaInfo) -> None:
    """With the released file as it stands, logical types and attributes of ours included, fastavro reads an event."""
    schema = fastavro.parse_schema(registry.avro_schema(info), named_schemas={})
    value = sample(info)
    found: Any = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
    assert found["header"]["issuer"] == "north-harbour"
    assert found["header"]["issued_at"].year == 2027
    assert found["header"]["retain_until"].isoformat() > "2027"
