"""Up to which instant the clerk has heard everybody: what stood in the outboxes then has been recorded, and read.

A note is taken of an instant, and after it of where every outbox ends. Once the notary's intake has passed all these
ends, and the ledger was read to its head, whatever was sent by that instant is known, however long the notary was away
or busy. Until then nobody is called late: an answer may be waiting.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Watermark(Struct):
    """The instant that was reached, and the note that waits to be.

    Attributes:
        reached_us: all that was sent by then is recorded.
        noted_us: the instant of the note that waits; None if there is none.
        ends: by topic of an outbox, the offset behind its last record, as of the note.
    """

    reached_us: int = 0
    noted_us: int | None = None
    ends: Mapping[str, int] = {}

    def note(self, at_us: int, ends: Mapping[str, int]) -> None:
        """Take a note: the ends were asked for after ``at_us``."""
        self.noted_us, self.ends = at_us, ends

    def passed(self, intake: Mapping[str, int]) -> bool:
        """Whether the notary has recorded all that is noted; a topic that it has not begun stands at 0."""
        if self.noted_us is None or any(intake.get(topic, 0) < end for topic, end in self.ends.items()):
            return False
        self.reached_us, self.noted_us = max(self.reached_us, self.noted_us), None
        return True
