"""Signed notes."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import CheckFailed, Malformed
from bus.tlog.note import MAX_SIGNATURES, Note, Signature, decode_signatures, encode_signatures, sign_note
from bus.tlog.vkey import VerifierKey
from tests.unit.tlog.support import VECTORS, log_key

OTHERS = json.loads((VECTORS / "others/mod/vectors.json").read_text(encoding="utf-8"))["note"]
TEXT: bytes = OTHERS["text"].encode()
PETER, ENOCH = (VerifierKey.decode(text) for text in OTHERS["keys"])
PETER_LINE, ENOCH_LINE = (line.encode() for line in OTHERS["lines"])
BOTH = TEXT + b"\n" + PETER_LINE + ENOCH_LINE

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=60)


def test_another_programs_note_is_read_and_verified() -> None:
    """The note in the tests of Go's note package has the two signatures that it claims."""
    note = Note.decode(BOTH)
    assert note.text == TEXT
    assert note.encode() == BOTH
    assert [key for key, _ in note.verified([PETER, ENOCH])] == [PETER, ENOCH]
    assert [key for key, _ in note.verified([ENOCH])] == [ENOCH]
    assert note.verified([]) == []


@given(texts)
def test_a_signed_text_survives(text: str) -> None:
    """Whatever blank lines a text has, the last blank line of the note is where its signatures begin."""
    data = text.encode() + b"\n"
    key = log_key()
    note = Note(data, (sign_note(data, key),))
    found = Note.decode(note.encode())
    assert found == note
    assert [signer for signer, _ in found.verified([key.verifier])] == [key.verifier]


def test_no_byte_can_change_unseen() -> None:
    """With any one byte changed, the note is malformed, refused, or no longer signed by the key."""
    for at in range(len(TEXT + b"\n" + PETER_LINE)):
        changed = bytearray(TEXT + b"\n" + PETER_LINE)
        changed[at] ^= 1
        assert not _signed_by_peter(bytes(changed)), at


@given(st.integers(0, len(BOTH) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_both_signatures(at: int, change: int) -> None:
    """Any change of a byte costs the note one of its signatures at least."""
    changed = bytearray(BOTH)
    changed[at] ^= change
    with contextlib.suppress(Malformed, CheckFailed):
        assert len(Note.decode(bytes(changed)).verified([PETER, ENOCH])) < 2


def _signed_by_peter(data: bytes) -> bool:
    try:
        return bool(Note.decode(data).verified([PETER]))
    except (Malformed, CheckFailed):
        return False


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TEXT,
        TEXT + b"\n",
        TEXT + b"\n" + PETER_LINE[:-1],
        TEXT + PETER_LINE,
        b"\x01" + TEXT + b"\n" + PETER_LINE,
        b"\xff" + TEXT + b"\n" + PETER_LINE,
        TEXT + b"\n" + PETER_LINE + b"Unexpected line.\n",
        TEXT + b"\n" + PETER_LINE + b"\n",
        TEXT + b"\n" + "— Bad Name QUJDREU=\n".encode(),
        TEXT + b"\n" + "— Name QUJDRA==\n".encode(),
        TEXT + b"\n" + "— Name QUJDREV=\n".encode(),
        TEXT + b"\n" + "—  QUJDREU=\n".encode(),
        TEXT + b"\n" + "—Name QUJDREU=\n".encode(),
        TEXT + b"\n" + b"- Name QUJDREU=\n",
        TEXT + b"\n" + "— Name  QUJDREU=\n".encode(),
        TEXT + b"\n" + "— Name\u2028 QUJDREU=\n".encode(),
        TEXT + b"\n" + PETER_LINE.replace(b"\n", b"\r\n"),
        TEXT + b"\n" + PETER_LINE * (MAX_SIGNATURES + 1),
        b"a" * (1 << 20) + b"\n\n" + PETER_LINE,
    ],
)
def test_what_is_no_note_is_malformed(data: bytes) -> None:
    """Notes that end early, have strange lines or characters, or too much of anything, are malformed."""
    with pytest.raises(Malformed, match=r"^malformed: note$"):
        Note.decode(data)


def test_keys_that_share_a_name_or_an_id_are_strangers() -> None:
    """A line is a key's only by name and id together."""
    line = Signature.decode(PETER_LINE.decode()[:-1])
    other_name = Note(TEXT, (Signature("Peter", line.key_id, line.signature),))
    other_id = Note(TEXT, (Signature(line.name, b"\x00\x00\x00\x01", line.signature),))
    assert other_name.verified([PETER]) == other_id.verified([PETER]) == []
    assert line.is_of(PETER)
    assert not line.is_of(ENOCH)


def test_a_known_key_that_fails_refuses_the_note() -> None:
    """One false signature of a known key is not made good by another that holds, nor by its own true one."""
    false = Signature(ENOCH.name, ENOCH.key_id, bytes(64))
    true = [Signature.decode(line.decode()[:-1]) for line in (PETER_LINE, ENOCH_LINE)]
    for signatures in ((*true[:1], false), (*true, false), (false, *true)):
        note = Note.decode(Note(TEXT, tuple(signatures)).encode())
        with pytest.raises(CheckFailed, match=r"signature of EnochRoot"):
            note.verified([PETER, ENOCH])
        assert note.verified([PETER])


def test_a_signature_that_stands_twice_counts_once() -> None:
    """The same line again adds nothing."""
    note = Note.decode(TEXT + b"\n" + PETER_LINE * 3)
    assert len(note.verified([PETER])) == 1
    assert note.with_signatures(note.signatures).signatures == note.signatures[:1]


def test_signature_lines_stand_alone_too() -> None:
    """What a witness answers is signature lines without a text, which join the note."""
    lines = decode_signatures(PETER_LINE + ENOCH_LINE)
    assert encode_signatures(lines) == PETER_LINE + ENOCH_LINE
    assert Note(TEXT, lines[:1]).with_signatures(lines[1:]).encode() == BOTH
    for wrong in (b"", b"\n", PETER_LINE + b"\n", PETER_LINE[:-1]):
        with pytest.raises(Malformed):
            decode_signatures(wrong)
