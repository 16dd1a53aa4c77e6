"""Evidence of a real hub's events: made from its Postgres and its published files, verified with neither."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from bus.sandbox.lifecycle import Sandbox
from tests.arrival import published
from tests.integration.test_cli import Ended, Shell

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "verify_evidence.py"
NO_NETWORK = """
import socket, sys
def connect(*_): raise AssertionError("it talks to somebody")
socket.socket.connect = connect
from bus.cli import main
main()
"""


@pytest.fixture
def bus(sandbox: Sandbox) -> Shell:
    """The command on the suite's sandbox."""
    return Shell(sandbox)


async def python(*words: str, folder: Path, **added: str) -> Ended:
    """Run Python in a folder where there is no sandbox, with additions to its environment."""
    pipe = asyncio.subprocess.PIPE
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("BUS_")}, **added}
    child = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=pipe, stderr=pipe, cwd=folder, env=env)
    out, err = await child.communicate()
    assert child.returncode is not None
    return Ended(child.returncode, out.decode(), err.decode())


async def proved(bus: Shell, *args: str) -> list[str]:
    """Prove events, once there is a checkpoint that has them; the files' names."""
    await published(bus.sandbox)
    done = await bus("audit", "prove", *args)
    assert done.code == 0, done.err
    return done.out.splitlines()


async def test_an_event_is_proved_and_verified_by_itself(bus: Shell, tmp_path: Path) -> None:
    """Recorded, published and cosigned; then verified in a process that cannot connect, and by the other program."""
    event = await bus.example("HashHit", "fernpost", "hotline-isles")
    [told] = (await bus.publish([event], "fernpost")).rows
    files = await proved(bus, event["header"]["event_id"], "-o", str(tmp_path / "hit.evidence"))
    assert files == [str(tmp_path / "hit.evidence")]
    policy = str(bus.sandbox.home.publisher / "policy")
    words = ("evidence", "verify", *files, "--policy", policy, "-o", "json")
    found = await python("-c", NO_NETWORK, *words, folder=tmp_path)
    assert found.code == 0, found.err
    [report] = json.loads(found.out)
    assert report["event"]["index"] == told["index"]
    assert report["event"]["event_id"] == event["header"]["event_id"]
    assert [(one["org"], one["allowed"]) for one in report["event"]["recipients"]] == [("hotline-isles", True)]
    assert len(report["event"]["before"]["cosigned"]) == 2
    assert {check["name"] for check in report["checks"] if check["outcome"] != "holds"} <= {"revocation", "earlier"}
    second = await python("-I", str(SCRIPT), policy, *files, folder=tmp_path)
    assert second.code == 0, second.out
    assert f"holds: entry {told['index']} of" in second.out


async def test_many_events_are_proved_in_one_call(bus: Shell, tmp_path: Path) -> None:
    """A folder gets a file for each event, named by its index, and all of them hold."""
    events = [await bus.example("HashHit", "fernpost", "hotline-isles") for _ in range(3)]
    indexes = [row["index"] for row in (await bus.publish(events, "fernpost")).rows]
    folder = tmp_path / "evidence"
    files = await proved(bus, *map(str, (0, 1, *indexes)), "-o", f"{folder}/", "--newest")
    assert files == [str(folder / f"{index}.evidence") for index in (0, 1, *indexes)]
    done = await bus("evidence", "verify", *files, "-o", "ndjson")
    assert done.code == 0, done.out
    assert [row["event"]["index"] for row in done.rows] == [0, 1, *indexes]
    second = await python("-I", str(SCRIPT), str(bus.sandbox.home.publisher / "policy"), *files, folder=tmp_path)
    assert second.code == 0, second.out


async def test_exit_codes_say_what_was_found(bus: Shell, tmp_path: Path) -> None:
    """0 where all holds, 3 if one of several is false, 2 without a policy or with none that can be read."""
    good, bad = await proved(bus, "0", "1", "-o", f"{tmp_path}/")
    spoil(Path(bad))
    policy = str(bus.sandbox.home.publisher / "policy")
    words = ("-m", "bus", "evidence", "verify")
    codes = {
        "BUS_POLICY": (await python(*words, good, folder=tmp_path, BUS_POLICY=policy)).code,
        "one is false": (await python(*words, good, bad, folder=tmp_path, BUS_POLICY=policy)).code,
        "--policy beats BUS_POLICY": (
            await python(*words, good, "--policy", policy, folder=tmp_path, BUS_POLICY="x")
        ).code,
        "no policy": (await python(*words, good, folder=tmp_path)).code,
        "no such policy": (await python(*words, good, folder=tmp_path, BUS_POLICY="nowhere")).code,
        "shown, not checked": (await python("-m", "bus", "evidence", "show", good, folder=tmp_path)).code,
        "the sandbox's own": (await bus("evidence", "verify", good)).code,
        "proving by a policy that is not there": (
            await bus("audit", "prove", "0", "-o", f"{tmp_path}/", "--policy", "nowhere")
        ).code,
    }
    assert list(codes.items()) == list(zip(codes, (0, 3, 0, 2, 2, 0, 0, 2), strict=True))


async def test_what_is_not_the_databases_fault_is_not_put_on_it(bus: Shell, tmp_path: Path) -> None:
    """A file that cannot be written is named; a login that is refused or none, or a number too large, is no outage."""
    (tmp_path / "file").touch()
    done = await bus("audit", "prove", "0", "-o", str(tmp_path / "file" / "0.evidence"))
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path / 'file'}: " in done.err
    dsn = str(bus.sandbox.status()["postgres"]["dsn"])
    login, _, place = dsn.rpartition("@")
    for command in (("prove", "0", "-o", str(tmp_path / "x")), ("verify",), ("stats",)):
        assert (await bus("audit", *command, "--dsn", f"{login}x@{place}")).code == 4
        assert (await bus("audit", *command, "--dsn", f"{login}/@{place}")).code == 2
    assert (await bus("audit", "search", "--limit", str(2**63 - 1))).code == 2


async def test_what_was_not_accepted_is_not_proved(bus: Shell, tmp_path: Path) -> None:
    """A refused event, an id that nobody knows and an index beyond the end are usage errors; nothing is written."""
    event = await bus.example("Acknowledgement", "fernpost", "nobody-there")
    [told] = (await bus.publish([event], "fernpost")).rows
    assert told["outcome"] == "refused"
    unknown = ("0199f3c0-0000-7000-8000-000000000000", "99999999999", "9223372036854775808")
    for wanted in (event["header"]["event_id"], str(told["index"]), *unknown):
        done = await bus("audit", "prove", wanted, "-o", str(tmp_path / "x"))
        assert done.code == 2, done.err
        sentence = f"the ledger has no entry {wanted}" if wanted in unknown else "is no accepted event"
        assert sentence in done.err
    assert is_empty(tmp_path)


async def test_a_repeated_entry_and_a_file_that_is_there_are_told(bus: Shell, tmp_path: Path) -> None:
    """A repeat proves the first, and says so; evidence may be written over, anything else is left as it is."""
    event = await bus.example("HashHit", "fernpost", "hotline-isles")
    [first] = (await bus.publish([event], "fernpost")).rows
    [again] = (await bus.publish([event], "fernpost")).rows
    assert again["outcome"] == "repeated"
    repeat = (await bus("audit", "show", str(first["index"]), "-o", "json")).value["entries"][-1]["index"]
    await published(bus.sandbox)
    file = tmp_path / "x"
    done = await bus("audit", "prove", str(repeat), "-o", str(file))
    assert (done.code, f"Entry {repeat} repeats entry {first['index']}" in done.err) == (0, True)
    assert (await bus("audit", "prove", str(first["index"]), "-o", str(file))).code == 0
    before = file.read_bytes()
    assert (await bus("audit", "prove", "1", "-o", str(file))).code == 0
    assert file.read_bytes() != before
    for content in (b"", b"a letter", file.read_bytes()[:-1]):
        file.write_bytes(content)
        done = await bus("audit", "prove", "1", "-o", str(file))
        assert (done.code, file.read_bytes()) == (2, content)
        assert f"{file} is there already, and is no evidence" in done.err
    os.mkfifo(tmp_path / "pipe")
    done = await bus("audit", "prove", "1", "-o", str(tmp_path / "pipe"))
    assert (done.code, "is there already" in done.err) == (2, True)


async def test_evidence_is_made_for_an_auditors_own_policy(bus: Shell, tmp_path: Path) -> None:
    """Of two witnesses the auditor believes one: the file made for the hub's policy is false, the one made for hers holds."""
    shown = (bus.sandbox.home.publisher / "policy").read_text(encoding="utf-8").splitlines()
    witness = next(line for line in shown if line.startswith("witness "))
    own = tmp_path / "own.policy"
    logs = [line for line in shown if line.startswith("log ")]
    own.write_text("\n".join([*logs, witness, f"quorum {witness.split()[1]}", ""]), encoding="utf-8")
    [wide] = await proved(bus, "1", "-o", str(tmp_path / "wide"))
    [narrow] = await proved(bus, "1", "-o", str(tmp_path / "narrow"), "--policy", str(own))
    done = await bus("evidence", "verify", wide, "--policy", str(own))
    assert (done.code, "`bus audit prove --policy FILE`" in done.out) == (3, True)
    assert (await bus("evidence", "verify", narrow, "--policy", str(own))).code == 0
    second = await python("-I", str(SCRIPT), str(own), narrow, folder=tmp_path)
    assert second.code == 0, second.out


def is_empty(folder: Path) -> bool:
    """Whether nothing was written."""
    return not list(folder.iterdir())


def spoil(file: Path) -> None:
    """Change one bit of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
