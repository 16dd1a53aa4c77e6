"""XARF reports in, as a report and a verdict on it; and out again, valid against XARF's own schemas."""

from __future__ import annotations

import copy
import json
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource

from bus.adapters.documents import Unsaid, Written, documents
from bus.adapters.xarf import AGES, EXPLOITATION, METHODS, SCHEMES
from bus.errors import InvalidFile
from tests.unit.adapters.hostile import damaged

FORM = "xarf"
DATA = Path(__file__).resolve().parents[2] / "data" / "xarf"
SAMPLES = {kind: DATA / "samples" / "v4" / f"content-{kind}.json" for kind in ("csam", "csem")}


def sample(kind: str = "csam", **fields: Any) -> dict[str, Any]:
    """A published sample, with some fields changed, or left out where None."""
    made = json.loads(SAMPLES[kind].read_text(encoding="utf-8")) | fields
    return {key: value for key, value in made.items() if value is not None}


def text(*reports: dict[str, Any]) -> bytes:
    """Reports, one a line."""
    return "\n".join(json.dumps(report) for report in reports).encode()


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    """XARF's own schema of a type."""
    schemas = [json.loads(file.read_text(encoding="utf-8")) for file in (DATA / "schemas").rglob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in schemas]
    )
    root = next(schema for schema in schemas if schema["$id"].endswith(f"content-{kind}.json"))
    return jsonschema.Draft202012Validator(
        root, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def said(told) -> list[dict[str, Any]]:
    """The XARF reports that events go out as."""
    events = {one.event_id: one.event for one in told}
    found = [documents(one.event, FORM, subject=events.get) for one in told]
    return [json.loads(part.content) for one in found if isinstance(one, Written) for part in one.documents]


def bare(value: Any) -> Any:
    """A value without what is null or empty, or random."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if v not in (None, [], {}) and k not in {"salt", "subject"}}
    return [bare(one) for one in value] if isinstance(value, list) else value


def meaning(told) -> list[Any]:
    """What events say, beside ids and times of their own."""
    return [
        bare([one.event["type"], one.event["header"]["step"], one.event["body"], one.event.get("sealed")])
        for one in told
    ]


def test_the_csam_sample_becomes_a_report_and_a_verdict(desk):
    """What was found is a report with everything of it sealed; the classification stands apart as an assessment."""
    report, verdict = desk.publish(SAMPLES["csam"], FORM)
    event = report.event
    assert (event["type"], event["header"]["step"]) == ("Report", "filed")
    assert event["body"]["incident_types"] == ["csam"]
    assert event["body"]["annotations"] == ["found_hash_match", "content_removed", "account_suspended"]
    assert event["body"]["statutory_channel"] == "ncmec-cybertipline"
    sealed = event["sealed"]
    assert [(one["system"], one["value"]) for one in sealed["external_refs"]] == [
        ("xarf", "b7ca7591-811e-4d40-83d9-dc043c08555d"),
        ("ncmec-cybertipline", "12345678"),
    ]
    assert sealed["locators"][0]["value"] == "https://example.com/illegal-content"
    assert sealed["ip_events"][0]["address"] == "198.51.100.42"
    assert sealed["persons"][0]["emails"] == ["safety@example.org"]
    assert sealed["hashes"][0]["algorithm"] == "SHA256"
    assert (verdict.event["type"], verdict.event["header"]["step"]) == ("Assessment", "proposed")
    assert verdict.event["body"]["subject"]["event"] == report.event_id
    [rating] = verdict.event["body"]["classifications"]
    assert (rating["scheme"], rating["code"]) == ("ncmec-esp", "A1")
    clear = json.dumps([event["header"], event["body"], verdict.event["header"], verdict.event["body"]])
    assert not any(word in clear for word in ("example.com", "198.51", "12345678", "b7ca7591", "safety", "e3b0c442"))
    assert [n.text for n in desk.notices] == ["evidence is not carried: no content of files travels here"]


def test_the_csem_sample_becomes_a_report_of_exploitation(desk):
    """The kind of exploitation is an annotation; hashes are read where the sample has them."""
    report, verdict = desk.publish(SAMPLES["csem"], FORM)
    assert report.event["body"]["annotations"] == ["found_ai_detection", "distribution"]
    assert [h["algorithm"] for h in report.event["sealed"]["hashes"]] == ["MD5", "SHA256"]
    assert verdict.event["body"]["classifications"][0]["code"] == "A1"


def test_no_content_of_a_file_is_carried(desk):
    """Evidence stays where it is, however long it is."""
    evidence = [{"content_type": "image/png", "payload": "QUJD" * 600_000}]
    told = desk.publish(text(sample(evidence=evidence)), FORM)
    assert "QUJDQUJD" not in json.dumps([one.event for one in told])


def test_a_report_published_again_is_the_same_and_other_content_supplements_it(desk):
    """One report id is one report here: more about it follows it, and a new verdict supersedes the old."""
    first = desk.publish(text(sample()), FORM)
    assert [(one.event_id, one.new) for one in desk.publish(text(sample()), FORM)] == [
        (one.event_id, False) for one in first
    ]
    told = desk.publish(text(sample(description="more", classification="B1")), FORM)
    assert [(one.event["type"], one.event["header"]["step"], one.new) for one in told] == [
        ("Report", "supplemented", True),
        ("Assessment", "proposed", True),
    ]
    assert told[0].event["header"]["about"] == first[0].event_id
    assert told[1].event["header"]["supersedes"] == first[1].event_id
    assert told[1].event["body"]["subject"]["event"] == first[0].event_id
    again = desk.publish(text(sample(description="more", classification="B1"), sample()), FORM)
    assert not any(one.new for one in again)


def test_a_person_who_looked_asserts_and_a_machine_proposes(desk):
    """How it was detected decides what the verdict is worth."""
    _, verdict = desk.publish(text(sample(detection_method="manual_review")), FORM)
    assert verdict.event["header"]["step"] == "asserted"
    assert verdict.event["body"]["classifications"][0]["human_reviewed"] is True


def test_several_reports_may_stand_in_one_file(desk):
    """One a line, or a list."""
    other = sample("csem", ncmec_report_id=None)
    assert len(desk.publish(text(sample(), other), FORM)) == 4
    assert not any(one.new for one in desk.publish(json.dumps([sample(), other]).encode(), FORM))
    assert desk.publish(text(other), FORM)[0].event["header"]["step"] == "opened"


@pytest.mark.parametrize(
    ("change", "path", "rule"),
    [
        ({"xarf_version": "3.1.0"}, "xarf_version", "must be 4.x.y"),
        ({"category": "copyright"}, "category", "must be content"),
        ({"type": "phishing"}, "type", "must be one of csam, csem"),
        ({"report_id": "secret"}, "report_id", "must be a UUID"),
        ({"timestamp": "2025-01-20"}, "timestamp", "must be an RFC 3339 time"),
        ({"timestamp": "2025-01-20T10:30:00"}, "timestamp", "must be an RFC 3339 time"),
        ({"classification": None}, "classification", "must be a text"),
        ({"classification": "secret"}, "classification", "must be one of baseline, A1"),
        ({"detection_method": "secret"}, "detection_method", "must be one of hash_match"),
        ({"url": None}, "url", "must be a text"),
        ({"url": "x" * 3000}, "url", "is longer than 2083 bytes"),
        ({"url": "a\u0000b"}, "url", "must be a text"),
        ({"url": "\ud800"}, "url", "must be a text"),
        ({"url": ["x"]}, "url", "must be a text"),
        ({"reporter": None}, "reporter", "must be an object"),
        ({"reporter": {"org": "x", "contact": "x"}}, "reporter.domain", "must be a text"),
        ({"sender": {"org": "x" * 300, "contact": "x", "domain": "x"}}, "sender.org", "is longer than 200 bytes"),
        ({"content_removed": "true"}, "content_removed", "must be true or false"),
        ({"hash_values": {"sha256": "zz"}}, "hash_values.sha256", "must be 32 bytes in hexadecimal"),
        ({"hash_values": []}, "hash_values", "must be an object"),
        ({"source_port": 70000}, "source_port", "must be a whole number from 1 to 65535"),
        ({"source_port": True}, "source_port", "must be a whole number"),
        ({"country_code": "de"}, "country_code", "must be two capital letters"),
        ({"media_type": "secret"}, "media_type", "must be one of image"),
        ({"perpetrator_indicators": {"ip_addresses": ["secret"]}}, "ip_addresses", "must hold network addresses"),
        ({"perpetrator_indicators": {"ip_addresses": "x"}}, "ip_addresses", "must be a list"),
        ({"description": "x" * 5000}, "description", "is longer than 4000 bytes"),
    ],
)
def test_a_report_that_breaks_a_rule_fails_the_file(desk, change, path: str, rule: str):
    """The error names line, field and rule and no value, and nothing of the file is published."""
    found = desk.attempt(text(sample("csem"), sample(**change)), FORM)
    assert isinstance(found, InvalidFile)
    assert (found.place, path in found.rule, rule in found.rule) == ("line 2", True, True)
    assert "secret" not in found.diagnostics()
    assert desk.journal.counts() == {}


@pytest.mark.parametrize("kind", SAMPLES)
def test_damaged_reports_are_published_whole_or_not_at_all(desk, kind: str):
    """Two hundred damaged files: each is refused with its place and nothing sent, or every event of it is valid."""
    for data in damaged(SAMPLES[kind].read_bytes(), seed=4):
        found = desk.attempt(data, FORM)
        if isinstance(found, InvalidFile):
            assert found.place.startswith("line ")
        else:
            assert [one.event["type"] for one in found] in (["Report", "Assessment"], ["Report"])


# -- out -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_goes_out_valid_and_reads_again_to_the_same(desk, kind: str):
    """The document is valid against XARF's own schema, and says what came in."""
    told = desk.publish(SAMPLES[kind], FORM)
    [document] = said(told)
    validator(kind).validate(document)
    was = sample(kind)
    kept = set(was) - {"evidence", "tags", "domain", "media_type", "reporting_obligations", "file_hash"}
    kept -= {"classification"} if kind == "csem" else set()
    assert {key: document[key] for key in kept} == {key: was[key] for key in kept}
    again = desk.publish(text(document), FORM, to=["police-north"])
    assert bare(again[0].event["sealed"]) == bare(told[0].event["sealed"])
    assert again[0].event["body"]["annotations"] == told[0].event["body"]["annotations"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"locators": []}, "the address of what was found"),
        ({"persons": []}, "a reporter with a name and an address"),
        ({"incident_at": None}, "the time of the incident"),
    ],
)
def test_what_xarf_demands_is_not_made_up(desk, change, reason: str):
    """A report that does not say it is not said, and the reason names what is missing."""
    report = copy.deepcopy(desk.publish(SAMPLES["csem"], FORM)[0].event)
    report["sealed"] |= change
    found = documents(report, FORM)
    assert isinstance(found, Unsaid)
    assert reason in found.reason


def test_a_csam_report_goes_out_with_its_verdict_only(desk):
    """Alone it would lack the classification that XARF demands; the verdict alone would lack the report."""
    report, verdict = desk.publish(SAMPLES["csam"], FORM)
    assert documents(report.event, FORM) == Unsaid(
        "a csam report must be classified: it goes out with an assessment of it"
    )
    assert documents(verdict.event, FORM) == Unsaid("the report that is assessed is not known here")
    other = copy.deepcopy(verdict.event)
    other["body"]["classifications"][0] |= {"scheme": "vics", "code": "1"}
    assert isinstance(documents(other, FORM, subject={report.event_id: report.event}.get), Unsaid)


def test_what_is_not_carried_is_told_by_its_path(desk):
    """Fields that XARF has no place for are named."""
    report = copy.deepcopy(desk.publish(SAMPLES["csem"], FORM)[0].event)
    report["body"] |= {"victim_count_min": 2, "annotations": [*report["body"]["annotations"], "financial"]}
    report["sealed"]["devices"] = [{"kind": "imei", "value": "0"}]
    found = documents(report, FORM)
    assert isinstance(found, Written)
    assert found.lost == ("body.annotations", "body.victim_count_min", "sealed.devices")


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
CONTACT = st.fixed_dictionaries(
    {"org": WORDS, "contact": st.just("a@example.org"), "domain": st.sampled_from(["example.org", "example.com"])}
)
HEX = {"md5": 16, "sha1": 20, "sha256": 32}
COMMON = {
    "timestamp": st.datetimes().map(
        lambda at: at.replace(year=max(at.year, 1971)).isoformat(timespec="microseconds") + "Z"
    ),
    "reporter": CONTACT,
    "sender": CONTACT,
    "source_identifier": st.one_of(st.ip_addresses().map(str), st.just("example.net")),
    "url": st.sampled_from(["https://example.com/a", "http://abcdefghijklmnop.onion/b"]),
}
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "ncmec_report_id": st.just("12345"),
    "content_removed": st.booleans(),
    "account_suspended": st.booleans(),
    "country_code": st.sampled_from(["DE", "FR"]),
    "description": WORDS,
    "hash_values": st.fixed_dictionaries(
        {}, optional={name: st.binary(min_size=n, max_size=n).map(bytes.hex) for name, n in HEX.items()}
    ),
}
CSAM = st.fixed_dictionaries(
    {"type": st.just("csam"), "classification": st.sampled_from(sorted(SCHEMES)),
     "detection_method": st.sampled_from(METHODS["csam"]), **COMMON}, optional=OPTIONAL,
)  # fmt: skip
CSEM = st.fixed_dictionaries(
    {"type": st.just("csem"), "exploitation_type": st.sampled_from(sorted(EXPLOITATION)),
     "detection_method": st.sampled_from(METHODS["csem"]), **COMMON},
    optional={**OPTIONAL, "victim_age_range": st.sampled_from(AGES), "perpetrator_indicators": st.fixed_dictionaries(
        {}, optional={"account_id": WORDS, "ip_addresses": st.lists(st.ip_addresses(v=4).map(str), max_size=3),
                      "pattern_of_behavior": WORDS})},
)  # fmt: skip


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.one_of(CSAM, CSEM))
def test_whatever_comes_in_goes_out_valid_and_comes_in_the_same(desk, report):
    """Random reports survive the way in, out and in again, and what goes out is valid."""
    fresh = {"xarf_version": "4.2.0", "category": "content", "report_id": str(uuid.uuid4())}
    told = desk.publish(text(fresh | report), FORM)
    [document] = said(told)
    validator(report["type"]).validate(document)
    assert meaning(desk.publish(text(document), FORM, to=["police-north"])) == meaning(told)
