"""The publisher is killed again and again under load; it never signs two roots at one size, nor a tree that forks.

Everything is checked from outside: checkpoints and tiles as files, the tree by its recursive definition.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import random
import sqlite3
from pathlib import Path

import asyncpg
import pytest

from bus.sandbox.lifecycle import Sandbox
from tests.faults.roles import Load, Roles
from tests.members import Members
from tests.outside import Outside, naive_root
from tests.patience import until

pytestmark = pytest.mark.integration

POINTS = ("publisher.tiles.written", "publisher.signed.before", "publisher.signed.after", "publisher.published")
ROUNDS = int(os.environ.get("BUS_TEST_ROUNDS", "1"))
RANDOM_KILLS = (8, pytest.param(42, marks=pytest.mark.deep))
"""Beside eight at named points: fifty in the deep run."""


def checkpoints(folder: Path) -> dict[int, bytes]:
    """The root of every checkpoint that was ever signed, by its size."""
    found: dict[int, bytes] = {}
    for path in (folder / "checkpoints").iterdir():
        if path.name.startswith("."):
            continue
        _, size, root, *_ = path.read_text(encoding="utf-8").split("\n")
        assert size == path.name
        found[int(size)] = base64.b64decode(root)
    return found


def bundled(folder: Path, size: int) -> list[bytes]:
    """The leaves of a tree of that size, from the entry bundles alone (none is above 256,000 here)."""
    leaves: list[bytes] = []
    for index in range((size + 255) // 256):
        width = min(256, size - 256 * index)
        path = folder / "log" / "tile" / "entries" / f"{index:03d}"
        data = (path if width == 256 else path.with_name(f"{index:03d}.p") / str(width)).read_bytes()
        while data:
            length = int.from_bytes(data[:2], "big")
            leaves.append(data[2 : 2 + length])
            data = data[2 + length :]
    return leaves


def tile(folder: Path, level: int, index: int, width: int) -> list[bytes]:
    """The hashes of one tile."""
    path = folder / "log" / "tile" / str(level) / f"{index:03d}"
    data = (path if width == 256 else path.with_name(f"{index:03d}.p") / str(width)).read_bytes()
    assert len(data) == 32 * width
    return [data[at : at + 32] for at in range(0, len(data), 32)]


@pytest.mark.parametrize("random_kills", RANDOM_KILLS)
async def test_kills_never_lead_to_two_roots_at_one_size(random_kills: int, sandbox: Sandbox, roles: Roles) -> None:
    """After kills at every point and at random each checkpoint is the tree of the ledger's own leaves at its size.

    So each continues every earlier one. The witnesses, who keep the proof of a second root at one size, have none.
    """
    folder = sandbox.home.publisher
    members, chance = Members(sandbox), random.Random(7)
    await sandbox.stop("publisher")
    load = Load(members, 7)
    traffic = asyncio.create_task(load.run())
    kills = 0
    try:
        for point in POINTS * ROUNDS:
            for count in (1, 2):
                await roles.start("publisher", f"{point}:{count}")
                await roles.died("publisher")
                kills += 1
        for _ in range(random_kills * ROUNDS):
            await roles.start("publisher")
            await load.more(chance.randint(1, 6))
            roles.kill("publisher")
            kills += 1
    finally:
        load.stop()
        await asyncio.wait([traffic])
    await roles.start("publisher")
    last = await Outside(members.status, members.librdkafka("hub")).recorded()
    await until(lambda: max(checkpoints(folder)) >= last, "the last entries are published")
    connection = await asyncpg.connect(members.status["postgres"]["admin_dsn"])
    try:
        # A checkpoint is first a file, then a row; and an entry is recorded before it is published.
        kept = await connection.fetch("SELECT size, note FROM ledger.checkpoint")
        found = checkpoints(folder)
        size = max(found)
        rows = await connection.fetch("SELECT leaf FROM ledger.entry WHERE index < $1 ORDER BY index", size)
    finally:
        await connection.close()
    leaves = [row["leaf"] for row in rows]
    assert kills >= 8 + random_kills
    assert forks(sandbox) == 0
    assert len(found) > 10
    for at, root in found.items():
        assert naive_root(leaves[:at]) == root, f"the checkpoint of {at} entries is of another tree"
    for row in kept:
        assert base64.b64decode(row["note"].split(b"\n")[2]) == found[row["size"]], "two roots at one size"
    assert bundled(folder, size) == leaves
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    number = 0
    while level:
        read = [
            h for n in range((len(level) + 255) // 256) for h in tile(folder, number, n, min(256, len(level) - 256 * n))
        ]
        assert read == level
        level = [naive_node(level[at : at + 256]) for at in range(0, len(level) & ~255, 256)]
        number += 1


def forks(sandbox: Sandbox) -> int:
    """How many second roots at one size the witnesses have seen."""
    files = sorted((sandbox.home.root / "witnesses").glob("*/witness.db"))
    assert len(files) == 2
    found = 0
    for file in files:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as memory:
            found += memory.execute("SELECT count(*) FROM fork").fetchone()[0]
    return found


def naive_node(hashes: list[bytes]) -> bytes:
    """The root above 256 hashes."""
    while len(hashes) > 1:
        hashes = [hashlib.sha256(b"\x01" + hashes[n] + hashes[n + 1]).digest() for n in range(0, len(hashes), 2)]
    return hashes[0]


@pytest.mark.parametrize("role", ["publisher", "notary"])
async def test_older_database_is_neither_published_nor_written_on(role: str, sandbox: Sandbox, roles: Roles) -> None:
    """A note of more entries than the ledger has, or of another root, stops publisher and notary, which say why."""
    await sandbox.stop("publisher")
    note = sandbox.home.publisher / "last-signed"
    before = note.read_bytes()
    origin, size, root = before.decode().split("\n")[:3]
    forged = {
        "it is older": f"{origin}\n{int(size) + 1_000_000}\n{root}\n",
        "does not lead to the root": f"{origin}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n",
    }
    try:
        for sentence, text in forged.items():
            note.write_text(text)
            if role == "notary":
                roles.kill(role)
            told = len(roles.log_text(role))
            await roles.start(role, wait=False)
            await until(lambda: roles.returncode(role) is not None, f"the {role} refuses to start")
            assert sentence in roles.log_text(role)[told:]
            if role == "notary":
                roles.release(role)
                note.write_bytes(before)
                await roles.start(role)
    finally:
        note.write_bytes(before)
    await roles.start("publisher")
