"""The sandbox as a person has it: up, up again, killed, down."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from bus.errors import SandboxError
from bus.kafka.admin import Admin
from bus.sandbox.lifecycle import HUB_ROLES, ROLES, WITNESS_ROLES, Sandbox

KEYS = ["kafka", "postgres", "log", "witnesses", "processes", "organisations"]
MEMBER = {"name", "nation", "roles", "kafka_username", "kafka_password_file", "key_file", "profile"}


async def bus(sandbox: Sandbox, *arguments: str) -> tuple[int, str, str]:
    """Run the command on this sandbox's folder; exit code, stdout, stderr."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bus", "--home", str(sandbox.home.root), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


def pids(sandbox: Sandbox) -> dict[str, int | None]:
    """The process of each role."""
    return {role: sandbox.pid(role) for role in ROLES}


async def ledger_size(sandbox: Sandbox) -> int:
    """The committed size, asked by the desk's login."""
    session = await asyncpg.connect(sandbox.status()["postgres"]["dsn"])
    try:
        return await session.fetchval("SELECT size FROM ledger.head")
    finally:
        await session.close()


def check_files(member: dict[str, Any]) -> None:
    """Every path of an organisation is absolute and there; the password file holds the password alone."""
    for key in ("kafka_password_file", "key_file", "profile"):
        assert Path(member[key]).is_absolute()
        assert Path(member[key]).is_file()
    password = Path(member["kafka_password_file"]).read_text()
    assert password == password.strip() != ""


async def test_what_is_up_is_not_started_again(trial: Sandbox) -> None:
    """A second ``up`` finds every process, leaves each alone, and says so."""
    before, size = pids(trial), await ledger_size(trial)
    code, _, talk = await bus(trial, "sandbox", "up")
    assert code == 0
    assert pids(trial) == before
    assert all(f"{role}: already up" in talk for role in ROLES)
    assert await ledger_size(trial) == size


async def test_two_at_once_wait_for_each_other(trial: Sandbox) -> None:
    """Two ``up`` at the same moment both end well, and start one of each."""
    await trial.kill("courier")
    done = await asyncio.gather(*(bus(trial, "sandbox", "up") for _ in range(2)))
    assert [code for code, _, _ in done] == [0, 0]
    assert sum("courier: starting" in talk for _, _, talk in done) == 1


async def test_status_is_one_json_object_as_documented(trial: Sandbox) -> None:
    """Other programs read it: one line, the keys of docs/interfaces.md, absolute paths, files that are there."""
    code, out, _ = await bus(trial, "sandbox", "status", "-o", "json")
    assert code == 0
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    assert list(found) == KEYS
    assert set(found["kafka"]) == {"bootstrap", "security_protocol", "sasl_mechanism"}
    assert [process["role"] for process in found["processes"]] == list(ROLES)
    for process in found["processes"]:
        assert psutil.Process(process["pid"]).is_running()
        assert process["log"] == str(trial.home.log(process["role"]))
    for witness in found["witnesses"]:
        assert psutil.Process(witness["pid"]).is_running()
    _, table, _ = await bus(trial, "sandbox", "status")
    shown = [line.split()[0] for line in table.splitlines() if line.endswith(".log")]
    assert shown == [*ROLES, *WITNESS_ROLES]
    assert "hub" not in found["organisations"]
    assert len({member["nation"] for member in found["organisations"].values()}) >= 4
    for member in found["organisations"].values():
        assert set(member) == MEMBER
        check_files(member)


async def test_both_logins_of_the_status_work(trial: Sandbox) -> None:
    """The desk's login reads the ledger and cannot write it; the admin's is a superuser on the same database."""
    dsns = trial.status()["postgres"]
    desk = await asyncpg.connect(dsns["dsn"])
    admin = await asyncpg.connect(dsns["admin_dsn"])
    try:
        assert await desk.fetchval("SELECT count(*) FROM ledger.entry") > 0
        with pytest.raises(asyncpg.PostgresError):
            await desk.execute("UPDATE ledger.head SET size = 0")
        assert await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert await admin.fetchval("SELECT current_database()") == await desk.fetchval("SELECT current_database()")
    finally:
        await desk.close()
        await admin.close()


async def test_postgres_asks_everyone_for_a_password(trial: Sandbox, tmp_path: Path) -> None:
    """A login without its password, even the superuser's from this machine, is refused."""
    place = trial.status()["postgres"]["dsn"].rpartition("@")[2]
    for login in ("postgres:wrong", "notary:wrong", "postgres"):
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(f"postgresql://{login}@{place}", passfile=tmp_path / "none")


async def test_promises_of_durability_are_set(trial: Sandbox) -> None:
    """What the ledger's promises rest on is on, as the server itself says."""
    session = await asyncpg.connect(trial.status()["postgres"]["admin_dsn"])
    try:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await session.fetchval("SELECT current_setting($1)", name) == "on", name
    finally:
        await session.close()


async def test_killed_servers_come_back_where_they_were(trial: Sandbox) -> None:
    """After kill -9 of Kafka and Postgres, ``up`` starts these two on their ports, and the ledger is whole."""
    before, facts, size = pids(trial), trial.status(), await ledger_size(trial)
    await trial.kill("kafka")
    await trial.kill("postgres")
    assert [process["role"] for process in trial.status()["processes"]] == list(HUB_ROLES)
    await trial.up()
    after = pids(trial)
    assert all(after.values())
    assert after["kafka"] != before["kafka"]
    assert after["postgres"] != before["postgres"]
    assert {key: trial.status()[key] for key in ("kafka", "postgres")} == {k: facts[k] for k in ("kafka", "postgres")}
    assert await ledger_size(trial) >= size


async def test_a_stale_lock_file_with_anothers_pid_is_no_hindrance(trial: Sandbox) -> None:
    """Postgres's lock of a killed server names a pid that some other program has now: it starts all the same."""
    await trial.kill("postgres")
    lock = trial.home.postgres / "data" / "postmaster.pid"
    lines = lock.read_text().split("\n")
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    await trial.up()
    assert trial.pid("postgres")


async def test_down_leaves_nothing_running_and_keeps_the_state(trial: Sandbox) -> None:
    """After ``down`` no process runs from the folder and no port listens; ``up`` brings the same ledger back."""
    facts, size = trial.status(), await ledger_size(trial)
    code, out, _ = await bus(trial, "sandbox", "down")
    assert (code, out) == (0, "")
    assert trial.status()["processes"] == []
    root = str(trial.home.root)
    for process in psutil.process_iter():
        try:
            used = [process.cwd(), *process.cmdline()]
        except (psutil.Error, OSError):
            continue
        assert not any(part.startswith(root + "/") for part in used), process
    code, _, talk = await bus(trial, "sandbox", "up")
    assert code == 0, talk
    assert trial.status()["kafka"] == facts["kafka"]
    assert await ledger_size(trial) == size


async def test_a_port_that_somebody_took_is_named(trial: Sandbox) -> None:
    """If another program has our port, the error says which port and whose, and nothing else is harmed."""
    await trial.stop("postgres")
    port = int(trial.status()["postgres"]["dsn"].rpartition(":")[2].partition("/")[0])
    said = rf"port {port}.*process {os.getpid()}"
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SandboxError, match=said):
        await trial.up()
    await trial.up()
    assert trial.pid("postgres")


async def test_secrets_are_their_owners_alone(trial: Sandbox) -> None:
    """The folder is closed to others, and so is every file with a key or password in it."""
    assert stat.S_IMODE(trial.home.root.stat().st_mode) == 0o700
    named = ("password", "keys.json", "hub.toml", "sandbox.json", "server.properties", "recovery.json")
    secret = [path for path in trial.home.root.rglob("*") if path.name.endswith(named)]
    secret += list(trial.home.hub.glob("governance-*.json"))
    assert len(secret) > 50
    assert [path for path in secret if path.stat().st_mode & 0o077] == []


async def test_no_password_stands_on_a_command_line(trial: Sandbox) -> None:
    """Who lists the machine's processes learns no secret."""
    secrets = {path.read_text().strip() for path in trial.home.root.rglob("*password") if path.is_file()}
    for role, pid in pids(trial).items():
        line = " ".join(psutil.Process(pid).cmdline())
        assert not any(word in line for word in secrets), role


@pytest.mark.deep
async def test_a_lost_state_file_is_no_loss(trial: Sandbox) -> None:
    """Without ``sandbox.json`` what runs is found and stopped, and the same ledger comes up on new ports."""
    before, size = pids(trial), await ledger_size(trial)
    trial.home.state_file.unlink()
    await trial.up()
    assert not any(psutil.pid_exists(pid) for pid in before.values() if pid)
    assert await ledger_size(trial) == size


@pytest.mark.deep
async def test_fresh_begins_a_new_ledger(trial: Sandbox) -> None:
    """``--fresh`` forgets keys, passwords and ledger."""
    cluster = await Admin(trial.connection("admin")).cluster_id()
    key = (trial.home.hub / "keys.json").read_bytes()
    await trial.up(fresh=True)
    assert await Admin(trial.connection("admin")).cluster_id() != cluster
    assert (trial.home.hub / "keys.json").read_bytes() != key
