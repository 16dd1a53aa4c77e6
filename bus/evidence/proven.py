"""Evidence is checked before it is handed out: what the ledger holds may have been changed since it was recorded."""

from __future__ import annotations

from bus.errors import CheckFailed
from bus.evidence.exhibit import Evidence
from bus.evidence.verify import verify
from bus.tlog.policy import Policy


def proven(evidence: Evidence, policy: Policy) -> bytes:
    """The file of evidence that holds, as whoever gets it will find.

    Args:
        evidence: as it was made.
        policy: the one that it was made for.

    Raises:
        CheckFailed: something in it is false; what is said.
    """
    data = evidence.encode()
    report = verify(data, policy)
    if report.holds:
        return data
    false = report.first_false
    why = "it is none" if false is None else f"{false.name}: {false.text.removesuffix('.')}"
    raise CheckFailed(
        f"entry {evidence.event.index} is not proved: {why}",
        hint="Nothing was written of it. `bus audit verify` says whether the ledger was changed.",
    )
