"""What asks somebody to act: one addressee, a deadline of the adopted table, evidence kept, and holds that end."""

from __future__ import annotations

from bus.policy.case import HUB, RECALL, Case, hears
from bus.policy.deadlines import FOREIGN_MATTERS, Deadline
from bus.policy.governance import table_in_force

ANSWERS = frozenset({"Overdue", "TakedownAction", "Acknowledgement", "Preservation"})
"""Types that may name a deadline because they speak of what it was counted for."""
ASKING = frozenset({"issued", "corrected"})
"""Steps of a notice that say in full what is asked."""


def deadline(case: Case) -> str | None:
    """A deadline that is named must be one of the adopted table, and made for such an event."""
    header = case.claim.header
    if header.deadline is None:
        return None
    table = table_in_force(case.directory)
    if table is None:
        return None
    row = table.rows.get(header.deadline)
    if row is None:
        return "deadline-unknown"
    if row.subject_matter in FOREIGN_MATTERS:
        return "deadline-matter"
    if case.claim.info.name not in row.applies_to:
        return None if case.claim.info.name in ANSWERS else "deadline-matter"
    if case.claim.info.name != RECALL and not hears(case, header.addressee):
        return "deadline-addressee"
    return _asked(case, row) if _begins(case) else None


def _begins(case: Case) -> bool:
    """Whether it begins a clock: not where the hub or the addressee speaks, nor the later steps of a notice."""
    claim, header = case.claim, case.claim.header
    if header.issuer in {HUB, header.addressee}:
        return False
    return claim.info.name != "TakedownNotice" or header.step == "issued"


def _asked(case: Case, row: Deadline) -> str | None:
    """Who begins a clock names a row in force, and no date that has passed."""
    due_at = case.claim.header.due_at
    if not row.in_force(case.now_us) or (due_at is not None and due_at <= case.now_us):
        return "deadline-date"
    return "deadline-date" if row.enforce and row.stated and due_at is None else None


def one_addressee(case: Case) -> str | None:
    """A notice names exactly one addressee, who hears it, and the same from first to last."""
    header, subject = case.claim.header, case.subject
    addressee = header.addressee
    if subject is not None and subject.addressee not in {None, addressee}:
        return "one-addressee"
    if header.issuer == HUB:
        return None
    return None if addressee != header.issuer and hears(case, addressee) else "one-addressee"


def secured(case: Case) -> str | None:
    """What is taken down is gone as evidence too: a notice names what secures it, or says why nothing does."""
    body = case.claim.body
    said = body.preservation is not None or body.why_not_preserved is not None
    return None if said or case.claim.header.step not in ASKING else "preservation-unsaid"


def bounded_hold(case: Case) -> str | None:
    """A hold keeps material where it is, so it ends within the policy's bound unless police say so again."""
    if case.claim.header.step != "le_hold":
        return None
    return None if case.claim.body.hold_until <= case.now_us + case.policy.longest_hold_us else "hold-until"
