"""The stand-alone verifier against the bus's own."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus.errors import Malformed
from bus.evidence.archive import pack, unpack
from bus.evidence.exhibit import Earlier
from bus.evidence.verify import verify
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Policy
from bus.tlog.vkey import Kind, VerifierKey
from tests.unit.evidence.conftest import Story
from tests.unit.evidence.support import POLICY, POLICY_TEXT, WITNESSES, Ledger, now_s
from tests.unit.evidence.test_verify import FORGERIES
from tools import verify_evidence as alone

SCRIPT = Path(alone.__file__)
ITS_POLICY = alone.Policy(POLICY_TEXT.encode())


def holds(data: bytes) -> bool:
    """Whether the script finds that a file holds."""
    try:
        return bool(alone.verify(data, ITS_POLICY))
    except Exception:  # noqa: BLE001 - as the script itself does
        return False


def flipped(data: bytes, bits: Iterable[int]) -> Iterable[bytes]:
    """The file with one bit changed, for each of these bits."""
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_it_is_short_and_shares_no_code() -> None:
    """Under 300 lines, and it imports the standard library and PyNaCl alone."""
    source = SCRIPT.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 300
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - {"nacl"} <= set(sys.stdlib_module_names)


def test_it_runs_by_itself(story: Story, tmp_path: Path) -> None:
    """As a program in isolated mode it prints a sentence for each file and ends with 3 if one is false."""
    policy, good, bad = tmp_path / "policy", tmp_path / "good.evidence", tmp_path / "bad.evidence"
    data = story.evidence.encode()
    policy.write_text(POLICY_TEXT)
    good.write_bytes(data)
    bad.write_bytes(data[:-1] + b"\x01")
    call = [sys.executable, "-I", str(SCRIPT), str(policy)]
    done = subprocess.run([*call, str(good)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{good}: holds: entry {story.index} of " in done.stdout
    assert "HashHit detected of pixelpost, for lighthouse, polder-police; recorded " in done.stdout
    done = subprocess.run([*call, str(good), str(bad), str(good)], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["holds", "FALSE", "holds"]
    assert "not evidence in its one form" in done.stdout


def test_what_cannot_be_read_is_not_called_false(story: Story, tmp_path: Path) -> None:
    """A file that is not there is a mistake in the command, as a file too few is: it ends with 2, as the bus does."""
    policy, good = tmp_path / "policy", tmp_path / "good.evidence"
    policy.write_text(POLICY_TEXT)
    good.write_bytes(story.evidence.encode())
    call = [sys.executable, "-I", str(SCRIPT), str(policy)]
    for nothing in (tmp_path / "nowhere", tmp_path):
        done = subprocess.run([*call, str(good), str(nothing)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, f"{nothing} cannot be read\n")
        assert "FALSE" not in done.stdout
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, "POLICY FILE..." in done.stderr) == (2, "", True)


def test_both_find_that_every_event_holds(story: Story) -> None:
    """Events of the directory and of organisations hold, under the first checkpoint and the newest."""
    for index in (*range(story.index), *story.many[::60]):
        for newest in (False, True):
            assert holds(story.ledger.prove(index, newest=newest).encode())


def test_both_find_every_forgery(story: Story) -> None:
    """What the bus finds false by name, the script finds false too."""
    for change, _, _ in FORGERIES.values():
        assert not holds(change(story.evidence).encode())


def test_both_find_parts_left_out(data: bytes) -> None:
    """They agree on each file without one of its parts."""
    files = unpack(data)
    for name in files:
        less = pack({key: part for key, part in files.items() if key != name})
        assert holds(less) == verify(less, POLICY).holds, name


def test_both_find_parts_that_begin_or_end_otherwise(data: bytes) -> None:
    """They agree that each file is false with a part cut short, longer by a byte, or with its last or first byte changed."""
    files = unpack(data)
    for name, part in files.items():
        changes = (
            part[:-1],
            part[1:],
            part + b"\n",
            part + b"\x00",
            b"\n" + part,
            part[:-1] + b"\x0b",
            b" " + part[1:],
        )
        for changed in set(changes) - {part}:
            wrong = pack({**files, name: changed})
            assert not holds(wrong), (name, changed[-9:])
            assert not verify(wrong, POLICY).holds


def test_both_find_that_clocks_contradict(tmp_path: Path) -> None:
    """Half a minute is forgiven, an hour is not, on either side."""
    for number, shift in enumerate((-3600, -30, 0, 30, 3600)):
        ledger = Ledger(tmp_path / str(number))
        ledger.publish(time_s=now_s() + max(shift, 0))
        (index,) = ledger.say()
        ledger.publish(time_s=now_s() + shift)
        data = ledger.prove(index).encode()
        assert holds(data) == verify(data, POLICY).holds == (abs(shift) < 60)


def test_both_find_a_forked_log(tmp_path: Path) -> None:
    """An earlier checkpoint of another history is found by both."""
    one, two = Ledger(tmp_path / "one"), Ledger(tmp_path / "two")
    one.publish()
    two.publish()
    (index,) = one.say()
    one.publish()
    evidence = one.prove(index)
    assert evidence.earlier is not None
    other = Note.decode((tmp_path / "two" / "checkpoints" / str(index)).read_bytes())
    assert holds(evidence.encode())
    assert not holds(replace(evidence, earlier=Earlier(other, evidence.earlier.path)).encode())


def test_no_bit_can_change(data: bytes) -> None:
    """Three hundred files with one bit changed somewhere are found false, and so with the container repaired."""
    chance = random.Random(7)
    for changed in flipped(data, (chance.randrange(8 * len(data)) for _ in range(300))):
        assert not holds(changed)
    files = unpack(data)
    for name, part in files.items():
        for changed in flipped(part, (chance.randrange(8 * len(part)) for _ in range(8))):
            assert not holds(pack({**files, name: changed})), name


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.deep)])
def test_many_files_hold_and_none_with_a_bit_changed(tmp_path: Path, count: int) -> None:
    """Both find each file true; false with any one bit changed; of a fifth, with one bit of each member in a sound container."""
    ledger, chance = Ledger(tmp_path / "publisher"), random.Random(8)
    ledger.publish()
    wanted: list[int] = []
    for _ in range(10):
        wanted += ledger.say(count // 10, to=("lighthouse", "polder-police"))
        ledger.publish()
    members: set[str] = set()
    for number, index in enumerate(wanted):
        data = ledger.prove(index, newest=index % 2 == 0).encode()
        assert holds(data)
        assert verify(data, POLICY).holds
        more = one_bit_of_each_member(data, chance) if number % 5 == 0 else ()
        for changed in (*flipped(data, [chance.randrange(8 * len(data))]), *more):
            assert not holds(changed)
            assert not verify(changed, POLICY).holds
        members |= {name.rpartition("/")[2] for name in unpack(data) if not name.endswith(".avsc")}
    assert len(wanted) == count
    assert members >= alone.ALWAYS | {"body", "sealed", "earlier.checkpoint", "earlier.consistency"}


def one_bit_of_each_member(data: bytes, chance: random.Random) -> Iterable[bytes]:
    """The file with one bit of one member changed and its container made anew, for each member."""
    files = unpack(data)
    for name, part in files.items():
        for changed in flipped(part, [chance.randrange(8 * len(part))]):
            yield pack({**files, name: changed})


@pytest.mark.deep
def test_no_bit_of_any_part_can_change(data: bytes) -> None:
    """Every thirteenth bit of every part, schemas sampled, makes the file false even with the container repaired."""
    files = unpack(data)
    for name, part in files.items():
        step = 997 if name.endswith(".avsc") else 13
        for changed in flipped(part, range(0, 8 * len(part), step)):
            assert not holds(pack({**files, name: changed})), name


@pytest.mark.parametrize("name", ["leaf", "header", "decision", "schema.avsc", "event.tlog-proof"])
def test_no_part_has_two_names(data: bytes, name: str) -> None:
    """A part under a name with a slash before it is neither taken for the part nor passed over, whatever it says."""
    files = unpack(data)
    for more in (files[name], b"a lie"):
        for less in (files, {key: part for key, part in files.items() if key != name}):
            wrong = pack({**less, f"/{name}": more})
            assert (holds(wrong), verify(wrong, POLICY).holds) == (False, False)


_LOG, *_WITNESSES = POLICY_TEXT.splitlines()[:4]
_KEYS = "\n".join((_LOG, *_WITNESSES))
WEAK = {
    "no quorum": _KEYS,
    "a group of which nobody is needed": f"{_KEYS}\ngroup all 0 north south\nquorum all",
    "a group of nobody": f"{_KEYS}\ngroup all any none\nquorum all",
    "a group of one who is not named": f"{_KEYS}\ngroup all any east\nquorum all",
    "a member twice": f"{_KEYS}\ngroup all 1 north north\nquorum all",
    "a member of two groups": f"{_KEYS}\ngroup a any north\ngroup b any north\nquorum a",
    "a witness twice": f"{_KEYS}\n{_WITNESSES[0]}\nquorum none",
    "a key under two names": f"{_KEYS}\nwitness east {_WITNESSES[0].split()[2]}\nquorum none",
    "two quorums": f"{_KEYS}\nquorum none\nquorum none",
    "a witness's key as a log's": f"{_KEYS}\nlog {_WITNESSES[0].split()[2]}\nquorum none",
    "a log's key as a witness's": f"witness east {_LOG.split()[1]}\nquorum none",
    "words behind the end": f"{_KEYS}\nquorum none none",
    "nothing": "",
    "half a line": "log",
    "noise": "\x00\xff",
}


@pytest.mark.parametrize("text", WEAK.values(), ids=WEAK)
def test_both_refuse_a_policy_that_counts_wrong(text: str) -> None:
    """A policy in which a witness counts twice, or nobody, is refused before any file is looked at."""
    with pytest.raises(Malformed):
        Policy.parse(text.encode())
    with pytest.raises((LookupError, ValueError)):
        alone.Policy(text.encode())


STRANGE = [
    "log", "witness", "group", "quorum", "none", "any", "all", "north", "south", "east", "G", "0", "1", "2", "02", "+1",
    "\u0662", "#", "#x", "x#", "\udcff", "https://log.example", *_LOG.split()[1:], *(line.split()[2] for line in _WITNESSES),
    VerifierKey("a\u00a0b", Kind.COSIGNATURE, bytes(range(32))).encode(),
    VerifierKey("pq.example", Kind.MLDSA44_COSIGNATURE, bytes(1312)).encode(),
    VerifierKey("short.example", Kind.COSIGNATURE, bytes(31)).encode(), _LOG.split()[1].replace("+", "+0", 1),
]  # fmt: skip
BETWEEN = [*[" "] * 30, "\t", "  ", "\u00a0", "\u2028", "\x0b", "\r", "\n", "", "\x85", "\x7f"]


@pytest.mark.parametrize("count", [3000, pytest.param(300_000, marks=pytest.mark.deep)])
def test_both_read_the_same_policies(count: int) -> None:
    """Lines of a policy in any order, and with strange words and spaces, are a policy for both or for neither."""
    chance, lines, taken = random.Random(count), POLICY_TEXT.splitlines(), 0
    for _ in range(count):
        some = [line.split(" ") for line in chance.sample(lines, len(lines))] if chance.random() < 0.3 else [
            line.split(" ") for line in lines
        ]  # fmt: skip
        for _ in range(chance.randrange(4)):
            words = chance.choice(some)
            at = chance.randrange(len(words) + 1)
            words[at : at + chance.randrange(2)] = [chance.choice(STRANGE)] * chance.randrange(2)
            chance.choice((some.append, lambda _: None))([chance.choice(STRANGE) for _ in range(chance.randrange(5))])
        text = "".join(chance.choice(BETWEEN).join(words) + "\n" for words in some)
        data = text.encode("utf-8", "surrogateescape")
        known = is_policy(alone.Policy, data)
        assert is_policy(Policy.parse, data) == known, data
        taken += known
    assert count // 20 < taken < count


def is_policy(read: Callable[[bytes], object], data: bytes) -> bool:
    """Whether it can be read."""
    try:
        read(data)
    except Exception:  # noqa: BLE001 - as the script itself does
        return False
    return True


def test_a_policy_that_cannot_be_read_is_said_in_a_sentence(story: Story, tmp_path: Path) -> None:
    """It ends with 2 and without a traceback."""
    good, noise = tmp_path / "good.evidence", tmp_path / "policy"
    good.write_bytes(story.evidence.encode())
    noise.write_bytes(b"\xff\x00")
    for policy in (noise, tmp_path / "nowhere", tmp_path):
        call = [sys.executable, "-I", str(SCRIPT), str(policy), str(good)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"{policy} is not a policy that can be read\n"


def test_a_cosignature_without_a_time_counts_for_neither(tmp_path: Path) -> None:
    """As an earlier checkpoint it would bound nothing."""
    ledger = Ledger(tmp_path)
    ledger.publish()
    (index,) = ledger.say()
    ledger.publish()
    evidence = ledger.prove(index)
    earlier = evidence.earlier
    assert earlier is not None
    timeless = tuple(sign_note(earlier.note.text, key, 0) for key in WITNESSES[:2])
    note = Note(earlier.note.text, (earlier.note.signatures[0], *timeless))
    wrong = replace(evidence, earlier=Earlier(note, earlier.path)).encode()
    assert holds(evidence.encode())
    assert (holds(wrong), verify(wrong, POLICY).holds) == (False, False)
