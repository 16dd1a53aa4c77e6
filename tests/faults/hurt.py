"""A hub that loses what it should not: its database put back to a backup, its files lost or forged."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from bus.sandbox import database
from bus.sandbox.lifecycle import HUB_ROLES, Sandbox
from tests.faults.roles import Load, Roles
from tests.members import Members
from tests.outside import Outside
from tests.patience import until, until_true

BACKUP = "backup"


class Hurt:
    """A sandbox's hub in the hands of a test that hurts it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.members = sandbox, Members(sandbox)
        self.published: Path = sandbox.home.publisher
        self.status: dict[str, Any] = self.members.status
        self.roles = Roles(sandbox)
        self._server = sandbox.status()["postgres"]["admin_dsn"].rpartition("/")[0]

    async def sql(self, *statements: str, database_name: str = database.DATABASE) -> Any:
        """Run statements as the superuser; the first value of the last one."""
        session = await asyncpg.connect(f"{self._server}/{database_name}")
        try:
            for statement in statements[:-1]:
                await session.execute(statement)
            return await session.fetchval(statements[-1])
        finally:
            await session.close()

    async def stop(self) -> None:
        """Stop the hub's roles, the witnesses go on."""
        for role in HUB_ROLES:
            await self.sandbox.stop(role)

    async def start(self, *roles: str) -> None:
        """Start roles, all if none is named, and wait until they work."""
        for role in roles or HUB_ROLES:
            await self.sandbox.start(role)

    async def grow(self, seed: int, entries: int) -> int:
        """Traffic of all kinds, until so many entries more and all that was sent are recorded; the size."""
        goal = int(await self.sql("SELECT size FROM ledger.head")) + entries
        load = Load(self.members, seed)
        traffic = asyncio.create_task(load.run())
        while int(await self.sql("SELECT size FROM ledger.head")) < goal:
            await load.more(1)
        load.stop()
        await traffic
        return await Outside(self.status, self.members.librdkafka("hub")).recorded()

    async def is_published(self, size: int) -> None:
        """Wait until a checkpoint of that size is public."""
        shown = self.published / "log" / "checkpoint"
        await until(lambda: shown.is_file() and shown.read_text().split("\n")[1] == str(size), "all is published")

    async def back_up(self) -> None:
        """Copy the database as it is; the hub's roles must be stopped."""
        others = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database.DATABASE}'"

        async def is_left() -> bool:
            return not await self.sql(others, database_name="postgres")

        await until_true(is_left, "PostgreSQL sees that nobody is connected any more")
        await self.sql(
            f"DROP DATABASE IF EXISTS {BACKUP}",
            f"CREATE DATABASE {BACKUP} TEMPLATE {database.DATABASE}",
            "SELECT 1",
            database_name="postgres",
        )

    async def roll_back(self) -> None:
        """Put the copy in the place of the database, as an operator does who restores a backup."""
        logins = ", ".join(database.LOGINS)
        await self.sql(
            f"DROP DATABASE {database.DATABASE} WITH (FORCE)",
            f"CREATE DATABASE {database.DATABASE} TEMPLATE {BACKUP}",
            f"REVOKE ALL ON DATABASE {database.DATABASE} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {database.DATABASE} TO {logins}",
            "SELECT 1",
            database_name="postgres",
        )

    async def refuses(self, role: str) -> str:
        """Start a role, see it refuse, and give its sentence; the hint must name the repair."""
        await self.roles.start(role, wait=False)
        await until(lambda: self.roles.returncode(role) is not None, f"the {role} refuses to start")
        assert self.roles.release(role).returncode == 1
        lines = [line for line in self.roles.log_text(role).splitlines() if "hub.start_refused" in line]
        told: dict[str, str] = json.loads(lines[-1])
        assert "bus hub repair" in told["hint"]
        return told["error"]

    def bus(self, *arguments: str, given: str = "", fault: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``bus`` in this sandbox, with a text on its standard input; armed, it may kill itself."""
        home = str(self.sandbox.home.root)
        env = {**os.environ, "BUS_HOME": home, "BUS_AS": "audit-isles", "BUS_FAULT": fault}
        return subprocess.run(
            [sys.executable, "-m", "bus", *arguments], env=env, capture_output=True, text=True, check=False,
            input=given,
        )  # fmt: skip

    async def repair(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """``bus hub repair -o json``: exit code and what it prints."""
        done = await asyncio.to_thread(self.bus, "hub", "repair", "-o", "json", *arguments)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    async def verify(self) -> dict[str, Any]:
        """``bus audit verify`` of files and ledger, which must hold."""
        policy = str(self.published / "policy")
        done = await asyncio.to_thread(self.bus, "audit", "verify", "--policy", policy, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
