"""What the servers are told: no secret on a command line, nothing open that should be closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import SandboxError
from bus.hub import topics
from bus.sandbox import broker, database, java
from bus.sandbox.home import Home

PORTS = {"kafka": 20_001, "controller": 20_002, "postgres": 20_003, "log": 20_004}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A state folder that was made."""
    found = Home.at(tmp_path / "state")
    found.make()
    return found


def properties(home: Home) -> dict[str, str]:
    """The broker's settings, the last of each name."""
    lines = (home.kafka / "server.properties").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    assert len({name for name, _, _ in pairs}) == len(pairs), "a setting stands twice"
    return {name: value for name, _, value in pairs}


def test_the_broker_listens_here_and_to_the_known_only(home: Home) -> None:
    """Loopback, passwords on both listeners, an authorizer, and no topic made by asking for it."""
    broker.configure(home, PORTS)
    found = properties(home)
    assert all("//127.0.0.1:" in part for part in found["listeners"].split(","))
    assert "PLAINTEXT" not in found["listener.security.protocol.map"].replace("SASL_PLAINTEXT", "")
    assert found["authorizer.class.name"].endswith("StandardAuthorizer")
    assert found["allow.everyone.if.no.acl.found"] == "false"
    assert found["auto.create.topics.enable"] == "false"
    assert "ANONYMOUS" not in found["super.users"]
    assert (home.kafka / "server.properties").stat().st_mode & 0o077 == 0


def test_the_jvm_leaves_nothing_outside_the_folder(home: Home) -> None:
    """No performance file in the system's temporary folder, and a temporary folder of its own."""
    command = broker.command(home, Path("/java"), home.jars)
    assert "-XX:-UsePerfData" in command
    assert f"-Djava.io.tmpdir={home.tmp}" in command
    assert any(part.startswith(f"-XX:ErrorFile={home.root}") for part in command)


def test_the_database_listens_here_and_asks_for_passwords(home: Home) -> None:
    """Loopback TCP alone, SCRAM for everybody, durable."""
    database.configure(home, PORTS["postgres"])
    text = (home.postgres / "postgresql.conf").read_text()
    for line in ("listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "fsync = on",
                 "synchronous_commit = on", "port = 20003"):  # fmt: skip
        assert line in text.split("\n")
    rules = [
        line.split() for line in (home.postgres / "pg_hba.conf").read_text().split("\n") if line and line[0] != "#"
    ]
    assert rules == [["host", "all", "all", "127.0.0.1/32", "scram-sha-256"]]


def test_root_runs_the_database_as_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a user namespace; an ordinary user needs none; without ``unshare`` the error says what to do."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert database.as_ordinary_user() == ()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "--map-user=1000" in database.as_ordinary_user()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match="root") as caught:
        database.as_ordinary_user()
    assert "ordinary user" in caught.value.hint


def test_the_newest_postgres_of_the_wheel_is_taken() -> None:
    """The wheel brings two major versions."""
    assert database.find_binaries().parent.name == "pginstall18"


def test_every_grant_is_of_ones_own() -> None:
    """All that ``org1`` may do is with topics and a group that end in its own name, and with the directory."""
    for grant in topics.grants_of("org1"):
        assert grant.username == "org1"
        assert grant.name in {"org1", "hub.directory"} or grant.name.split(".")[1] == "org1"
        assert grant.resource in {"topic", "group"}
        assert not grant.name.startswith("out.") or grant.operation != "read"
        assert grant.operation != "write" or grant.name.startswith("out.")


def test_an_old_or_missing_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error lists what was tried and how to get a newer one."""
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("bus.sandbox.java.files", lambda _name: [])
    with pytest.raises(SandboxError, match="version 11") as caught:
        java.find_java()
    assert "openjdk-17" in caught.value.hint


async def test_missing_maven_is_named(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Without jars and without Maven the error says how to get it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("BUS_SANDBOX_JARS", raising=False)
    with pytest.raises(SandboxError, match="Maven") as caught:
        await java.ensure_jars(home, Path("/java"), print)
    assert "apt-get install maven" in caught.value.hint
