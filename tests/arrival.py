"""Waiting for the hub's roles that work behind a receipt: the courier, which delivers, and the publisher, which signs.

A receipt says that an event is recorded. A command that reads an inbox to its present end, or proves an entry, may be
quicker than they are.
"""

from __future__ import annotations

import asyncpg

from bus.events import registry
from bus.sandbox.lifecycle import Sandbox
from tests.outside import read, schema
from tests.patience import until, until_true

NEWEST = (
    "SELECT index, lane, decision FROM ledger.entry JOIN ledger.record USING (index) WHERE outcome = 1 AND lane = $1"
    " AND entry.schema_id <> ALL ($2)"
    " ORDER BY index DESC LIMIT 500"
)


async def arrived(sandbox: Sandbox) -> None:
    """Wait until all that is recorded now stands in the inboxes: a courier delivers in the order of the ledger."""
    connection = await asyncpg.connect(sandbox.status()["postgres"]["admin_dsn"])
    try:
        for lane in ("bulk", "urgent"):
            newest = await _newest(connection, lane)
            if newest is None:
                continue

            async def is_there(place: tuple[str, str, int] = newest) -> bool:
                return await connection.fetchval("SELECT ledger.delivered_to($1, $2, $3)", *place) is not None

            await until_true(is_there, f"entry {newest[2]} stands in {newest[1]}")
    finally:
        await connection.close()


async def _newest(connection: asyncpg.Connection, lane: str) -> tuple[str, str, int] | None:
    """The newest entry of a lane that somebody is to get: lane, inbox, index."""
    for row in await connection.fetch(NEWEST, lane, registry.directory_ids()):
        for one in read(schema("Decision"), row["decision"])["recipients"]:
            if one["allow"]:
                return lane, f"in.{one['org']}{'.urgent' if one['lane'] == 'urgent' else ''}", row["index"]
    return None


async def published(sandbox: Sandbox) -> None:
    """Wait until a checkpoint that witnesses cosigned has all that is recorded now."""
    connection = await asyncpg.connect(sandbox.status()["postgres"]["admin_dsn"])
    try:
        size = await connection.fetchval("SELECT size FROM ledger.head")
    finally:
        await connection.close()
    shown = sandbox.home.publisher / "log" / "checkpoint"
    await until(
        lambda: shown.is_file() and int(shown.read_text(encoding="utf-8").split("\n")[1]) >= size,
        f"a checkpoint of {size} entries is public",
    )
