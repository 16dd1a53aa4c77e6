"""How an event follows its subject: in lane and thread, by who has it, and by a step that is the issuer's."""

from __future__ import annotations

from functools import lru_cache

from bus.events.lifecycle import LIFECYCLES, START, Denied, check
from bus.policy.case import HUB, Case, roles_of

HOLD_OVER = "hold_lifted"
"""What a hold that ended by itself is like: nobody need lift it before the addressee can answer."""


def lane_and_thread(case: Case) -> str | None:
    """Lane and thread follow the subject, so that a recall follows its target in the same order."""
    claim, header, subject = case.claim, case.claim.header, case.subject
    if header.lane != claim.lane:
        return "wrong-lane"
    if claim.record_key != header.thread:
        return "record-key-mismatch"
    if header.about is None:
        urgent = header.priority in {"immediate", "urgent"}
        if header.lane != ("urgent" if urgent else "bulk"):
            return "wrong-lane"
        own = header.event_id if header.case is None else header.case
        return None if header.thread == own else "thread-mismatch"
    if subject is None:
        return None
    if header.lane != subject.lane:
        return "wrong-lane"
    return None if header.thread == subject.thread else "thread-mismatch"


def has_subject(case: Case) -> str | None:
    """Nobody speaks of what it was never sent, but who may by the table: a court's order, an objection.

    Before the step is looked at: who has not got a subject is not told where it stands either.
    """
    header, subject = case.claim.header, case.subject
    if subject is None or subject.heard is None or header.issuer == HUB or header.issuer in subject.heard:
        return None
    return None if LIFECYCLES[case.claim.info.name].steps[header.step].unheard else "about-unseen"


def step(case: Case) -> Denied | None:
    """The step must follow from the subject's last one, and be the issuer's to take."""
    claim, subject = case.claim, case.subject
    header, name = claim.header, claim.info.name
    roles = roles_of(case)
    keeps_elsewhere = name == "HashListing" and claim.body.source_list is not None
    if subject is None:
        return _opening_step(name, header.step, roles, keeps_elsewhere)
    actor = {"any", "keeper", *roles} if keeps_elsewhere else {"any", *roles}
    actor.add("owner" if subject.owner in {None, header.issuer} else "other")
    if subject.addressee in {None, header.issuer}:
        actor.add("addressee")
    if subject.issuer in {None, header.issuer}:
        actor.add("target")
    denied = check(LIFECYCLES[name], header.step, actor, subject.main, subject.own)
    over = subject.held_until_us is not None and subject.held_until_us <= case.now_us
    if denied is None or not over:
        return denied
    return check(LIFECYCLES[name], header.step, actor, HOLD_OVER, subject.own)


@lru_cache(maxsize=4096)
def _opening_step(name: str, step: str, roles: tuple[str, ...], keeps_elsewhere: bool) -> Denied | None:
    """Who is about nothing, or about what this log does not know, stands in every relation to it but ``other``."""
    actor = {"any", "owner", "addressee", "target", *roles, *(("keeper",) if keeps_elsewhere else ())}
    return check(LIFECYCLES[name], step, actor, START, START)
