"""A witness cosigns what only grows, remembers it, and keeps the proof of what forks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bus.errors import Unavailable, UsageError
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.cosignature import Cosignature
from bus.tlog.note import Note, Signature, decode_signatures
from bus.tlog.policy import Policy
from bus.tlog.vkey import Kind, NoteKey, VerifierKey
from bus.tlog.witness import SIZE_TYPE, AddCheckpoint, TreeHead
from bus.witness.home import Home
from bus.witness.store import Store
from bus.witness.witness import MAX_CLOCK_STEP_S, Witness
from tests.unit.witness.support import NAME, NOW_S, ORIGIN, leaves, log_key, make_witness, note, proof, request, root


def newest(witness: Witness, origin: str = ORIGIN) -> TreeHead:
    """What the witness remembers."""
    known = witness.store.find(origin)
    assert known is not None
    return known.newest


def test_a_log_that_grows_is_cosigned_at_every_step(witness: Witness) -> None:
    """From each tree to the next, the answer is one line that holds of the whole note, with the time of now."""
    old = 0
    for size in (0, 0, 1, 1, 2, 5, 8, 8, 13, 64, 65, 200):
        entries = leaves(size)
        answer = witness.add_checkpoint(request(entries, old))
        assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")
        (line,) = decode_signatures(answer.body)
        whole = Note.decode(note(entries)).with_signatures([line])
        assert [key.name for key, _ in whole.verified([witness.key.verifier, log_key().verifier])] == [ORIGIN, NAME]
        assert Cosignature.decode(line.signature).time_s == NOW_S
        assert newest(witness) == TreeHead(size, root(entries))
        old = size


def test_what_cannot_be_cosigned_is_refused_and_changes_nothing(witness: Witness) -> None:
    """Each refusal has its status, a body, and leaves the memory as it was."""
    entries = leaves(5)
    assert witness.add_checkpoint(request(entries, 0)).status == 200
    more, other = leaves(9), leaves(9, "other")
    bad = Note.decode(note(more))
    line = bad.signatures[0]
    forged = Note(bad.text, (Signature(line.name, line.key_id, bytes(64)),)).encode()
    asked = [
        (b"", 400), (b"old 5", 400), (b"old 5\n\n", 400), (request(more, 5).replace(b"old 5", b"old +5"), 400),
        (AddCheckpoint(5, (bytes(32),) * 64, note(more)).encode(), 400),
        (AddCheckpoint(10, (), note(more)).encode(), 400),
        (AddCheckpoint(5, proof(more, 5), forged).encode(), 403),
        (AddCheckpoint(5, proof(more, 5), note(more, log_key("else.example"))).encode(), 403),
        (request(more, 5, origin="else.example"), 404),
        (request(more, 4), 409), (request(more, 0), 409), (request(more, 6), 409),
        (request(other, 5), 422), (AddCheckpoint(5, (), note(more)).encode(), 422),
        (request(leaves(5, "other"), 5), 422), (AddCheckpoint(5, (bytes(32),), note(entries)).encode(), 422),
    ]  # fmt: skip
    for body, status in asked:
        answer = witness.add_checkpoint(body)
        assert answer.status == status, answer.body
        assert answer.body.endswith(b"\n")
        assert (answer.body, answer.content_type) == (b"5\n", SIZE_TYPE) or status != 409
        assert newest(witness) == TreeHead(5, root(entries))


def test_sixty_three_hashes_are_read(witness: Witness) -> None:
    """A path of 63 hashes is no malformed request; that it proves nothing is another matter."""
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    assert witness.add_checkpoint(AddCheckpoint(5, (bytes(32),) * 63, note(leaves(9))).encode()).status == 422


def test_the_first_tree_needs_an_empty_proof(witness: Witness) -> None:
    """From nothing, a proof with a hash is refused, and so is an empty tree with a root of something."""
    assert witness.add_checkpoint(AddCheckpoint(0, (bytes(32),), note(leaves(3))).encode()).status == 422
    text = Checkpoint(ORIGIN, 0, bytes(32)).encode()
    key = log_key()
    signed = Note(text, (Signature(ORIGIN, key.verifier.key_id, key.sign(text)),)).encode()
    assert witness.add_checkpoint(AddCheckpoint(0, (), signed).encode()).status == 422
    assert newest(witness).size == 0


def test_the_kept_note_has_the_logs_signature_and_ours_and_no_others(witness: Witness) -> None:
    """What monitors read is believed by a policy of this log and witness, and carries no line that nobody checked."""
    entries = leaves(7)
    stranger = Signature("else.example", b"abcd", bytes(64))
    sent = Note.decode(note(entries)).with_signatures([stranger])
    assert witness.add_checkpoint(AddCheckpoint(0, (), sent.encode()).encode()).status == 200
    known = witness.store.find(ORIGIN)
    assert known is not None
    assert known.note is not None
    policy = f"log {log_key().verifier.encode()}\nwitness w {witness.key.verifier.encode()}\nquorum w\n"
    judged = Policy.parse(policy.encode()).accept(Note.decode(known.note))
    assert (judged.checkpoint.size, judged.strangers) == (7, ())


def test_extension_lines_are_cosigned_too(witness: Witness) -> None:
    """A checkpoint's further lines are part of what is signed."""
    key = log_key()
    text = Checkpoint(ORIGIN, 3, root(leaves(3)), ("more",)).encode()
    signed = Note(text, (Signature(ORIGIN, key.verifier.key_id, key.sign(text)),))
    answer = witness.add_checkpoint(AddCheckpoint(0, (), signed.encode()).encode())
    (line,) = decode_signatures(answer.body)
    assert witness.key.verifier.verify(text, line.signature)
    assert not witness.key.verifier.verify(text.replace(b"more\n", b""), line.signature)


def test_a_second_tree_of_one_size_is_kept_as_proof(witness: Witness) -> None:
    """Whatever old size it comes with, both notes are kept once, and each is signed by the log."""
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    fork = leaves(5, "fork")
    for old, status in ((5, 422), (4, 409), (5, 422)):
        assert witness.add_checkpoint(request(fork, old)).status == status
    (kept,) = witness.store.forks()
    assert (kept.origin, kept.size, kept.root, kept.time_s) == (ORIGIN, 5, root(fork), NOW_S)
    for text, entries in ((kept.note, fork), (kept.cosigned_note, leaves(5))):
        found = Note.decode(text)
        assert found.verified([log_key().verifier])
        assert Checkpoint.decode(found.text).root == root(entries)


def test_an_honest_log_is_never_called_a_fork(witness: Witness) -> None:
    """Wrong proofs, old sizes and foreign signatures, which anybody can send, are no proof of anything."""
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    foreign = AddCheckpoint(5, (), note(leaves(5, "fork"), log_key("else.example")))
    for body in (request(leaves(4), 4), request(leaves(9), 4), request(leaves(5), 3), foreign.encode()):
        assert witness.add_checkpoint(body).status in {403, 409}
    assert witness.add_checkpoint(AddCheckpoint(5, (), note(leaves(9))).encode()).status == 422
    assert witness.store.forks() == []


def test_logs_do_not_touch_each_other(tmp_path: Path) -> None:
    """Each log has its own tree and keys: one log's key signs nothing for another."""
    witness = make_witness(tmp_path / "witness", ORIGIN, "log.example/two")
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    crossed = AddCheckpoint(0, (), note(leaves(3), log_key(), origin="log.example/two"))
    assert witness.add_checkpoint(crossed.encode()).status == 403
    assert witness.add_checkpoint(request(leaves(3), 0, origin="log.example/two")).status == 200
    assert (newest(witness).size, newest(witness, "log.example/two").size) == (5, 3)
    witness.store.close()


def test_a_log_may_change_its_key_and_the_tree_goes_on(witness: Witness) -> None:
    """With a second key both are believed; without the first only the second is; the size stays."""
    second = NoteKey(ORIGIN, Kind.ED25519, bytes(32))
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    asked = AddCheckpoint(5, proof(leaves(6), 5), note(leaves(6), second)).encode()
    assert witness.add_checkpoint(asked).status == 403
    assert witness.trust(second.verifier) == ORIGIN
    assert witness.add_checkpoint(asked).status == 200
    witness.distrust(log_key().verifier)
    assert witness.add_checkpoint(request(leaves(7), 6)).status == 403
    witness.distrust(second.verifier)
    assert witness.add_checkpoint(asked).status == 403
    witness.trust(log_key().verifier)
    assert newest(witness).size == 6
    with pytest.raises(UsageError, match="not trusted"):
        witness.distrust(second.verifier)


def test_a_logs_key_may_have_another_name_than_its_origin(tmp_path: Path) -> None:
    """The origin that was given with the key counts."""
    witness = make_witness(tmp_path / "witness")
    key = log_key("key.example")
    assert witness.trust(key.verifier, "log.example/three") == "log.example/three"
    asked = AddCheckpoint(0, (), note(leaves(2), key, origin="log.example/three"))
    assert witness.add_checkpoint(asked.encode()).status == 200
    witness.store.close()


def test_a_key_has_one_purpose(witness: Witness) -> None:
    """A witness's key, its own above all, is never trusted as a log's."""
    other = NoteKey("witness.example/south", Kind.COSIGNATURE, bytes(32))
    own = witness.key.verifier
    for key in (own, other.verifier, VerifierKey(ORIGIN, Kind.ED25519, own.public_key)):
        with pytest.raises(UsageError, match="witness's key"):
            witness.trust(key)
    with pytest.raises(UsageError, match="control"):
        witness.trust(log_key().verifier, "log\nexample")


def test_time_does_not_go_back(tmp_path: Path) -> None:
    """A clock a little behind stands still; one far behind stops cosignatures until it has caught up."""
    now = [NOW_S]
    made = make_witness(tmp_path / "witness")
    witness = Witness(made.key, made.store, lambda: now[0])
    assert witness.add_checkpoint(request(leaves(1), 0)).status == 200
    now[0] = NOW_S - MAX_CLOCK_STEP_S
    (line,) = decode_signatures(witness.add_checkpoint(request(leaves(2), 1)).body)
    assert Cosignature.decode(line.signature).time_s == NOW_S
    now[0] -= 1
    assert witness.add_checkpoint(request(leaves(3), 2)).status == 503
    assert newest(witness).size == 2
    now[0] = NOW_S + 1
    assert witness.add_checkpoint(request(leaves(3), 2)).status == 200
    made.store.close()


def test_nothing_is_cosigned_that_cannot_be_written(witness: Witness) -> None:
    """With a memory that somebody else holds, or a full disk, the answer is a 503 and the tree stays."""
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    with sqlite3.connect(witness.store.path, isolation_level=None) as other:
        witness.store._db.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        assert witness.add_checkpoint(request(leaves(6), 5)).status == 503
        other.execute("ROLLBACK")
    other.close()
    witness.store._db.execute("PRAGMA query_only = ON")
    assert witness.add_checkpoint(request(leaves(6), 5)).status == 503
    witness.store._db.execute("PRAGMA query_only = OFF")
    assert newest(witness).size == 5
    assert witness.add_checkpoint(request(leaves(6), 5)).status == 200


def test_every_commit_waits_for_the_disk(witness: Witness) -> None:
    """The memory is written ahead, and each commit is flushed (SQLite's FULL, which is 2)."""
    database = witness.store._db
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_tables_themselves_refuse_to_go_back(witness: Witness) -> None:
    """Without the program, too: no smaller size, no other root at a size, and nothing is deleted."""
    assert witness.add_checkpoint(request(leaves(5), 0)).status == 200
    witness.add_checkpoint(request(leaves(5, "fork"), 5))
    with sqlite3.connect(witness.store.path) as other:
        for statement in (
            "UPDATE log SET size = 4", "UPDATE log SET root = zeroblob(32)", "UPDATE log SET origin = 'x'",
            "DELETE FROM log", "DELETE FROM fork", "UPDATE log SET size = 6, root = x'00'",
        ):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(statement)
    other.close()
    with pytest.raises(UsageError, match="neither shrinks"), witness.store.step():
        witness.store.cosigned(ORIGIN, TreeHead(4, root(leaves(4))), b"", NOW_S)


def test_a_memory_belongs_to_one_key(tmp_path: Path) -> None:
    """A key without its memory, another's memory, and what is no memory at all are refused."""
    one = make_witness(tmp_path / "one")
    two = make_witness(tmp_path / "two")
    one.store.close()
    two.store.close()
    with pytest.raises(UsageError, match="another key"):
        Store(one.store.path, two.key.verifier)
    with pytest.raises(UsageError, match="is there already"):
        Store.create(one.store.path, one.key.verifier)
    home = Home(tmp_path / "two")
    home.memory.unlink()
    with pytest.raises(UsageError, match="is missing") as missing:
        home.store(two.key)
    assert "must not cosign again" in missing.value.hint
    home.memory.write_bytes(b"noise" * 1000)
    with pytest.raises(UsageError, match="cannot be used"):
        home.store(two.key)
    home.memory.unlink()
    sqlite3.connect(home.memory).close()
    with pytest.raises(UsageError, match="no file of this version"):
        home.store(two.key)
    with pytest.raises(Unavailable):
        Store.create(tmp_path / "nowhere" / "witness.db", two.key.verifier)
