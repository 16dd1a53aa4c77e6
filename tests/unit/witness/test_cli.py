"""`bus witness` as people and scripts see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bus.cli.app import cli
from bus.tlog.policy import Policy
from bus.tlog.vkey import VerifierKey
from bus.witness import address
from bus.witness.home import Home
from bus.witness.witness import Witness
from tests.docs.support import ROOT, blocks
from tests.unit.witness.support import NAME, ORIGIN, leaves, log_key, request

LOG = log_key().verifier.encode()


class Shell:
    """`bus` with one state folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *words: str) -> Result:
        """Run `bus witness` with these words."""
        return CliRunner().invoke(cli, ["--home", str(self.home), "witness", *words])

    def ask(self, *bodies: bytes) -> list[int]:
        """Ask the witness for cosignatures, past HTTP; the statuses."""
        home = Home(self.home / "witness")
        key = home.key()
        store = home.store(key)
        try:
            return [Witness(key, store).add_checkpoint(body).status for body in bodies]
        finally:
            store.close()


@pytest.fixture
def bus(tmp_path: Path) -> Shell:
    """A shell in which a witness was made."""
    shell = Shell(tmp_path)
    assert shell("key", "--name", NAME).exit_code == 0
    return shell


def test_a_key_is_made_once_and_shown_for_ever(bus: Shell) -> None:
    """The public half is the only output; the same name shows it again, and another one is refused."""
    shown = bus("key").stdout
    assert VerifierKey.decode(shown.rstrip("\n")).name == NAME
    assert bus("key", "--name", NAME).stdout == shown
    other = bus("key", "--name", "witness.example/south")
    assert (other.exit_code, other.stdout) == (2, "")
    assert "--dir" in other.stderr


def test_without_a_witness_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    """Nothing is made by the way."""
    bus = Shell(tmp_path)
    for words in (["key"], ["status"], ["policy"], ["trust", LOG], ["run"]):
        found = bus(*words)
        assert (found.exit_code, found.stdout) == (2, "")
        assert "bus witness key --name" in found.stderr
    assert not (tmp_path / "witness").exists()


def test_the_policy_line_is_read_by_a_policy(bus: Shell) -> None:
    """With a log, the line and a quorum make a policy that has this witness under its URL."""
    line = bus("policy", "--url", "https://witness.example/north").stdout
    (found,) = Policy.parse(f"log {LOG}\n{line}quorum {NAME}\n".encode()).witnesses
    assert (found.name, found.url) == (NAME, "https://witness.example/north")
    assert found.key.encode() == bus("key").stdout.rstrip("\n")
    assert bus("policy", "--url", "https://witness.example/north/").stdout == line


@pytest.mark.parametrize(
    "url", ["https://x\nquorum none", "https://x y", "witness.example/north", "https://", "https://é.example", "ftp://x",
            "https://x/?a=1", "https://x/#a", "https://x:port", "https://[::1", "", "https://" + "x" * 5000],
)  # fmt: skip
def test_what_is_no_address_is_in_no_policy(bus: Shell, url: str) -> None:
    """A line that others would refuse, or would read as two, is not printed."""
    found = bus("policy", "--url", url)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "https://witness.example/north" in found.stderr


def test_an_address_that_nobody_said_is_not_guessed(bus: Shell) -> None:
    """A witness that never ran has none, and one that listens everywhere has too many."""
    home = Home(bus.home / "witness")
    found = bus("policy")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "not known" in found.stderr
    for everywhere in ("http://0.0.0.0:8080", "http://[::]:8080"):
        address.note(home, everywhere, None)
        found = bus("policy")
        assert (found.exit_code, found.stdout) == (2, "")
        assert "every address" in found.stderr
        assert "--url" in found.stderr


def test_the_address_is_the_one_that_it_ran_at(bus: Shell) -> None:
    """Where it listened last, with a word if that is this machine alone; a public one stays until another is said."""
    home = Home(bus.home / "witness")
    address.note(home, "http://127.0.0.1:41234", None)
    found = bus("policy")
    assert found.stdout.endswith(" http://127.0.0.1:41234\n")
    assert "Only programs on this machine" in found.stderr
    address.note(home, "http://127.0.0.1:41235", "https://witness.example/north/")
    address.note(home, "http://127.0.0.1:41236", None)
    found = bus("policy")
    assert (found.stdout.split()[-1], found.stderr) == ("https://witness.example/north", "")
    address.note(home, "http://127.0.0.1:41236", "https://witness.example/south")
    assert bus("policy").stdout.split()[-1] == "https://witness.example/south"


@pytest.mark.parametrize(
    "damaged", [b"", b"http://127.0.0.1:1", b"\xff\n\n", b"a\nb\nc\n", b"nothing\n\n", b"x" * 9000]
)
def test_a_damaged_note_of_the_address_is_no_answer(bus: Shell, damaged: bytes) -> None:
    """It is said what to do, and no line is printed."""
    (bus.home / "witness" / "address").write_bytes(damaged)
    found = bus("policy")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "--url" in found.stderr


def test_status_shows_what_was_cosigned(bus: Shell) -> None:
    """A log that was trusted and not heard of, one that grew, in every form; no log is an empty list."""
    assert json.loads(bus("status", "-o", "json").stdout)["logs"] == []
    assert bus("trust", LOG).exit_code == 0
    (row,) = json.loads(bus("status", "-o", "json").stdout)["logs"]
    assert (row["origin"], row["size"], row["cosigned_at"], row["keys"]) == (ORIGIN, 0, None, 1)
    assert bus.ask(request(leaves(5), 0)) == [200]
    found = bus("status", "-o", "json")
    (row,) = json.loads(found.stdout)["logs"]
    assert (found.exit_code, row["size"], row["forks"]) == (0, 5, 0)
    assert row["cosigned_at"].endswith("Z")
    assert json.loads(bus("status", "-o", "ndjson").stdout) == row
    assert bus("status", "-o", "csv").stdout.splitlines()[1].startswith(f"{ORIGIN},5,{row['root']},")
    table = bus("status")
    assert table.stdout.split()[:2] == ["origin", "size"]
    assert NAME in table.stderr


def test_a_fork_ends_status_with_3_and_both_notes(bus: Shell) -> None:
    """Who looks after the witness cannot overlook it."""
    bus("trust", LOG)
    assert bus.ask(request(leaves(5), 0), request(leaves(5, "fork"), 5)) == [200, 422]
    found = bus("status", "-o", "json")
    assert found.exit_code == 3
    (fork,) = json.loads(found.stdout)["forks"]
    assert fork["size"] == 5
    assert all(fork[note].startswith(f"{ORIGIN}\n5\n") for note in ("note", "cosigned_note"))
    assert "two trees of size 5" in found.stderr


def test_trust_can_be_taken_back(bus: Shell) -> None:
    """A removed key is believed no more, for the log it was named for; one that was never trusted is an error."""
    assert bus("trust", LOG, "--origin", "log.example/two").exit_code == 0
    assert bus("trust", LOG, "--remove").exit_code == 2
    assert bus("trust", LOG, "--remove", "--origin", "log.example/two").exit_code == 0
    (row,) = json.loads(bus("status", "-o", "json").stdout)["logs"]
    assert (row["origin"], row["keys"]) == ("log.example/two", 0)
    for wrong in ("noise", LOG[:-2], bus("key").stdout.rstrip("\n")):
        assert bus("trust", wrong).exit_code == 2


@pytest.mark.parametrize("words", [[], ["key"], ["trust"], ["run"], ["status"], ["policy"]])
def test_help_is_there_with_examples(tmp_path: Path, words: list[str]) -> None:
    """Each command has its lines of help and examples that begin with its name."""
    text = Shell(tmp_path)(*words, "--help").stdout
    assert f"bus witness {' '.join(words)}".rstrip() in text.split("Examples:")[1]


def test_the_page_for_operators_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands under "Set up" work in their order, on a new machine."""
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(ROOT / "docs" / "witness.md", "sh")
    commands = [line.replace("LOG_VKEY", LOG).split()[1:] for line in block.splitlines()]
    assert [words[1] for words in commands] == ["key", "trust", "run", "policy"]
    for words in commands:
        done = CliRunner().invoke(cli, [*words, "--help"] if words[1] == "run" else words)
        assert done.exit_code == 0, done.stderr
    assert Home(tmp_path / ".bus" / "witness").key().verifier.name == NAME
