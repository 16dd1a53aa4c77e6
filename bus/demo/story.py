"""One page of the story: who says what to whom, in order, and why it matters. Pure, and seeded.

The seed decides how many hits there are, where, and what they look like; ids are fresh each time, so that the story
can be told again on the same ledger. All organisations are those of the sandbox, which are made up.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

PLATFORMS = ("fernpost", "glimmerchat", "tidewave")
CASE_GROUP = ("clearing-house", "glimmerchat", "hotline-isles", "police-isles", "police-lowlands", "police-north")
"""Everybody in the case hears everything of it: an event may be about another only where all its hearers have that."""
LIST_READERS = (
    "fernpost",
    "glimmerchat",
    "hotline-isles",
    "hotline-lowlands",
    "hotline-north",
    "mirage-models",
    "tidewave",
)
LISTED = "isles-images"
NOWHERE = "hotline-nowhere"

_SURFACES = ("upload", "stored", "livestream", "search", "link")
_HIT_AUDIENCE = {
    "fernpost": ("clearing-house", "hotline-isles"),
    "glimmerchat": ("clearing-house", "hotline-lowlands"),
    "tidewave": ("clearing-house", "hotline-north"),
    "mirage-models": ("clearing-house", "hotline-isles"),
}


class Line(Struct, frozen=True, kw_only=True):
    """One event of the story.

    Attributes:
        issuer: who says it.
        type: the event's type.
        step: its step.
        to: who may hear it.
        name: what later lines call it, if they do.
        about: the line that it is about.
        after: the line that its issuer must have heard before.
        in_case: whether it belongs to the story's case.
        header, body, sealed: what differs from the example of that type and step; None takes a field away.
        says: what happens, in words.
    """

    issuer: str
    type: str
    step: str
    to: Sequence[str]
    name: str = ""
    about: str = ""
    after: str = ""
    in_case: bool = False
    header: Mapping[str, Any] = {}
    body: Mapping[str, Any] = {}
    sealed: Mapping[str, Any] = {}
    says: str = ""


class Act(Struct, frozen=True):
    """Lines that are said at one time, and why they matter."""

    title: str
    why: str
    lines: Sequence[Line]


def story(seed: int) -> list[Act]:
    """The acts, in order. What an act is about stands in an earlier one."""
    chance = random.Random(seed)  # noqa: S311 - a story, not a secret
    return [
        Act("Hits come in", "Four services meet known material on the same morning.", _hits(chance)),
        Act("People look", "An analyst overrules the machine: this is no synthetic picture.", _assessments()),
        Act("The list grows", "Every service can now find it; one does, at once.", _listings()),
        Act("A report becomes a case", "From a platform through the clearing house to the police.", _reports()),
        Act("A child is found", "Three police forces, one case: claimed, identified, safe.", _victim()),
        Act("A ministry asks for removal", "One addressee, one deadline, and proof of what was done.", _notice()),
        Act("Somebody errs", "An answer is addressed to an organisation that nobody has admitted.", _mistake()),
    ]


def _group(issuer: str) -> tuple[str, ...]:
    return tuple(org for org in CASE_GROUP if org != issuer)


def _hits(chance: random.Random) -> list[Line]:
    lines = [
        _hit(chance.choice(PLATFORMS), chance.choice(_SURFACES), chance.randrange(1, 5), chance.randrange(0, 31))
        for _ in range(chance.randrange(9, 16))
    ]
    lines += [_hit("mirage-models", surface, 1, chance.randrange(0, 31)) for surface in ("prompt", "output")]
    opening = Line(
        issuer="glimmerchat", type="HashHit", step="detected", to=_group("glimmerchat"), name="hit", in_case=True,
        header={"priority": "urgent"},
        says="a private upload; nobody has seen the file",
    )  # fmt: skip
    return [*lines, opening]


def _hit(org: str, surface: str, count: int, distance: int) -> Line:
    media = "live_stream" if surface == "livestream" else "image"
    return Line(
        issuer=org, type="HashHit", step="detected", to=_HIT_AUDIENCE[org],
        body={
            "match": {"kind": "near", "algorithm": "PDQ", "distance": distance, "threshold": 31},
            "context": {"surface": surface, "media": media, "count": count},
        },
        says=f"{surface}, distance {distance}",
    )  # fmt: skip


def _assessments() -> list[Line]:
    return [
        Line(
            issuer="hotline-isles", type="Assessment", step="asserted", to=_group("hotline-isles"), about="hit",
            name="verdict",
            body={
                "human_agrees": "raised",
                "ai": {"status": "not_synthetic", "real_child_at_risk": "yes", "evidence": ["analyst"]},
                "viewed": {"by_provider": False, "exif": False, "public": False, "stated_by": "glimmerchat"},
                "mitigation": ["blurred_preview", "progressive_reveal"],
            },
            says="a machine said synthetic; a person: a real child",
        ),
    ]  # fmt: skip


def _listings() -> list[Line]:
    entry = "isles-2026-0117"
    return [
        Line(
            issuer="hotline-isles", type="HashListing", step="listed", name="listing",
            to=[org for org in ("clearing-house", *LIST_READERS) if org != "hotline-isles"],
            body={"list_id": LISTED, "entry": entry},
            says="three assessors agree; the hashes travel sealed",
        ),
        Line(
            issuer="tidewave", type="HashHit", step="detected", to=_HIT_AUDIENCE["tidewave"],
            after="listing",
            body={
                "source": {"list_id": LISTED, "list_entry": entry},
                "match": {"kind": "exact", "algorithm": "SHA256"},
            },
            says="an exact match against the new entry, seconds later",
        ),
    ]  # fmt: skip


def _reports() -> list[Line]:
    return [
        Line(
            issuer="glimmerchat", type="Report", step="filed", to=_group("glimmerchat"), name="report", in_case=True,
            body={
                "jurisdictions": [{"country": "NL", "tie": "victim"}, {"country": "SE", "tie": "suspect"}],
                "viewed": {"by_provider": False, "exif": False, "public": False, "stated_by": "glimmerchat"},
                "prior_reports": [],
            },
            says="persons and accounts sealed: the hub cannot read them",
        ),
        Line(
            issuer="clearing-house", type="Report", step="referred", to=_group("clearing-house"), about="report",
            body={"prior_reports": []},
            says="to where the child seems to live, and the suspect",
        ),
        Line(
            issuer="police-lowlands", type="Acknowledgement", step="fetched", to=["glimmerchat"], about="report",
            says="it has arrived in a system",
        ),
        Line(
            issuer="police-lowlands", type="Acknowledgement", step="taken", to=["glimmerchat"], about="report",
            body={"use": "new"},
            says="a person has taken it up: another fact",
        ),
        Line(
            issuer="police-lowlands", type="Report", step="received", to=_group("police-lowlands"), about="report",
            body={"prior_reports": []},
            says="the case is theirs now",
        ),
    ]  # fmt: skip


def _victim() -> list[Line]:
    """What the police forces say to each other; who the child is stays sealed."""
    lead = Line(
        issuer="police-lowlands", type="VictimIdentification", step="lead", to=_group("police-lowlands"), name="child",
        in_case=True, sealed={"country": "NL", "private_links": []}, says="a series, and a room seen before",
    )  # fmt: skip
    steps = (
        ("police-north", "claimed", "they know the room"),
        ("police-north", "identified", "two officers agree; the offender is known too"),
        ("police-lowlands", "safeguarded", "the child is safe"),
    )
    return [
        lead,
        *(
            Line(
                issuer=org, type="VictimIdentification", step=step, to=_group(org), about="child",
                header={"case": None}, sealed={"country": "NL", "private_links": []}, says=says,
            )
            for org, step, says in steps
        ),
    ]  # fmt: skip


def _notice() -> list[Line]:
    return [
        Line(
            issuer="ministry-isles", type="TakedownNotice", step="issued", to=["fernpost", "hotline-isles"],
            name="notice",
            header={"deadline": None},
            body={"form": "regulatory_notice", "target_type": "platform", "where": {"space": "closed_platform"}},
            says="two addresses, sealed, to one addressee; due in a day",
        ),
        Line(
            issuer="fernpost", type="Acknowledgement", step="taken", to=["ministry-isles"], about="notice",
            says="the clock of this notice starts on this fact",
        ),
        Line(
            issuer="fernpost", type="TakedownAction", step="removed", to=["hotline-isles", "ministry-isles"],
            about="notice", says="both removed, and five copies; evidence preserved",
        ),
        Line(
            issuer="ministry-isles", type="TakedownAction", step="verified_removed", to=["fernpost", "hotline-isles"],
            about="notice", says="checked by the one who asked",
        ),
    ]  # fmt: skip


def _mistake() -> list[Line]:
    return [
        Line(
            issuer="tidewave", type="Acknowledgement", step="taken", to=["hotline-isles", NOWHERE], about="listing",
            name="mistake", body={"use": "new"}, says="refused whole; a signed receipt says why",
        ),
    ]  # fmt: skip
