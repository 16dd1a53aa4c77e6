"""What the benchmark stands on: a sandbox of its own under ``build/bench``, always torn down, and its logins."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from msgspec import Struct

from bench.pipe import TABLE
from bus.hub.config import HubConfig
from bus.hub.topics import topic_settings
from bus.kafka.admin import Admin, Topic
from bus.kafka.connection import Connection
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.sandbox import broker, outfit
from bus.sandbox.home import Home
from bus.sandbox.lifecycle import HUB_ROLES, Sandbox

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "bench"
_KAFKA_JAR = re.compile(r"kafka-server-(?P<version>[0-9.]+)\.jar")
_FILLED_AT_ONCE = 2000


class Ground(Struct, frozen=True):
    """A running sandbox and how to reach it. ``kafka`` and ``admin_dsn`` are super users' logins."""

    sandbox: Sandbox
    kafka: Connection
    admin: Admin
    admin_dsn: str
    db: asyncpg.Connection

    @property
    def home(self) -> Home:
        """The sandbox's folder."""
        return self.sandbox.home

    def ready_file(self, role: str) -> Path:
        """Written by a role of the hub when it works."""
        return self.home.hub / f"{role}.ready"

    async def stop_hub(self) -> None:
        """Leave Kafka and Postgres alone on the machine."""
        for role in HUB_ROLES:
            await self.sandbox.stop(role)

    async def number(self, query: str, *values: object) -> int:
        """The one whole number that a query finds."""
        found: Any = await self.db.fetchval(query, *values)
        return int(found)

    async def start_hub(self, environment: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Start every role of the hub, the notary last: when it begins to read, all others wait for it.

        Args:
            environment: additions to the environment of each role.
        """
        added = environment or {}
        for role in (*(one for one in HUB_ROLES if one != "notary"), "notary"):
            await self.sandbox.start(role, env=added.get(role))

    async def settle(self) -> None:
        """Write what is dirty now, so that no checkpoint of what came before falls into a timed run."""
        await self.db.execute("CHECKPOINT")

    async def fill(self, records: Sequence[Outgoing]) -> None:
        """Write records through Kafka, and wait until it has them all."""
        async with Writer(self.kafka, "bench-fill") as writer:
            for at in range(0, len(records), _FILLED_AT_ONCE):
                await writer.send_all(records[at : at + _FILLED_AT_ONCE])

    async def versions(self) -> dict[str, str]:
        """Of Kafka and of Postgres."""
        names = [path.name for path in self.home.jars.iterdir()]
        kafka = next((found["version"] for name in names if (found := _KAFKA_JAR.fullmatch(name))), "unknown")
        return {"kafka": kafka, "postgres": str(await self.db.fetchval("SHOW server_version"))}


@asynccontextmanager
async def ground(say: Callable[[str], None]) -> AsyncGenerator[Ground]:
    """A fresh sandbox with the bare pipe's topics and table; whatever happens, nothing of it is left."""
    os.environ.setdefault("BUS_SANDBOX_JARS", str(ROOT / "build" / "jars"))
    sandbox = Sandbox(FOLDER / "sandbox")
    await sandbox.down(destroy=True)
    try:
        await Sandbox(sandbox.home.root, say=say).up()
        connection = await asyncpg.connect(sandbox.status()["postgres"]["admin_dsn"])
        try:
            yield await _prepared(sandbox, connection)
        finally:
            connection.terminate()
    finally:
        await sandbox.down(destroy=True)


async def _prepared(sandbox: Sandbox, connection: asyncpg.Connection) -> Ground:
    status = sandbox.status()
    dsn: str = status["postgres"]["admin_dsn"]
    await connection.execute(TABLE)
    port = int(status["kafka"]["bootstrap"].rpartition(":")[2])
    hub = HubConfig.load(outfit.hub_config(sandbox.home)).kafka
    return Ground(sandbox, hub, Admin(broker.admin_connection(sandbox.home, port)), dsn, connection)


async def make_pipe_topics(ground: Ground, routes: dict[str, str]) -> None:
    """Topics for the bare pipe, set up as outboxes and inboxes are."""
    settings = topic_settings()
    await ground.admin.create_topics(
        [Topic(name, settings["out"]) for name in routes] + [Topic(name, settings["in"]) for name in routes.values()]
    )
