"""The witness: looks at a checkpoint, and cosigns it if the log has only grown.

It answers as c2sp.org/tlog-witness says. Judging a request, remembering the tree and signing it are one durable
step; the answer leaves after that. If the answer is lost, the log asks again from the new size and is cosigned again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from msgspec import Struct

from bus.errors import BusError, CheckFailed, Malformed, UsageError
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, encode_signatures, sign_note
from bus.tlog.vkey import Kind, NoteKey, VerifierKey
from bus.tlog.witness import SIZE_TYPE, AddCheckpoint, Refusal, TreeHead, judge
from bus.witness.store import Fork, KnownLog, Store

log: Any = structlog.get_logger("bus.witness")

TEXT: Final = "text/plain; charset=utf-8"
MAX_CLOCK_STEP_S: Final = 30
"""How far the clock may go back behind the newest cosignature. Time stands still meanwhile."""


class Answer(Struct, frozen=True):
    """What is answered: an HTTP status, a body and its type."""

    status: int
    body: bytes
    content_type: str = TEXT

    @classmethod
    def refusing(cls, refusal: Refusal) -> Answer:
        """A refusal as it is answered."""
        return cls(refusal.status, refusal.body, TEXT if refusal.size is None else SIZE_TYPE)


class Witness:
    """One witness. Its methods block for a write to the disk; call one at a time.

    Args:
        key: its own, which signs cosignatures and nothing else.
        store: what it remembers.
        now_s: the clock, in seconds since 1970.
    """

    def __init__(self, key: NoteKey, store: Store, now_s: Callable[[], int] = lambda: int(time.time())) -> None:
        self.key = key
        self.store = store
        self._now_s = now_s

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request to cosign. A 200 is answered only for what is on disk."""
        try:
            request = AddCheckpoint.decode(body)
        except Malformed:
            return Answer(400, b"not an add-checkpoint request\n")
        try:
            with self.store.step():
                return self._answer(request)
        except BusError as error:
            log.error("witness.store_failed", error=error.message)  # noqa: TRY400 - what failed says it all
            return Answer(503, b"this witness cannot write now\n")

    def _answer(self, request: AddCheckpoint) -> Answer:
        """Judge, remember and sign, inside one step."""
        known = self.store.find(request.origin)
        verdict = judge(request, known.keys if known else (), known.newest if known else None)
        if known is None or isinstance(verdict, Refusal):
            refusal = verdict if isinstance(verdict, Refusal) else Refusal(404, "unknown log")
            self._refuse(request, refusal, known)
            return Answer.refusing(refusal)
        now_s = max(self._now_s(), known.time_s)
        if now_s - self._now_s() > MAX_CLOCK_STEP_S:
            log.error("witness.clock_back", origin=known.origin, cosigned_s=known.time_s)
            return Answer(503, b"this witness's clock is behind its own cosignatures\n")
        return self._cosign(request, verdict, known, now_s)

    def _cosign(self, request: AddCheckpoint, checkpoint: Checkpoint, known: KnownLog, now_s: int) -> Answer:
        note = Note.decode(request.note)
        own = sign_note(note.text, self.key, now_s)
        signatures = [signature for _, signature in note.verified(known.keys)]
        kept = Note(note.text, (*signatures, own)).encode()
        self.store.cosigned(known.origin, TreeHead(checkpoint.size, checkpoint.root), kept, now_s)
        log.debug("witness.cosigned", origin=known.origin, size=checkpoint.size, old=request.old_size)
        return Answer(200, encode_signatures([own]))

    def _refuse(self, request: AddCheckpoint, refusal: Refusal, known: KnownLog | None) -> None:
        """Log a refusal, and keep the proof if the log has signed two trees of one size."""
        origin = known.origin if known else None
        log.info("witness.refused", status=refusal.status, reason=refusal.reason, origin=origin)
        fork = _fork(request, known, self._now_s()) if known and refusal.status in {409, 422} else None
        if fork is not None and self.store.forked(fork):
            log.error("witness.fork_seen", origin=fork.origin, size=fork.size)

    def trust(self, key: VerifierKey, origin: str | None = None) -> str:
        """Cosign, from now on, checkpoints of this origin that this key signed; of the key's name if none is given.

        Returns:
            The origin.

        Raises:
            UsageError: the key is no log's, or the witness's own.
            Unavailable: it cannot be written.
        """
        name = origin or key.name
        if key.kind is Kind.COSIGNATURE or key.public_key == self.key.verifier.public_key:
            raise UsageError("that is a witness's key", hint="Ask the log for its verifier key, of kind 01.")
        if any(char < " " for char in name):
            raise UsageError("an origin has no control characters")
        with self.store.step():
            self.store.trust(name, key)
        return name

    def is_vouched(self, key: VerifierKey, note: bytes, origin: str | None = None) -> None:
        """See that a log's new key comes from whoever has the old one: both have signed one checkpoint of the log.

        Raises:
            CheckFailed: they have not, or it is not a checkpoint of a log that is trusted.
        """
        name = origin or key.name
        known = self.store.find(name)
        old = () if known is None else known.keys
        try:
            found = Note.decode(note)
            checkpoint = Checkpoint.decode(found.text)
            signers = {one for one, _ in found.verified([*old, key])}
        except Malformed:
            raise CheckFailed("that is no checkpoint") from None
        if checkpoint.origin != name or key not in signers or not signers - {key}:
            raise CheckFailed(
                "the checkpoint is not signed by this key and by one that is trusted already",
                hint="Fetch the log's newest checkpoint; both keys sign while one follows the other.",
            )

    def distrust(self, key: VerifierKey, origin: str | None = None) -> None:
        """Cosign no more what this key signed.

        Raises:
            UsageError: it was not trusted.
            Unavailable: it cannot be written.
        """
        with self.store.step():
            if not self.store.distrust(origin or key.name, key):
                raise UsageError("this key was not trusted for that log", hint="`bus witness status` lists logs.")


def _fork(request: AddCheckpoint, known: KnownLog, now_s: int) -> Fork | None:
    """The proof that a log has forked, if a refused request is one: another root at the size that was cosigned."""
    if known.note is None:
        return None
    try:
        note = Note.decode(request.note)
        checkpoint = Checkpoint.decode(note.text)
        signatures = [signature for _, signature in note.verified(known.keys)]
    except (CheckFailed, Malformed):
        return None
    if not signatures or checkpoint.size != known.newest.size or checkpoint.root == known.newest.root:
        return None
    theirs = Note(note.text, tuple(signatures)).encode()
    return Fork(known.origin, checkpoint.size, checkpoint.root, theirs, known.note, now_s)
