"""One log key follows another: both sign for a while, the log's own entries name the new one, then the old one goes.

The new key is named in the log by a ``PolicyAdopted`` event of kind ``witnesses``: the policy by which the log is to
be believed, word for word, with a ``log`` line for each of its keys (docs/adr/0026). A witness knows a log by origin
and key, so each must be told to trust the new key before the old one stops.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bus.errors import CheckFailed, Malformed, NotAllowed, Unavailable, UsageError
from bus.files import load_policy
from bus.hub import faults
from bus.hub.config import HubConfig, PublisherConfig
from bus.hub.load import load_directory
from bus.hub.logkey import KEY, NEXT, load_key, make_key, signing_keys
from bus.hub.tilefiles import alone_in, sync_folder, write_durable
from bus.hub.witnessed import ask_witnesses
from bus.ledger.store import Store
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Log, Policy
from bus.tlog.vkey import NoteKey, VerifierKey

KIND: Final = "witnesses"
"""Of ``PolicyAdopted``: whose cosignatures count."""


def begin(config: HubConfig) -> VerifierKey:
    """Make the next key, and name it in the publisher's policy; the same one again if it is there.

    Raises:
        UsageError: there is no publisher's folder, or it is not that of this log; the next key is gone; or the last
            change of keys was cut short.
        NotAllowed: keys are being changed by somebody else.
    """
    folder = publisher_of(config).folder
    with _alone(folder):
        return _begun(folder, config.origin)


def _begun(folder: Path, origin: str) -> VerifierKey:
    current, policy = load_key(folder / KEY, origin), load_policy(folder / "policy")
    if _is_cut_short(folder, current):
        raise UsageError("the last change of keys was cut short", hint="`bus hub log-key finish` ends it.")
    if not (folder / NEXT).is_file() and not _half(folder / NEXT).is_file():
        make_key(folder / NEXT, origin)
        faults.at("log-key.made")
    new = load_key(folder / NEXT, origin).verifier
    if all(log.key != new for log in policy.logs):
        url = next((log.url for log in policy.logs if log.key == current.verifier), "")
        longer = Policy((*policy.logs, Log(new, url)), policy.witnesses, policy.groups, policy.quorum)
        write_durable(folder / "policy", longer.encode())
        faults.at("log-key.named")
    return new


async def finish(config: HubConfig) -> tuple[VerifierKey, Path]:
    """Let the next key sign alone.

    Returns:
        Its public half, and where the old secret was put, to be destroyed.

    Raises:
        UsageError: there is no next key.
        NotAllowed: the log does not name it, the public checkpoint lacks a signature, or a witness does not trust it;
            or keys are being changed by somebody else.
        Unavailable: Postgres is away.
    """
    folder = publisher_of(config).folder
    with _alone(folder):
        return await _finish(config, folder)


async def _finish(config: HubConfig, folder: Path) -> tuple[VerifierKey, Path]:
    if not (folder / NEXT).is_file():
        return finished(folder, config.origin)
    old, new = signing_keys(folder, config.origin)
    await _is_named(config, new.verifier)
    note = _signed_by_both(folder, old.verifier, new.verifier)
    await _is_trusted(load_policy(folder / "policy"), note, new)
    kept = folder / f"old-{old.verifier.key_id.hex()}.key"
    write_durable(_half(kept), f"{old.verifier.encode()}\n".encode())
    kept.unlink(missing_ok=True)  # a run that was cut short may have left it, before the key was replaced
    os.link(folder / KEY, kept)
    sync_folder(folder)
    faults.at("log-key.linked")
    (folder / NEXT).replace(folder / KEY)
    faults.at("log-key.replaced")
    return finished(folder, config.origin)


def finished(folder: Path, origin: str) -> tuple[VerifierKey, Path]:
    """What is left to do once the next key has the old one's place: the last run may have been cut short there.

    Raises:
        UsageError: no next key has taken a place.
    """
    current = load_key(folder / KEY, origin)
    key = current.verifier
    old = [path for path in folder.glob("old-*.key") if path.stem != f"old-{key.key_id.hex()}"]
    if not _is_cut_short(folder, current) or not old:
        raise UsageError("there is no next key", hint="`bus hub log-key new` makes one.")
    _half(folder / NEXT).unlink()
    return key, max(old, key=lambda path: path.stat().st_ctime_ns)


def _half(key: Path) -> Path:
    """Where the public half of a key is."""
    return key.with_suffix(".vkey")


def _is_cut_short(folder: Path, current: NoteKey) -> bool:
    """Whether the next key has the old one's place already, and its own name is still there."""
    half = _half(folder / NEXT)
    named = half.is_file() and half.read_bytes() == f"{current.verifier.encode()}\n".encode()
    return named and not (folder / NEXT).is_file()


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """One change of keys at a time; the publisher, which holds the folder itself, goes on."""
    lock = folder / ".log-key"
    lock.mkdir(exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(alone_in(lock))
        except Unavailable:
            raise NotAllowed(
                "another `bus hub log-key` works in this folder", hint="Wait until it has ended."
            ) from None
        yield


def publisher_of(config: HubConfig) -> PublisherConfig:
    """The publisher's part of a configuration.

    Raises:
        UsageError: it has none, or its folder is not there.
    """
    if config.publisher is None or not config.publisher.folder.is_dir():
        raise UsageError("the hub's configuration has no [publisher] with a folder", hint="See docs/publisher.md.")
    return config.publisher


async def _is_named(config: HubConfig, new: VerifierKey) -> None:
    """The policy that is in force, by the log's own entries, has the new key."""
    store = await Store.open(config.notary_dsn)
    try:
        adopted = (await load_directory(store)).adoptions.in_force.get(KIND)
    finally:
        await store.close()
    text = b"" if adopted is None else adopted.text.encode()
    try:
        named = adopted is not None and any(log.key == new for log in Policy.parse(text).logs)
    except Malformed:
        named = False
    if not named:
        raise NotAllowed(
            "the log's own entries do not name the new key", hint="bus hub log-key adopt | bus publish - --as hub"
        )


def _signed_by_both(folder: Path, old: VerifierKey, new: VerifierKey) -> Note:
    """The public checkpoint, which must carry both signatures."""
    try:
        note = Note.decode((folder / "log" / "checkpoint").read_bytes())
        signers = {key for key, _ in note.verified([old, new])}
    except (OSError, Malformed, CheckFailed):
        signers, note = set[VerifierKey](), Note(b"", ())
    if signers != {old, new}:
        raise NotAllowed(
            "the public checkpoint is not signed by both keys yet", hint="Start the publisher again, and wait a minute."
        )
    return note


async def _is_trusted(policy: Policy, note: Note, new: NoteKey) -> None:
    """Every witness that can be asked knows the new key: it says its size to a note that this key alone has signed."""
    alone = Note(note.text, (sign_note(note.text, new),))
    held = await ask_witnesses(policy.witnesses, alone.encode())
    silent = [f"{one.witness} ({one.error})" for one in held if one.size is None]
    if silent:
        raise NotAllowed(
            f"the new key is not trusted by every witness yet: {', '.join(silent)}",
            hint="Ask whoever runs it: bus witness trust VKEY --vouched CHECKPOINT",
        )
