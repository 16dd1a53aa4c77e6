"""Notary and courier are killed with SIGKILL at every named point and at random, under load; nothing is lost or doubled.

The load goes on all the time: accepted events of two platforms on both lanes, the same records again, and hostile
ones. Afterwards everything is counted from outside (:mod:`tests.outside`).
"""

from __future__ import annotations

import asyncio
import os
import random

import asyncpg
import pytest

from bus.hub.faults import POINTS
from bus.kafka.reader import Reader
from bus.sandbox.lifecycle import Sandbox
from tests.faults.roles import Load, Roles, settled
from tests.members import Members
from tests.outside import Outside

pytestmark = pytest.mark.integration

ROUNDS_AT_POINTS = int(os.environ.get("BUS_TEST_ROUNDS", "1"))
RANDOM_KILLS = 14


async def watch_recorded_before_delivered(members: Members, org: str, stop: asyncio.Event) -> int:
    """G1, all the while: whatever can be read in an inbox is committed in the ledger at that moment."""
    connection = await asyncpg.connect(members.status["postgres"]["dsn"])
    seen = 0
    try:
        async with Reader(members.connection(org), "watch") as reader:
            await reader.assign({f"in.{org}": "latest", f"in.{org}.urgent": "latest"})
            while not stop.is_set():
                records = await reader.read(timeout_s=0.1)
                if records:
                    size = await connection.fetchval("SELECT size FROM ledger.head")
                    indexes = [int(record.header("bus-index") or b"-1") for record in records]
                    assert max(indexes) < size, "an inbox holds what the ledger does not"
                    seen += len(records)
    finally:
        await connection.close()
    return seen


async def test_kills_at_every_point_and_at_random_lose_and_double_nothing(
    sandbox: Sandbox, outside: Outside, roles: Roles
) -> None:
    """G1, G2 and G3 hold after at least thirty kills of notary and courier under load."""
    seed = int(os.environ.get("BUS_TEST_SEED", "20231025"))
    members, chance = Members(sandbox), random.Random(seed)
    load, stop = Load(members, seed), asyncio.Event()
    watcher = asyncio.create_task(watch_recorded_before_delivered(members, members.having("hotline")[0], stop))
    traffic = asyncio.create_task(load.run())
    try:
        for point in [point for point in POINTS if point.startswith(("notary.", "courier."))]:
            role = point.split(".")[0]
            for count in range(1, ROUNDS_AT_POINTS + 1):
                roles.kill(role)
                await roles.start(role, f"{point}:{count}")
                await roles.died(role)
                await roles.start(role)
        for _ in range(RANDOM_KILLS):
            await load.more(chance.randint(1, 4))
            victims = chance.choice([["notary"], ["courier"], ["notary", "courier"]])
            for role in victims:
                roles.kill(role)
            for role in victims:
                await roles.start(role)
    finally:
        load.stop()
        await asyncio.wait([traffic])
        stop.set()
    traffic.result()
    assert roles.kills >= 30
    counts = await settled(outside)
    assert await watcher > 0
    assert counts["accepted"] > 500
    assert counts["repeated"] > 10
    assert counts["refused"] > 10
    print(f"seed {seed}: {roles.kills} kills, {load.sent} records sent, {counts}")  # noqa: T201
