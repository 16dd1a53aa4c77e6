"""What the witnesses hold of this log: asked by the notary when it starts, and by ``bus hub repair``.

The witness protocol (c2sp.org/tlog-witness) has no question "where are you?" that every witness answers: the page with
a log's newest checkpoint is optional. But every witness answers a request to cosign that starts from a size it is
not at with 409 and its size. So a checkpoint that was signed before is sent again, as if from one entry below its own
size and without a proof. No witness can cosign that: where the size is wrong it says its own (409), and where it is
right the proof is missing (422), which says the size too. An answer that did cosign would put a fresh time on an old
tree, and entries behind it would look back-dated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, Final

import aiohttp
import structlog
from msgspec import Struct

from bus.errors import BusError, Malformed, StartRefused, WitnessConflict, WitnessRefused
from bus.files import load_policy, read_regular
from bus.hub.config import PublisherConfig
from bus.hub.logkey import SERVED, kept_files
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.policy import Witness
from bus.witness.client import add_checkpoint

log: Any = structlog.get_logger("bus.hub.notary")

UNPROVEN: Final = 422


class Held(Struct, frozen=True):
    """The newest size of this log that a witness has cosigned; None and why if it did not say."""

    witness: str
    size: int | None
    error: str = ""


async def ask_witnesses(witnesses: Sequence[Witness], note: bytes) -> list[Held]:
    """Ask each witness that has a URL how much of a log it has cosigned.

    Args:
        witnesses: of the publisher's policy.
        note: any checkpoint of the log, signed with a key that the witnesses trust.
    """
    size = Checkpoint.decode(Note.decode(note).text).size
    async with aiohttp.ClientSession() as session:
        return list(await asyncio.gather(*(_ask(session, one, note, size) for one in witnesses if one.url)))


async def _ask(session: aiohttp.ClientSession, witness: Witness, note: bytes, size: int) -> Held:
    old = max(size - 1, 1)
    try:
        await add_checkpoint(session, witness.url, old=old, proof=(), note=note)
    except WitnessConflict as conflict:
        return Held(witness.name, conflict.size)
    except WitnessRefused as refusal:
        known = refusal.status == UNPROVEN
        return Held(witness.name, old if known else None, "" if known else refusal.message)
    except BusError as error:
        return Held(witness.name, None, error.message)
    return Held(witness.name, size)


def any_note(config: PublisherConfig, kept: bytes | None = None) -> bytes | None:
    """A checkpoint of this log to ask with: the newest in the publisher's folder, else the one the database kept."""
    folder = config.folder
    served = (folder / "log" / name for name in reversed(SERVED))
    for path in chain(served, islice(kept_files(folder), 1)):
        try:
            data = read_regular(path, MAX_NOTE)
        except OSError:
            data = None
        if data is not None and _is_note(data):
            return data
    return kept


def _is_note(data: bytes) -> bool:
    try:
        return Checkpoint.decode(Note.decode(data).text).size > 0
    except Malformed:
        return False


async def check_witnesses(config: PublisherConfig, size: int, kept: bytes | None) -> None:
    """No witness may have cosigned more than the ledger has; one that does not answer is told in the log.

    Args:
        config: whose folder has the policy, and the checkpoint to ask with.
        size: of the ledger.
        kept: the newest checkpoint that the database knows.

    Raises:
        StartRefused: the ledger is older than what a witness has seen of it.
        UsageError: the policy is missing or none.
    """
    note = any_note(config, kept)
    if note is None:
        return
    held = await ask_witnesses(load_policy(config.folder / "policy").witnesses, note)
    for one in held:
        if one.size is None:
            log.warning("notary.witness_silent", witness=one.witness, error=one.error)
    ahead = [f"{one.witness} {one.size}" for one in held if one.size is not None and one.size > size]
    if ahead:
        raise StartRefused(f"the ledger has {size} entries, but witnesses have cosigned more ({', '.join(ahead)})")
