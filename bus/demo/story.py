"""The story: who says what to whom, in order, and why it matters. Pure.

The seed decides what each image is and where it turns up (``bus/demo/items.py``); who speaks is fixed. All
organisations are those of the sandbox, which are made up. What a row says is at most 34 characters long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bus.demo import proportions
from bus.demo.case import school_case
from bus.demo.items import ASSESSOR, CLEARING, FORUM_LIST, ISLES_LIST, LIST_READERS, SERVICES
from bus.demo.lines import Act, Line, Row
from bus.demo.notices import model_notice, regulatory_notices
from bus.demo.proportions import PROHIBITED_LAW, PSEUDO_LAW, Counts
from bus.demo.recall import recalled_report

PLEDGE = "safer-services-2023"
PUBLIC = ("clearing-house", "fernpost", "glimmerchat", "hotline-isles", "hotline-lowlands", "hotline-north",
          "ministry-isles", "mirage-models", "open-door", "tidewave")  # fmt: skip
NOWHERE = "hotline-nowhere"
URGENT_HEARERS = ("clearing-house", "glimmerchat", "hotline-isles", "police-isles")
OLD_LIST = "north-images"


def story(counts: Counts) -> list[Act]:
    """The acts, in order. What a row is about stands in an earlier one."""
    return [
        Act(title="A pledge", why="what is promised in public can be looked up, clause by clause.",
            rows=_pledge()),
        Act(title="A survey and a warning", why=_worked(counts),
            rows=_survey(counts)),
        Act(title="Hits come in", why="services meet the forum's images by fingerprint; nobody looks.", many="hits",
            rows=_hit()),
        Act(title="People look", why="a machine ranks; what is a crime, people say, and overrule it.",
            many="assessments", rows=_verdict()),
        Act(title="The list grows", why="what is criminal, every service can now find.",
            many="listings", rows=_listings()),
        regulatory_notices(),
        model_notice(PLEDGE, public=_others("mirage-models", PUBLIC)),
        *school_case(),
        recalled_report(),
        Act(title="Somebody errs", why="what is refused gets an entry too, and a reason.",
            rows=_mistakes()),
    ]  # fmt: skip


def _others(issuer: str, group: Sequence[str]) -> tuple[str, ...]:
    return tuple(org for org in group if org != issuer)


def _pledge() -> list[Row]:
    signed = [
        Line(
            name=f"pledge-{org}", issuer=org, type="Commitment", step="signed", to=_others(org, PUBLIC),
            body={"commitment": PLEDGE, "clause": "2.1", "publication": None},
        )
        for org in SERVICES
    ]  # fmt: skip
    return [Row(says="sign clause 2.1: find, then report", lines=signed)]


def _survey(counts: Counts) -> list[Row]:
    by_law = {PSEUDO_LAW: counts.pseudo, PROHIBITED_LAW: counts.prohibited}
    stages: list[dict[str, Any]] = [
        {"name": "found", "definition": "all-images-of-the-month", "n": counts.found},
        {"name": "selected", "definition": "assessed-against-the-law", "n": counts.selected},
        {"name": "criminal", "definition": "under-either-act", "n": counts.criminal,
         "by_law": [{"law_id": law, "n": n} for law, n in by_law.items()]},
    ]  # fmt: skip
    told = _others(ASSESSOR, PUBLIC)
    survey = Line(
        name="survey", issuer=ASSESSOR, type="Survey", step="published", to=told,
        body={"period_from": "2023-09-01", "period_to": "2023-09-30", "stages": stages, "minutes": counts.minutes,
              "analysts": proportions.ANALYSTS, "publication": FORUM_LIST},
    )  # fmt: skip
    advisory = Line(
        name="advisory", issuer=ASSESSOR, type="Advisory", step="published", to=told, causes=["survey"],
        body={"topics": ["de_ageing", "genai_csam", "model_abuse"], "publication": "advisory-2023-10"},
    )  # fmt: skip
    return [
        Row(says=f"{counts.found:,} found, {counts.criminal:,} criminal", lines=[survey]),
        Row(says="models trained on real victims", lines=[advisory]),
    ]


def _worked(counts: Counts) -> str:
    hours = f"{counts.minutes / 60:,.1f}"
    return f"{proportions.ANALYSTS} analysts, {hours} hours; the end counts again."


def _hit() -> list[Row]:
    hit = Line(
        name="hit", issuer="glimmerchat", type="HashHit", step="detected", to=_others("glimmerchat", URGENT_HEARERS),
        header={"priority": "urgent"}, body={"ai": {"status": "undetermined", "evidence": ["detector"]}},
    )  # fmt: skip
    return [Row(says="one is not of the forum: urgent", lines=[hit])]


def _verdict() -> list[Row]:
    viewed = {"by_provider": False, "exif": False, "public": False, "stated_by": "glimmerchat"}
    common: Mapping[str, Any] = {"viewed": viewed, "tool": {"id": "rank-model", "version": "4.2", "confidence": 871}}
    hearers = _others(ASSESSOR, URGENT_HEARERS)
    rank = Line(
        name="rank", issuer=ASSESSOR, type="Assessment", step="proposed", to=hearers, about="hit",
        body=common | {"rank": 4031, "rank_reasons": ["synthetic_likely"], "legality": [],
                       "ai": {"status": "fully_synthetic", "evidence": ["detector"]}},
        sealed={"note": None},
    )  # fmt: skip
    verdict = Line(
        name="verdict", issuer=ASSESSOR, type="Assessment", step="asserted", to=hearers, about="rank",
        body=common | {
            "human_agrees": "raised", "rank": 1, "rank_reasons": ["child_in_danger"],
            "ai": {"status": "not_synthetic", "real_child_at_risk": "yes", "evidence": ["analyst"]},
            "legality": [{"country": "GB", "law_id": "pca1978_photograph", "outcome": "criminal"}],
        },
        links={"subject": ["hit"]},
    )  # fmt: skip
    return [
        Row(says="machine: synthetic, place 4,031", lines=[rank]),
        Row(says="person: a real child, place 1", lines=[verdict]),
    ]


def _listings() -> list[Row]:
    entry = "isles-0117"
    real = Line(
        name="listing", issuer=ASSESSOR, type="HashListing", step="listed", to=LIST_READERS,
        body={"list_id": ISLES_LIST, "source_list": ISLES_LIST, "entry": entry},
    )  # fmt: skip
    found = Line(
        name="found", issuer="tidewave", type="HashHit", step="detected", to=[CLEARING, ASSESSOR], after=["listing"],
        body={"source": {"list_id": ISLES_LIST, "list_entry": entry},
              "match": {"kind": "exact", "algorithm": "SHA256"}},
    )  # fmt: skip
    readers = sorted({*LIST_READERS, ASSESSOR} - {"hotline-north"})
    wrong = Line(
        name="wrong", issuer="hotline-north", type="HashListing", step="listed", to=readers,
        body={"list_id": OLD_LIST, "source_list": OLD_LIST, "entry": "north-2207"},
    )  # fmt: skip
    disputed = Line(
        name="disputed", issuer="fernpost", type="HashListing", step="disputed", about="wrong",
        to=sorted({*readers, "hotline-north"} - {"fernpost"}),
        body={"list_id": OLD_LIST, "source_list": None, "entry": "north-2207", "reason": "adult"},
    )  # fmt: skip
    retracted = Line(
        name="retracted", issuer="hotline-north", type="HashListing", step="retracted", to=readers, about="disputed",
        body={"list_id": OLD_LIST, "source_list": OLD_LIST, "entry": "north-2207", "reason": "adult"},
    )  # fmt: skip
    return [
        Row(says="the real child's image, for all", lines=[real]),
        Row(says="finds it at once: an exact match", lines=[found]),
        Row(says="lists another image", lines=[wrong]),
        Row(says="disputes it: the person was of age", lines=[disputed]),
        Row(says="takes it back; all readers hear it", lines=[retracted]),
    ]


def _mistakes() -> list[Row]:
    nowhere = Line(
        name="nowhere", issuer="tidewave", type="Acknowledgement", step="taken", to=["hotline-isles", NOWHERE],
        about="listing", body={"use": "new"},
    )  # fmt: skip
    itself = Line(
        name="itself", issuer="fernpost", type="TakedownAction", step="verified_removed", to=["ministry-isles"],
        about="notice-fernpost",
    )  # fmt: skip
    return [
        Row(says="answers one whom nobody admitted", lines=[nowhere]),
        Row(says="verifies its own removal", lines=[itself]),
    ]


MISTAKES = frozenset({"nowhere", "itself"})
"""Lines that the hub must refuse."""
