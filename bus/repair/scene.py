"""A stopped hub as the repair finds it: its ledger, its publisher's folder, its topics, its witnesses.

Everything is opened for looking; only :mod:`bus.repair.repair` writes. While a scene is open no notary can start.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from bus.errors import CheckFailed, Malformed, NotAllowed, StartRefused, Unavailable, UsageError
from bus.files import lies, load_policy
from bus.hub.config import HubConfig, PublisherConfig
from bus.hub.logkey import SERVED, kept_files, last_signed
from bus.hub.tilefiles import alone_in
from bus.hub.witnessed import Held, any_note, ask_witnesses
from bus.ledger.sql import QUERIES
from bus.ledger.store import Head, Store, connect
from bus.repair.files import read_file
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note
from bus.tlog.policy import Policy

RUNNING = "the hub still runs"
STOP = "Stop every role of the hub first. Nothing was changed."


class Signed(Struct, frozen=True):
    """The newest checkpoint that this log is known to have signed, and where it was found."""

    checkpoint: Checkpoint
    found_in: str
    note: bytes | None = None


class Scene(Struct):
    """What is there."""

    config: HubConfig
    publisher: PublisherConfig
    policy: Policy
    store: Store
    head: Head
    signed: Signed | None
    note_lost: str
    """Why ``last-signed`` cannot be read; empty if it can."""
    held: list[Held]
    served: list[Signed]
    """The checkpoints that are served now."""
    broken: list[str]
    """Names of served checkpoints that are none, or not this log's."""

    @property
    def log(self) -> Path:
        """The folder that is served."""
        return self.publisher.folder / "log"


@asynccontextmanager
async def opened(config: HubConfig) -> AsyncGenerator[Scene]:
    """Look at a hub that does not run.

    Raises:
        UsageError: the configuration has no publisher, or its folder or policy is not there.
        NotAllowed: a role of the hub runs.
        Unavailable: Postgres is away.
    """
    publisher = config.publisher
    if publisher is None:
        raise UsageError("the hub's configuration has no [publisher]", hint="See docs/runbooks/repair.md.")
    if not publisher.folder.is_dir():
        raise UsageError(f"{publisher.folder} is not there", hint="Put the publisher's folder back, or a copy of it.")
    policy = load_policy(publisher.folder / "policy")
    if not any(log.key.name == config.origin for log in policy.logs):
        raise UsageError(f"{publisher.folder} is the folder of another log than {config.origin}")
    store = Store(await connect(config.notary_dsn, "repair"))
    stack = AsyncExitStack()
    try:
        await _nobody_runs(config, store)
        _alone(stack, publisher.folder)
        head = await store.head()
        signed, note_lost = newest_signed(publisher.folder, newest_note(publisher.folder, policy, config.origin))
        kept = await store.fetch("newest_checkpoint")
        note = any_note(publisher, kept[0]["note"] if kept else None)
        held = [] if note is None else await ask_witnesses(policy.witnesses, note)
        stored = None if not kept else claimed(kept[0]["note"], policy, config.origin, "ledger.checkpoint")
        if stored is not None and (signed is None or signed.checkpoint.size < stored.checkpoint.size):
            signed = stored
        paths = [publisher.folder / "log" / name for name in SERVED]
        served = {path: claimed(read_file(path), policy, config.origin, str(path)) for path in paths}
        broken = [path.name for path, one in served.items() if one is None and lies(path)]
        shown = [one for one in served.values() if one is not None]
        yield Scene(config, publisher, policy, store, head, signed, note_lost, held, shown, broken)
    finally:
        await stack.aclose()
        await store.close()


def _alone(stack: AsyncExitStack, folder: Path) -> None:
    """Keep publishers out of the folder; one without a session in Postgres at this moment is seen here."""
    try:
        stack.enter_context(alone_in(folder))
    except Unavailable as error:
        raise NotAllowed(f"{RUNNING}: {error.message}", hint=STOP) from None


async def _nobody_runs(config: HubConfig, store: Store) -> None:
    """The notary holds a lock; the others are seen as sessions of their logins."""
    if not await store.try_lock():
        raise NotAllowed(f"{RUNNING}: a notary, or another repair, holds this ledger", hint=STOP)
    assert config.publisher is not None
    for dsn in (config.notary_dsn, config.courier_dsn, config.publisher.dsn):
        session: Any = await connect(dsn, "repair")
        try:
            names = {row["name"].removeprefix("safeguard-") for row in await session.fetch(QUERIES["other_sessions"])}
        finally:
            session.terminate()
        if found := sorted(names - {"repair"}):
            raise NotAllowed(f"{RUNNING}: {', '.join(found)}", hint=STOP)


def newest_note(folder: Path, policy: Policy, origin: str) -> Signed | None:
    """The newest checkpoint of those kept and served; of two of one size, the one that a quorum has cosigned."""
    served = (folder / "log" / name for name in reversed(SERVED))
    found = [claimed(read_file(path), policy, origin, str(path)) for path in (*kept_files(folder), *served)]
    return max(
        (one for one in found if one is not None),
        key=lambda one: (one.checkpoint.size, len(one.note or b"")),
        default=None,
    )


def newest_signed(folder: Path, newest: Signed | None) -> tuple[Signed | None, str]:
    """The newest of what was noted before it was signed, and of what was signed; and what is wrong with the note."""
    try:
        noted = last_signed(folder)
    except StartRefused as error:
        return newest, error.message
    if noted is None or (newest is not None and newest.checkpoint.size > noted.size):
        lost = "" if newest is None else f"{folder / 'last-signed'} is older than a checkpoint that was signed"
        return newest, lost
    note = newest.note if newest is not None and newest.checkpoint == noted else None
    return Signed(noted, str(folder / "last-signed"), note), ""


def claimed(data: bytes | None, policy: Policy, origin: str, where: str) -> Signed | None:
    """A note's checkpoint, if this log signed it."""
    if data is None:
        return None
    try:
        found = policy.judge(Note.decode(data))
    except (Malformed, CheckFailed):
        return None
    ours = found.log is not None and found.checkpoint.origin == origin
    return Signed(found.checkpoint, where, data) if ours else None
