"""Names, ids, times and the CloudEvents headers."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events import names
from bus.events.clock import SystemClock, format_us, parse_us
from bus.events.ids import dashed, parse_uuid, uuid7, uuid7_time_us
from bus.testing.clock import ManualClock
from tests.unit.events.strategies import Event, any_events

MAX_US = 253402300799999999
times = st.integers(0, MAX_US)


@settings(max_examples=100, deadline=None)
@given(any_events())
def test_cloudevents_headers_follow_from_the_event(event: Event) -> None:
    """Seven headers, in their order, each once, saying what the signed header says."""
    found = names.ce_headers(event.info, event.header)
    assert tuple(name for name, _ in found) == names.CE_NAMES
    told = {name: value.decode() for name, value in found}
    header = event.header
    assert told["ce_specversion"] == "1.0"
    assert told["ce_id"] == str(uuid.UUID(bytes=header.event_id))
    assert told["ce_source"] == f"/organisations/{header.issuer}"
    assert told["ce_type"] == f"org.safeguard.{event.info.name}.{header.step}"
    assert told["ce_dataschema"] == f"urn:sha256:{event.info.fingerprint.hex()}"
    assert told["content-type"] == "application/avro"
    time = dt.datetime.fromisoformat(told["ce_time"])
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert (time - epoch) // dt.timedelta(microseconds=1) == header.issued_at


def test_topics_name_kind_organisation_and_lane() -> None:
    """A topic reads back to what it was made of, and look-alikes do not."""
    for lane in names.LANES:
        assert names.parse_topic(names.out_topic("org1", lane)) == ("out", "org1", lane)
        assert names.parse_topic(names.in_topic("org1", lane)) == ("in", "org1", lane)
        assert names.parse_topic(names.receipts_topic("org1", lane)) == ("receipts", "org1", lane)
    assert names.out_topic("org1") == "out.org1"
    assert names.in_topic("org1", "urgent") == "in.org1.urgent"
    for other in (
        "hub.directory",
        "hub.cursor",
        "out.",
        "out.x",
        "out.Org",
        "out.a-b.bulk",
        "out.a-b.urgent.x",
        "xout.a-b",
    ):
        assert names.parse_topic(other) is None


@given(times, st.binary(min_size=8, max_size=8))
def test_an_id_is_a_uuid_of_version_7(now_us: int, rand: bytes) -> None:
    """Python's own library agrees, and the time comes back to the millisecond."""
    made = uuid7(now_us, rand)
    found = uuid.UUID(bytes=made)
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert uuid7_time_us(made) == now_us // 1000 * 1000
    assert dashed(made) == str(found)
    assert parse_uuid(dashed(made)) == made


@given(times, times, st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_ids_are_in_the_order_of_their_times(one: int, other: int, rand: bytes, more: bytes) -> None:
    """Sorting by id sorts by microsecond."""
    if one < other:
        assert uuid7(one, rand) < uuid7(other, more)


def test_other_ids_have_no_time() -> None:
    """Version 4, another variant and wrong lengths are told apart."""
    made = uuid7(1_800_000_000_000_000, bytes(8))
    assert uuid7_time_us(uuid.uuid4().bytes) is None
    assert uuid7_time_us(made[:8] + b"\xff" + made[9:]) is None
    assert uuid7_time_us(made[:15]) is None
    for wrong in ((-1, bytes(8)), (1 << 62, bytes(8)), (0, bytes(7))):
        with pytest.raises(ValueError, match="make an id"):
            uuid7(*wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "018f0000-0000-7000-8000-00000000000",
        "018F0000-0000-7000-8000-000000000000",
        "{018f0000-0000-7000-8000-000000000000}",
        "018f0000000070008000000000000000",
        "018f0000-0000-7000-8000-00000000000 ",
        "018f-00000000-7000-8000-000000000000",
        "\u096618f0000-0000-7000-8000-000000000000",
    ],
)
def test_a_uuid_has_one_form(text: str) -> None:
    """Upper case, braces, no dashes, other digits: none is taken."""
    with pytest.raises(ValueError, match="UUID"):
        parse_uuid(text)


@given(times)
def test_times_come_back(us: int) -> None:
    """Every instant has its text, of one length, and is read from it."""
    text = format_us(us)
    assert len(text) == 27
    assert parse_us(text) == us


def test_shorter_fractions_are_taken() -> None:
    """People write whole seconds and milliseconds."""
    assert parse_us("1970-01-01T00:00:01Z") == 1_000_000
    assert parse_us("1970-01-01T00:00:01.25Z") == 1_250_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00+00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567Z",
        "1970-02-30T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:60Z",
        "\u0967970-01-01T00:00:00Z",
        "1970-01-01T00:00:00z",
        "1970-01-01T00:00:00Z\n",
        "+970-01-01T00:00:00Z",
    ],
)
def test_other_times_are_not_taken(text: str) -> None:
    """No zone but Z, no day that is not, no digits but ours."""
    with pytest.raises(ValueError):
        parse_us(text)


def test_a_manual_clock_goes_only_when_told() -> None:
    """Tests run months in seconds."""
    clock = ManualClock(1000)
    assert clock.now_us() == 1000
    assert clock.advance(seconds=1.5, us=1) == clock.now_us() == 1_501_001
    clock.set(7)
    assert clock.now_us() == 7
    assert SystemClock().now_us() > 1_700_000_000_000_000
