"""tlog-proofs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import CheckFailed, Malformed
from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.policy import Log, Policy
from bus.tlog.proof import TlogProof, decode_consistency, encode_consistency
from tests.unit.tlog.support import ORIGIN, entries_of, log_key, signed, witness_key

HASHES = tree.leaf_hashes(entries_of(300))
LOG, WITNESS = log_key(), witness_key("w.example/1")
POLICY = Policy((Log(LOG.verifier),), (), (), "none")


def proof_of(index: int, size: int) -> TlogProof:
    """The proof that an entry stands in a log of this size."""
    checkpoint = Checkpoint(ORIGIN, size, tree.root(HASHES[:size]))
    return TlogProof(index, tuple(tree.inclusion_path(HASHES[:size], index)), signed(checkpoint, LOG, WITNESS))


def test_every_entry_of_every_small_log_is_proved() -> None:
    """For each size to 300 proofs survive their text, prove their entry and no other."""
    for size in range(1, 301):
        for index in {0, size // 3, size - 1}:
            found = TlogProof.decode(proof_of(index, size).encode())
            assert found == proof_of(index, size)
            assert found.proves(HASHES[index])
            assert not found.proves(HASHES[(index + 1) % 300])


def test_a_tree_of_one_has_no_hash_lines() -> None:
    """The text is the head, the index, a blank line and the checkpoint."""
    proof = proof_of(0, 1)
    assert proof.encode() == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + proof.note.encode()


@given(st.binary(max_size=40))
def test_extra_data_is_read(extra: bytes) -> None:
    """Other programs may add a line of their own; it proves nothing."""
    proof = proof_of(3, 9)
    with_extra = TlogProof(proof.index, proof.path, proof.note, extra)
    assert TlogProof.decode(with_extra.encode()) == with_extra
    assert with_extra.proves(HASHES[3])


@given(st.data())
def test_a_changed_byte_is_refused_or_proves_nothing(data: st.DataObject) -> None:
    """With any one byte changed the proof is malformed, refused by the policy, or does not lead to the root."""
    text = bytearray(TlogProof.encode(proof_of(200, 300)))
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    assert not _holds(bytes(text)) or _only_the_cosignature(bytes(text))


def _holds(text: bytes) -> bool:
    try:
        proof = TlogProof.decode(text)
        return POLICY.judge(proof.note).accepted and proof.proves(HASHES[200]) and proof.index == 200
    except (Malformed, CheckFailed):
        return False


def _only_the_cosignature(text: bytes) -> bool:
    """The policy here names no witness, so their lines are strangers' and may say anything."""
    good = proof_of(200, 300)
    found = TlogProof.decode(text)
    return found.note.text == good.note.text and found.note.signatures[0] == good.note.signatures[0]


@pytest.mark.parametrize(
    "change",
    [
        (b"proof@v1", b"proof@v2"), (b"index 3\n", b"index 03\n"), (b"index 3\n", b"index +3\n"),
        (b"index 3\n", b""), (b"index 3\n", b"index 3\nindex 3\n"), (b"index 3\n", b"index 3\nextra QQ==\n"),
        (b"index 3\n", b"extra QR==\nindex 3\n"), (b"index 3\n", b"extra QQ==\nextra QQ==\nindex 3\n"),
        (b"=\n\n", b"=\n"), (b"c2sp", b"\nc2sp"), (b"index 3\n", b"index 3 \n"), (b"index 3\n", b"index 3\r\n"),
        (b"index 3\n", b"index 3\n" + b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n" * 63),
        (b"index 3\n", b"index 3\nQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==\n"), (b"index 3\n", b"index 3\n\n"),
        (ORIGIN.encode() + b"\n", b""),
    ],
)  # fmt: skip
def test_what_is_no_proof_is_malformed(change: tuple[bytes, bytes]) -> None:
    """Lines that are missing, doubled, in another order or form are malformed."""
    text = proof_of(3, 9).encode()
    assert change[0] in text
    with pytest.raises(Malformed):
        TlogProof.decode(text.replace(*change, 1))


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_consistency_path_survives_its_lines(path: list[bytes]) -> None:
    """Up to 63 hashes are read from their lines; none are no lines."""
    assert decode_consistency(encode_consistency(path)) == tuple(path)


def test_a_consistency_path_has_63_hashes_at_most() -> None:
    """One more, an empty line, or a line cut short is malformed."""
    for wrong in (encode_consistency([bytes(32)] * 64), b"\n", encode_consistency([bytes(32)])[:-1]):
        with pytest.raises(Malformed):
            decode_consistency(wrong)
