"""Evidence, and what becomes of it when anything in it is changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bus.errors import Malformed
from bus.evidence.archive import pack, unpack
from bus.evidence.exhibit import Earlier, Evidence, Exhibit
from bus.evidence.report import Report
from bus.evidence.verify import verify
from bus.tlog.note import Note, Signature, sign_note
from bus.tlog.policy import Policy
from bus.tlog.proof import TlogProof
from tests.unit.evidence.conftest import Story
from tests.unit.evidence.support import LOG, ORIGIN, POLICY, POLICY_TEXT, WITNESSES, Ledger, now_s
from tests.unit.tlog.support import log_key, witness_key


def outcome(report: Report, name: str) -> str:
    """The outcome of one check."""
    return next(check.outcome for check in report.checks if check.name == name)


def text(report: Report, name: str) -> str:
    """The sentence of one check."""
    return next(check.text for check in report.checks if check.name == name)


def test_true_evidence_holds(story: Story, data: bytes) -> None:
    """Every check holds, but that nothing was revoked, which cannot be shown."""
    report = verify(data, POLICY, file="an event")
    assert report.holds
    assert report.first_false is None
    assert [check.name for check in report.checks if check.outcome != "holds"] == ["revocation"]
    assert "No revocation shown" in text(report, "revocation")
    assert story.index == story.ledger.size - 301


def test_it_says_who_what_where_and_when(story: Story, data: bytes) -> None:
    """The facts are those of the event: issuer and recipients with their nations, index, and times with bounds."""
    facts = verify(data, POLICY).facts
    assert facts is not None
    assert (facts.origin, facts.index, facts.issuer, facts.nation) == (ORIGIN, story.index, "pixelpost", "US")
    assert [(one.org, one.nation, one.allowed) for one in facts.recipients] == [
        ("lighthouse", "DE", True),
        ("polder-police", "NL", True),
    ]
    assert (facts.type, facts.step, facts.content) == ("HashHit", "detected", "complete")
    assert facts.after is not None
    assert (facts.after.size, facts.before.size) == (story.index, story.index + 1)
    assert [name for name, _ in facts.before.cosigned] == ["north", "south"]
    assert facts.policy == story.ledger.world.state.policy.digest.hex()
    assert "after the checkpoint of" in text(verify(data, POLICY), "time")


def test_a_report_is_plain_json(data: bytes) -> None:
    """What is printed with -o json names the file, the outcome, each check and the event."""
    found = verify(data, POLICY, file="an event").as_json()
    assert (found["file"], found["holds"]) == ("an event", True)
    assert found["event"]["issuer"] == "pixelpost"
    assert {"name": "file", "outcome": "holds", "text": "The file is evidence in its one form."} in found["checks"]


def test_the_same_event_gives_the_same_bytes(story: Story, data: bytes) -> None:
    """Evidence is made again byte for byte, and survives its bytes."""
    assert story.evidence.encode() == data
    assert Evidence.decode(data).encode() == data


def test_every_event_of_the_ledger_is_proved(story: Story) -> None:
    """Events of the directory and of organisations hold, under the first checkpoint and the newest."""
    for index in (*range(story.index), *story.many[::60], story.many[-1]):
        for newest in (False, True):
            report = verify(story.ledger.prove(index, newest=newest).encode(), POLICY)
            assert report.holds, report.first_false
            assert report.facts is not None
            assert (report.facts.before.size == story.ledger.size) or not newest


def test_no_bit_can_change(data: bytes) -> None:
    """Each of a thousand files with one bit changed somewhere is found false."""
    chance = random.Random(5)
    for _ in range(1000):
        changed = bytearray(data)
        bit = chance.randrange(8 * len(data))
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(bytes(changed), POLICY).holds, bit


def test_no_byte_of_any_part_can_change_even_if_the_file_is_made_anew(data: bytes) -> None:
    """A forger who repairs the container is still found out, whichever file he changes and wherever."""
    files, chance = unpack(data), random.Random(6)
    for name in files:
        for _ in range(12):
            part = bytearray(files[name])
            part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
            assert not verify(pack({**files, name: bytes(part)}), POLICY).holds, name


def test_no_part_can_be_left_out_but_what_can_be_erased(data: bytes) -> None:
    """Without body or sealed content the rest holds, without the earlier checkpoint too; without others it does not."""
    files = unpack(data)
    for name in files:
        report = verify(pack({key: part for key, part in files.items() if key != name}), POLICY)
        assert report.holds == (name in {"body", "sealed"}), name
    bare = {key: part for key, part in files.items() if not key.startswith("earlier.")}
    report = verify(pack(bare), POLICY)
    assert report.holds
    assert outcome(report, "earlier") == "not shown"
    assert report.facts is not None
    assert report.facts.after is None


def test_no_file_can_be_added(data: bytes) -> None:
    """A file that is not named, wherever it stands, is no evidence."""
    files = unpack(data)
    for name in ("note.txt", "directory/note", "directory/1/note", "directory/999/leaf", "directory/01/leaf", "leaf/"):
        assert not verify(pack({**files, name: b"x"}), POLICY).holds
    proof = TlogProof.decode(files["event.tlog-proof"])
    assert not verify(pack({**files, "event.tlog-proof": replace(proof, extra=b"x").encode()}), POLICY).holds


def test_erased_content_leaves_the_rest_provable(story: Story) -> None:
    """After erasure the header, decision, issuer, place and time are still proved, and it says what is not here."""
    event = story.evidence.event
    erased = replace(story.evidence, event=replace(event, body=None, sealed=None))
    report = verify(erased.encode(), POLICY)
    assert report.holds
    assert outcome(report, "content") == "not shown"
    assert report.facts is not None
    assert report.facts.content == "not here: body, sealed content"
    assert outcome(report, "signature") == "holds"


# --- forgeries ----------------------------------------------------------------------------------------------------


def with_note(evidence: Evidence, note: Note) -> Evidence:
    """The evidence under another checkpoint, in every proof."""

    def under(exhibit: Exhibit) -> Exhibit:
        return replace(exhibit, proof=replace(exhibit.proof, note=note))

    return replace(
        evidence, event=under(evidence.event), directory=tuple(under(exhibit) for exhibit in evidence.directory)
    )


def cosigned_by(*names: str) -> Callable[[Evidence], Evidence]:
    """The same checkpoint, cosigned by these witnesses only."""
    keys = [key for key in WITNESSES if key.verifier.name.partition(".")[0] in names]

    def change(evidence: Evidence) -> Evidence:
        text_ = evidence.note.text
        lines = [sign_note(text_, LOG), *(sign_note(text_, key, now_s()) for key in keys)]
        return with_note(evidence, Note(text_, tuple(lines)))

    return change


def signed_also_by(line: Callable[[bytes], Signature]) -> Callable[[Evidence], Evidence]:
    """The same checkpoint with one more line."""
    return lambda evidence: with_note(evidence, evidence.note.with_signatures([line(evidence.note.text)]))


def _swapped(evidence: Evidence, **parts: Any) -> Evidence:
    return replace(evidence, event=replace(evidence.event, **parts))


def _without(index_in_directory: int) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        directory = [one for at, one in enumerate(evidence.directory) if at != index_in_directory]
        used = {one.leaf.fingerprint.hex() for one in directory}
        schemas = {name: schema for name, schema in evidence.schemas.items() if name in used}
        return replace(evidence, directory=tuple(directory), schemas=schemas)

    return change


def _false_line(text_: bytes) -> Signature:
    return replace(sign_note(text_, WITNESSES[2], now_s()), signature=bytes(72))


STRANGER = witness_key("stranger.example/witness")
FORGERIES: dict[str, tuple[Callable[[Evidence], Evidence], str, str]] = {
    "one witness": (cosigned_by("north"), "witnesses", "Too few witnesses"),
    "no witness": (cosigned_by(), "witnesses", "none"),
    "a stranger's signature": (
        signed_also_by(lambda text_: sign_note(text_, STRANGER, now_s())),
        "signatures",
        "does not name",
    ),
    "a witness's false signature": (signed_also_by(_false_line), "checkpoint", "west.example"),
    "no log's signature": (
        lambda e: with_note(e, Note(e.note.text, tuple(x for x in e.note.signatures if x.name != ORIGIN))),
        "checkpoint",
        "No log of the policy",
    ),
    "another leaf's place": (
        lambda e: _swapped(e, proof=replace(e.event.proof, index=e.event.index - 1)),
        "inclusion",
        "does not stand at index",
    ),
    "another's leaf": (
        lambda e: _swapped(e, leaf_bytes=e.directory[1].leaf_bytes),
        "inclusion",
        "does not stand",
    ),
    "another decision": (lambda e: _swapped(e, decision=e.directory[1].decision), "decision", "not the one recorded"),
    "another header": (lambda e: _swapped(e, header=e.directory[1].header), "header", "not the one recorded"),
    "another body": (lambda e: _swapped(e, body=e.directory[1].body), "content", "not what was recorded"),
    "nothing sealed": (lambda e: _swapped(e, sealed=b"\x00"), "content", "not what was recorded"),
    "another signature": (
        lambda e: _swapped(e, signature=e.directory[1].signature),
        "commitment",
        "not the one recorded",
    ),
    "another schema": (lambda e: replace(e, schema=next(iter(e.schemas.values()))), "schema", "not the one"),
    "no opening": (_without(0), "directory/1", "begin with entry 0"),
    "no admission of the issuer": (_without(1), "directory/2", "does not fit the directory"),
    "no registration of the key": (_without(2), "key", "not shown to be a valid key"),
    "no earlier log": (
        lambda e: replace(e, earlier=Earlier(e.note, ())),
        "earlier",
        "not one that the log grew from",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_named(story: Story, name: str) -> None:
    """Each way of taking a part from elsewhere is false, by the check that it belongs to, in a sentence."""
    change, check, sentence = FORGERIES[name]
    report = verify(change(story.evidence).encode(), POLICY)
    assert not report.holds
    assert outcome(report, check) == "false"
    assert sentence in text(report, check)


def test_a_policy_decides_what_is_believed(story: Story, data: bytes) -> None:
    """The same file is false for who believes another log or asks for other witnesses."""
    other = log_key("other.example/log").verifier.encode()
    for policy, check in (
        (f"log {other}\nquorum none\n", "checkpoint"),
        (POLICY_TEXT.replace("quorum two", "quorum west"), "witnesses"),
        (f"log {LOG.verifier.encode()}\nquorum none\n", "signatures"),
    ):
        report = verify(data, Policy.parse(policy.encode()))
        assert not report.holds
        assert outcome(report, check) == "false"
    assert verify(data, Policy.parse(POLICY_TEXT.replace("group two 2", "group two 1").encode())).holds
    assert story.evidence.note.signatures[0].name == ORIGIN


def test_without_witnesses_it_says_so(story: Story) -> None:
    """A policy that asks for none accepts a log's own word, and the report says what that is worth."""
    policy = Policy.parse(f"log {LOG.verifier.encode()}\nquorum none\n".encode())
    report = verify(story.ledger.prove(story.index, policy=policy).encode(), policy)
    assert report.holds
    assert "nobody outside vouches" in text(report, "witnesses")
    assert outcome(report, "time") == "not shown"


@pytest.mark.parametrize("shift_s", [-3600, 3600])
def test_an_entry_whose_time_the_witnesses_contradict_is_false(tmp_path: Path, shift_s: int) -> None:
    """Cosigned an hour before it was recorded, or recorded an hour before the checkpoint that it came after."""
    ledger = Ledger(tmp_path / "publisher")
    ledger.publish(time_s=now_s() + shift_s if shift_s > 0 else None)
    (index,) = ledger.say()
    ledger.publish(time_s=now_s() + shift_s)
    report = verify(ledger.prove(index).encode(), POLICY)
    assert outcome(report, "time") == "false"
    assert "back-dated or post-dated" in text(report, "time")


def test_half_a_minute_is_forgiven(tmp_path: Path) -> None:
    """Clocks of witnesses and ledger may differ by up to a minute."""
    ledger = Ledger(tmp_path / "publisher")
    ledger.publish(time_s=now_s() + 30)
    (index,) = ledger.say()
    ledger.publish(time_s=now_s() - 30)
    assert verify(ledger.prove(index).encode(), POLICY).holds


def test_a_forked_log_is_found(tmp_path: Path) -> None:
    """An earlier checkpoint of another history of the same log does not lead to this one."""
    one, two = Ledger(tmp_path / "one"), Ledger(tmp_path / "two")
    one.publish()
    two.publish()
    (index,) = one.say()
    one.publish()
    earlier = Note.decode((tmp_path / "two" / "checkpoints" / str(index)).read_bytes())
    evidence = one.prove(index)
    assert evidence.earlier is not None
    report = verify(replace(evidence, earlier=Earlier(earlier, evidence.earlier.path)).encode(), POLICY)
    assert outcome(report, "earlier") == "false"


def test_a_key_registered_by_somebody_else_is_false(tmp_path: Path) -> None:
    """An organisation whose registration is that of another's key cannot be shown to have signed."""
    ledger = Ledger(tmp_path / "publisher")
    (index,) = ledger.say()
    ledger.publish()
    evidence = ledger.prove(index)
    keys = [one for one in ledger.directory if one.type == "KeyRegistered" and one.org == "chirpnest"]
    published = ledger.prove(keys[0].index).event
    directory = tuple(sorted((*evidence.directory[:2], published, *evidence.directory[3:]), key=lambda x: x.index))
    report = verify(replace(evidence, directory=directory).encode(), POLICY)
    assert not report.holds
    assert outcome(report, "key") == "false"


def test_noise_is_no_evidence(data: bytes) -> None:
    """Bytes that are no file at all have one false check and no facts."""
    for wrong in (b"", b"noise", data[:100], data[:-1], pack({})):
        report = verify(wrong, POLICY)
        assert [(check.name, check.outcome) for check in report.checks] == [("file", "false")]
        assert report.facts is None
        with pytest.raises(Malformed):
            Evidence.decode(wrong)
