"""Who may hear an event that stands: its audience, each with a reason, and for a recall everyone who heard the target.

What an event names (``about``, ``supersedes``, ``causes``) must be known to whoever hears it: its issuer, whom a
decision allowed it, and to whom a step passed it on (docs/adr/0018). What the log does not know binds nobody (0011).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bus.events.families import family_of
from bus.events.registry import SchemaInfo
from bus.events.types import Header
from bus.trust.directory import Agreement, Directory

Recipients = tuple[tuple[str, bool, str], ...]
"""(organisation, whether it may hear the event, why), sorted by organisation, each once."""

AUDIENCE: Final = "audience"
AGREEMENT: Final = "agreement"
SUSPENDED: Final = "suspended"
UNSEEN: Final = "unseen"
PAST_RECIPIENT: Final = "past-recipient"
TARGET_ISSUER: Final = "target-issuer"

MAX_REACH: Final = 2048
"""To how many one event may be passed on: a decision has room for twice as many, so that a recall reaches all."""


def recipients(
    info: SchemaInfo,
    header: Header,
    directory: Directory,
    now_us: int,
    bounds: Sequence[frozenset[str]] = (),
    recalled: Mapping[str, str] | None = None,
) -> Recipients:
    """Everyone named, and the members of each agreement named as of now; the issuer does not hear itself.

    Args:
        info: the event's schema.
        header: its header.
        directory: organisations and agreements as of the index before.
        now_us: the ledger's time, microseconds since 1970.
        bounds: whoever hears the event must be in each of these.
        recalled: of a recall: whom it must reach, whether or not it names them, and why.
    """
    audience = header.audience
    if audience[0][0] != "@" and not recalled and not bounds:  # sorted: an agreement comes first
        return tuple([_admitted(org, AUDIENCE, directory) for org in audience])
    allowed: dict[str, str] = {}
    denied: dict[str, str] = {}
    for member in audience:
        agreement = directory.agreement(member, now_us)
        if agreement is None:
            _sort_out((member,), AUDIENCE, bounds, allowed, denied)
            continue
        uncovered = not_covered(agreement, info, header)
        if uncovered is None:
            _sort_out(agreement.members, AGREEMENT, bounds, allowed, denied)
        else:
            denied.update(dict.fromkeys(agreement.members, uncovered))
    for org, reason in (recalled or {}).items():
        allowed.setdefault(org, reason)
    for org in (*allowed, header.issuer):
        denied.pop(org, None)
    allowed.pop(header.issuer, None)
    found = [_admitted(org, reason, directory) for org, reason in allowed.items()]
    return tuple(sorted([*found, *((org, False, reason) for org, reason in denied.items())]))


def not_covered(agreement: Agreement, info: SchemaInfo, header: Header) -> str | None:
    """Why an agreement does not carry an event, as a reason of the decision; None if it does. Empty lists mean all."""
    if agreement.families and family_of(info.name) not in agreement.families:
        return "agreement-family"
    if agreement.compartments and header.compartment not in agreement.compartments:
        return "agreement-compartment"
    if agreement.purposes and header.purpose not in agreement.purposes:
        return "agreement-purpose"
    if agreement.legal_basis and header.legal_basis not in agreement.legal_basis:
        return "agreement-basis"
    return None


def must_hear(heard: frozenset[str], target_issuer: str | None, recaller: str) -> dict[str, str]:
    """Whom a recall must reach, and why: everyone who has the target."""
    orgs = heard - {recaller, "hub"}
    return {org: TARGET_ISSUER if org == target_issuer else PAST_RECIPIENT for org in orgs}


def unseen(header: Header, bounds: Sequence[frozenset[str]]) -> bool:
    """Whether somebody is named who may not know of an event that this one names. Agreements are judged by member."""
    return any(org[0] != "@" and any(org not in bound for bound in bounds) for org in header.audience)


def _sort_out(
    orgs: Sequence[str], reason: str, bounds: Sequence[frozenset[str]], allowed: dict[str, str], denied: dict[str, str]
) -> None:
    """Allow whoever is inside the bounds; whoever is named by itself is there by name."""
    for org in orgs:
        if all(org in bound for bound in bounds):
            allowed[org] = reason
        else:
            denied[org] = UNSEEN


def _admitted(org: str, reason: str, directory: Directory) -> tuple[str, bool, str]:
    if directory.is_admitted(org):
        return (org, True, reason)
    return (org, False, SUSPENDED)
