"""What an event rests on: a law that is in force by the register, with all that this law asks of a header.

The register is what ``LegalBasis`` events of the directory have made of it. A law that nobody registered is taken on
its sender's word, unless the policy says ``registered_only``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bus.events.types import Header
from bus.policy.case import Case
from bus.policy.policy import Policy
from bus.trust.directory import Directory

_REQUIREMENTS: Final[Mapping[str, Callable[[Header], object]]] = {
    "deadline": lambda header: header.deadline,
    "addressee": lambda header: header.addressee,
    "on_behalf_of": lambda header: header.on_behalf_of,
    "case": lambda header: header.case,
    "police_codes": lambda header: header.handling.police_codes,
    "evaluation": lambda header: header.source_eval and header.info_eval,
    "preserve_until": lambda header: header.preserve_until,
}
"""Codes of ``schemas/codes/basis_requirement.csv``, and what of a header meets them."""


def legal_basis(case: Case) -> str | None:
    """A law in force; but what is said of the directory stands, else nobody could put a lapsed law right again."""
    if case.claim.info.directory:
        return None if case.policy.legal_basis.fullmatch(case.claim.header.legal_basis) else "legal-basis"
    return refusal(case.claim.header, case.directory, case.policy, case.now_us)


def refusal(header: Header, directory: Directory, policy: Policy, now_us: int) -> str | None:
    """Why an event may not rest on the law that it names; None if it may.

    A requirement that this version does not know is met by nothing: nobody could say that it is.
    """
    if policy.legal_basis.fullmatch(header.legal_basis) is None:
        return "legal-basis"
    law = directory.laws.get(header.legal_basis)
    if law is None:
        return "legal-basis" if policy.registered_only else None
    if not law.in_force(now_us):
        return "legal-basis"
    met = all(one in _REQUIREMENTS and _REQUIREMENTS[one](header) for one in law.requires)
    return None if met else "basis-requires"
