"""Small logs of our own making: a key, two witnesses, leaves of all outcomes, and files as a publisher writes them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from bus.hub.tilefiles import RightEdge, prune_partials, write_files
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.leaf import ZERO32, pack_leaf
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Policy
from bus.tlog.vkey import Kind, NoteKey
from bus.verify.published import verify_files
from bus.verify.report import Report
from bus.verify.subject import Subject, Tree

ORIGIN = "ledger.test.example/safeguard"
KEY = NoteKey(ORIGIN, Kind.ED25519, bytes(32))
WITNESSES = tuple(
    NoteKey(f"witness.{name}.example", Kind.COSIGNATURE, bytes([n]) * 32) for n, name in enumerate(("one", "two"), 1)
)
POLICY_TEXT = "\n".join(
    [
        f"log {KEY.verifier.encode()}",
        *(f"witness {w.verifier.name} {w.verifier.encode()}" for w in WITNESSES),
        f"group both any {' '.join(w.verifier.name for w in WITNESSES)}",
        "quorum both",
        "",
    ]
)
POLICY = Policy.parse(POLICY_TEXT.encode())
BEGIN_S = 1_700_000_000


def leaf(index: int, *, outcome: int | None = None, policy: bytes = b"p" * 32, time_us: int | None = None) -> bytes:
    """A sound leaf; every seventh is a repeat, every ninth a refusal. One entry each second."""
    digest = sha256(b"%d" % index).digest()
    kind = outcome or (2 if index % 7 == 6 else 3 if index % 9 == 8 else 1)
    decision = digest if kind == 1 else ZERO32
    first = index // 7 if kind == 2 else index
    when = (BEGIN_S + index) * 1_000_000 if time_us is None else time_us
    return pack_leaf(
        kind, when, digest, 0, index, index, digest, digest, digest, digest, digest, digest, decision, policy, first,
        digest[:16], digest,
    )  # fmt: skip


def leaves(count: int) -> list[bytes]:
    """The first ``count`` of one endless log."""
    return [leaf(index) for index in range(count)]


def note(size: int, root: bytes, *, time_s: int | None = None, witnesses: int = 1, key: NoteKey = KEY) -> bytes:
    """A checkpoint, cosigned by the first witnesses as its last entry is written."""
    text = Checkpoint(ORIGIN, size, root).encode()
    when = BEGIN_S + size if time_s is None else time_s
    cosignatures = [sign_note(text, one, when) for one in WITNESSES[:witnesses]]
    return Note(text, (sign_note(text, key), *cosignatures)).encode()


class Log:
    """A log in a folder, which grows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "log"
        self.kept = folder / "checkpoints"
        self.kept.mkdir(parents=True)
        self._edge = RightEdge()

    def grow(self, entries: Sequence[bytes], *, time_s: int | None = None) -> bytes:
        """Publish more entries under one new checkpoint."""
        files = self._edge.grow(entries)
        write_files(self.files, files)
        prune_partials(self.files, files)
        return self.show(note(self._edge.size, self._edge.frontier.root(), time_s=time_s))

    def show(self, data: bytes) -> bytes:
        """Publish a checkpoint."""
        for name in ("checkpoint", "checkpoint.unwitnessed"):
            (self.files / name).write_bytes(data)
        (self.kept / str(self._edge.size)).write_bytes(data)
        return data

    def verify(self, *, since: bytes | None = None, jobs: int = 1) -> tuple[Report, Tree]:
        """Verify what is published."""
        report = Report()
        return report, verify_files(Subject(self.files, self.kept, POLICY, since), report, jobs=jobs)
