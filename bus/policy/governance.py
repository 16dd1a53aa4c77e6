"""Who may change what all go by: the directory, the table of deadlines, the policy itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bus.errors import UsageError
from bus.policy import deadlines
from bus.policy.case import Case
from bus.policy.deadlines import Table
from bus.policy.policy import Policy
from bus.trust.adoptions import POLICY
from bus.trust.directory import Directory

DEADLINES = "deadlines"


def governed(case: Case) -> str | None:
    """Only whom the policy names may speak for the directory, and only what fits what stands in it."""
    claim = case.claim
    if not claim.info.directory:
        return None
    if claim.header.issuer not in case.policy.directory_issuers:
        return "not-governance"
    conflict = case.directory.conflict(claim.info, claim.body)
    if conflict is None and claim.info.name == "PolicyAdopted" and claim.body.kind in _PARSERS:
        text = case.directory.adoptions.whole(claim.body)
        return None if text is None or _PARSERS[claim.body.kind](text) is not None else "policy-invalid"
    return conflict


def table_in_force(directory: Directory) -> Table | None:
    """The table of deadlines that was adopted last, if there is one."""
    adopted = directory.adoptions.in_force.get(DEADLINES)
    return None if adopted is None else _table(adopted.text)


def _table(text: str) -> Table | None:
    try:
        return deadlines.parse(text)
    except UsageError:
        return None


def _policy(text: str) -> Policy | None:
    try:
        return Policy.parse(text.encode())
    except UsageError:
        return None


_PARSERS: Final[dict[str, Callable[[str], Table | Policy | None]]] = {DEADLINES: _table, POLICY: _policy}
"""What the text of an adoption has to be, by its kind."""
