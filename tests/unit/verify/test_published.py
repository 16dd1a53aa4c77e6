"""Published files against each other and against signed checkpoints, at every size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import Unavailable
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.leaf import Leaf
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Policy
from bus.tlog.tree import leaf_hashes, root
from bus.tlog.vkey import Kind, NoteKey
from bus.verify import crew
from bus.verify.fault import Fault, Wrong
from bus.verify.leaves import above, entries_of, hashes_of, read_leaves
from bus.verify.published import verify_files
from bus.verify.report import Report, Span
from bus.verify.subject import Subject
from tests.unit.verify.support import BEGIN_S, KEY, POLICY, POLICY_TEXT, Log, leaf, leaves, note


def wrong(log: Log, **how: object) -> Fault:
    """What verification finds."""
    with pytest.raises(Wrong) as caught:
        log.verify(**how)  # pyright: ignore[reportArgumentType]
    return caught.value.fault


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_whatever_was_published_holds(steps: Sequence[int]) -> None:
    """After any growth all files, all kept checkpoints and all dates hold, whole or since any checkpoint."""
    with TemporaryDirectory() as folder:
        log, at, notes = Log(Path(folder)), 0, list[bytes]()
        for step in steps:
            notes.append(log.grow(leaves(at + step)[at:]))
            at += step
        report, tree = log.verify()
        assert (report.size, report.holds, sum(report.outcomes.values())) == (at, True, at)
        assert tree.roots == [root(leaf_hashes(leaves(at)[n : n + 256])) for n in range(0, at & ~255, 256)]
        assert sorted(tree.signed) == sorted({sum(steps[: n + 1]) for n in range(len(steps))})
        for older in notes:
            report, again = log.verify(since=older)
            assert again.roots == tree.roots
            assert again.first == report.since // 256
            count = at - report.since
            (entries,) = [one.detail for one in report.checks if one.name == "entries"]
            words = f"{count} {'entry' if count == 1 else 'entries'} since entry {report.since}: leaves"
            assert entries.startswith(words)
        assert [log.verify(since=older)[0].since for older in notes] == [sum(steps[: n + 1]) for n in range(len(steps))]


@pytest.mark.parametrize("size", [*range(1, 20), 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65793])
def test_sizes_at_the_edges_of_tiles_hold(tmp_path: Path, size: int) -> None:
    """One more or one less than whole tiles and whole tiles of tiles are trees like any other."""
    log = Log(tmp_path)
    older = log.grow(leaves(max(size - 1, 1)))
    if size > 1:
        log.grow([leaf(size - 1)])
    assert log.verify()[0].size == size
    assert log.verify(since=older)[0].holds


def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of several processes come together to the same report, and to the same first fault."""
    monkeypatch.setattr(crew, "_ALONE", 1)
    monkeypatch.setattr(crew, "TILES", 2)
    log = Log(tmp_path)
    for at in range(0, 2000, 400):
        log.grow(leaves(at + 400)[at:])
    one, two = log.verify(jobs=1)[0], log.verify(jobs=2)[0]
    assert one == two
    for index in (1999, 700):
        path = log.files / "tile" / "entries" / ("007.p/208" if index == 1999 else "002")
        data = bytearray(path.read_bytes())
        data[376 * (index % 256) + 200] ^= 1
        path.write_bytes(data)
        fault = wrong(log, jobs=2)
        assert (fault.check, fault.index) == ("entry-changed", index)


def test_policies_are_told_in_their_sequence(tmp_path: Path) -> None:
    """Each run of entries under one policy is a span, also where it changes within a tile and comes back."""
    names = [b"a"] * 10 + [b"b"] * 300 + [b"a"] * 5 + [b"c"] * 300
    log = Log(tmp_path)
    log.grow([leaf(index, policy=name * 32) for index, name in enumerate(names)])
    found = log.verify()[0].policies
    spans = [(0, 9, b"a"), (10, 309, b"b"), (310, 314, b"a"), (315, 614, b"c")]
    assert found == [Span(first, last, name * 32) for first, last, name in spans]


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (lambda known: leaf(300, time_us=(BEGIN_S + 299) * 1_000_000), "time-goes-back", "is not later than entry 299"),
        (lambda known: leaf(300, outcome=5), "leaf-malformed", "Entry 300 is no leaf"),
        (lambda known: leaf(301, outcome=1), "leaf-contradicts", "stands at another index"),
        (lambda known: b"\x02" + known[1:], "leaf-malformed", "Entry 300 is no leaf"),
        (lambda known: known + b"\x00", "leaf-malformed", "Entry 300 is no leaf"),
        (lambda known: b"", "leaf-malformed", "Entry 300 is no leaf"),
        (lambda known: known[:254] + bytes(32) + known[286:], "leaf-contradicts", "accepted without a decision"),
    ],
)
def test_a_log_that_signs_nonsense_is_found_out(tmp_path: Path, change, check: str, words: str) -> None:
    """What is signed and consistent, and yet no ledger, is named."""
    log = Log(tmp_path)
    entries = leaves(600)
    entries[300] = change(leaf(300, outcome=1))
    log.grow(entries)
    fault = wrong(log)
    assert (fault.check, fault.index) == (check, 300)
    assert words in fault.sentence


@pytest.mark.parametrize("index", [255, 256, 512])
def test_time_is_compared_across_tiles(tmp_path: Path, index: int) -> None:
    """An entry as late as the one before is named wherever it stands."""
    log, entries = Log(tmp_path), leaves(600)
    entries[index] = leaf(index, time_us=Leaf.decode(entries[index - 1]).time_us)
    log.grow(entries)
    assert (wrong(log).check, wrong(log).index) == ("time-goes-back", index)


@pytest.mark.parametrize(
    ("late_s", "check"),
    [
        (0, None),
        (60, None),
        (62, "back-dated"),
        (3600, "back-dated"),
        (-61, None),
        (-62, "dated-late"),
        (-9999, "dated-late"),
    ],
)
@pytest.mark.parametrize("size", [100, 256, 300])
def test_entries_fit_the_times_of_witnesses(tmp_path: Path, late_s: int, check: str | None, size: int) -> None:
    """Nothing below a cosigned size is over a minute later than it, nothing from it on over a minute earlier.

    Entry n is of second n: a checkpoint of that size, cosigned by a clock that is so late, tells.
    """
    log = Log(tmp_path)
    log.grow(leaves(size), time_s=BEGIN_S + size + late_s)
    log.grow(leaves(600)[size:])
    if check is None:
        assert log.verify()[0].holds
        return
    fault = wrong(log)
    assert (fault.check, fault.index) == (check, size if late_s > 0 else size - 1)
    assert "witness.one.example" in fault.sentence


def test_only_what_the_policy_believes_is_verified_against(tmp_path: Path) -> None:
    """Without a quorum, a log of the policy, or a checkpoint at all, nothing is believed."""
    log = Log(tmp_path)
    with pytest.raises((Unavailable, FileNotFoundError)):
        log.verify()
    log.grow(leaves(30))
    top = root(leaf_hashes(leaves(30)))
    log.show(note(30, top, witnesses=0))
    assert wrong(log).check == "checkpoint-quorum"
    log.show(note(30, top, key=NoteKey(KEY.verifier.name, Kind.ED25519, b"k" * 32)))
    assert wrong(log).check == "checkpoint-unsigned"
    log.show(b"nothing\n")
    assert wrong(log).check == "checkpoint-malformed"


@pytest.mark.parametrize("size", [40, 256, 500, 700])
def test_two_signed_histories_are_a_fork(tmp_path: Path, size: int) -> None:
    """A kept checkpoint of another tree, signed and cosigned, is told as what it is."""
    log = Log(tmp_path)
    log.grow(leaves(700))
    (log.kept / str(size)).write_bytes(note(size, b"r" * 32))
    fault = wrong(log)
    assert (fault.check, fault.index) == ("forked", size)
    assert "two histories" in fault.sentence


def test_an_unwitnessed_checkpoint_must_continue_the_witnessed_one(tmp_path: Path) -> None:
    """What the log signs ahead of its witnesses is looked at too."""
    log = Log(tmp_path)
    shown = log.grow(leaves(300))
    log.grow(leaves(400)[300:])
    log.show(note(400, root(leaf_hashes(leaves(400))), witnesses=0))
    (log.files / "checkpoint").write_bytes(shown)
    assert log.verify()[0].size == 300
    (log.files / "checkpoint.unwitnessed").write_bytes(note(400, b"r" * 32, witnesses=0))
    assert wrong(log).check == "forked"


def test_what_changed_is_narrowed_down_by_kept_checkpoints(tmp_path: Path) -> None:
    """Files made anew over another entry lead to no root; the kept checkpoints say between which it was changed."""
    log = Log(tmp_path)
    for at in range(0, 900, 100):
        log.grow(leaves(at + 100)[at:])
    signed = {path.name: path.read_bytes() for path in log.kept.iterdir()}
    entries = leaves(900)
    entries[430] = entries[430][:-1] + b"?"
    forged = Log(tmp_path / "forged")
    forged.grow(entries)
    for name, data in signed.items():
        (forged.kept / name).write_bytes(data)
    for name in ("checkpoint", "checkpoint.unwitnessed"):
        (forged.files / name).write_bytes(signed["900"])
    fault = wrong(forged)
    assert (fault.check, fault.index) == ("root-differs", 400)
    assert "between entry 400 and entry 499" in fault.sentence


def test_tiles_above_are_told_from_the_entries_below(tmp_path: Path) -> None:
    """A wrong tile of level 1 is named; entries changed with their tile of level 0 are told as changed."""
    log = Log(tmp_path)
    log.grow(leaves(1000))
    above_path = log.files / "tile" / "1" / "000.p" / "3"
    data = above_path.read_bytes()
    above_path.write_bytes(data[:32] + b"?" + data[33:])
    fault = wrong(log)
    assert (fault.check, fault.index, fault.place) == ("tile-changed", 256, "tile/1/000.p/3")
    above_path.write_bytes(data)
    entries = leaves(1000)
    entries[300] = entries[300][:-1] + b"?"
    forged = Log(tmp_path / "forged")
    forged.grow(entries)
    for name in ("tile/0/001", "tile/entries/001"):
        (log.files / name).write_bytes((forged.files / name).read_bytes())
    fault = wrong(log)
    assert (fault.check, fault.index) == ("entry-changed", 256)
    assert "entries 256 to 511" in fault.sentence


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 600), st.integers(1, 256))
def test_a_bundle_at_once_is_its_leaves_one_by_one(first: int, width: int) -> None:
    """Hashes, outcomes, times and policies of a bundle are those of each leaf alone."""
    from bus.tlog.bundle import Bundle, encode_bundle

    entries = [leaf(index) for index in range(first, first + width)]
    data = encode_bundle(entries)
    assert entries_of(Bundle(0, width), data) == entries
    found, each = read_leaves(first, entries, data, None), [Leaf.decode(entry) for entry in entries]
    assert list(found.outcomes) == [one.outcome for one in each]
    assert list(found.times) == [one.time_us for one in each]
    assert list(found.policies) == [one.policy_d for one in each]
    assert hashes_of(entries) == leaf_hashes(entries)
    if width == 256:
        assert above(hashes_of(entries)) == root(leaf_hashes(entries))


def test_a_report_for_programs_has_the_fault(tmp_path: Path) -> None:
    """The JSON says what was checked, what failed, and where."""
    log = Log(tmp_path)
    log.grow(leaves(5))
    report, _ = log.verify()
    assert report.as_json()["holds"] is True
    report.failed(Fault("forked", "Two histories.", 3, "checkpoints/3"))
    told = report.as_json()
    assert told["fault"] == {"check": "forked", "index": 3, "place": "checkpoints/3", "sentence": "Two histories."}
    assert told["checks"][-1]["holds"] is False
    assert Report().holds
    assert POLICY.quorum == "both"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 699, 700])
def test_an_older_checkpoint_of_another_history_is_a_fork(tmp_path: Path, size: int) -> None:
    """Wherever it ends, at an edge of the tiles or between: what the auditor holds was signed, and is not continued."""
    log = Log(tmp_path)
    log.grow(leaves(700))
    fault = wrong(log, since=note(size, b"r" * 32))
    assert (fault.check, fault.index) == ("forked", size)


def test_an_older_checkpoint_that_says_nothing_of_this_log_is_told(tmp_path: Path) -> None:
    """Unsigned, of another log, changed, larger than the log, no checkpoint: each is false, in a sentence of its own."""
    log = Log(tmp_path)
    good = log.grow(leaves(300))
    other = NoteKey("ledger.else.example/safeguard", Kind.ED25519, bytes([9]) * 32)
    text = Checkpoint(other.verifier.name, 300, b"r" * 32).encode()
    foreign = Note(text, (sign_note(text, other),)).encode()
    for since, check, sentence in (
        (foreign, "checkpoint-unsigned", "The older checkpoint is signed by no log of the policy."),
        (good.replace(b"\n300\n", b"\n299\n"), "checkpoint-unsigned", "The older checkpoint is not to be believed"),
        (note(301, b"r" * 32), "rolled-back", "The log was rolled back: a checkpoint of 301 entries was signed"),
        (b"", "checkpoint-malformed", "The older checkpoint is not a checkpoint."),
        (good + b"x" * (1 << 20), "checkpoint-malformed", "The older checkpoint is not a checkpoint."),
    ):
        fault = wrong(log, since=since)
        assert (fault.check, fault.sentence.startswith(sentence)) == (check, True), fault
    both = Policy.parse(POLICY_TEXT.replace("\nwitness", f"\nlog {other.verifier.encode()}\nwitness", 1).encode())
    with pytest.raises(Wrong) as caught:
        verify_files(Subject(log.files, log.kept, both, foreign), Report())
    assert caught.value.fault.check == "checkpoint-foreign"
