"""The act in which a report is taken back, everywhere. Pure."""

from __future__ import annotations

from bus.demo.lines import Act, Awaits, Line, Row
from bus.demo.notices import SHORT_S

ISSUER = "tidewave"
SILENT = "hotline-lowlands"
COMPLY = ("clearing-house", "hotline-north", "police-north")


def recalled_report() -> Act:
    """A platform was wrong; who got its report, or had it passed on, hears so and undoes it, but for one."""
    report = Line(
        name="mistaken", issuer=ISSUER, type="Report", step="filed",
        to=["clearing-house", "hotline-lowlands", "hotline-north"],
        body={"prior_reports": [], "missing": [], "victim_count_min": 1, "annotations": []},
    )  # fmt: skip
    passed = Line(
        name="passed", issuer="clearing-house", type="Report", step="referred", to=["police-north"], about="mistaken",
        body={"prior_reports": [], "viewed": None, "missing": []},
    )  # fmt: skip
    recall = Line(
        name="recall", issuer=ISSUER, type="Recall", step="called", to=["clearing-house"], about="mistaken",
        header={"deadline": "recall-stated", "source_kind": "industry"}, due_s=SHORT_S,
        body={"reason": "adult", "do": ["stop_using", "delete"]},
        reaches=["hotline-lowlands", "hotline-north", "police-north"],
    )  # fmt: skip
    late = Awaits(about="recall", step="overdue", who=SILENT, hearer=ISSUER)
    return Act(
        title="A report is taken back",
        why="who got it hears, and whom it was passed on to.",
        rows=[
            Row(says="reports to three", lines=[report]),
            Row(says="passes it on to a fourth", lines=[passed]),
            Row(says="adult: names one, reaches four", lines=[recall]),
            Row(says="have fetched the recall", lines=[_answer(org, "fetched") for org in COMPLY]),
            Row(says="have deleted it, and say so", lines=[_answer(org, "complied") for org in COMPLY]),
            Row(says="the fourth is late, says the clerk", awaits=late),
        ],
    )


def _answer(org: str, step: str) -> Line:
    done = {"use": None, "duplicate_of": None, "actions_undone": 1}
    return Line(
        name=f"{step}-{org}", issuer=org, type="Acknowledgement", step=step, to=[ISSUER], about="recall",
        body=done if step == "complied" else {},
    )  # fmt: skip
