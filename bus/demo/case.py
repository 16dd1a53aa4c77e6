"""The school case: two platforms' reports become one case, ten children are found. Pure; persons stay sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bus.demo.lines import Act, Line, Row

VICTIMS = 10
SEEN_BY = {"fernpost": 6, "glimmerchat": 4}
ABROAD = 2
"""So many of the ten live in the lowlands."""

_ISLES, _LOWLANDS = "police-isles", "police-lowlands"
_CASE = "school"


def school_case() -> list[Act]:
    """From two reports to ten children who are safe."""
    return [
        Act(
            title="Ten pupils, one suspect",
            why="two services each see a part of one sextortion case.",
            rows=_reports(),
        ),
        Act(
            title="Ten children are found",
            why="who they are is sealed; that they are safe, told.",
            rows=_found(),
        ),
    ]


def _reports() -> list[Row]:
    filed = [_report(org, seen) for org, seen in SEEN_BY.items()]
    joined = Line(
        name="joined", issuer="clearing-house", type="Report", step="triaged", to=[_ISLES], about="report-fernpost",
        after=["report-glimmerchat"], links={"prior_reports": ["report-glimmerchat"]},
        body={"victim_count_min": VICTIMS, "suspect_count": 1, "viewed": None, "tip_quality": "actionable",
              "annotations": ["sextortion", "threat_synthetic"], "missing": []},
    )  # fmt: skip
    referred = [
        Line(name=f"referred-{org}", issuer="clearing-house", type="Report", step="referred", to=[_LOWLANDS],
             about=f"report-{org}", body={"prior_reports": [], "viewed": None, "missing": []})
        for org in SEEN_BY
    ]  # fmt: skip
    received = [
        Line(name=f"received-{org}", issuer=_ISLES, type="Report", step="received", about=f"report-{org}",
             to=["clearing-house", org, _LOWLANDS], body={"prior_reports": [], "viewed": None, "missing": []})
        for org in SEEN_BY
    ]  # fmt: skip
    taken = [
        Line(name=f"case-taken-{org}", issuer=_ISLES, type="Acknowledgement", step="taken",
             to=[org], about=f"report-{org}", body={"use": "new"})
        for org in SEEN_BY
    ]  # fmt: skip
    return [
        Row(says="6 pupils and 4, one suspect each", lines=filed),
        Row(says="one suspect: 10 pupils, one case", lines=[joined]),
        Row(says="refers both: two live elsewhere", lines=referred),
        Row(says="a person has read both", lines=taken),
        Row(says="the case is theirs now", lines=received),
    ]


def _report(org: str, seen: int) -> Line:
    victims = [{"role": "victim", "age": 13 + i % 4, "note": "Fictional person of a story."} for i in range(seen)]
    return Line(
        name=f"report-{org}", issuer=org, type="Report", step="filed", to=("clearing-house", _ISLES),
        body={
            "victim_count_min": seen, "suspect_count": 1, "prior_reports": [], "minor_suspect": True,
            "jurisdictions": [{"country": "GB", "tie": "victim"}, {"country": "NL", "tie": "victim"}],
            "annotations": ["sextortion", "threat_synthetic"], "missing": [],
        },
        sealed={"persons": [*victims, {"role": "suspect", "note": "Fictional person of a story."}],
                "narrative": "A pupil makes nude images of others with an app, and asks for money."},
    )  # fmt: skip


def _found() -> list[Row]:
    homes = [_LOWLANDS if i < ABROAD else _ISLES for i in range(VICTIMS)]
    leads = [
        _victim(f"lead-{i}", _ISLES, "lead", causes=["report-fernpost", "report-glimmerchat"], case=_CASE)
        for i in range(VICTIMS)
    ]
    steps = {
        step: [_victim(f"{step}-{i}", home, step, about=f"lead-{i}") for i, home in enumerate(homes)]
        for step in ("claimed", "identified", "safeguarded")
    }
    closed = [
        Line(name=f"closed-{org}", issuer=_ISLES, type="Report", step="closed", about=f"report-{org}",
             to=["clearing-house", org, _LOWLANDS],
             body={"outcome": "victim_identified", "viewed": None, "prior_reports": [], "missing": []})
        for org in SEEN_BY
    ]  # fmt: skip
    return [
        Row(says="10 leads, one for each child", lines=leads),
        Row(says="8 claimed, and 2 by the lowlands", lines=steps["claimed"]),
        Row(says="10 identified; the suspect too", lines=steps["identified"]),
        Row(says="10 safeguarded", lines=steps["safeguarded"]),
        Row(says="closes both reports; services hear", lines=closed),
    ]


def _victim(name: str, issuer: str, step: str, *, about: str = "", causes: Sequence[str] = (), case: str = "") -> Line:
    body: dict[str, Any] = {"basis": "report", "is_distributed": False, "offender_identified": step != "lead",
                            "countries_informed": ["GB", "NL"]}  # fmt: skip
    return Line(
        name=name, issuer=issuer, type="VictimIdentification", step=step, about=about, causes=causes, case=case,
        to=[_ISLES if issuer == _LOWLANDS else _LOWLANDS], body=body,
        sealed={"series_ref": None, "private_links": [], "age_band": "14-15", "country": None},
    )  # fmt: skip
