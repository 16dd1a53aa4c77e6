"""Bringing a database to the newest form of the ledger: plain SQL files, applied once each, in order of name.

A name is ``xx.yy.zz_NN_{pre|post}_what.sql``: ``pre`` runs before the release that needs it, ``post`` after the
last program of the release before it has stopped.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import asyncpg

from bus.errors import LedgerError
from bus.ledger.sql import MIGRATIONS

_LOCK = 0x5AFE_6A2D


async def migrate(admin_dsn: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, each file in a transaction of its own.

    Args:
        admin_dsn: a login that may create roles and schemas.
        folder: where the migrations are.

    Returns:
        The names applied now; empty when the database was up to date.

    Raises:
        LedgerError: a migration that was applied has been changed since.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS public.safeguard_migration"
            " (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT name, sha256 FROM public.safeguard_migration")
        applied: dict[str, str] = {row["name"]: row["sha256"] for row in rows}
        done: list[str] = []
        for path in sorted(folder.glob("*.sql")):  # noqa: ASYNC240 - a few small files, before anything runs
            text = path.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            if path.name not in applied:
                await _apply(connection, path.name, text, digest)
                done.append(path.name)
            elif applied[path.name] != digest:
                raise LedgerError(
                    f"migration {path.name} was changed after it had been applied",
                    hint="Put the released file back and write a new migration instead.",
                )
        return done
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, name: str, text: str, digest: str) -> None:
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute("INSERT INTO public.safeguard_migration (name, sha256) VALUES ($1, $2)", name, digest)
