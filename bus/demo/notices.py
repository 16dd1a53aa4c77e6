"""The acts in which somebody is asked to act, and does, or does not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bus.demo.lines import Act, Awaits, Line, Row

MINISTRY = "ministry-isles"
PROMPT = ("fernpost", "glimmerchat")
LATE = "tidewave"
SHORT_S = 3.0
"""So soon is due what somebody will be late with: nobody wants to wait for a day."""
_DAY_S = 86_400.0


def regulatory_notices() -> Act:
    """A ministry serves one notice on each of three platforms."""
    platforms = (*PROMPT, LATE)
    served = [
        Line(
            name=f"notice-{org}", issuer=MINISTRY, type="TakedownNotice", step="issued", to=[org],
            header={"addressee": org, "deadline": "stated", "source_kind": "government"},
            due_s=SHORT_S if org == LATE else _DAY_S,
            body={"form": "regulatory_notice", "target_type": "platform", "item_count": 0,
                  "where": {"space": "closed_platform"}, "provisions": [], "authority_level": "ministry",
                  "measures": ["remove", "proactive"], "why_not_preserved": "preserved_by_host"},
            sealed={"locators": None, "notifier": None, "reasons": "What the survey and the advisory describe."},
        )
        for org in platforms
    ]  # fmt: skip
    taken = [
        Line(name=f"taken-{org}", issuer=org, type="Acknowledgement", step="taken", to=[MINISTRY],
             about=f"notice-{org}")
        for org in platforms
    ]  # fmt: skip
    verified = [
        Line(name=f"verified-{org}", issuer=MINISTRY, type="TakedownAction", step="verified_removed", to=[org],
             about=f"removed-{org}", sealed={"locators": None, "account": None})
        for org in PROMPT
    ]  # fmt: skip
    return Act(
        title="A ministry asks",
        why=f"one notice, one addressee, one clock; {LATE} has seconds.",
        rows=[
            Row(says="serves one notice on each of three", lines=served),
            Row(says="have taken it up: a person has it", lines=taken),
            Row(says="have removed what they found", lines=[_removed(org) for org in PROMPT]),
            Row(says="verifies what they say", lines=verified),
            Row(says=f"{LATE} is late, says the clerk", awaits=_lateness("overdue")),
            Row(says="is late still: everyone hears", awaits=_lateness("escalated")),
            Row(says="has removed them now", lines=[_removed(LATE)]),
            Row(says="answered {late_s} s late, on record", awaits=_lateness("cured")),
        ],
    )


def _lateness(step: str) -> Awaits:
    return Awaits(about=f"notice-{LATE}", step=step, who=LATE, hearer=MINISTRY)


def _removed(org: str) -> Line:
    return Line(
        name=f"removed-{org}", issuer=org, type="TakedownAction", step="removed", to=[MINISTRY],
        about=f"notice-{org}", header={"effect_at": None}, sealed={"locators": None, "account": None},
        body={"items_done": 12, "items_total": 12},
    )  # fmt: skip


def model_notice(pledge: str, *, public: Sequence[str]) -> Act:
    """The maker of a generator is told, and what it did counts for its pledge."""
    hearers = ["clearing-house", "mirage-models"]
    notice = Line(
        name="model", issuer="hotline-isles", type="TakedownNotice", step="issued", to=hearers, causes=["advisory"],
        header={"addressee": "mirage-models", "deadline": "stated", "compulsion": "request"}, due_s=7 * _DAY_S,
        body={"form": "model_safety", "target_type": "model_provider", "item_count": 0, "provisions": [],
              "where": {"space": "model_hub"}, "measures": ["filter_model"],
              "why_not_preserved": "no_evidence_value"},
        sealed={"locators": None, "reasons": "A fine-tune of your model makes these images."},
    )  # fmt: skip
    done: dict[str, Any] = {"items_done": 1, "items_total": 1, "visibility": None, "account": None}
    answer = Line(
        name="filter", issuer="mirage-models", type="TakedownAction", step="filter_updated",
        to=["clearing-house", "hotline-isles"], about="model", body=done, header={"effect_at": None},
        sealed={"locators": None, "account": None},
    )  # fmt: skip
    evidenced = Line(
        name="evidenced", issuer="mirage-models", type="Commitment", step="evidenced", about="pledge-mirage-models",
        to=public, body={"commitment": pledge, "clause": "2.1", "publication": None,
                         "measure": {"name": "filters-updated", "value": 1, "unit": "count"}},
        links={"evidence": ["filter"]},
    )  # fmt: skip
    return Act(
        title="A generator's maker is told",
        why="a promise is declared until an event shows it.",
        rows=[
            Row(says="its model makes these images", lines=[notice]),
            Row(says="updates its filter", lines=[answer]),
            Row(says="cites that as proof of its pledge", lines=[evidenced]),
        ],
    )
