"""Apache Kafka for the sandbox: its settings, its first format, and when it is ready."""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from pathlib import Path

import psutil

from bus.errors import BusError, SandboxError
from bus.kafka.admin import SCRAM_ITERATIONS, Admin
from bus.kafka.connection import Connection
from bus.paths import ops_dir
from bus.sandbox.home import Home, secret, write_private
from bus.sandbox.ports import answers
from bus.sandbox.processes import Identity, Role, run, wait_until

ADMIN = "admin"
_CONTROLLER = "controller"
_SUPER_USERS = (ADMIN, "hub", _CONTROLLER)
_READY_TIMEOUT_S = 60.0
_FORMAT_TIMEOUT_S = 60


def connection(port: int, username: str, password: str) -> Connection:
    """How somebody reaches this broker."""
    return Connection(
        bootstrap=f"127.0.0.1:{port}",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        username=username,
        password=password,
    )


def admin_connection(home: Home, port: int) -> Connection:
    """The login that makes topics, users and grants."""
    return connection(port, ADMIN, secret(home.kafka / "admin-password"))


def new_cluster_id() -> str:
    """A random id in Kafka's spelling: 16 bytes, URL-safe base 64, no leading dash."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def role(home: Home) -> Role:
    """The broker as something that runs."""
    settings = str(_settings_file(home))

    def owns(process: psutil.Process) -> bool:
        return process.cmdline()[-2:] == ["kafka.Kafka", settings]

    return Role("kafka", home.kafka, home.log("kafka"), owns, stop_timeout_s=30)


def command(home: Home, java: Path, jars: Path) -> list[str]:
    """How the broker is run. Nothing of the JVM's own lands outside the state folder."""
    return [
        str(java),
        *_jvm_options(home, jars),
        "-Xms256m",
        "-Xmx768m",
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={home.root}/logs/kafka-crash-%p.log",
        "kafka.Kafka",
        str(_settings_file(home)),
    ]


def _jvm_options(home: Home, jars: Path) -> list[str]:
    return [
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={home.tmp}",
        "-Djava.awt.headless=true",
        "-cp",
        f"{ops_dir() / 'kafka'}{os.pathsep}{jars}/*",
    ]


def _settings_file(home: Home) -> Path:
    return home.kafka / "server.properties"


def configure(home: Home, ports: dict[str, int]) -> None:
    """Write the broker's settings: what ``ops/kafka`` says, and this machine's ports, folders and secrets."""
    admin = secret(home.kafka / "admin-password")
    controller = secret(home.kafka / "controller-password")
    client_url = f"CLIENT://127.0.0.1:{ports['kafka']}"
    lines = {
        "listeners": f"{client_url},CONTROLLER://127.0.0.1:{ports['controller']}",
        "advertised.listeners": client_url,
        "controller.quorum.voters": f"1@127.0.0.1:{ports['controller']}",
        "log.dirs": str(home.kafka / "data"),
        "super.users": ";".join(f"User:{user}" for user in _SUPER_USERS),
        "listener.name.client.scram-sha-512.sasl.jaas.config": _login("scram.Scram", ADMIN, admin),
        "listener.name.controller.plain.sasl.jaas.config": _login("plain.Plain", _CONTROLLER, controller)[:-1]
        + f' user_{_CONTROLLER}="{controller}";',
    }
    base = (ops_dir() / "kafka" / "server.properties").read_text(encoding="utf-8")
    own = "".join(f"{key}={value}\n" for key, value in lines.items())
    write_private(_settings_file(home), f"{base}\n# Written by `bus sandbox up`.\n{own}")


def _login(module: str, username: str, password: str) -> str:
    name = f"org.apache.kafka.common.security.{module}LoginModule"
    return f'{name} required username="{username}" password="{password}";'


async def ensure_formatted(home: Home, java: Path, jars: Path, cluster_id: str) -> None:
    """Format the data folder once, with the admin's password in it. A format cut short is begun again.

    Raises:
        SandboxError: the format failed.
    """
    done = home.kafka / "formatted"
    if done.is_file():
        return
    shutil.rmtree(home.kafka / "data", ignore_errors=True)
    arguments = home.kafka / "format-arguments"
    write_private(arguments, _format_arguments(home, jars, cluster_id))
    log = home.log("kafka")
    try:
        command = [str(java), f"@{arguments}"]
        code = await run("Kafka's format", command, log, timeout_s=_FORMAT_TIMEOUT_S, cwd=home.kafka)
    finally:
        arguments.unlink()
    if code != 0:
        raise SandboxError("Kafka's data folder could not be formatted", hint=f"See {log}.")
    write_private(done, cluster_id)


def _format_arguments(home: Home, jars: Path, cluster_id: str) -> str:
    """An argument file for ``java``, so that the password stands on no command line."""
    password = secret(home.kafka / "admin-password")
    scram = f"SCRAM-SHA-512=[name={ADMIN},password={password},iterations={SCRAM_ITERATIONS}]"
    arguments = [
        *_jvm_options(home, jars), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format",
        "--cluster-id", cluster_id, "--config", str(_settings_file(home)), "--add-scram", scram,
    ]  # fmt: skip
    return "".join('"' + argument.replace("\\", r"\\") + '"\n' for argument in arguments)


async def wait_ready(home: Home, identity: Identity, port: int, cluster_id: str) -> Admin:
    """Wait until the broker answers the admin as the cluster that it should be; returns the admin.

    Raises:
        SandboxError: it ended, took too long, or is another cluster.
    """

    async def listens() -> bool:
        return answers(port)

    await wait_until(role(home), identity, listens, timeout_s=_READY_TIMEOUT_S)
    admin = Admin(admin_connection(home, port), timeout_s=10)

    async def serves() -> bool:
        try:
            return await admin.cluster_id() == cluster_id and len(await admin.topics()) >= 0
        except BusError:
            return False

    await wait_until(role(home), identity, serves, timeout_s=_READY_TIMEOUT_S)
    return admin
