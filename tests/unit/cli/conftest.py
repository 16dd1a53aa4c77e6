"""The command line, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bus.cli.app import cli

ORGANISATIONS = {
    "tidewave": {"name": "Tidewave", "nation": "SE", "roles": ["platform"]},
    "audit-one": {"name": "One", "nation": "GB", "roles": ["auditor"]},
    "audit-two": {"name": "Two", "nation": "SE", "roles": ["auditor"]},
}

Bus = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with nothing in it."""
    for name in ("BUS_AS", "BUS_PROFILE", "BUS_OUTPUT", "BUS_LEDGER_DSN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


@pytest.fixture
def bus(home: Path) -> Bus:
    """Runs one command."""

    def call(*args: str, stdin: str | bytes = "", **env: str) -> Result:
        assert home
        return CliRunner().invoke(cli, args, input=stdin, env=env)

    return call


@pytest.fixture
def stopped(home: Path) -> Path:
    """The state folder of a sandbox that is down: its database does not answer."""
    home.mkdir()
    state = {"postgres": {"dsn": "postgresql://desk:secret@127.0.0.1:1/safeguard"}, "organisations": ORGANISATIONS}
    (home / "sandbox.json").write_text(json.dumps(state))
    folder = home / "organisations" / "tidewave"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(PROFILE)
    return home


PROFILE = """
organisation = "tidewave"
nation = "SE"
[hub]
origin = "ledger.test.example/safeguard"
hub_key = "0000000000000000000000000000000000000000000000000000000000000000"
[kafka]
bootstrap = "127.0.0.1:1"
security_protocol = "PLAINTEXT"
[keys]
file = "keys.json"
[journal]
home = "../.."
[defaults]
audience = ["hotline-north"]
audit_nations = ["SE"]
handling = { tlp = "AMBER", onward = "none" }
purpose = "prevention"
compulsion = "voluntary"
source_kind = "industry"
legal_basis = "voluntary-detection@2024"
compartment = "csam"
priority = "routine"
"""
