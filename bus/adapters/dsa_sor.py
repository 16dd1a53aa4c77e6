"""An executed takedown as a statement of reasons for the EU's DSA Transparency Database.

Articles 17 and 24(5) of Regulation (EU) 2022/2065 want one for every restriction, and want no personal data in it. So
a statement is made of codes, counts and dates of the header and body of two events, the ``TakedownAction`` and its
``TakedownNotice``; their sealed parts are not looked at. What maps to what: ``docs/adapters/dsa-sor.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from bus.adapters.documents import Document, Event, Subjects, Unsaid, Written

_EXECUTED = {"removed": "CONTENT_REMOVED", "disabled": "CONTENT_DISABLED", "geo_blocked": "CONTENT_DISABLED"}
"""Steps that restrict content, and what becomes of it where the body does not say."""
_VISIBILITIES = frozenset({
    "CONTENT_REMOVED", "CONTENT_DISABLED", "CONTENT_DEMOTED", "CONTENT_AGE_RESTRICTED",
    "CONTENT_INTERACTION_RESTRICTED", "CONTENT_LABELLED",
})  # fmt: skip
_ACCOUNTS = frozenset({"SUSPENDED", "TERMINATED"})
_DECISIONS = frozenset({"FULLY", "PARTIALLY", "NOT_AUTOMATED"})
_KEYWORDS = {
    "csam": ["KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL"],
    "genai_csam": ["KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL", "KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE"],
}
"""Of compartments; others are of the category, and no keyword of it fits them."""
_SYNTHETIC = frozenset({"genai_csam", "genai_exploitative"})
_EEA = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
_CARRIED = frozenset({
    "salt", "items_done", "items_total", "visibility", "account", "automated_detection", "automated_decision",
})  # fmt: skip


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """The statement of one takedown: ``statement.json``, as the API takes it, or why there is none."""
    header, body = event["header"], event["body"]
    if header["step"] not in _EXECUTED:
        return Unsaid(f"{header['step']} restricts no content")
    notice = subject(header["about"])
    if notice is None or notice["type"] != "TakedownNotice":
        return Unsaid("the notice that it is about is not here")
    if body.get("automated_detection") is None or body.get("automated_decision") not in _DECISIONS:
        return Unsaid("it does not say whether detection and decision were automated")
    scope = [nation for nation in notice["body"].get("territorial_scope", []) if nation in _EEA]
    if notice["body"].get("territorial_scope") and not scope:
        return Unsaid("it holds in no country of the European Economic Area")
    statement = _decision(header, body) | _content(header, notice) | _course(header, body, notice)
    statement |= {"territorial_scope": scope} if scope else {}
    document = Document("statement.json", orjson.dumps(statement, option=orjson.OPT_INDENT_2) + b"\n")
    return Written((document,), _lost(event))


def _decision(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """What was decided, and when it applied."""
    visibility = body.get("visibility") or _EXECUTED[header["step"]]
    known = visibility in _VISIBILITIES
    found: dict[str, Any] = {
        "decision_visibility": [f"DECISION_VISIBILITY_{visibility if known else 'OTHER'}"],
        "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
        "application_date": (header.get("effect_at") or header["issued_at"])[:10],
        "automated_detection": "Yes" if body["automated_detection"] else "No",
        "automated_decision": f"AUTOMATED_DECISION_{body['automated_decision']}",
        "puid": header["event_id"],
    }
    if not known:
        found["decision_visibility_other"] = "Another restriction"
    if body.get("account") in _ACCOUNTS:
        found["decision_account"] = f"DECISION_ACCOUNT_{body['account']}"
    return found


def _content(header: Mapping[str, Any], notice: Event) -> dict[str, Any]:
    """What kind of content it was, as far as codes say."""
    compartment = header["compartment"]
    kind = "SYNTHETIC_MEDIA" if compartment in _SYNTHETIC else "OTHER"
    if notice["body"]["target_type"] == "app_store":
        kind = "APP"
    found: dict[str, Any] = {
        "category": "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
        "content_type": [f"CONTENT_TYPE_{kind}"],
    }
    if kind == "OTHER":
        found["content_type_other"] = "Not stated"
    if compartment in _KEYWORDS:
        found["category_specification"] = _KEYWORDS[compartment]
    return found


def _course(header: Mapping[str, Any], body: Mapping[str, Any], notice: Event) -> dict[str, Any]:
    """Who asked, on which ground, and what was done: sentences of codes, counts and dates."""
    asked = notice["body"]
    measures = ", ".join(asked.get("measures", [])) or "none named"
    items = f"{body['items_done']} of {body['items_total']} items" if _counted(body) else "The items"
    ground = ", ".join(asked.get("provisions", [])) or notice["header"]["legal_basis"]
    return {
        "source_type": _source(asked),
        "illegal_content_legal_ground": ground,
        "illegal_content_explanation": f"The content was notified as illegal. Form of the notice: {asked['form']}.",
        "decision_facts": (
            f"A notice of {notice['header']['issued_at'][:10]} asked for measures: {measures}. "
            f"{items} were restricted; outcome: {header['step']}."
        ),
    }


def _counted(body: Mapping[str, Any]) -> bool:
    return body.get("items_done") is not None and body.get("items_total") is not None


def _source(asked: Mapping[str, Any]) -> str:
    if asked["form"] == "notice" and asked.get("authority_level") == "trusted_flagger":
        return "SOURCE_TRUSTED_FLAGGER"
    return "SOURCE_ARTICLE_16" if asked["form"] == "notice" else "SOURCE_TYPE_OTHER_NOTIFICATION"


def _lost(event: Event) -> tuple[str, ...]:
    """Fields that a statement has no place for; all that is sealed."""
    body = [f"body.{name}" for name, value in event["body"].items() if name not in _CARRIED and value is not None]
    sealed = [f"sealed.{name}" for name, value in (event.get("sealed") or {}).items() if value not in (None, [])]
    return (*sorted(body), *sorted(sealed))
