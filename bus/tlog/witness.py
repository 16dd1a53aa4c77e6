r"""What is said between a log and its witnesses (c2sp.org/tlog-witness).

::

    POST <prefix>/add-checkpoint
        old <size>\n
        [<consistency hash, base 64>\n …]      at most 63
        \n
        <the checkpoint, a signed note>

    200  — <witness> <base 64>\n …             cosignatures
    400  not such a request, or old > new
    403  no signature of a key trusted for the origin, or one that does not hold
    404  an unknown origin
    409  <size>\n   text/x.tlog.size           the witness's newest size is not ``old``
    422  the trees are not consistent

    GET <prefix>/<SHA-256 of the origin, hex>/checkpoint

What a witness answers depends only on the request, its keys and the newest tree it has cosigned. That it stores
the new one durably, and in one step with the look at the old, before it answers, is for who runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from bus.errors import CheckFailed, Malformed
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.proof import decode_consistency, encode_consistency
from bus.tlog.text import malformed, parse_decimal, parse_lines
from bus.tlog.tree import EMPTY_ROOT, verify_consistency
from bus.tlog.vkey import VerifierKey

SIZE_TYPE: Final = "text/x.tlog.size"
MAX_REQUEST: Final = MAX_NOTE + (1 << 12)
_WHAT: Final = "add-checkpoint"


class AddCheckpoint(msgspec.Struct, frozen=True):
    """A request to cosign: from which size, by which consistency path, to which checkpoint's note.

    The note stays bytes: whether it is one, and signed, is looked at only for a log that the witness knows.
    """

    old_size: int
    path: tuple[bytes, ...]
    note: bytes

    @property
    def origin(self) -> str:
        """The log that the note names in its first line."""
        return self.note.partition(b"\n")[0].decode()

    def encode(self) -> bytes:
        """The request's body."""
        return b"old %d\n" % self.old_size + encode_consistency(self.path) + b"\n" + self.note

    @classmethod
    def decode(cls, body: bytes) -> AddCheckpoint:
        """The request of its body.

        Raises:
            Malformed: the body is none.
        """
        head, blank, note = body.partition(b"\n\n")
        first, newline, path = (head + b"\n").partition(b"\n")
        old = parse_lines(first + newline, _WHAT)[0]
        if not blank or len(body) > MAX_REQUEST or not old.startswith("old "):
            raise malformed(_WHAT)
        parse_lines(note, _WHAT)
        found = cls(parse_decimal(old.removeprefix("old "), _WHAT), decode_consistency(path), note)
        if found.encode() != body:
            raise malformed(_WHAT)
        return found


class TreeHead(msgspec.Struct, frozen=True):
    """The newest tree of a log that a witness has cosigned; of a log that it knows and has not, the empty one."""

    size: int = 0
    root: bytes = EMPTY_ROOT


class Refusal(msgspec.Struct, frozen=True):
    """Why a witness does not cosign: an HTTP status, a sentence, and for a conflict the size that it is at."""

    status: int
    reason: str
    size: int | None = None

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return encode_size(self.size) if self.size is not None else f"{self.reason}\n".encode()


def judge(request: AddCheckpoint, keys: Iterable[VerifierKey], newest: TreeHead | None) -> Checkpoint | Refusal:
    """Whether a witness may cosign what it is asked to.

    Args:
        request: as decoded.
        keys: those it trusts for the log whose origin the request names.
        newest: the newest tree of that log that it has cosigned; None if it does not know the log.

    Returns:
        The checkpoint to store and cosign, or the refusal.
    """
    if newest is None:
        return Refusal(404, "unknown log")
    checkpoint = _signed_checkpoint(request, keys)
    if checkpoint is None:
        return Refusal(403, "invalid signature: none holds of a key that is trusted for this log")
    if request.old_size > checkpoint.size:
        return Refusal(400, "the old size is above the new one")
    if request.old_size != newest.size:
        return Refusal(409, "the old size is not where this witness is", newest.size)
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return Refusal(422, "a tree without leaves has the root of nothing")
    if not verify_consistency(newest.size, checkpoint.size, newest.root, checkpoint.root, request.path):
        return Refusal(422, "bad consistency proof: this tree does not continue the one that was cosigned")
    return checkpoint


def encode_size(size: int) -> bytes:
    """The body of a 409."""
    return b"%d\n" % size


def decode_size(body: bytes) -> int:
    """The size in the body of a 409.

    Raises:
        Malformed: the body is none.
    """
    lines = parse_lines(body, "size")
    if len(lines) != 1:
        raise malformed("size")
    return parse_decimal(lines[0], "size")


def checkpoint_path(origin: str) -> str:
    """Where a witness serves the newest checkpoint that it cosigned of a log, below its monitoring prefix."""
    return f"{sha256(origin.encode()).hexdigest()}/checkpoint"


def _signed_checkpoint(request: AddCheckpoint, keys: Iterable[VerifierKey]) -> Checkpoint | None:
    """The request's checkpoint, if one of the keys has signed it and none that claims to has not."""
    try:
        note = Note.decode(request.note)
        return Checkpoint.decode(note.text) if note.verified(keys) else None
    except (CheckFailed, Malformed):
        return None
