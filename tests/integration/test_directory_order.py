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


async def test_urgent_and_routine_events_of_the_directory_come_in_ledger_order(sandbox: Sandbox) -> None:
    """One courier writes them all: none overtakes another, none is missing, and none comes twice."""
    members = Members(sandbox)
    outside = Outside(members.status, members.librdkafka("hub"))
    records = []
    for number in range(40):
        priority = "urgent" if number % 2 else "routine"
        event = members.forge.event("hub", ("hub",), "AgreementConcluded", priority=priority)
        event["body"] |= {"agreement": f"@order-{number:02}", "members": ["fernpost", "tidewave"]}
        records.append(members.forge.record("hub", event))
    async with Writer(members.connection("hub"), "order") as writer:
        for record in records:
            await writer.send_all([record])
    connection = await asyncpg.connect(members.status["postgres"]["admin_dsn"])
    try:
        while True:
            rows = await connection.fetch(
                "SELECT index, lane FROM ledger.entry WHERE outcome = 1 AND schema_id = ANY ($1) ORDER BY index",
                DIRECTORY,
            )
            _, found = (await asyncio.to_thread(outside.topics, ["hub.directory"]))["hub.directory"]
            if len([row for row in rows if row["lane"] == "urgent"]) >= 20 and len(found) >= len(rows):
                break
        urgent = await connection.fetch(QUERIES["deliverable"], 0, 1 << 40, "urgent", BATCH * 100, DIRECTORY)
    finally:
        await connection.close()
    assert [int(headers["bus-index"]) for *_, headers in found] == [row["index"] for row in rows]
    assert not {row["schema_id"] for row in urgent} & set(DIRECTORY)
