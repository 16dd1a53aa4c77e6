"""The profile of an organisation: what it needs, where it is found, how it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import UsageError
from bus.partner.profile import LogSettings, Profile

TEXT = f"""
organisation = "hotline-north"
nation = "SE"
[hub]
origin = "ledger.sandbox.example/safeguard"
hub_key = "{"ab" * 32}"
[kafka]
bootstrap = "127.0.0.1:9092"
security_protocol = "SASL_PLAINTEXT"
username = "hotline-north"
password_file = "password"
[keys]
file = "keys.json"
[journal]
home = "../.."
[defaults]
audience = ["police-west", "hotline-south", "police-west"]
retain_days = 90
compartment = "csam"
handling = {{ tlp = "AMBER" }}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A sandbox's folder with one organisation."""
    folder = tmp_path / "organisations" / "hotline-north"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text(TEXT)
    (folder / "password").write_text("secret\n")
    return tmp_path


def test_a_profile_holds_what_its_file_says(home: Path) -> None:
    """Paths are relative to the file, the audience is sorted, other defaults stay as they are."""
    folder = home / "organisations" / "hotline-north"
    profile = Profile.load(folder / "profile.toml")
    assert profile.organisation == "hotline-north"
    assert profile.hub_key == b"\xab" * 32
    assert profile.key_file == folder / "keys.json"
    assert profile.journal_file.resolve() == home / "journal" / "hotline-north.db"
    assert profile.audience == ("hotline-south", "police-west")
    assert profile.retain_days == 90
    assert profile.defaults == {"compartment": "csam", "handling": {"tlp": "AMBER"}}
    assert profile.log is None


def test_the_log_and_whom_to_believe_may_be_named(home: Path) -> None:
    """The policy is a file beside the profile, and the log may be a minute late unless the profile says otherwise."""
    file = home / "organisations/hotline-north/profile.toml"
    named = f'{TEXT}[log]\nurl = "https://log.example.org"\npolicy = "policy"\n'
    file.write_text(named)
    assert Profile.load(file).log == LogSettings("https://log.example.org", file.parent / "policy", 60.0)
    file.write_text(f"{named}within_s = 5\n")
    assert Profile.load(file).log == LogSettings("https://log.example.org", file.parent / "policy", 5.0)


def test_the_connection_has_the_password_and_never_shows_it(home: Path) -> None:
    """The password is read from its file without the newline, and is in no repr."""
    connection = Profile.load(home / "organisations/hotline-north/profile.toml").connection()
    assert connection.password == "secret"
    assert connection.sasl_mechanism == "SCRAM-SHA-512"
    assert "secret" not in repr(connection)


def test_it_is_found_in_the_sandbox_or_where_the_variable_says(home: Path) -> None:
    """BUS_PROFILE comes first, then the organisation's folder under BUS_HOME."""
    file = home / "organisations/hotline-north/profile.toml"
    by_home = Profile.find("hotline-north", environ={"BUS_HOME": str(home)})
    assert by_home == Profile.find(None, environ={"BUS_PROFILE": str(file)})
    assert by_home == Profile.find("hotline-north", environ={"BUS_PROFILE": str(file), "BUS_HOME": "/nowhere"})


def test_another_organisations_profile_is_not_taken_for_ones_own(home: Path) -> None:
    """With BUS_PROFILE of one organisation, acting as another is refused."""
    file = home / "organisations/hotline-north/profile.toml"
    with pytest.raises(UsageError, match="not of police-west"):
        Profile.find("police-west", environ={"BUS_PROFILE": str(file)})


def test_an_unknown_organisation_is_told_who_is_known(home: Path) -> None:
    """The error lists the organisations that the sandbox has; without any it says how to get one."""
    with pytest.raises(UsageError) as caught:
        Profile.find("hotline-nroth", environ={"BUS_HOME": str(home)})
    assert "hotline-north" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        Profile.find("hotline-north", environ={"BUS_HOME": str(home / "else")})
    assert "sandbox up" in caught.value.hint
    with pytest.raises(UsageError, match="no organisation"):
        Profile.find(environ={})


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('nation = "SE"', 'nation = "Sweden"', "nation"),
        ('nation = "SE"', "", "nation is missing"),
        ("ab" * 32, "xyz", r"\[hub\] hub_key"),
        ('bootstrap = "127.0.0.1:9092"', "bootstrap = 9092", r"\[kafka\] bootstrap"),
        ("[keys]", "[kyes]", r"\[keys\] file is missing"),
        ('["police-west", "hotline-south", "police-west"]', '"police-west"', r"\[defaults\] audience"),
        ("retain_days = 90", "retain_days = -1", r"\[defaults\] retain_days"),
        ("[hub]", "[hub", "not TOML"),
        ("[hub]", '[log]\nurl = "https://a.example"\n[hub]', r"\[log\] policy is missing"),
        ("[hub]", '[log]\npolicy = "p"\n[hub]', r"\[log\] url is missing"),
        ("[hub]", '[log]\nurl = "gopher://a"\npolicy = "p"\n[hub]', r"\[log\] url"),
        ("[hub]", '[log]\nurl = "file:///a"\npolicy = "p"\nwithin_s = 0\n[hub]', r"\[log\] within_s"),
        ("[hub]", '[log]\nurl = "file:///a"\npolicy = "p"\nwithin_s = true\n[hub]', r"\[log\] within_s"),
    ],
)
def test_a_wrong_entry_is_named(home: Path, old: str, new: str, place: str) -> None:
    """The error names the file and the entry."""
    file = home / "organisations/hotline-north/profile.toml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(UsageError, match=place):
        Profile.load(file)


def test_missing_files_are_named(home: Path) -> None:
    """A missing profile or password file is an error with its path."""
    with pytest.raises(UsageError, match=r"nothing\.toml"):
        Profile.load(home / "nothing.toml")
    folder = home / "organisations" / "hotline-north"
    (folder / "password").unlink()
    with pytest.raises(UsageError, match="password"):
        Profile.load(folder / "profile.toml").connection()
