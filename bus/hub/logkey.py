"""What the publisher keeps in its folder: the log's signing keys, the policy, and what was last signed.

::

    log.key       signs; log.vkey is its public half
    next.key      signs too, beside it, while one key follows another; next.vkey
    old-*.vkey    public halves of keys that have signed
    last-signed   the text of the last checkpoint, a blank line, and "sha256" with the digest of the text, in hex
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

from bus.errors import CheckFailed, Malformed, StartRefused, UsageError
from bus.files import read_regular
from bus.hub.tilefiles import write_durable
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.text import malformed
from bus.tlog.vkey import Kind, NoteKey, VerifierKey

KEY, NEXT = "log.key", "next.key"
SERVED = ("checkpoint", "checkpoint.unwitnessed")
"""Below ``log/``."""
LINES = 3
"""Of the text of a checkpoint: this log has none with more."""


def load_key(path: Path, origin: str) -> NoteKey:
    """The log's key, made at the first start; its public half stands beside it in ``log.vkey``.

    Raises:
        UsageError: the file is no such key, or another log's; or it is gone, and is never made anew: nobody would
            believe another key.
    """
    vkey = path.with_suffix(".vkey")
    if not path.is_file():
        trace = _trace_of(path)
        if trace is not None:
            raise UsageError(
                f"{path} is gone, and {trace} says that it was there", hint="Put it back: docs/runbooks/log-key.md"
            )
        make_key(path, origin)
    try:
        key = NoteKey.decode(path.read_text(encoding="ascii").strip())
    except (Malformed, ValueError) as error:
        raise UsageError(f"{path} is not a log's key") from error
    if key.verifier.name != origin:
        raise UsageError(f"{path} is the key of another log")
    line = f"{key.verifier.encode()}\n".encode()
    if not vkey.is_file() or vkey.read_bytes() != line:
        write_durable(vkey, line)
    return key


def _trace_of(path: Path) -> str | None:
    """What shows that a key was there: its public half, or for the log's key whatever was signed with it."""
    folder = path.parent
    signed = (folder / "last-signed", *islice(kept_files(folder), 1)) if path.name == KEY else ()
    return next((one.name for one in (path.with_suffix(".vkey"), *signed) if one.is_file()), None)


def make_key(path: Path, origin: str) -> None:
    """A new secret key in a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = NoteKey(origin, Kind.ED25519, secrets.token_bytes(32))
    draft = path.with_name(f".{path.name}.part")
    draft.touch(mode=0o600)
    draft.chmod(0o600)
    write_durable(path, f"{key.encode()}\n".encode())


def signing_keys(folder: Path, origin: str) -> list[NoteKey]:
    """The keys that sign now: one, and two while one follows another.

    Raises:
        UsageError: a file is no such key, or another log's.
    """
    keys = [load_key(folder / KEY, origin)]
    return [*keys, load_key(folder / NEXT, origin)] if (folder / NEXT).is_file() else keys


def known_keys(folder: Path) -> list[VerifierKey]:
    """Public halves of all keys that sign, or have signed: the old ones first, the next one last.

    Raises:
        UsageError: a file is no verifier key.
    """
    paths = [*sorted(folder.glob("old-*.vkey")), folder / "log.vkey", folder / "next.vkey"]
    try:
        return [VerifierKey.decode(p.read_text(encoding="ascii").strip()) for p in paths if p.is_file()]
    except (Malformed, ValueError) as error:
        raise UsageError(f"{folder} has a verifier key that is none") from error


def last_signed(folder: Path) -> Checkpoint | None:
    """What was last signed, or was about to be; None before the first time.

    Raises:
        StartRefused: there are checkpoints, but the note of the last one is gone, unreadable, or not of the newest.
    """
    path = folder / "last-signed"
    try:
        data = read_regular(path, MAX_NOTE)
        noted = None if data is None else _noted(data)
    except (Malformed, OSError) as error:
        raise StartRefused(f"{path} is unreadable") from error
    if noted is None:
        name = next((one.name for one in kept_files(folder)), None)
        newest = newest_kept(folder) if name is None else None
        if name is not None or newest is not None:
            size = name if newest is None else newest.size
            raise StartRefused(f"{path} is gone, but a checkpoint of {size} entries was signed")
        return None
    kept = newest_kept(folder)
    if kept is not None and kept.size > noted.size:
        raise StartRefused(
            f"{path} says {noted.size} entries, but a checkpoint of {kept.size} is kept: it was put back"
        )
    return noted


def note_signed(folder: Path, text: bytes) -> None:
    """Note durably what is about to be signed, with its digest: a bit that turns over would be another size or root.

    Args:
        folder: the publisher's.
        text: the checkpoint's.
    """
    write_durable(folder / "last-signed", text + b"\n" + _digest_line(text))


def _noted(data: bytes) -> Checkpoint:
    """The checkpoint of a note; one of before digests were noted has none.

    Raises:
        Malformed: it is no checkpoint, or not the one that was noted.
    """
    body, digested, line = data.rpartition(b"\n\n")
    text = body + b"\n" if digested else data
    if text.count(b"\n") != LINES or (digested and line != _digest_line(text)):
        raise malformed("the note is not as it was written")
    return Checkpoint.decode(text)


def _digest_line(text: bytes) -> bytes:
    return f"sha256 {sha256(text).hexdigest()}\n".encode()


def newest_kept(folder: Path) -> Checkpoint | None:
    """The newest checkpoint, kept or served, that a key of the folder has signed; what is none is passed over.

    Raises:
        UsageError: a file is no verifier key.
    """
    keys = known_keys(folder)
    kept = next((one for path in kept_files(folder) if (one := _signed(path, keys)) is not None), None)
    served = (_signed(folder / "log" / name, keys) for name in SERVED)
    return max((one for one in (kept, *served) if one is not None), key=lambda one: one.size, default=None)


def _signed(path: Path, keys: Sequence[VerifierKey]) -> Checkpoint | None:
    """The checkpoint of a file, if it is there and one of the keys has signed it."""
    try:
        note = Note.decode(read_regular(path, MAX_NOTE) or b"")
        return Checkpoint.decode(note.text) if note.verified(keys) else None
    except (Malformed, CheckFailed, OSError):
        return None


def kept_files(folder: Path) -> Iterator[Path]:
    """The files of the checkpoints that a publisher's folder keeps, by their names the newest first."""
    checkpoints = folder / "checkpoints"
    try:
        names = os.listdir(checkpoints)  # noqa: PTH208 - there may be millions
    except (FileNotFoundError, NotADirectoryError):
        return
    sizes = (name for name in names if name.isascii() and name.isdecimal())
    for name in sorted(sizes, key=int, reverse=True):
        yield checkpoints / name
