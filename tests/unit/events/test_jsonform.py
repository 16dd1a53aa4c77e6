"""The JSON form of an event: complete, exact, and silent about values."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.errors import InvalidEvent
from bus.events import codec, registry
from bus.events.examples import example
from bus.events.ids import dashed, parse_uuid, uuid7_time_us
from bus.events.jsonform import Fill, Parts, parse_event, to_json
from bus.events.registry import SchemaInfo
from bus.events.types import Sealed, Wrap
from tests.unit.events.strategies import EVENT_TYPES, publishable

HUB = "ledger.example.org/safeguard"
NOW_US = 1_800_000_000_123_456


def fill(**changes: Any) -> Fill:
    """What fills events in these tests."""
    base: dict[str, Any] = {
        "hub": HUB,
        "issuer": "north-harbour",
        "now_us": NOW_US,
        "defaults": {},
        "audience": None,
        "subject": lambda _: None,
    }
    return Fill(**base | changes)


def hit(**header: Any) -> dict[str, Any]:
    """An example HashHit with other header fields."""
    who: dict[str, Any] = {
        "issuer": "north-harbour",
        "audience": ["lantern-line"],
        "nations": ["US", "IE"],
        "now_us": NOW_US,
    }
    event = example("HashHit", **who)
    event["header"] |= header
    return event


def refused(event: Any, **changes: Any) -> InvalidEvent:
    """The error with which an event is refused."""
    with pytest.raises(InvalidEvent) as caught:
        parse_event(event, fill(**changes))
    return caught.value


@pytest.mark.parametrize("info", EVENT_TYPES, ids=lambda info: info.name)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_json_says_all_of_an_event(info: SchemaInfo, data: st.DataObject) -> None:
    """What is written as JSON is read again to the same header, body and plaintext, codes unknown to us too."""
    event = data.draw(publishable(info, hub=HUB))
    written = json.loads(json.dumps(to_json(info, event.header, event.body, event.plaintext)))
    known = (event.header.thread, event.header.lane)
    read = parse_event(written, fill(issuer=event.header.issuer, subject=lambda _: known))
    assert read == Parts(info, event.header, event.body, event.plaintext)


def test_what_a_person_need_not_say_is_filled_in() -> None:
    """Nonce, salt, id, hub, issuer, time, thread, lane and the end of retention come by themselves."""
    event = hit()
    del event["header"]["event_id"]
    parts = parse_event(event, fill())
    header = parts.header
    assert (header.hub, header.issuer, header.issued_at) == (HUB, "north-harbour", NOW_US)
    assert uuid7_time_us(header.event_id) == NOW_US // 1000 * 1000
    assert (header.thread, header.lane) == (header.event_id, "bulk")
    assert header.retain_until == NOW_US // 86_400_000_000 + 365
    assert len(set(header.nonce)) > 1 < len(set(parts.body.salt))


def test_nothing_random_comes_twice() -> None:
    """Two events of one JSON differ in nonce and salt."""
    one, other = (parse_event(hit(), fill()) for _ in range(2))
    assert one.header.nonce != other.header.nonce
    assert one.body.salt != other.body.salt


def test_a_profile_fills_what_the_event_leaves_open() -> None:
    """Defaults give way to what the event says; null is the same as absent."""
    event = hit(purpose=None, legal_basis=None, audience=None, priority="urgent")
    defaults = {"purpose": "prevention", "legal_basis": "uk-osa-66@1", "priority": "routine", "retain_days": 30}
    parts = parse_event(event, fill(defaults=defaults, audience=("zeta-line", "alpha-line")))
    header = parts.header
    assert (header.purpose, header.legal_basis, header.priority) == ("prevention", "uk-osa-66@1", "urgent")
    assert header.audience == ("alpha-line", "zeta-line")
    assert header.retain_until == NOW_US // 86_400_000_000 + 30
    assert header.lane == "urgent"


def test_a_case_is_the_thread_of_what_is_about_nothing() -> None:
    """Events of one case travel in order though none names another."""
    parts = parse_event(hit(case="ab" * 16), fill())
    assert parts.header.thread == bytes.fromhex("ab" * 16)


def test_a_known_subject_gives_thread_and_lane() -> None:
    """What is about an event follows it, whatever its own priority."""
    about = dashed(bytes(range(16)))
    subject = (b"t" * 16, "urgent")
    parts = parse_event(hit(about=about), fill(subject=lambda i: subject if i == parse_uuid(about) else None))
    assert (parts.header.thread, parts.header.lane) == subject
    for wrong in ({"thread": "00" * 16}, {"lane": "bulk"}):
        error = refused(hit(about=about, **wrong), subject=lambda _: subject)
        assert error.path == f"header.{next(iter(wrong))}"


def test_an_unknown_subject_needs_thread_and_lane() -> None:
    """The error says what to do; given by hand, they are taken."""
    about = dashed(bytes(range(16)))
    error = refused(hit(about=about))
    assert error.path == "header.about"
    assert "header.thread" in error.hint
    parts = parse_event(hit(about=about, thread="cd" * 16, lane="urgent"), fill())
    assert (parts.header.thread, parts.header.lane) == (bytes.fromhex("cd" * 16), "urgent")


BREAK = [
    ({"header": {"purposse": "SECRET"}}, "header.purposse", "unknown field"),
    ({"body": {"match": {"kindd": "SECRET"}}}, "body.match.kindd", "unknown field"),
    ({"sealed": {"hashes": [{"algorithm": "MD5", "value": "00" * 16, "pixels": "SECRET"}]}}, "sealed.hashes[0].pixels", "unknown"),
    ({"seeled": "SECRET"}, "seeled", "unknown field"),
    ({"type": "SECRET"}, "type", "no such event type"),
    ({"type": "Receipt"}, "type", "no event"),
    ({"type": 7}, "type", "must be the name"),
    ({"header": "SECRET"}, "header", "must be an object"),
    ({"header": {"issuer": "SECRET"}}, "header.issuer", "organisation"),
    ({"header": {"issuer": "somebody-else"}}, "header.issuer", "must be north-harbour"),
    ({"header": {"hub": "other.example"}}, "header.hub", f"must be {HUB}"),
    ({"header": {"event_id": "SECRET"}}, "header.event_id", "UUID"),
    ({"header": {"event_id": "018F0000-0000-7000-8000-000000000000"}}, "header.event_id", "lower case"),
    ({"header": {"about": "SECRET"}}, "header.about", "UUID"),
    ({"header": {"nonce": "AB" * 16}}, "header.nonce", "lower-case hex"),
    ({"header": {"nonce": "ab" * 15}}, "header.nonce", "16 bytes"),
    ({"header": {"step": "listed"}}, "header.step", "must be one of detected"),
    ({"header": {"audience": []}}, "header.audience", "1 to 24 items"),
    ({"header": {"audience": "SECRET"}}, "header.audience", "must be a list"),
    ({"header": {"audience": ["a-a", "a-a"]}}, "header.audience", "twice"),
    ({"header": {"audience": ["a-a", "SECRET"]}}, "header.audience[1]", "organisation"),
    ({"header": {"audience": ["hub"]}}, "header.audience", "hub"),
    ({"header": {"audience": ["north-harbour"]}}, "header.audience", "issuer"),
    ({"header": {"audit_nations": ["USA"]}}, "header.audit_nations[0]", "2 bytes"),
    ({"header": {"audit_nations": None}}, "header.audit_nations", "must be given"),
    ({"header": {"thread": "00" * 16}}, "header.thread", "event id"),
    ({"header": {"lane": "urgent"}}, "header.lane", "priority"),
    ({"header": {"effect_at": "2026-01-31 12:00:00Z"}}, "header.effect_at", "must be a time"),
    ({"header": {"effect_at": "2026-02-30T12:00:00Z"}}, "header.effect_at", "must be a time"),
    ({"header": {"effect_at": 7}}, "header.effect_at", "must be a time"),
    ({"header": {"retain_until": "20260131"}}, "header.retain_until", "must be a date"),
    ({"header": {"retain_until": "1969-12-31"}}, "header.retain_until", "from 1970-01-01"),
    ({"header": {"handling": {"tlp": "AMBER", "onward": "listed"}}}, "header.handling.onward_to", "where onward is listed"),
    ({"body": {"context": {"surface": "upload", "count": "SECRET"}}}, "body.context.count", "whole number"),
    ({"body": {"context": {"surface": "upload", "count": True}}}, "body.context.count", "whole number"),
    ({"body": {"context": {"surface": "upload", "count": -1}}}, "body.context.count", "0 to 2147483647"),
    ({"body": {"context": {"surface": "\ud800", "count": 1}}}, "body.context.surface", "Unicode"),
    ({"body": {"context": {"surface": 1, "count": 1}}}, "body.context.surface", "string"),
    ({"body": {"match": {"kind": "near", "algorithm": "PDQ"}}}, "body.match.distance", "where kind is near"),
    ({"body": {"viewed": {"by_provider": "false", "stated_by": "a"}}}, "body.viewed.by_provider", "true or false"),
    ({"sealed": {"hashes": []}}, "sealed.hashes", "1 to 64 items"),
    ({"sealed": {"hashes": [{"algorithm": "MD5", "value": "00" * 20}]}}, "sealed.hashes[0].value", "16 bytes"),
    ({"sealed": {"hashes": [{"algorithm": "MD5"}]}}, "sealed.hashes[0]", "exactly one of"),
    (
        {"sealed": {"hashes": [{"algorithm": "TMK_PDQF", "value": "00"}]}},
        "sealed.hashes[0].value",
        "not given inline",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "rule"), BREAK, ids=[f"{path}: {rule}" for _, path, rule in BREAK])
def test_an_error_has_path_and_rule_and_no_value(changes: dict[str, Any], path: str, rule: str) -> None:
    """A person can find and mend it, and a log of errors holds nothing of the content."""
    event = hit()
    for part, change in changes.items():
        both = isinstance(change, dict) and isinstance(event.get(part), dict)
        event[part] = event[part] | change if both else change
    error = refused(event)
    assert error.path == path
    assert rule in error.rule
    assert "SECRET" not in error.diagnostics()


def test_an_unknown_key_comes_with_the_nearest_one() -> None:
    """A slip of the pen is mended without looking anything up; odd keys are not printed as they are."""
    assert refused(hit(purposse="x")).hint == "Did you mean 'purpose'?"
    odd = refused(hit(**{"\x1b[31m" + "x" * 100: 1}))
    assert odd.path.isprintable()
    assert len(odd.path) < 60


def test_profile_defaults_are_checked_by_name() -> None:
    """A misspelt default is not silently left out."""
    assert refused(hit(), defaults={"purposse": "x"}).path == "defaults.purposse"


@pytest.mark.parametrize(
    ("type_", "step", "part", "field"),
    [
        ("Report", "closed", "body", "outcome"),
        ("Report", "filed", "body", "incident_types"),
        ("HashListing", "retracted", "body", "reason"),
        ("TakedownAction", "le_hold", "body", "hold_until"),
        ("TakedownNotice", "issued", "sealed", "locators"),
        ("Assessment", "asserted", "body", "human_agrees"),
        ("TakedownNotice", "issued", "header", "addressee"),
        ("Acknowledgement", "taken", "header", "about"),
    ],
)
def test_what_a_step_calls_for_must_be_there(type_: str, step: str, part: str, field: str) -> None:
    """Each type's rules hold at its steps."""
    who: dict[str, Any] = {"issuer": "north-harbour", "audience": ["lantern-line"], "nations": ["US"], "now_us": NOW_US}
    event = example(type_, step=step, **who)
    parse_event(event, fill())
    del event[part][field]
    event["header"] = {k: v for k, v in event["header"].items() if k not in {"thread", "lane"} or field != "about"}
    assert refused(event).path == f"{part}.{field}"


def test_a_platform_wide_notice_needs_no_locators() -> None:
    """With an item count of 0 there is nothing to point at; otherwise leaving the sealed part out is refused too."""
    who: dict[str, Any] = {"issuer": "north-harbour", "audience": ["lantern-line"], "nations": ["US"], "now_us": NOW_US}
    event = example("TakedownNotice", **who)
    event["sealed"] = None
    assert refused(event).path == "sealed.locators"
    event["body"]["item_count"] = 0
    assert parse_event(event, fill()).plaintext is None


def test_a_directory_event_goes_to_the_hub_alone() -> None:
    """It is everyone's, and nobody else can be named."""
    event = example("LogOpened", issuer="hub", audience=["x-y"], nations=["IE"], now_us=NOW_US)
    assert parse_event(event, fill(issuer="hub")).header.audience == ("hub",)
    event["header"]["audience"] = ["lantern-line"]
    assert refused(event, issuer="hub").path == "header.audience"


def test_what_was_not_opened_is_shown_by_its_outside() -> None:
    """To whom it is sealed and how much it is; and such an object cannot be published."""
    parts = parse_event(hit(), fill())
    sealed = Sealed(1, None, (Wrap(b"k" * 32, bytes(1168)),), bytes(272))
    written = to_json(parts.info, parts.header, parts.body, sealed)
    assert written["sealed"] == {"unopened": {"suite": 1, "key_ids": ["6b" * 32], "bytes": 272}}
    assert refused(written).path == "sealed.unopened"


def test_lists_without_order_are_sorted() -> None:
    """A person need not know the canonical order."""
    parts = parse_event(hit(audience=["zeta", "alpha"], audit_nations=["US", "GB"]), fill())
    assert parts.header.audience == ("alpha", "zeta")
    assert parts.header.audit_nations == ("GB", "US")


def test_an_unknown_code_survives_the_round_trip() -> None:
    """A code that no list has yet is carried as it is, through JSON and through bytes."""
    event = hit(purpose="not_yet_invented.v2")
    parts = parse_event(event, fill())
    value = codec.assemble(
        parts.info,
        codec.encode_header(parts.info, parts.header),
        codec.encode_body(parts.info, parts.body),
        b"\x00",
    )
    found = codec.decode(value)
    assert to_json(found.info, found.header, found.body, None)["header"]["purpose"] == "not_yet_invented.v2"


def test_structs_are_values() -> None:
    """A header cannot be changed in place."""
    header = parse_event(hit(), fill()).header
    with pytest.raises(AttributeError):
        header.lane = "urgent"  # pyright: ignore[reportAttributeAccessIssue]
    assert msgspec.structs.replace(header, lane="urgent").lane == "urgent"


def test_the_schema_knows_the_newest_release() -> None:
    """JSON names a type, and gets its newest release."""
    assert parse_event(hit(), fill()).info is registry.by_name("HashHit")
