"""What is no longer there of accepted events, against the Erasures in the ledger that let it go. Pure.

An Erasure comes after the event that it names, in that event's thread. So one walk in the ledger's order is enough:
whatever content was missed and then not named is missing for no reason.
"""

from __future__ import annotations

from typing import Any

from bus.errors import BusError
from bus.events.erasures import named_by, schema_ids
from bus.tlog.leaf import Leaf
from bus.verify.rows import Row, fail


class Erased:
    """Carries from entry to entry whose content is gone, until an Erasure names it."""

    def __init__(self) -> None:
        self._erasures = frozenset(schema_ids())
        self._missing: dict[tuple[Any, bytes], int] = {}
        self.count = 0
        """How many contents are gone by an Erasure."""

    def entry(self, row: Row, leaf: Leaf) -> None:
        """The next accepted entry.

        Raises:
            Wrong: it is an Erasure that cannot be read.
        """
        if row["content_index"] is None:
            self._missing[row["thread"], leaf.event_id] = row["index"]
        elif row["schema_id"] in self._erasures:
            self._erasure(row)

    def _erasure(self, row: Row) -> None:
        index: int = row["index"]
        try:
            event = named_by(row["schema_id"], row["step"], row["header"], row["body"])
        except BusError:
            fail("content-missing", index, f"Entry {index} is an Erasure that cannot be read", "content")
        if event is not None and self._missing.pop((row["thread"], event), None) is not None:
            self.count += 1

    def end(self) -> None:
        """Every entry was read.

        Raises:
            Wrong: content is gone that no Erasure names; the first such entry is said, and how many there are.
        """
        if self._missing:
            index, more = min(self._missing.values()), len(self._missing) - 1
            others = f", nor that of {more} more" if more else ""
            sentence = f"The content of entry {index} is gone, and no approved Erasure in the ledger names it{others}"
            fail("content-missing", index, sentence, "content")
