"""Whose word it is: what only people may say, how sure police are, and that nobody changes what another said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bus.events.types import Header
from bus.policy.case import Case, roles_of

NOT_REVIEWED: Final = "not_reviewed"


def _reviewed(body: Any) -> bool:
    return body.review is not None and body.review.human_reviewed is True


_BY_PEOPLE: Final[Mapping[tuple[str, str], Callable[[Any], bool]]] = {
    ("HashHit", "confirmed"): _reviewed,
    ("HashHit", "false_positive"): _reviewed,
    ("HashHit", "inconclusive"): _reviewed,
    ("HashListing", "verified"): lambda body: bool(body.assessors_agreeing),
    ("Assessment", "asserted"): lambda body: body.human_agrees != NOT_REVIEWED,
    ("Appeal", "reassessed"): lambda body: body.independent is True,
}
"""Steps that people take, and how their events say that people took them."""


def said_in_person(case: Case) -> str | None:
    """What people must have looked at says that they did, and police say how sure they are."""
    claim = case.claim
    missing = by_people(claim.info.name, claim.header.step, claim.body)
    return missing or evaluated(claim.header, roles_of(case))


def by_people(name: str, step: str, body: Any) -> str | None:
    """Why a step is not taken, where it is people's to take and the event does not say that they did.

    Args:
        name: the event's type.
        step: its step.
        body: its body, decoded.
    """
    says_so = _BY_PEOPLE.get((name, step))
    return None if says_so is None or says_so(body) else "human-needed"


def evaluated(header: Header, roles: tuple[str, ...]) -> str | None:
    """Police say how reliable source and information are (4x4: A, B, C, X and 1 to 4)."""
    if "police" not in roles or (header.source_eval is not None and header.info_eval is not None):
        return None
    return "evaluation-missing"


def unchanged(case: Case) -> str | None:
    """Nobody overwrites another's verdict, and who viewed the file is copied as it is, or not at all."""
    claim, subject = case.claim, case.subject
    if claim.supersedes_of is not None and claim.supersedes_of != claim.header.issuer:
        return "supersedes-foreign"
    if subject is None or subject.viewed is None:
        return None
    viewed = getattr(claim.body, "viewed", None)
    return None if viewed is None or viewed == subject.viewed else "viewed-changed"
