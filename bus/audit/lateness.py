"""What was stated of deadlines in a thread: from the headers of its Overdue events alone, so that it can be proved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bus.audit.words import when
from bus.errors import BusError, LedgerError
from bus.events import registry
from bus.events.codec import decode_header

COLUMNS = ("addressee", "deadline", "step", "due", "at", "after_due_s", "by")
"""Who owed which act, what was said, when it was due (pauses counted in), the instant spoken of, seconds past due."""


def lateness(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Overdue events in the ledger's order; a header that was removed by court order leaves its line out.

    ``after_due_s`` counts on through a pause that began after the act was due; ``late_s`` in the body does not.

    Raises:
        LedgerError: a header cannot be read.
    """
    return [_line(row) for row in rows if row["header"] is not None]


def _line(row: Any) -> dict[str, Any]:
    info = registry.by_id(row["schema_id"])
    if info is None:
        raise LedgerError(f"entry {row['index']} has a schema that this version does not know")
    try:
        header = decode_header(info, row["header"])
    except BusError as error:
        raise LedgerError("a header in the ledger cannot be read", hint="Verify the ledger.") from error
    known = header.due_at is not None and header.effect_at is not None
    past = max(0, (header.effect_at or 0) - (header.due_at or 0)) // 1_000_000
    return {
        "addressee": header.addressee,
        "deadline": header.deadline,
        "step": header.step,
        "due": when(header.due_at),
        "at": when(header.effect_at),
        "after_due_s": past if known else None,
        "by": header.issuer,
    }
