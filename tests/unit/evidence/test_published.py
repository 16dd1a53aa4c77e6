"""What is read of a publisher's folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus.errors import CheckFailed, LedgerError, Unavailable, UsageError
from bus.evidence.proven import proven
from bus.evidence.published import Published
from bus.evidence.verify import verify
from bus.files import load_policy
from bus.tlog import tree
from bus.tlog.note import Note
from bus.tlog.policy import Policy
from bus.tlog.tile import Tile
from tests.unit.evidence.support import POLICY, POLICY_TEXT, WITNESSES, Ledger, now_s
from tests.unit.tlog.support import witness_key


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with nothing published yet."""
    return Ledger(tmp_path / "publisher")


def size_of(note: Note) -> int:
    """The size of a checkpoint."""
    return POLICY.judge(note).checkpoint.size


def test_an_event_is_proved_under_the_first_checkpoint_or_the_newest(ledger: Ledger) -> None:
    """The first one that covers it bounds its time best; the newest shows what came later."""
    sizes = [ledger.publish()]
    for _ in range(4):
        ledger.say(3)
        sizes.append(ledger.publish())
    published = Published(ledger.folder, POLICY)
    assert published.sizes() == sizes
    for size in sizes[:-1]:
        assert size_of(published.covering(size)) == size + 3
        assert size_of(published.covering(size - 1)) == size
        assert size_of(published.covering(size, newest=True)) == sizes[-1]


def test_a_checkpoint_without_a_quorum_proves_nothing(ledger: Ledger) -> None:
    """It is passed over for the next one that has a quorum, and for the one before as the earlier one."""
    first = ledger.publish()
    (index,) = ledger.say()
    ledger.publish(WITNESSES[0])
    with pytest.raises(Unavailable, match="not yet under a checkpoint"):
        ledger.prove(index)
    (later,) = ledger.say()
    last = ledger.publish()
    evidence = ledger.prove(later)
    assert size_of(evidence.note) == last
    assert evidence.earlier is not None
    assert size_of(evidence.earlier.note) == first
    assert verify(evidence.encode(), POLICY).holds


def test_only_signatures_that_the_policy_names_are_taken_over(ledger: Ledger) -> None:
    """A stranger's cosignature that the publisher kept is left out of evidence."""
    ledger.publish(*WITNESSES, witness_key("stranger.example/w"))
    evidence = ledger.prove(0)
    assert len(evidence.note.signatures) == 4
    assert verify(evidence.encode(), POLICY).holds


def test_evidence_is_made_for_one_policy(ledger: Ledger) -> None:
    """A narrower policy refuses what a wider one asked for, says what to do, and accepts what is made for it."""
    ledger.publish(*WITNESSES)
    narrow = Policy.parse(
        POLICY_TEXT.replace(f"witness west {WITNESSES[2].verifier.encode()}\n", "").replace(" west", "").encode()
    )
    report = verify(ledger.prove(0).encode(), narrow)
    assert report.first_false is not None
    assert report.first_false.name == "signatures"
    assert "made for another policy" in report.first_false.text
    assert "`bus audit prove --policy FILE`" in report.first_false.text
    evidence = ledger.prove(0, policy=narrow)
    assert verify(proven(evidence, narrow), narrow).holds


def test_what_was_changed_in_the_ledger_is_not_proved(ledger: Ledger) -> None:
    """A body or decision that is not the one recorded is named before a file is written; erased content is no matter."""
    ledger.publish()
    (index,) = ledger.say()
    ledger.publish()
    right = ledger.kept[index]
    assert proven(ledger.prove(index), POLICY) == ledger.prove(index).encode()
    for part, check in (("body", "content"), ("decision", "decision")):
        changed = bytes((getattr(right, part)[0] ^ 1,)) + getattr(right, part)[1:]
        ledger.kept[index] = replace(right, **{part: changed})
        with pytest.raises(CheckFailed, match=f"entry {index} is not proved: {check}: "):
            proven(ledger.prove(index), POLICY)
    ledger.kept[index] = replace(right, body=None, sealed=None)
    assert proven(ledger.prove(index), POLICY)


def test_files_that_are_no_checkpoints_are_passed_over(ledger: Ledger) -> None:
    """Drafts, noise, and a checkpoint under another's name do not matter."""
    size = ledger.publish()
    folder = ledger.folder / "checkpoints"
    shutil.copy(folder / str(size), folder / str(size + 5))
    for name in (f".{size + 1}.part", f"{size}x", "007", str(size + 2)):
        (folder / name).write_bytes(b"noise")
    assert size_of(ledger.prove(0).note) == size


def test_partial_tiles_that_are_gone_are_read_from_wider_ones(ledger: Ledger) -> None:
    """A log may remove a partial tile once there is a wider or the whole one; old checkpoints are proved all the same."""
    ledger.publish()
    (index,) = ledger.say()
    ledger.publish()
    ledger.say(20)
    ledger.publish()
    partial = ledger.folder / "log" / Tile(0, 0, index + 1).path
    partial.unlink()
    assert verify(ledger.prove(index).encode(), POLICY).holds
    ledger.say(300)
    ledger.publish()
    shutil.rmtree(partial.parent)
    evidence = ledger.prove(index)
    assert size_of(evidence.note) == index + 1
    assert verify(evidence.encode(), POLICY).holds
    (ledger.folder / "log" / "tile/0/000").unlink()
    with pytest.raises(Unavailable, match="tile/0/000"):
        ledger.prove(index)


def test_tiles_that_were_changed_are_found(ledger: Ledger) -> None:
    """Nothing is proved with tiles that do not lead to the checkpoint's root."""
    size = ledger.publish()
    tile = ledger.folder / "log" / Tile(0, 0, size).path
    data = bytearray(tile.read_bytes())
    data[40] ^= 1
    tile.write_bytes(bytes(data))
    with pytest.raises(LedgerError, match="do not lead to the checkpoint"):
        ledger.prove(0)


def test_an_entry_that_was_changed_in_the_ledger_is_found(ledger: Ledger) -> None:
    """What the database says now is not proved if it is not what was published."""
    (index, other) = ledger.say(2)
    ledger.publish()
    ledger.kept[index] = type(ledger.kept[other])(index, *_parts(ledger, other))
    with pytest.raises(LedgerError, match=f"entry {index} of the ledger is not the one that was published"):
        ledger.prove(index)


def _parts(ledger: Ledger, index: int) -> tuple[bytes, bytes, bytes, bytes, bytes | None, bytes | None]:
    kept = ledger.kept[index]
    return kept.leaf, kept.header, kept.decision, kept.signature, kept.body, kept.sealed


def test_nothing_published_is_unavailable(tmp_path: Path) -> None:
    """A folder that is not there, or has no checkpoint, says so."""
    with pytest.raises(Unavailable, match="nothing is published"):
        Published(tmp_path / "nowhere", POLICY).covering(0)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(Unavailable, match="not yet under a checkpoint"):
        Published(tmp_path, POLICY).covering(0)


def test_a_policy_file_is_read(tmp_path: Path) -> None:
    """A file that is missing or no policy is a usage error that names it."""
    file = tmp_path / "policy"
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy(file)
    file.write_text("quorum some\n")
    with pytest.raises(UsageError, match="line 1"):
        load_policy(file)
    file.write_text(POLICY_TEXT)
    assert load_policy(file) == POLICY
    assert isinstance(POLICY, Policy)


def test_times_are_those_of_the_witnesses(ledger: Ledger) -> None:
    """The tree of a checkpoint is the ledger's, and its cosignatures say when it was seen."""
    at = now_s() - 7
    ledger.publish(time_s=at)
    published = Published(ledger.folder, POLICY)
    note = published.covering(0)
    assert {one.time_s for one in POLICY.judge(note).cosigned} == {at}
    assert published.tree(note).root() == tree.root(tree.leaf_hashes(ledger.leaves))
