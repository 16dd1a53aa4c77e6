"""Statements of reasons: whole, of known codes, and without anything about anybody."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.adapters.documents import Unsaid, Written, documents
from bus.events.examples import example
from bus.events.registry import by_name

FORM = "dsa-sor"
DATA = Path(__file__).resolve().parents[3] / "tests" / "data" / "dsa-sor"
ENUMS = json.loads((DATA / "enums.json").read_text())
EXAMPLE = json.loads((DATA / "statement-create-request.json").read_text())
FURTHER = {"category_specification", "content_type_other", "decision_visibility_other"}
"""Fields of the API that its example does not show."""
LISTS = {
    "decision_visibility": "decision_visibilities",
    "decision_account": "decision_accounts",
    "decision_ground": "decision_grounds",
    "category": "statement_categories",
    "category_specification": "keywords",
    "content_type": "content_types",
    "source_type": "source_types",
    "automated_decision": "automated_decisions",
}
NEEDED = {
    "decision_visibility", "decision_ground", "illegal_content_legal_ground", "illegal_content_explanation",
    "content_type", "category", "application_date", "decision_facts", "source_type", "automated_detection",
    "automated_decision", "puid",
}  # fmt: skip


def event(kind: str, step: str = "", *, header: Any = None, **body: Any) -> dict[str, Any]:
    """A valid event, changed."""
    made = example(
        kind, issuer="tidewave", audience=["hotline-north"], nations=["SE"], now_us=1_800_000_000_000_000,
        **({"step": step} if step else {}),
    )  # fmt: skip
    made["header"] |= {"issued_at": "2027-01-15T08:00:00.000000Z", **(header or {})}
    made["body"] |= body
    return made


def say(action: dict[str, Any], notice: dict[str, Any] | None = None) -> Written | Unsaid:
    """The statement of an action about a notice."""
    asked = event("TakedownNotice") if notice is None else notice
    return documents(action, FORM, subject={action["header"].get("about"): asked}.get)


def statement(action: dict[str, Any], notice: dict[str, Any] | None = None) -> dict[str, Any]:
    """The one document, read."""
    said = say(action, notice)
    assert isinstance(said, Written)
    [document] = said.documents
    return json.loads(document.content)


def check(said: dict[str, Any]) -> None:
    """A statement has what the API needs, no field that it does not know, and only codes of its lists."""
    assert set(said) >= NEEDED
    assert set(said) <= set(EXAMPLE) | FURTHER
    for field, name in LISTS.items():
        values = said.get(field, [])
        assert set([values] if isinstance(values, str) else values) <= set(ENUMS[name]), field
    allowed = ENUMS["keywords_by_category"][said["category"]]
    assert set(said.get("category_specification", [])) <= set(allowed)
    assert re.fullmatch(r"[a-zA-Z0-9-_]{1,500}", said["puid"])
    assert len(said["decision_facts"]) <= 5000
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", said["application_date"])
    assert said["automated_detection"] in {"Yes", "No"}


def test_an_executed_takedown_is_a_whole_statement():
    """A removal about a hotline's notice: decision, ground, source, dates, and the event's id as PUID."""
    action = event("TakedownAction", "removed")
    said = statement(action)
    check(said)
    assert said["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED"]
    assert said["decision_account"] == "DECISION_ACCOUNT_SUSPENDED"
    assert said["category_specification"] == ["KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL"]
    assert said["source_type"] == "SOURCE_ARTICLE_16"
    assert said["automated_detection"] == "No"
    assert said["application_date"] == action["header"]["effect_at"][:10]
    assert said["puid"] == action["header"]["event_id"]
    assert said["decision_facts"].endswith("2 of 2 items were restricted; outcome: removed.")


@pytest.mark.parametrize("step", by_name("TakedownAction").steps)
def test_only_what_restricts_content_has_a_statement(step: str):
    """Removed, disabled and blocked are stated; acknowledging, refusing and the rest are not, and say why."""
    said = say(event("TakedownAction", step))
    if step in {"removed", "disabled", "geo_blocked"}:
        assert isinstance(said, Written)
        check(json.loads(said.documents[0].content))
    else:
        assert said == Unsaid(f"{step} restricts no content")


UNSAID = {
    "no notice": (event("TakedownAction"), None, "is not here"),
    "about something else": (event("TakedownAction"), event("HashHit"), "is not here"),
    "detection not stated": (event("TakedownAction", automated_detection=None), event("TakedownNotice"), "automated"),
    "decision not stated": (event("TakedownAction", automated_decision=None), event("TakedownNotice"), "automated"),
    "decision unknown": (event("TakedownAction", automated_decision="BY_LOT"), event("TakedownNotice"), "automated"),
    "not in Europe": (event("TakedownAction"), event("TakedownNotice", territorial_scope=["IN"]), "Economic Area"),
}


@pytest.mark.parametrize("name", UNSAID)
def test_what_is_not_known_is_not_made_up(name: str):
    """A statement needs its notice and what is said of machines; without them there is none, with a reason."""
    action, notice, reason = UNSAID[name]
    said = documents(action, FORM, subject=lambda _: notice)
    assert isinstance(said, Unsaid)
    assert reason in said.reason


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ({"form": "order"}, "SOURCE_TYPE_OTHER_NOTIFICATION"),
        ({"form": "regulatory_notice"}, "SOURCE_TYPE_OTHER_NOTIFICATION"),
        ({"form": "notice", "authority_level": "trusted_flagger"}, "SOURCE_TRUSTED_FLAGGER"),
        ({"form": "notice", "authority_level": "hotline"}, "SOURCE_ARTICLE_16"),
    ],
)
def test_who_notified_follows_from_the_notice(body: dict[str, Any], source: str):
    """An order, a trusted flagger's notice and another's are told apart."""
    assert statement(event("TakedownAction"), event("TakedownNotice", **body))["source_type"] == source


def test_territory_and_kind_follow_from_codes():
    """Nations beyond the EEA are left out; generated material says so; other compartments have no keyword."""
    notice = event("TakedownNotice", territorial_scope=["DE", "IN", "SE"])
    action = event("TakedownAction", header={"compartment": "genai_csam"})
    said = statement(action, notice)
    check(said)
    assert said["territorial_scope"] == ["DE", "SE"]
    assert said["content_type"] == ["CONTENT_TYPE_SYNTHETIC_MEDIA"]
    assert "KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE" in said["category_specification"]
    plain = statement(event("TakedownAction", header={"compartment": "exploitative"}, visibility="CONTENT_VEILED"))
    check(plain)
    assert "category_specification" not in plain
    assert plain["decision_visibility"] == ["DECISION_VISIBILITY_OTHER"]


SECRET = st.text(min_size=6, max_size=30)


@given(SECRET, SECRET, SECRET)
def test_nothing_sealed_is_ever_in_a_statement(place: str, account: str, reasons: str):
    """Whatever the sealed parts of action and notice hold: the statement is the same, and names what it left out."""
    action, notice = event("TakedownAction", header={"event_id": "e"}), event("TakedownNotice")
    before = statement(action, notice)
    action["sealed"] = {"locators": [{"kind": "url", "value": place}], "account": account}
    notice["sealed"] = {"locators": [{"kind": "url", "value": place}], "reasons": reasons, "notifier": account}
    said = say(action, notice)
    assert isinstance(said, Written)
    assert {**json.loads(said.documents[0].content), "puid": 0, "application_date": 0, "decision_facts": 0} == {
        **before, "puid": 0, "application_date": 0, "decision_facts": 0
    }  # fmt: skip
    assert {"sealed.locators", "sealed.account", "body.copies_removed", "body.preserved"} == set(said.lost)


def test_the_same_takedown_is_the_same_statement():
    """The PUID follows from the event, so a statement that is sent again is known to the database."""
    action, notice = event("TakedownAction"), event("TakedownNotice")
    assert say(action, notice) == say(action, notice)
