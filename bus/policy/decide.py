"""The decision: may this event stand, and who may hear it.

A pure function of the event as its sender signed it, the directory as of the index before it, what is known of
its subject, the policy and the ledger's clock. The same inputs give the same answer in a replay years later.
Each rule is a small function that returns a refusal code of ``schemas/codes/refusal.csv`` or None; the first
that refuses decides, so that a receipt names one thing to mend at a time. It fails closed: what no rule allows
is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bus.events.lifecycle import LIFECYCLES
from bus.policy import audience, following, governance, grounds, notices, senders, testimony
from bus.policy.case import HUB, RECALL, Case, Claim, Subject
from bus.policy.hearing import MAX_REACH, Recipients, must_hear, recipients, unseen
from bus.policy.policy import Policy
from bus.trust.directory import Directory


class Verdict(Struct, frozen=True, gc=False):
    """A refusal with its reason, or the recipients: (organisation, may hear it, reason), sorted.

    ``allowed`` are the steps that the issuer might take instead.
    """

    refusal: str | None
    recipients: Recipients = ()
    allowed: tuple[str, ...] = ()


def decide(claim: Claim, directory: Directory, subject: Subject | None, policy: Policy, now_us: int) -> Verdict:
    """Decide on one event.

    Args:
        claim: the event as signed and sent.
        directory: organisations and keys as of the index before.
        subject: what is known of ``about``; None where there is none, or it is not known here.
        policy: the policy in force.
        now_us: the ledger's time, microseconds since 1970.

    Returns:
        The verdict; it never raises on any event that decodes.
    """
    case = Case(claim, directory, subject, policy, now_us)
    for rule in _RULES_OF.get(claim.info.name, _RULES):
        refusal = rule(case)
        if refusal is not None:
            return Verdict(refusal)
    denied = following.step(case)
    if denied is not None:
        return Verdict(denied.reason, (), denied.allowed)
    if claim.info.directory:
        return Verdict(None)
    return _heard_by(case)


def _heard_by(case: Case) -> Verdict:
    """Who hears what may be said; refused if somebody is named who may not know of what it names."""
    claim, subject, header = case.claim, case.subject, case.claim.header
    if subject is None and not claim.links:
        return Verdict(None, recipients(claim.info, header, case.directory, case.now_us))
    passes = _passes_on(claim, subject)
    about = None if subject is None or passes else subject.heard
    bounds = claim.links if about is None else (about, *claim.links)
    if unseen(header, bounds) and header.issuer != HUB:
        return Verdict("about-unseen")
    recalled = None
    if subject is not None and subject.heard is not None:
        if claim.info.name == RECALL:
            recalled = must_hear(subject.heard, subject.issuer, header.issuer)
        elif passes and header.issuer != HUB and subject.recalled:
            return Verdict("recalled")
    found = recipients(claim.info, header, case.directory, case.now_us, bounds, recalled)
    full = passes and subject is not None and subject.reach + len(found) > MAX_REACH
    return Verdict("passed-too-far") if full else Verdict(None, found)


def _passes_on(claim: Claim, subject: Subject | None) -> bool:
    """Whether it goes on with a subject by a step that says it anew to others."""
    goes_on = subject is not None and subject.owner is not None
    return goes_on and LIFECYCLES[claim.info.name].steps[claim.header.step].passes


_RULES: tuple[Callable[[Case], str | None], ...] = (
    senders.this_log,
    senders.one_sender,
    senders.own_valid_key,
    senders.admitted,
    governance.governed,
    senders.id_in_time,
    audience.known_audience,
    following.lane_and_thread,
    following.has_subject,
    audience.own_auditors,
    grounds.legal_basis,
    notices.deadline,
    audience.wraps,
    testimony.said_in_person,
    testimony.unchanged,
)
"""What every event is held to; the order is part of behaviour (docs/adr/0010)."""
_RULES_OF = {
    "TakedownNotice": (*_RULES, notices.one_addressee, notices.secured),
    "TakedownAction": (*_RULES, notices.bounded_hold),
}
"""What some types are held to beyond that."""
