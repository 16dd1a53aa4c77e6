"""``Report`` and ``Assessment`` as reports, assessments and actions in the shape of ICCAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from bus.adapters import iccam_codes as codes
from bus.adapters.documents import Document, Envelope, Event, Subjects, Unsaid, Written

Json = Mapping[str, Any]

ENVELOPE = Envelope(b"[\n", b",\n", b"\n]\n")
ANALYST = "assessingAnalystName: "
"""How a note names who assessed, where it says nothing else."""
_ADDRESSES = frozenset({"url", "onion"})


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """An event as one object: a report, or what was assessed or done about one."""
    if event["type"] == "Assessment":
        return _assessment(event, subject)
    url = _url(event)
    if url is None:
        return Unsaid("it does not name exactly one address")
    outcome = event["body"].get("outcome")
    if event["header"]["step"] != "supplemented":
        return _report(event, url)
    action = None if outcome is None else codes.number(codes.ACTIONS, outcome)
    if action is None:
        return Unsaid("it supplements a report with no action that ICCAM has")
    return _action(event, url, action)


def _url(event: Event | None) -> str | None:
    """The one address of a report."""
    given = [] if event is None else (event.get("sealed") or {}).get("locators", [])
    found = [one["value"] for one in given if one["kind"] in _ADDRESSES]
    return found[0] if len(found) == 1 else None


def _references(event: Event) -> tuple[str, dict[str, Any]]:
    """The report's reference, and the address's own where it has one. An event without any is known by its id."""
    refs = (event.get("sealed") or {}).get("external_refs", [])
    found = [ref["value"] for ref in refs if ref["system"] == codes.SYSTEM][:2]
    return (found[0] if found else event["header"]["event_id"]), ({"hotlineReference": found[1]} if found[1:] else {})


def _time(text: str) -> str:
    """ICCAM writes times to the second."""
    return f"{text[:19]}Z"


def _name(event: Event, role: str) -> str | None:
    persons = (event.get("sealed") or {}).get("persons", [])
    return next((one["name"] for one in persons if one["role"] == role and "name" in one), None)


def _said(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _report(event: Event, address: str) -> Written:
    header, body, sealed = event["header"], event["body"], event["sealed"]
    reference, own = _references(event)
    hosts = [one["country"] for one in body.get("jurisdictions", []) if one["tie"] == "hosting"]
    media = next((number for number, value in codes.MEDIA.items() if value is body.get("has_media")), None)
    url = {"urlString": address, **own, **_said(hostingCountryCode=hosts[0] if hosts else None, contentType=media)}
    said = _said(
        reportingAnalystName=_name(event, "reporter"),
        hotlineReceivedDate=_time(header.get("effect_at") or header["issued_at"]),
        hotlineReference=reference,
        memo=sealed.get("narrative"),
        urls=[url],
    )
    carried = {"sealed.narrative", "sealed.locators"}
    carried |= {"body.incident_types"} if body.get("incident_types") == ["csam"] else set[str]()
    carried |= {"body.has_media"}
    carried |= {"body.jurisdictions"} if len(hosts) == 1 == len(body["jurisdictions"]) else set[str]()
    return _written(event, "report", said, carried | _people_and_refs(event, "reporter"))


def _action(event: Event, address: str, action: int) -> Written:
    header, body, sealed = event["header"], event["body"], event["sealed"]
    reference, own = _references(event)
    reasons = [codes.number(codes.REASONS, one) for one in body.get("annotations", [])]
    reason = reasons[0] if len(reasons) == 1 else None
    done = _said(
        actionType=action,
        actioningAnalystName=_name(event, "other"),
        actionDate=_time(header["effect_at"]) if "effect_at" in header else None,
        reasonId=reason,
        reasonText=sealed.get("narrative"),
    )
    said = {"hotlineReference": reference, "urls": [{"urlString": address, **own, "actions": [done]}]}
    carried = {"sealed.narrative", "sealed.locators", "body.outcome"}
    carried |= set[str]() if reason is None else {"body.annotations"}
    return _written(event, "action", said, carried | _people_and_refs(event, "other"))


def _assessment(event: Event, subject: Subjects) -> Written | Unsaid:
    body, sealed = event["body"], event.get("sealed") or {}
    about = subject(body["subject"].get("event", ""))
    address = _url(about)
    if about is None or address is None:
        return Unsaid("the report that it is of is not here, or does not name exactly one address")
    rated = [one for one in body.get("classifications", []) if one["scheme"] == codes.SCHEME]
    answers = {
        key: int(one["code"] == name)
        for key, name in codes.CATEGORIES.items()
        for one in rated
        if one["code"] in {name, codes.NOT + name}
    }
    others = [one for one in rated if one["code"].removeprefix(codes.NOT) not in codes.CATEGORIES.values()]
    classification = codes.number(codes.CLASSIFICATIONS, others[0]["code"]) if len(others) == 1 else None
    if classification is None:
        return Unsaid("it has no one classification of ICCAM's")
    note = sealed.get("note") or ""
    named = note.startswith(ANALYST) and "\n" not in note
    age, sex = codes.number(codes.AGES, sealed.get("age_band", "")), codes.number(codes.SEXES, sealed.get("sex", ""))
    said = _said(
        assessingAnalystName=note.removeprefix(ANALYST) if named else None,
        classification=classification, ageCategorization=age, genderCategorization=sex, **answers,
    )  # fmt: skip
    reference, own = _references(about)
    carried = {"body.subject"} | ({"sealed.note"} if named else set[str]())
    carried |= {"sealed.age_band"} if age is not None else set[str]()
    carried |= {"sealed.sex"} if sex is not None else set[str]()
    plain = all(set(one) == {"scheme", "scheme_version", "code"} for one in rated)
    carried |= {"body.classifications"} if plain and len(rated) == len(body["classifications"]) else set[str]()
    document = {"hotlineReference": reference, "urls": [{"urlString": address, **own, "assessment": said}]}
    return _written(event, "assessment", document, carried)


def _people_and_refs(event: Event, role: str) -> set[str]:
    """Whether the one name and the references are all that there is."""
    sealed = event["sealed"]
    persons, refs = sealed.get("persons", []), sealed.get("external_refs", [])
    carried: set[str] = set()
    if len(persons) == 1 and set(persons[0]) - {"emails", "phones"} == {"role", "name"} and persons[0]["role"] == role:
        carried |= set[str]() if persons[0].get("emails") or persons[0].get("phones") else {"sealed.persons"}
    if 0 < len(refs) <= 2 and all(ref["system"] == codes.SYSTEM for ref in refs):
        carried.add("sealed.external_refs")
    return carried


def _written(event: Event, name: str, said: Json, carried: Iterable[str]) -> Written:
    """The document, and which fields it does not carry."""
    fields = {
        f"{part}.{key}"
        for part in ("body", "sealed")
        for key, value in (event.get(part) or {}).items()
        if key != "salt" and value not in (None, [], {})
    }
    content = orjson.dumps(said, option=orjson.OPT_INDENT_2)
    return Written((Document(f"{name}.json", content),), tuple(sorted(fields - set(carried))))
