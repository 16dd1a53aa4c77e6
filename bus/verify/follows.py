"""What the ledger derives from entries: where subjects are in their lifecycles, and whom events were passed on to.

Both are made of entries alone (``bus.hub.subjects``, ``bus.hub.reach``), and decide what is accepted next. So they are
made again here and compared, row by row. Only events that others are about are kept in mind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bus.errors import BusError
from bus.events import registry
from bus.events.codec import decode, decode_header
from bus.hub.reach import spread
from bus.hub.standing import VIEWED_TYPES
from bus.hub.subjects import follow
from bus.ledger.store import Accepted, Standing
from bus.tlog.leaf import Outcome
from bus.verify.rows import Row, fail, value_of


class Follows:
    """Makes the rows again, from entry 0 on, in order.

    Args:
        subjects: the ids of all events that others are about.
    """

    def __init__(self, subjects: Collection[bytes]) -> None:
        self._subjects = frozenset(subjects)
        self._known: dict[bytes, Accepted] = {}
        self._viewed_known = True
        self.lost_from: int | None = None
        """From this entry on nothing can be told: its header was removed by a court."""
        self.rows = 0

    def compare(
        self, rows: Sequence[Row], steps: Sequence[Mapping[str, Any]], reach: Sequence[Mapping[str, Any]]
    ) -> None:
        """Compare what some entries lead to with what is kept of them.

        Raises:
            Wrong: they differ.
        """
        due_steps, due_reach = set[tuple[Any, ...]](), set[tuple[Any, ...]]()
        for row in rows:
            if row["outcome"] == Outcome.ACCEPTED and self.lost_from is None:
                self._entry(row, due_steps, due_reach)
        if self.lost_from is not None:
            return
        width = 6 if self._viewed_known else 5
        found_steps = {tuple(row.values())[:width] for row in steps}
        self._same({one[:width] for one in due_steps}, found_steps, "step", 0)
        self._same(due_reach, {tuple(row.values()) for row in reach}, "reach", 2)
        self.rows += len(due_steps) + len(due_reach)

    def _entry(self, row: Row, steps: set[tuple[Any, ...]], reach: set[tuple[Any, ...]]) -> None:
        info, event_id = registry.by_id(row["schema_id"]), row["event_id"].bytes
        if row["about"] is None and event_id not in self._subjects and row["header"] is not None:
            return
        if info is None or row["header"] is None:
            self.lost_from = row["index"]
            return
        try:
            header = decode_header(info, row["header"])
            value = value_of(row) if info.name in VIEWED_TYPES else None
            viewed = decode(value).body.viewed if value is not None else None
        except BusError:
            fail("header-malformed", row["index"], f"Entry {row['index']} cannot be read, and was accepted", "record")
        self._viewed_known &= value is not None or info.name not in VIEWED_TYPES
        standing = Standing(info.name, header.issuer, header.step, header.addressee, event_id, viewed)
        stands = Accepted(row["index"], b"", header.thread, header.lane, standing, decision=row["decision"])
        if event_id in self._subjects:
            self._known[event_id] = stands
        steps.update(follow(info, header, stands, self._known))
        reach.update(spread(info, header, stands, self._known))

    @staticmethod
    def _same(due: set[tuple[Any, ...]], found: set[tuple[Any, ...]], table: str, at: int) -> None:
        if due == found:
            return
        index = min(one[at] for one in due ^ found)
        what = "where a subject is in its lifecycle" if table == "step" else "to whom an event was passed on"
        fail("derived", index, f"Entry {index}: the table {table} does not say {what} as the entries do", table)
