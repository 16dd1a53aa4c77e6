"""The commands, as far as they need no ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bus.cli.app import cli
from bus.tlog.note import Signature
from tests.unit.evidence.colluding import Collusion
from tests.unit.evidence.conftest import Story
from tests.unit.evidence.support import POLICY_TEXT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> Path:
    """A folder with a true file, a changed one and a policy, and no sandbox."""
    for name in ("BUS_POLICY", "BUS_OUTPUT", "BUS_AS", "BUS_LEDGER_DSN", "BUS_EVIDENCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").write_bytes(data)
    (tmp_path / "bad").write_bytes(data[:-1] + b"\x01")
    (tmp_path / "policy").write_text(POLICY_TEXT)
    return tmp_path


def bus(*args: str, **env: str) -> Result:
    """Run one command."""
    return CliRunner().invoke(cli, args, env=env)


def test_true_evidence_ends_with_0(here: Path, story: Story) -> None:
    """Every check is listed with its outcome, and what the evidence says of the event."""
    assert here
    result = bus("evidence", "verify", "good", "--policy", "policy")
    assert result.exit_code == 0
    assert result.stdout.startswith("good: holds\n")
    for piece in (f"entry {story.index} of", "pixelpost (US)", "lighthouse (DE), polder-police (NL)", "not shown"):
        assert piece in result.stdout
    assert "1 of 1 hold." in result.stderr


def test_false_evidence_ends_with_3(here: Path) -> None:
    """One false file among others is enough, and its sentence comes first."""
    assert here
    result = bus("evidence", "verify", "good", "bad", "--policy", "policy")
    assert result.exit_code == 3
    assert "bad: FALSE\n  This is not evidence in its one form" in result.stdout
    assert "1 of 2 hold." in result.stderr


def test_programs_read_json(here: Path) -> None:
    """One object a file, with each check: a list as JSON, a line each as NDJSON."""
    assert here
    result = bus("evidence", "verify", "good", "bad", "-o", "json", BUS_POLICY="policy")
    assert result.exit_code == 3
    good, bad = json.loads(result.stdout)
    assert (good["holds"], bad["holds"], bad["event"]) == (True, False, None)
    assert {check["outcome"] for check in good["checks"]} == {"holds", "not shown"}
    assert good["event"]["recipients"][0] == {
        "org": "lighthouse",
        "nation": "DE",
        "allowed": True,
        "reason": "audience",
    }
    lines = bus("evidence", "verify", "good", "bad", "-o", "ndjson", BUS_POLICY="policy").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [good, bad]


def test_the_sandboxs_policy_is_the_default(here: Path) -> None:
    """--policy beats BUS_POLICY, and both beat the sandbox's; none at all ends with 2."""
    result = bus("evidence", "verify", "good")
    assert result.exit_code == 2
    assert "BUS_POLICY" in result.stderr
    (here / "state" / "publisher").mkdir(parents=True)
    (here / "state" / "publisher" / "policy").write_text(POLICY_TEXT)
    assert bus("evidence", "verify", "good").exit_code == 0
    assert bus("evidence", "verify", "good", BUS_POLICY="nowhere").exit_code == 2
    assert bus("evidence", "verify", "good", "--policy", "policy", BUS_POLICY="nowhere").exit_code == 0
    (here / "wrong").write_text("quorum some\n")
    result = bus("evidence", "verify", "good", "--policy", "wrong")
    assert result.exit_code == 2
    assert "wrong is not a policy: line 1: the quorum is no witness or group of the lines above" in result.stderr


def test_files_that_are_not_there_end_with_2(here: Path) -> None:
    """A file's name that leads nowhere, and no file at all, are usage errors."""
    assert here
    assert bus("evidence", "verify", "nowhere", "--policy", "policy").exit_code == 2
    assert bus("evidence", "verify", "--policy", "policy").exit_code == 2


def test_a_file_that_has_no_end_is_no_evidence(here: Path) -> None:
    """What is larger than evidence ever is, is not read to its end: it is false, and not shown."""
    with (here / "huge").open("wb") as file:
        file.truncate(1 << 42)
    for endless in ("huge", "/dev/zero"):
        result = bus("evidence", "verify", endless, "good", "--policy", "policy")
        assert (result.exit_code, f"{endless}: FALSE" in result.stdout) == (3, True)
        assert bus("evidence", "show", endless).exit_code == 1
        assert bus("evidence", "verify", "good", "--policy", endless).exit_code == 2


def test_a_hostile_name_does_nothing_to_a_terminal(here: Path, story: Story) -> None:
    """The log's name and signers' come from whoever made the file: control sequences and turned writing are not printed."""
    lies = Collusion(story.ledger, story.evidence)
    name = "log\u009b2Jevil\u202e\u2066"
    lies.text = lambda text: name.encode() + text[text.index(b"\n") :]
    lies.lines = lambda _, lines: [*lines, Signature("north\u009b2J", b"abcd", bytes(72))]
    (here / "evil").write_bytes(lies.encode())
    for command in (("verify", "evil", "--policy", "policy"), ("show", "evil"), ("show", "evil", "-o", "json")):
        result = bus("evidence", *command)
        assert "log\ufffd2Jevil" in result.stdout
        assert all(char.isprintable() or char == "\n" for char in result.output), command


def test_evidence_is_shown_without_being_checked(here: Path, story: Story) -> None:
    """Show prints what a file holds, and says that nothing of it was checked."""
    assert here
    result = bus("evidence", "show", "good", "-o", "json")
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)
    assert (found["index"], found["size"], found["earlier"]) == (story.index, story.index + 1, story.index)
    assert found["event"]["header"]["issuer"] == "pixelpost"
    assert [one["type"] for one in found["directory"]][:2] == ["LogOpened", "OrganisationAdmitted"]
    assert "Nothing of this has been checked" in result.stderr
    shown = bus("evidence", "show", "good")
    assert "event.tlog-proof" in shown.stdout
    assert bus("evidence", "show", "bad").exit_code == 1


def test_proving_several_events_needs_a_folder(here: Path) -> None:
    """One file cannot hold two events, and what is no event is told before anything is asked."""
    assert here
    result = bus("audit", "prove", "1", "2", "-o", "one", "--policy", "policy")
    assert result.exit_code == 2
    assert "one/" in result.stderr
    assert bus("audit", "prove", "first", "-o", "one", "--policy", "policy").exit_code == 2
    assert bus("audit", "prove", "1", "--policy", "policy").exit_code == 2


def test_verifying_needs_no_client_of_kafka_postgres_or_http(here: Path) -> None:
    """Neither network client nor database driver is loaded to verify a file."""
    program = (
        "import sys; from bus.cli import main\n"
        "sys.argv = ['bus', 'evidence', 'verify', 'good', '--policy', 'policy']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = 'aiokafka aiohttp asyncpg confluent_kafka sqlite3 ssl'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=here)
    assert done.stderr == "1 of 1 hold.\n[]\n"
