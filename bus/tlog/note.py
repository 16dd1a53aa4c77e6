r"""The signed note: a text, and who signed it (c2sp.org/signed-note).

::

    <text, ends with \n>
    \n
    — <key name> <base 64 of: key id 4 ‖ signature>\n
    …

UTF-8 without control characters but newlines. The text includes its last newline and not the blank line; it may
have blank lines itself, so the *last* one is where the signatures begin. At most 100 of them, and 1 MiB in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from bus.errors import CheckFailed
from bus.tlog.text import format_base64, malformed, parse_base64, parse_lines
from bus.tlog.vkey import NoteKey, VerifierKey, is_key_name

MAX_NOTE: Final = 1 << 20
MAX_SIGNATURES: Final = 100
_WHAT: Final = "note"
_DASH: Final = "— "
_KEY_ID_SIZE: Final = 4


class Signature(msgspec.Struct, frozen=True):
    """One signature line: the key that it names, and the signature's bytes without the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {format_base64(self.key_id + self.signature)}\n".encode()

    @classmethod
    def decode(cls, line: str) -> Signature:
        """The signature of a line without its newline.

        Raises:
            Malformed: the line is none.
        """
        dash, name, encoded = line[:2], *line[2:].partition(" ")[::2]
        if dash != _DASH or not is_key_name(name):
            raise malformed(_WHAT)
        data = parse_base64(encoded, _WHAT)
        if len(data) <= _KEY_ID_SIZE:
            raise malformed(_WHAT)
        return cls(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])

    def is_of(self, key: VerifierKey) -> bool:
        """Whether the line names this key, by name and id both."""
        return self.name == key.name and self.key_id == key.key_id


class Note(msgspec.Struct, frozen=True):
    """A text and its signatures, none of which is to be believed before :meth:`verified` has checked it."""

    text: bytes
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The whole note."""
        return self.text + b"\n" + encode_signatures(self.signatures)

    @classmethod
    def decode(cls, data: bytes) -> Note:
        """The note of its bytes.

        Raises:
            Malformed: the bytes are no signed note.
        """
        split = data.rfind(b"\n\n")
        if split < 0 or len(data) > MAX_NOTE:
            raise malformed(_WHAT)
        parse_lines(data, _WHAT)
        found = cls(data[: split + 1], decode_signatures(data[split + 2 :]))
        if found.encode() != data:
            raise malformed(_WHAT)
        return found

    def verified(self, keys: Iterable[VerifierKey]) -> list[tuple[VerifierKey, Signature]]:
        """Which of these keys signed, in the order of the lines; lines of other keys are passed over.

        Raises:
            CheckFailed: a line names one of the keys and is not its signature: the whole note is refused.
        """
        known = {(key.name, key.key_id): key for key in keys}
        found: dict[tuple[str, bytes], tuple[VerifierKey, Signature]] = {}
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is None:
                continue
            if not key.verify(self.text, signature.signature):
                raise CheckFailed(f"the signature of {key.name} on the note does not hold")
            found.setdefault((key.name, key.key_id), (key, signature))
        return list(found.values())

    def with_signatures(self, signatures: Iterable[Signature]) -> Note:
        """The note with these behind its own; a line that is there already is not added twice."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *signatures))))


def sign_note(text: bytes, key: NoteKey, time_s: int | None = None) -> Signature:
    """A key's signature line for a note's text; ``time_s`` is for cosigners.

    Raises:
        ValueError: the time is missing, or is given for a log's key.
    """
    return Signature(key.verifier.name, key.verifier.key_id, key.sign(text, time_s))


def encode_signatures(signatures: Iterable[Signature]) -> bytes:
    """Signature lines alone: what stands under a note, or what a witness answers."""
    return b"".join([signature.encode() for signature in signatures])


def decode_signatures(data: bytes) -> tuple[Signature, ...]:
    """The signatures of 1 to 100 lines.

    Raises:
        Malformed: the bytes are no signature lines.
    """
    lines = parse_lines(data, _WHAT)
    if len(lines) > MAX_SIGNATURES:
        raise malformed(_WHAT)
    return tuple([Signature.decode(line) for line in lines])
