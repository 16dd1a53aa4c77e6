"""Whom an event may name: members, auditors of nations that are concerned, and the keys that it is sealed for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bus.events import registry
from bus.policy.case import HUB, Case, Claim, agreements

DIRECT_SUITE = 1


def known_audience(case: Case) -> str | None:
    """Members, and agreements of which the issuer is one; only what is the directory's goes to the hub."""
    audience, directory = case.claim.header.audience, case.directory
    if case.claim.info.directory:
        return None if tuple(audience) == (HUB,) else "audience-hub"
    for org in audience:
        if org == HUB:
            return "audience-hub"
        if org == case.claim.header.issuer:
            return "audience-self"
        if directory.organisation(org) is not None:
            continue
        agreement = directory.agreement(org, case.now_us)
        if agreement is None:
            return "audience-unknown"
        if case.claim.header.issuer not in (HUB, *agreement.members):
            return "agreement-foreign"
    return None


def own_auditors(case: Case) -> str | None:
    """Only auditors of nations of who is concerned are named: never a victim's, whom nobody here stands for."""
    claim, header, directory = case.claim, case.claim.header, case.directory
    own = directory.organisation(header.issuer)
    if claim.info.directory or header.issuer == HUB or (own is not None and header.audit_nations == (own.nation,)):
        return None
    concerned = {header.issuer, header.addressee, header.on_behalf_of, *header.audience}
    concerned.update(*(agreement.members for agreement in agreements(case)))
    found = (directory.organisation(org) for org in concerned if org is not None)
    nations = {one.nation for one in found if one is not None}
    return None if nations.issuperset(header.audit_nations) else "audit-nations"


def wraps(case: Case) -> str | None:
    """Sealed content is wrapped for exactly the audience, each by a key that is current; an agreement has none yet."""
    claim = case.claim
    sealed = claim.sealed
    if sealed is None:
        return "sealed-missing" if _must_seal(claim) else None
    if claim.header.audience[0][0] == "@":
        return "agreement-sealed"
    if sealed.suite != DIRECT_SUITE or sealed.audience_key_id is not None:
        return "wraps-mismatch"
    audience = claim.header.audience
    wraps = sealed.wraps
    if len(wraps) != len(audience):
        return "wraps-mismatch"
    wanted = set(audience)
    for wrap in wraps:
        key = case.directory.sealing_key(wrap.key_id)
        if key is None or key.org not in wanted or not case.directory.is_current(key, case.now_us):
            return "wraps-mismatch"
        wanted.discard(key.org)
    return None


def _must_seal(claim: Claim) -> bool:
    """Whether the step calls for sealed content, as a notice does for what to take down; the hub cannot look inside."""
    liftings = _sealed_at(claim.info.id, claim.header.step)
    return any(all(getattr(claim.body, name) != value for name, value in lifting) for lifting in liftings)


@lru_cache(maxsize=1024)
def _sealed_at(schema_id: int, step: str) -> tuple[tuple[tuple[str, Any], ...], ...]:
    """For each sealed field that a step calls for: the body's fields and values that lift this."""
    info = registry.by_id(schema_id)
    plaintext = None if info is None or not info.sealed else registry.shape(info).plaintext
    return () if plaintext is None else tuple(one.unless_body for one in plaintext.fields if step in one.required_at)
