"""The directory as everyone reads it has the ledger's order, whatever lane its events took."""

from __future__ import annotations

import asyncio

import asyncpg

from bus.hub.courier import BATCH, DIRECTORY
from bus.kafka.writer import Writer
from bus.ledger.sql import QUERIES
from bus.sandbox.lifecycle import Sandbox
from tests.members import Members
from tests.outside import Outside
from tests.patience import PATIENT_S


async def test_urgent_and_routine_events_of_the_directory_come_in_ledger_order(sandbox: Sandbox) -> None:
    """One courier writes them all: none overtakes another, none is missing, and none comes twice."""
    members = Members(sandbox)
    outside = Outside(members.status, members.librdkafka("hub"))
    records, ids = [], []
    for number in range(40):
        priority = "urgent" if number % 2 else "routine"
        event = members.forge.event("hub", ("hub",), "AgreementConcluded", priority=priority)
        event["body"] |= {"agreement": f"@order-{number:02}", "members": ["fernpost", "tidewave"]}
        ids.append(event["header"]["event_id"])
        records.append(members.forge.record("hub", event))
    async with Writer(members.connection("hub"), "order") as writer:
        for record in records:
            await writer.send_all([record])
    connection = await asyncpg.connect(members.status["postgres"]["admin_dsn"])
    try:
        mine: list[asyncpg.Record] = []
        delivered: list[int] = []
        async with asyncio.timeout(PATIENT_S):
            while len(mine) < len(ids):
                mine = await connection.fetch(
                    "SELECT index FROM ledger.entry WHERE outcome = 1 AND event_id = ANY ($1::uuid[])", ids
                )
            while not {row["index"] for row in mine} <= set(delivered):
                _, found = (await asyncio.to_thread(outside.topics, ["hub.directory"]))["hub.directory"]
                delivered = [int(headers["bus-index"]) for *_, headers in found]
        # What the clerk says meanwhile comes behind the last one delivered.
        rows = await connection.fetch(
            "SELECT index, lane FROM ledger.entry WHERE outcome = 1 AND schema_id = ANY ($1) AND index <= $2"
            " ORDER BY index",
            DIRECTORY,
            delivered[-1],
        )
        urgent = await connection.fetch(QUERIES["deliverable"], 0, 1 << 40, "urgent", BATCH * 100, DIRECTORY)
    finally:
        await connection.close()
    assert delivered == [row["index"] for row in rows]
    assert sum(row["lane"] == "urgent" for row in rows) >= 20
    assert not {row["schema_id"] for row in urgent} & set(DIRECTORY)
