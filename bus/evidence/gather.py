"""Reads from Postgres what evidence is made of, with the desk's read-only login."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bus.errors import LedgerError, UsageError
from bus.events import registry
from bus.evidence.build import DirectoryEvent, Kept, build, kept_of, rests_on
from bus.evidence.exhibit import Evidence
from bus.evidence.published import Published
from bus.ledger.snapshot import snapshot
from bus.ledger.sql import parse_queries
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.leaf import Outcome
from bus.tlog.note import Note
from bus.tlog.tiletree import TileTree

QUERIES = parse_queries((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))


def open_snapshot(dsn: str) -> AbstractAsyncContextManager[asyncpg.Connection]:
    """A session that reads one snapshot of the ledger.

    Raises:
        UsageError, Unavailable, NotAllowed, LedgerError: as :func:`bus.ledger.snapshot.snapshot` says.
    """
    return snapshot(dsn, "evidence", patience_s=30)


class Prover:
    """Makes evidence of one event after another from one snapshot of the ledger.

    Args:
        connection: a session that may read, in one transaction.
        published: what the publisher published.
        newest: prove under the newest checkpoint instead of the first that covers an event.
    """

    def __init__(self, connection: Any, published: Published, *, newest: bool = False) -> None:
        self._db = connection
        self._published = published
        self._newest = newest
        self._directory: list[DirectoryEvent] | None = None
        self._trees: dict[bytes, TileTree] = {}

    async def prove(self, wanted: UUID | int) -> Evidence:
        """The evidence of an accepted event, by its id or its ledger index.

        Raises:
            UsageError: there is no such event, or it was not accepted.
            LedgerError: what the ledger holds is not what was published.
            Unavailable: no checkpoint that the policy accepts covers it yet.
        """
        index = await self._index(wanted)
        (kept,) = await self._kept([index])
        note = self._published.covering(index, newest=self._newest)
        tree = self._tree(note)
        directory = await self._kept(rests_on(kept, await self._all_directory(), tree.size))
        earlier = self._published.earlier(index, tree)
        return build(kept, directory, tree=tree, note=note, earlier=earlier)

    async def _index(self, wanted: UUID | int) -> int:
        """Where the accepted event stands."""
        if isinstance(wanted, UUID):
            rows = await self._db.fetch(QUERIES["entries_of_event"], wanted)
        else:
            rows = await self._db.fetch(QUERIES["entries"], [wanted]) if wanted < 1 << 63 else []
        if not rows:
            raise UsageError(f"the ledger has no entry {wanted}", hint="`bus audit search` lists what it has.")
        found = rows[0]
        if found["outcome"] not in {Outcome.ACCEPTED, Outcome.REPEATED}:
            raise UsageError(
                f"entry {found['index']} is no accepted event: there is nothing to prove",
                hint=f"`bus audit show {found['index']}` says why.",
            )
        return int(found["first_index"])

    async def _kept(self, indexes: Sequence[int]) -> list[Kept]:
        rows = await self._db.fetch(QUERIES["entries"], list(indexes))
        if [row["index"] for row in rows] != list(indexes):
            raise LedgerError("an entry that the event rests on is missing in the ledger")
        return [kept_of(row) for row in rows]

    async def _all_directory(self) -> list[DirectoryEvent]:
        if self._directory is None:
            rows = await self._db.fetch(QUERIES["directory"], registry.directory_ids())
            self._directory = [
                DirectoryEvent.read(row["index"], row["schema_id"], row["header"], row["body"]) for row in rows
            ]
        return self._directory

    def _tree(self, note: Note) -> TileTree:
        text = Checkpoint.decode(note.text).encode()
        if text not in self._trees:
            self._trees[text] = self._published.tree(note)
        return self._trees[text]
