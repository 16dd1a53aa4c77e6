"""The ledger's tables as lists: what a notary that starts anew for every flush would find."""

from __future__ import annotations

import asyncio
from typing import Any

from bus.hub.intake import Candidate
from bus.hub.sequencer import Built, build, ids_of, recheck
from bus.hub.subjects import look_up
from bus.kafka.records import Outgoing
from bus.ledger.store import (
    ACCEPTED_COLUMNS,
    CONTENT_COLUMNS,
    ENTRY_COLUMNS,
    REACH_COLUMNS,
    RECORD_COLUMNS,
    STEP_COLUMNS,
    Accepted,
    Rows,
)
from tests.forge import now_us
from tests.unit.hub.support import World

COLUMNS = {
    "entry": ENTRY_COLUMNS,
    "record": RECORD_COLUMNS,
    "content": CONTENT_COLUMNS,
    "accepted": ACCEPTED_COLUMNS,
    "step": STEP_COLUMNS,
    "reach": REACH_COLUMNS,
}
KEYS = {"entry": "index", "record": "index", "content": "index", "accepted": "event_id", "step": "index"}


class Tables:
    """Rows as dictionaries, and the queries that a flush asks, answered by plain loops."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}

    def write(self, rows: Rows) -> None:
        """Keep what a flush writes; a key stands once, as in Postgres."""
        for name, columns in COLUMNS.items():
            new: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in getattr(rows, name)]
            self.rows[name] += new
            keys = [(row["event"], row["org"]) if name == "reach" else row[KEYS[name]] for row in self.rows[name]]
            assert len(set(keys)) == len(keys), name

    def one(self, table: str, **given: Any) -> dict[str, Any]:
        """The one row with these values; nulls if there is none."""
        found = [row for row in self.rows[table] if all(row[k] == v for k, v in given.items())]
        return found[0] if found else dict.fromkeys(COLUMNS[table])

    def find_accepted(self, ids: list[bytes]) -> dict[bytes, Accepted]:
        """As the store's."""
        rows = [row for row in self.rows["accepted"] if row["event_id"].bytes in ids]
        return {
            row["event_id"].bytes: Accepted(row["index"], row["commitment"], row["thread"].bytes, row["lane"])
            for row in rows
        }

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """The rows of a named query."""
        return getattr(self, f"_{query}")(args[0])

    def _find_standing(self, ids: list[Any]) -> list[Any]:
        return [
            {
                **self.one("entry", index=row["index"]),
                "decision": self.one("record", index=row["index"])["decision"],
                "subject": self.one("step", index=row["index"])["subject"],
                **row,
            }
            for row in self.rows["accepted"]
            if row["event_id"] in ids
        ]

    def _find_steps(self, ids: list[Any]) -> list[Any]:
        last = {
            (row["subject"], row["type"], row["line"]): row
            for row in self.rows["step"]
            if row["subject"] in ids and row["step"] is not None
        }
        return list(last.values())

    def _find_reach(self, ids: list[Any]) -> list[Any]:
        return [row for row in self.rows["reach"] if row["event"] in ids]

    def _find_viewed(self, _ids: list[Any]) -> list[Any]:
        return []

    def _bodies(self, _indexes: list[Any]) -> list[Any]:
        return []


def flush(world: World, tables: Tables, records: list[Outgoing], look: Any) -> Built:
    """One flush of a notary that knows nothing but the tables.

    Args:
        world: keys, directory and numbers.
        tables: what was committed; grows.
        records: in order.
        look: from records to candidates, as of before the flush.
    """
    candidates: list[Candidate] = look(records)
    recheck(world.state, candidates)
    accepted = tables.find_accepted(ids_of(candidates))
    asyncio.run(look_up(tables, candidates, accepted))
    built = build(world.state, candidates, accepted, now_us(), world.nonces)
    tables.write(built.rows)
    return built
