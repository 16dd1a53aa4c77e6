"""Policies, and what they find of checkpoints."""

from __future__ import annotations

import contextlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import CheckFailed, Malformed
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, Signature, sign_note
from bus.tlog.policy import Group, Policy
from bus.tlog.vkey import Kind, NoteKey, VerifierKey
from tests.unit.tlog.support import ORIGIN, log_key, seed, signed, witness_key

LOG = log_key()
WITNESSES = {name: witness_key(f"{name.lower()}.example/w") for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
VKEYS = {name: key.verifier.encode() for name, key in WITNESSES.items()}
EXAMPLE = "".join((
    "# two of the police, one hotline\n\n",
    f"log {LOG.verifier.encode()} https://log.example/one\n",
    *(f"witness {name} {vkey}\n" for name, vkey in VKEYS.items()),
    "\tgroup  X-witnesses 2 X1 X2\tX3 \n",
    "  # hotlines\n",
    "group Y-witnesses any Y1 Y2 Y3\n",
    "group X-and-Y all X-witnesses Y-witnesses\n",
    "quorum X-and-Y\n",
))  # fmt: skip
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(32))


def policy(*lines: str, log: NoteKey = LOG) -> Policy:
    """A policy of one log, the six witnesses and these lines."""
    head = [f"log {log.verifier.encode()}", *(f"witness {name} {vkey}" for name, vkey in VKEYS.items())]
    return Policy.parse("".join(f"{line}\n" for line in (*head, *lines)).encode())


def test_the_specifications_example_is_read() -> None:
    """Logs, witnesses, nested groups and the quorum are read through comments, tabs and blank lines."""
    found = Policy.parse(EXAMPLE.encode())
    assert [log.key for log in found.logs] == [LOG.verifier]
    assert found.logs[0].url == "https://log.example/one"
    assert {w.name: w.key.encode() for w in found.witnesses} == VKEYS
    assert found.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert found.quorum == "X-and-Y"
    assert Policy.parse(found.encode()) == found
    assert Policy.parse(EXAMPLE.encode()[:-1]) == found


def test_a_quorum_is_what_its_groups_say_for_every_set_of_witnesses() -> None:
    """Of all 64 sets of witnesses those are a quorum that have two of X and one of Y."""
    found = Policy.parse(EXAMPLE.encode())
    for count in range(7):
        for chosen in combinations(WITNESSES, count):
            x = sum(name.startswith("X") for name in chosen)
            assert found.is_quorum(set(chosen)) == (x >= 2 and count - x >= 1)


def test_a_checkpoint_is_judged_by_its_signatures() -> None:
    """It is accepted when a log of the policy signed it and a quorum cosigned it, each told with its time."""
    found = Policy.parse(EXAMPLE.encode())
    note = signed(CHECKPOINT, LOG, WITNESSES["X3"], WITNESSES["Y1"], WITNESSES["X1"], time_s=9)
    judgement = found.accept(note)
    assert judgement.checkpoint == CHECKPOINT
    assert judgement.log == found.logs[0]
    assert [(c.witness.name, c.time_s) for c in judgement.cosigned] == [("X3", 9), ("Y1", 9), ("X1", 9)]
    assert judgement.accepted
    assert judgement.strangers == ()


def test_too_few_witnesses_are_no_quorum() -> None:
    """A witness that signs twice counts once, and strangers count for nothing."""
    stranger = witness_key("stranger.example/w")
    note = signed(CHECKPOINT, LOG, WITNESSES["X1"], WITNESSES["Y1"], stranger)
    twice = note.with_signatures([sign_note(note.text, WITNESSES["X1"], 10)])
    for one in (note, twice):
        judgement = policy("group X 2 X1 X2 X3", "quorum X").judge(one)
        assert not judgement.has_quorum
        assert not judgement.accepted
        assert [line.name for line in judgement.strangers] == [stranger.verifier.name]
    with pytest.raises(CheckFailed, match="too few witnesses"):
        policy("quorum X2").accept(note)


def test_every_time_that_a_witness_gave_counts() -> None:
    """Of a witness with two cosignatures both times bind, whichever stands first; one without a time hides none."""
    for times, told in (((9, 3), [9, 3]), ((3, 9, 3), [3, 9]), ((0, 5), [5]), ((5, 0), [5])):
        note = signed(CHECKPOINT, LOG)
        note = Note(note.text, (*note.signatures, *(sign_note(note.text, WITNESSES["X1"], time) for time in times)))
        judgement = policy("quorum X1").accept(note)
        assert [one.time_s for one in judgement.cosigned] == told
        assert {one.witness.name for one in judgement.cosigned} == {"X1"}
    with pytest.raises(CheckFailed, match="too few"):
        policy("group two 2 X1 X2", "quorum two").accept(note)


def test_a_checkpoint_of_no_log_of_the_policy_is_refused() -> None:
    """Another log's checkpoint, and one that a log signs for another origin, are not believed."""
    for note in (
        signed(CHECKPOINT, WITNESSES["X1"]),
        signed(Checkpoint("else.example", 7, bytes(32)), LOG),
        signed(Checkpoint("else.example", 7, bytes(32)), log_key("else.example")),
    ):
        judgement = policy("quorum none").judge(note)
        assert judgement.log is None
        assert judgement.has_quorum
        assert not judgement.accepted
        with pytest.raises(CheckFailed, match="no log"):
            policy("quorum none").accept(note)


def test_a_false_signature_of_a_key_that_is_named_refuses_the_checkpoint() -> None:
    """A quorum of true cosignatures does not make up for a false one."""
    note = signed(CHECKPOINT, LOG, WITNESSES["X1"])
    key = WITNESSES["X2"].verifier
    with pytest.raises(CheckFailed, match=r"x2\.example"):
        policy("quorum X1").judge(note.with_signatures([Signature(key.name, key.key_id, bytes(72))]))


def test_a_cosignature_without_a_time_does_not_count() -> None:
    """It says nothing of the tree being the newest that the witness saw."""
    assert policy("quorum none").judge(signed(CHECKPOINT, LOG, WITNESSES["X1"], time_s=0)).cosigned == ()
    assert not policy("quorum X1").judge(signed(CHECKPOINT, LOG, WITNESSES["X1"], time_s=0)).has_quorum


def test_a_note_that_is_no_checkpoint_is_malformed() -> None:
    """Only checkpoints are judged."""
    text = b"some text\n"
    with pytest.raises(Malformed):
        policy("quorum none").judge(Note(text, (sign_note(text, LOG),)))


def test_names_are_octets() -> None:
    """Names, URLs and comments may hold any bytes above ASCII, and are told apart byte by byte."""
    data = f"witness K\u212a {VKEYS['X1']} http://\u00e9\n# \u2028\nquorum K\u212a\n".encode()
    assert Policy.parse(data).quorum == "K\u212a"
    assert Policy.parse(data).encode() == data.replace("# \u2028\n".encode(), b"")
    latin = b"witness \xff " + VKEYS["X1"].encode() + b"\nquorum \xff\n"
    assert Policy.parse(latin).encode() == latin
    assert Policy.parse(latin).is_quorum({Policy.parse(latin).witnesses[0].name})


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["quorum X9"], 8),
        (["quorum none", "quorum none"], 9),
        (["group G any X1", "group H any X1", "quorum G"], 9),
        (["group G any X1 X1", "quorum G"], 8),
        (["group G 3 X1 X2", "quorum G"], 8),
        (["group G 0 X1 X2", "quorum G"], 8),
        (["group G 02 X1 X2", "quorum G"], 8),
        (["group G +1 X1 X2", "quorum G"], 8),
        (["group G some X1 X2", "quorum G"], 8),
        (["group G any", "quorum G"], 8),
        (["group G any H", "group H any X1", "quorum G"], 8),
        (["group G any G", "quorum G"], 8),
        (["group G any none", "quorum G"], 8),
        (["group X1 any X2", "quorum X1"], 8),
        (["group none any X2", "quorum none"], 8),
        (["quorum"], 8),
        (["quorum X1 X2"], 8),
        (["mirror X1", "quorum X1"], 8),
        (["Quorum X1"], 8),
        (["quorum X1\u00a0"], 8),
        ([f"witness X1 {witness_key('else').verifier.encode()}", "quorum X1"], 8),
        ([f"witness Z {VKEYS['X1']}", "quorum Z"], 8),
        ([f"witness Z {VerifierKey('z', Kind.COSIGNATURE, LOG.verifier.public_key).encode()}", "quorum Z"], 8),
        ([f"witness Z {log_key('z').verifier.encode()}", "quorum Z"], 8),
        ([f"witness Z {VKEYS['X1'][:-1]}", "quorum Z"], 8),
        ([f"witness Z {witness_key('z').verifier.encode()} http://z more", "quorum Z"], 8),
        ([f"log {LOG.verifier.encode()}", "quorum none"], 8),
        ([f"log {witness_key('z').verifier.encode()}", "quorum none"], 8),
        (["log", "quorum none"], 8),
        (["witness Z", "quorum none"], 8),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(lines: list[str], number: int) -> None:
    """Names used before they stand, keys or members that stand twice, and odd numbers are malformed."""
    with pytest.raises(Malformed, match=f"policy: line {number}: "):
        policy(*lines)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("mirror X1", "it begins with none of log, witness, group and quorum"),
        ("log", "a log has a key, and a URL or none"),
        (f"log {witness_key('z').verifier.encode()}", "the key is a witness's, and a log's is needed"),
        (f"log {LOG.verifier.encode()}", "the key stands in another line too"),
        ("witness Z", "a witness has a name, a key, and a URL or none"),
        (f"witness Z {VKEYS['X1'][:-1]}", "the key is not a verifier key in its one form"),
        (f"witness Z {log_key('z').verifier.encode()}", "the key is a log's, and a witness's is needed"),
        (f"witness X1 {witness_key('else').verifier.encode()}", "the name is taken"),
        ("group G any", "a group has a name, how many must cosign, and members"),
        ("group G 3 X1 X2", "how many must cosign is any, all, or a number from 1 to that of the members"),
        ("group G some X1 X2", "how many must cosign is any, all, or a number from 1 to that of the members"),
        ("group G any X9", "a member is no witness or group of the lines above"),
        ("group G any X1 X1", "a member is one twice, or of another group too, or is none"),
        ("quorum", "the quorum is one name"),
        ("quorum X9", "the quorum is no witness or group of the lines above"),
    ],
)
def test_the_rule_that_a_line_breaks_is_said(line: str, rule: str) -> None:
    """Whoever writes a policy learns what is wrong with a line; nothing of the line is said again."""
    with pytest.raises(Malformed) as caught:
        policy(line, "quorum none")
    assert caught.value.detail.startswith(f"policy: line 8: {rule}")
    assert not {word for word in line.split()[1:] if len(word) > 1} & set(caught.value.detail.split()) - {"any"}
    with pytest.raises(Malformed, match="line 9: the quorum was named before"):
        policy("quorum none", "quorum none")


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"quorum none\r\n", b"quorum\x0bnone\n", b"quorum none\x7f\n"])
def test_a_file_that_is_no_policy_is_malformed(data: bytes) -> None:
    """A policy names its quorum, and has no control characters but tabs and newlines."""
    with pytest.raises(Malformed, match=r"^malformed: policy"):
        Policy.parse(data)


@given(st.binary(max_size=80))
def test_noise_is_a_policy_or_malformed(noise: bytes) -> None:
    """No bytes raise anything else."""
    for data in (noise, EXAMPLE.encode() + noise):
        with contextlib.suppress(Malformed):
            Policy.parse(data)


def test_a_large_policy_is_read() -> None:
    """Forty logs, witnesses and groups are not too many."""
    keys = [NoteKey(f"w{n}", Kind.COSIGNATURE, seed(f"w{n}")).verifier.encode() for n in range(40)]
    lines = [f"log {log_key(f'log{n}').verifier.encode()}" for n in range(40)]
    lines += [f"witness w{n} {key}" for n, key in enumerate(keys)]
    lines += [f"group g{n} any w{n}" for n in range(40)]
    lines.append("group all 40 " + " ".join(f"g{n}" for n in range(40)))
    found = Policy.parse("".join(f"{line}\n" for line in (*lines, "quorum all")).encode())
    assert found.is_quorum({f"w{n}" for n in range(40)})
    assert not found.is_quorum({f"w{n}" for n in range(39)})
