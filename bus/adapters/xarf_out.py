"""``Report`` events as XARF v4. What goes out, and as what: ``docs/adapters/xarf.md``.

A ``csam`` report must have a classification, which stands in an assessment here: the assessment goes out, joined with
the report that it is about. A ``csem`` report needs none and goes out by itself. What XARF demands and an event does
not say is not made up: such an event is not said at all.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import orjson

from bus.adapters.documents import Document, Event, Subjects, Unsaid, Written
from bus.adapters.values import short_time

VERSION = "4.2.0"

_EXPLOITATION = ("grooming", "solicitation", "sextortion", "trafficking", "distribution", "production", "possession")
_METHODS = {
    "csam": ("hash_match", "ai_detection", "manual_review", "user_report", "automated_scan"),
    "csem": ("behavioral_analysis", "keyword_detection", "user_report", "ai_detection", "manual_review"),
}
_CODES = {("ncmec-esp", code) for code in ("A1", "A2", "B1", "B2")} | {("iccam", "baseline")}
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "PDNA": "photodna"}
_BODY = frozenset({"salt", "incident_types", "annotations", "has_media", "jurisdictions", "statutory_channel"})
_SEALED = frozenset(
    {"external_refs", "incident_at", "persons", "accounts", "ip_events", "locators", "hashes", "narrative"}
)
_AGE = "age range: "


class _Missing(Exception):
    """Something that XARF demands is not said."""


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """A report of exploitation, or an assessment together with the report that it is about."""
    try:
        if event["type"] == "Assessment":
            return _assessed(event, subject)
        if _kind(event) == "csam":
            return Unsaid("a csam report must be classified: it goes out with an assessment of it")
        return _written(event, {})
    except _Missing as missing:
        return Unsaid(str(missing))


def _assessed(event: Event, subject: Subjects) -> Written | Unsaid:
    """An assessment, if it says what XARF can say of a report that is known."""
    if event["header"]["step"] not in {"proposed", "asserted"}:
        return Unsaid("XARF has no form for a verdict that is taken back")
    about = (event["body"].get("subject") or {}).get("event")
    report = subject(about) if about else None
    if report is None or report["type"] != "Report":
        return Unsaid("the report that is assessed is not known here")
    if _kind(report) == "csem":
        return Unsaid("a csem report has no classification, and goes out by itself")
    rated = [
        one["code"] for one in event["body"].get("classifications") or [] if (one["scheme"], one["code"]) in _CODES
    ]
    if len(rated) != 1:
        return Unsaid("XARF has one classification of baseline, A1, A2, B1, B2, and no other")
    return _written(report, {"classification": rated[0]})


def _kind(report: Event) -> str:
    notes = report["body"].get("annotations") or []
    return "csem" if any(one in _EXPLOITATION for one in notes) else "csam"


def _written(report: Event, verdict: dict[str, Any]) -> Written:
    """The document of a report.

    Raises:
        _Missing: XARF demands what it does not say.
    """
    body, sealed, kind = report["body"], report.get("sealed") or {}, _kind(report)
    if report["header"]["step"] not in {"opened", "filed", "supplemented"}:
        raise _Missing("XARF has no form for what happens to a report later")
    reporter, sender = _contacts(sealed)
    lost: set[str] = set()
    document: dict[str, Any] = {
        "xarf_version": VERSION,
        "report_id": _ref(sealed, "xarf") or report["header"]["event_id"],
        "timestamp": short_time(_need(sealed.get("incident_at"), "the time of the incident")),
        "reporter": reporter,
        "sender": sender,
        **_where(sealed),
        "category": "content",
        "type": kind,
        **verdict,
        "detection_method": _method(body, kind),
        **_notes(body, kind, lost),
        **_suspect(sealed, lost),
        **_hashes(sealed, lost),
    }
    number = _ref(sealed, "ncmec-cybertipline")
    optional = {"ncmec_report_id": number, "description": _short(sealed.get("narrative"), lost)}
    document |= {key: value for key, value in optional.items() if value is not None}
    lost |= {f"body.{name}" for name, value in body.items() if name not in _BODY and value not in (None, [])}
    lost |= {f"sealed.{name}" for name, value in sealed.items() if name not in _SEALED and value not in (None, [])}
    return Written((Document("xarf.json", orjson.dumps(document)),), tuple(sorted(lost)))


def _need(found: Any, what: str) -> Any:
    if not found:
        raise _Missing(f"XARF demands {what}, which the report does not say")
    return found


def _ref(sealed: dict[str, Any], system: str) -> str | None:
    return next((one["value"] for one in sealed.get("external_refs") or [] if one["system"] == system), None)


def _contacts(sealed: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Who reports and who sends: the same, unless somebody else is named as the sender."""
    persons = sealed.get("persons") or []
    reporter = next(
        (one for one in persons if one["role"] == "reporter" and one.get("emails") and one.get("name")), None
    )
    sender = next((one for one in persons if (one.get("note") or "").startswith("sender, domain: ")), reporter)
    return _contact(_need(reporter, "a reporter with a name and an address")), _contact(sender or reporter or {})


def _contact(person: dict[str, Any]) -> dict[str, str]:
    address = person["emails"][0]
    domain = (person.get("note") or "").partition(", domain: ")[2] or address.rpartition("@")[2]
    return {"org": person["name"], "contact": address, "domain": domain}


def _where(sealed: dict[str, Any]) -> dict[str, Any]:
    """The address of what was found, and of where it came from."""
    places = [one["value"] for one in sealed.get("locators") or [] if one["kind"] in {"url", "onion"}]
    url = _need(places[0] if places else None, "the address of what was found")
    source = next((one for one in sealed.get("ip_events") or [] if one.get("kind") != "other"), None)
    if source is not None:
        port = {"source_port": source["port"]} if source.get("port") else {}
        return {"source_identifier": source["address"], **port, "url": url}
    return {"source_identifier": places[1] if len(places) > 1 else _host(url), "url": url}


def _host(url: str) -> str:
    try:
        return _need(urlsplit(url).hostname, "where it came from")
    except ValueError:
        raise _Missing("XARF demands where it came from, which the report does not say") from None


def _method(body: dict[str, Any], kind: str) -> str:
    notes = body.get("annotations") or []
    found = [name for name in _METHODS[kind] if f"found_{name}" in notes]
    if kind == "csem" and "found_law_enforcement" in notes:
        found.append("law_enforcement_referral")
    return _need(found[0] if found else None, "how it was detected")


def _notes(body: dict[str, Any], kind: str, lost: set[str]) -> dict[str, Any]:
    """What stands in annotations and jurisdictions."""
    notes = body.get("annotations") or []
    found: dict[str, Any] = {name: True for name in ("content_removed", "account_suspended") if name in notes}
    carried = {"content_removed", "account_suspended", *(name for name in notes if name.startswith("found_"))}
    if kind == "csem":
        found["exploitation_type"] = next(name for name in notes if name in _EXPLOITATION)
        carried.add(found["exploitation_type"])
    if set(notes) - carried:
        lost.add("body.annotations")
    hosts = [one["country"] for one in body.get("jurisdictions") or [] if one["tie"] == "hosting"]
    if hosts:
        found["country_code"] = hosts[0]
    if len(body.get("jurisdictions") or []) > len(hosts[:1]):
        lost.add("body.jurisdictions")
    return found


def _suspect(sealed: dict[str, Any], lost: set[str]) -> dict[str, Any]:
    """What is known of whoever did it, and of a victim: an age range and nothing else."""
    found: dict[str, Any] = {}
    persons, accounts = sealed.get("persons") or [], sealed.get("accounts") or []
    account = next((one["id"] for one in accounts if one["role"] == "suspect"), None)
    pattern = next((one["note"] for one in persons if one["role"] == "suspect" and one.get("note")), None)
    addresses = [one["address"] for one in sealed.get("ip_events") or [] if one.get("kind") == "other"]
    said = {"account_id": account, "pattern_of_behavior": pattern, "ip_addresses": addresses}
    if any(said.values()):
        found["perpetrator_indicators"] = {key: value for key, value in said.items() if value}
    ages = [one["note"].removeprefix(_AGE) for one in persons if (one.get("note") or "").startswith(_AGE)]
    if ages:
        found["victim_age_range"] = ages[0]
    if len(accounts) > (account is not None):
        lost.add("sealed.accounts")
    return found


def _hashes(sealed: dict[str, Any], lost: set[str]) -> dict[str, Any]:
    found: dict[str, str] = {}
    for one in sealed.get("hashes") or []:
        name = _HASHES.get(one["algorithm"])
        if name is None or one.get("value") is None or name in found:
            lost.add("sealed.hashes")
        else:
            raw = one["value"]
            found[name] = base64.b64encode(bytes.fromhex(raw)).decode() if name == "photodna" else raw
    return {"hash_values": found} if found else {}


def _short(narrative: str | None, lost: set[str]) -> str | None:
    if narrative is not None and len(narrative) > 1000:
        lost.add("sealed.narrative")
        return None
    return narrative
