"""What the publisher keeps in its folder: the log's signing key, the policy, and what was last signed."""

from __future__ import annotations

import secrets
from pathlib import Path

from bus.errors import Malformed, StartRefused, UsageError
from bus.hub.tilefiles import write_durable
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.policy import Policy
from bus.tlog.vkey import Kind, NoteKey


def load_key(path: Path, origin: str) -> NoteKey:
    """The log's key, made at the first start; its public half stands beside it in ``log.vkey``.

    Raises:
        UsageError: the file is no such key, or another log's.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = NoteKey(origin, Kind.ED25519, secrets.token_bytes(32))
        path.touch(mode=0o600)
        write_durable(path, f"{key.encode()}\n".encode())
        path.chmod(0o600)
    try:
        key = NoteKey.decode(path.read_text(encoding="ascii").strip())
    except (Malformed, ValueError) as error:
        raise UsageError(f"{path} is not a log's key") from error
    if key.verifier.name != origin:
        raise UsageError(f"{path} is the key of another log")
    vkey = path.with_suffix(".vkey")
    if not vkey.is_file():
        write_durable(vkey, f"{key.verifier.encode()}\n".encode())
    return key


def load_policy(path: Path) -> Policy:
    """The policy of the publisher's folder.

    Raises:
        UsageError: it is missing, or no policy.
    """
    try:
        return Policy.parse(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="See docs/publisher.md.") from error
    except Malformed as error:
        raise UsageError(f"{path} is not a policy: {error.detail}") from error


def last_signed(folder: Path) -> Checkpoint | None:
    """What was last signed, or was about to be; None before the first time.

    Raises:
        StartRefused: there are checkpoints, but the note of the last one is gone or unreadable.
    """
    path = folder / "last-signed"
    try:
        return Checkpoint.decode(path.read_bytes())
    except FileNotFoundError:
        kept = [int(p.name) for p in (folder / "checkpoints").glob("[0-9]*")]
        if kept:
            raise StartRefused(f"{path} is gone, but a checkpoint of {max(kept)} entries was signed") from None
        return None
    except Malformed as error:
        raise StartRefused(f"{path} is unreadable") from error
