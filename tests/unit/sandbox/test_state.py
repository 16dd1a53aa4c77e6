"""What is written down can be read again, by us and by those whom docs/interfaces.md tells about it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from bus.errors import SandboxError
from bus.hub.config import HubConfig
from bus.partner.profile import Profile
from bus.sandbox import outfit
from bus.sandbox.home import Home
from bus.sandbox.processes import Identity
from bus.sandbox.state import State
from bus.sandbox.world import HUB, ORIGIN, WORLD
from bus.tlog.policy import Policy
from bus.trust.keys import KeyRing

PORTS = {
    "kafka": 20_001,
    "controller": 20_002,
    "postgres": 20_003,
    "log": 20_004,
    "witness-isles": 20_005,
    "witness-north": 20_006,
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A state folder with everybody's outfit in it."""
    found = Home.at(tmp_path / "state")
    found.make()
    outfit.prepare(found, PORTS)
    return found


def test_state_survives_the_file(home: Home) -> None:
    """Ports, processes and what was done come back as they were."""
    state = State(cluster_id="abc", ports=PORTS, founded=True, started={"kafka": Identity(1, 2, "boot")})
    state.save(home)
    assert State.load(home) == state
    assert home.state_file.stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_sandbox(home: Home) -> None:
    """There is none before the first ``up``."""
    assert State.load(home) is None


def test_a_damaged_file_says_what_to_do(home: Home) -> None:
    """It is never taken for an empty one: that would start a second hub beside the first."""
    home.state_file.write_text("{")
    with pytest.raises(SandboxError, match="cannot be read") as caught:
        State.load(home)
    assert "bus sandbox up" in caught.value.hint


def test_others_read_how_to_connect(home: Home) -> None:
    """The file has what the status prints."""
    State(cluster_id="abc", ports=PORTS).save(home)
    found = json.loads(home.state_file.read_text())
    assert found["kafka"]["bootstrap"] == "127.0.0.1:20001"
    assert found["log"]["origin"] == ORIGIN
    assert set(found["organisations"]) == {member.id for member in WORLD}


def test_a_formatted_cluster_keeps_its_id(home: Home) -> None:
    """A lost state file is no reason to refuse the broker's data."""
    (home.kafka / "formatted").write_text("its-id")
    assert State.new(home).cluster_id == "its-id"


def test_every_profile_loads_and_its_files_are_there(home: Home) -> None:
    """The partner's own reader takes each; keys, password and journal folder are where it says."""
    hub_key = KeyRing.load(home.hub / "keys.json").signing.public_key
    for org in (HUB, *(member.id for member in WORLD)):
        profile = Profile.load(outfit.profile(home, org))
        assert profile.organisation == org
        assert profile.hub_key == hub_key
        assert profile.journal_file.resolve() == home.root.resolve() / "journal" / f"{org}.db"
        assert profile.connection().bootstrap == "127.0.0.1:20001"
        assert profile.connection().password
        KeyRing.load(profile.key_file)
        assert profile.log is not None
        assert Policy.parse(profile.log.policy_file.read_bytes()).logs[0].url == profile.log.url


def test_the_hub_reads_its_configuration(home: Home) -> None:
    """The hub's own reader takes it."""
    config = HubConfig.load(outfit.hub_config(home))
    assert config.origin == ORIGIN
    assert config.kafka.username == HUB
    assert config.notary_dsn.startswith("postgresql://notary:")


def test_keys_and_passwords_are_made_once(home: Home) -> None:
    """A second ``up`` changes nobody's keys; another port changes every profile."""
    folder = home.organisation("fernpost")
    before = {name: (folder / name).read_bytes() for name in ("keys.json", "recovery.json", "password")}
    outfit.prepare(home, {**PORTS, "kafka": 20_009})
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert Profile.load(folder / "profile.toml").bootstrap == "127.0.0.1:20009"


def test_written_toml_reads_the_same() -> None:
    """Strings with quotes, lists, booleans and tables within tables come back as they were."""
    document = {
        "name": 'a "quoted" \\ name', "ok": True, "count": 3,
        "table": {"list": ["a", "b"], "inner": {"x": "y", "none": []}},
    }  # fmt: skip
    assert tomllib.loads(outfit.toml(document)) == document
