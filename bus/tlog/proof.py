r"""The proof that an entry stands in a log, in one text that verifies offline (c2sp.org/tlog-proof@v1).

::

    c2sp.org/tlog-proof@v1\n
    [extra <base 64>\n]
    index <decimal>\n
    [<hash, base 64>\n …]        siblings from the leaf to the root; none in a tree of one
    \n
    <the checkpoint, a signed note, as it was published>

``extra`` is vouched for by nobody; it is read, and never written by us.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.text import format_base64, malformed, parse_base64, parse_decimal, parse_hash, parse_lines
from bus.tlog.tree import verify_inclusion

MAX_PATH: Final = 63
_MAX_PROOF: Final = MAX_NOTE + (1 << 16)
_HEAD: Final = "c2sp.org/tlog-proof@v1"
_WHAT: Final = "tlog-proof"


class TlogProof(msgspec.Struct, frozen=True):
    """Where an entry stands, the path from it to a checkpoint's root, and the checkpoint."""

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says; that it was signed is for a policy to judge.

        Raises:
            Malformed: the note is no checkpoint.
        """
        return Checkpoint.decode(self.note.text)

    def encode(self) -> bytes:
        """The text."""
        extra = [] if self.extra is None else [f"extra {format_base64(self.extra)}"]
        lines = [_HEAD, *extra, f"index {self.index}", *map(format_base64, self.path), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note.encode()

    @classmethod
    def decode(cls, data: bytes) -> TlogProof:
        """The proof of its text.

        Raises:
            Malformed: it is no proof, or its note no checkpoint.
        """
        head, blank, note = data.partition(b"\n\n")
        if not blank or len(data) > _MAX_PROOF:
            raise malformed(_WHAT)
        first, *lines = parse_lines(head + b"\n", _WHAT)
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = parse_base64(lines.pop(0).removeprefix("extra "), _WHAT)
        if first != _HEAD or not lines or not lines[0].startswith("index ") or len(lines) > MAX_PATH + 1:
            raise malformed(_WHAT)
        index = parse_decimal(lines[0].removeprefix("index "), _WHAT)
        found = cls(index, tuple([parse_hash(line, _WHAT) for line in lines[1:]]), Note.decode(note), extra)
        Checkpoint.decode(found.note.text)
        if found.encode() != data:
            raise malformed(_WHAT)
        return found

    def proves(self, leaf_hash: bytes) -> bool:
        """Whether the entry of this leaf hash stands under the checkpoint; who signed that is not looked at."""
        checkpoint = self.checkpoint
        return verify_inclusion(self.index, checkpoint.size, leaf_hash, self.path, checkpoint.root)


def encode_consistency(path: Sequence[bytes]) -> bytes:
    """A consistency path as lines, as a witness is given it; of an empty path, nothing."""
    return "".join(f"{format_base64(node)}\n" for node in path).encode()


def decode_consistency(data: bytes) -> tuple[bytes, ...]:
    """The consistency path of its lines, at most 63.

    Raises:
        Malformed: the bytes are no such lines.
    """
    lines = parse_lines(data, "consistency") if data else []
    if len(lines) > MAX_PATH:
        raise malformed("consistency")
    return tuple([parse_hash(line, "consistency") for line in lines])
