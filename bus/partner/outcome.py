"""What a publisher is told of an event, and what a subscriber hands out."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

OutcomeCode = Literal["accepted", "repeated", "refused", "unknown"]


class Outcome(Struct, frozen=True, gc=False):
    """What became of one published event.

    ``accepted`` and ``repeated`` mean that it stands in the ledger: at ``index``, or, for a repeat, at
    ``first_index``. ``refused`` has ``reasons``, codes of ``schemas/codes/refusal.csv``. ``unknown`` means that no
    receipt came in time: the event is in the journal, and publishing it again sends the same bytes.
    """

    event_id: bytes
    outcome: OutcomeCode
    index: int | None = None
    first_index: int | None = None
    reasons: tuple[str, ...] = ()
    time_us: int | None = None
    topic: str | None = None
    offset: int | None = None

    @property
    def stands(self) -> bool:
        """Whether the event stands in the ledger."""
        return self.outcome in {"accepted", "repeated"}

    @property
    def place(self) -> int | None:
        """Where the event stands, for a repeat too, or its refusal."""
        return self.first_index if self.outcome == "repeated" else self.index
