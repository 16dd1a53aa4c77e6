"""What a log and a witness say to each other."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, Signature
from bus.tlog.witness import AddCheckpoint, Refusal, TreeHead, checkpoint_path, decode_size, encode_size, judge
from tests.unit.tlog.support import ORIGIN, entries_of, log_key, signed

HASHES = tree.leaf_hashes(entries_of(40))
LOG = log_key()
KEYS = [LOG.verifier]


def head(size: int) -> TreeHead:
    """The tree of this size."""
    return TreeHead(size, tree.root(HASHES[:size]))


def request(old: int, new: int, *, root: bytes | None = None) -> AddCheckpoint:
    """A true request, or one whose checkpoint says another root."""
    note = signed(Checkpoint(ORIGIN, new, root or head(new).root), LOG)
    return AddCheckpoint(old, tuple(tree.consistency_path(HASHES[:new], min(old, new))), note.encode())


def status(one: AddCheckpoint, newest: TreeHead | None) -> int:
    """The status that a witness answers with."""
    found = judge(one, KEYS, newest)
    return found.status if isinstance(found, Refusal) else 200


def test_every_step_from_tree_to_tree_is_cosigned() -> None:
    """From each size to 40 to each larger or equal one, and from each other one it is a conflict."""
    for new in range(41):
        for old in range(new + 1):
            one = AddCheckpoint.decode(request(old, new).encode())
            found = judge(one, KEYS, head(old))
            assert isinstance(found, Checkpoint)
            assert (found.size, found.root) == (new, head(new).root)
            conflict = judge(one, KEYS, head(old + 1 if old < 40 else 0))
            assert isinstance(conflict, Refusal)
            assert (conflict.status, conflict.body) == (409, encode_size(old + 1 if old < 40 else 0))


def test_a_request_that_cannot_be_followed_is_refused_with_its_status() -> None:
    """Unknown log, foreign or false signature, a step back, another tree and a path too many are told apart."""
    good = request(5, 9)
    false = Note.decode(good.note)
    line = false.signatures[0]
    forged = Note(false.text, (Signature(line.name, line.key_id, bytes(64)),)).encode()
    foreign = signed(Checkpoint(ORIGIN, 9, head(9).root), log_key("else.example")).encode()
    assert status(good, None) == 404
    for note in (forged, foreign, false.text, b"noise\n", good.note[:-3] + b"Q=\n"):
        assert status(AddCheckpoint(5, good.path, note), head(5)) == 403
    assert status(AddCheckpoint(10, (), good.note), head(10)) == 400
    assert status(good, head(4)) == 409
    assert status(request(5, 9, root=bytes(32)), head(5)) == 422
    assert status(request(9, 9, root=bytes(32)), head(9)) == 422
    assert status(AddCheckpoint(5, good.path[:-1], good.note), head(5)) == 422
    assert status(AddCheckpoint(5, (*good.path, bytes(32)), good.note), head(5)) == 422
    assert status(AddCheckpoint(9, (bytes(32),), good.note), head(9)) == 422
    assert status(AddCheckpoint(0, (bytes(32),), good.note), TreeHead()) == 422
    assert status(request(0, 0, root=bytes(32)), TreeHead()) == 422
    assert status(good, TreeHead(5, bytes(32))) == 422


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_request_survives_its_body(old: int, new: int) -> None:
    """Encoding and decoding give the same request, and its origin is the note's first line."""
    one = request(old, new)
    assert AddCheckpoint.decode(one.encode()) == one
    assert one.origin == ORIGIN


@pytest.mark.parametrize(
    "change",
    [
        (b"old 5\n", b"old 05\n"), (b"old 5\n", b"old +5\n"), (b"old 5\n", b"old 5 \n"), (b"old 5\n", b"Old 5\n"),
        (b"old 5\n", b""), (b"old 5\n", b"old 5\r\n"), (b"old 5\n", b"old -5\n"), (b"old 5\n", b"old \n"),
        (b"old 5\n", b"old 5\nQQ==\n"), (b"old 5\n", b"old 5\n" + b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n" * 64),
        (b"\n\n", b"\n"), (b"log.example", b"log\x00example"), (b"log.example", b"\xff"), (b"old 5", b"old \xff"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_malformed(change: tuple[bytes, bytes]) -> None:
    """Another form of the size or a hash, more than 63 hashes, or no text behind is malformed."""
    body = request(5, 9).encode()
    if change[0] == b"\n\n":
        body = body[: body.index(b"\n\n") + 1]
    with pytest.raises(Malformed):
        AddCheckpoint.decode(body.replace(*change, 1))


@given(st.integers(0, 2**63 - 1))
def test_a_conflict_names_a_size(size: int) -> None:
    """The body of a conflict is the size and a newline, and nothing else is."""
    assert decode_size(encode_size(size)) == size
    for wrong in (b"%d" % size, b"%d\n\n" % size, b" %d\n" % size, b"+%d\n" % size, b"%d\n5\n" % size, b"\n", b""):
        with pytest.raises(Malformed):
            decode_size(wrong)


def test_a_witness_serves_a_checkpoint_under_the_origins_digest() -> None:
    """The path is the SHA-256 of the origin in hexadecimal digits."""
    assert checkpoint_path(ORIGIN) == f"{sha256(b'log.example/one').hexdigest()}/checkpoint"
