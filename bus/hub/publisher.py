"""The publisher: turns what is committed into tiles and signed checkpoints, and asks the witnesses to cosign.

A process and a key of its own. Its order is what makes it safe: read the committed head; write the tiles and flush
them to disk; prove that the tree continues the last one signed; note durably what is about to be signed, outside
Postgres; only then sign, and collect cosignatures. It believes no stored hash: it hashes every leaf itself, and the
root must come out as the head's. A database that is older than what was signed, or says something else, stops it.

Files below its folder::

    log/                what is served, see bus.hub.tilefiles
    checkpoints/<size>  every checkpoint that was ever signed, with the cosignatures it got
    last-signed         the text of the last checkpoint, durable before it was signed
    log.key, log.vkey   the signing key (0600) and its public half
    next.key, next.vkey a second one that signs beside it, while one key follows another
    policy              whose cosignatures make a checkpoint public (c2sp.org/tlog-policy)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import structlog

from bus.errors import (
    CheckFailed,
    LedgerError,
    Malformed,
    StartRefused,
    Unavailable,
    UsageError,
    WitnessConflict,
    WitnessRefused,
)  # fmt: skip
from bus.files import load_policy
from bus.hub import faults
from bus.hub.config import HubConfig, PublisherConfig
from bus.hub.filecheck import first_wrong
from bus.hub.logkey import last_signed, note_signed, signing_keys
from bus.hub.tilefiles import RightEdge, alone_in, prune_partials, write_durable, write_files
from bus.ledger.sql import QUERIES
from bus.ledger.store import connect
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.cosignature import Cosignature
from bus.tlog.frontier import SUBTREE_SIZE
from bus.tlog.note import Note, Signature, decode_signatures, sign_note
from bus.tlog.policy import Witness
from bus.tlog.tile import Tile
from bus.tlog.tiletree import TileTree
from bus.witness.client import add_checkpoint

log: Any = structlog.get_logger("bus.hub.publisher")

CHUNK = 4096
EVERY_S = 1.0
"""A checkpoint at most each second, and none without growth …"""
RENEW_S = 60.0
"""… except each minute, so that the newest carries a fresh time of its witnesses."""
RETRY_S = 5.0
"""How soon a checkpoint without a quorum is taken to the witnesses again."""
SUBMIT_S = 20.0
"""A checkpoint of a head that was read longer ago is taken to no witness: what was committed since would be older than
a cosignature that does not have it. The next round makes a newer one."""
KEEP_COSIGNATURE_S = 30.0
"""A cosignature that comes later, or is dated so far from now, is thrown away: its time would say of entries that
they were added earlier or later than they were, to every auditor and for ever."""


def now_s() -> float:
    """A clock that nobody sets, and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LogPublisher:
    """One publisher's life, from the last checkpoint it signed to the first doubt."""

    def __init__(self, config: HubConfig) -> None:
        if config.publisher is None:
            raise UsageError("the hub's configuration has no [publisher]", hint="See docs/publisher.md.")
        self._origin = config.origin
        self._config: PublisherConfig = config.publisher
        self._folder = config.publisher.folder
        self._log_folder = self._folder / "log"
        self._keys = signing_keys(self._folder, config.origin)
        self._policy = load_policy(self._folder / "policy")
        self._witnessed: dict[str, int] = {}
        self._renew_at = 0.0
        self._read_at = 0.0
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            StartRefused: the ledger is not a continuation of what was signed.
            LedgerError: the entries do not lead to the head's root.
            Unavailable: Postgres is away, or another publisher works in the folder.
        """
        with alone_in(self._folder):
            await self._run()

    async def _run(self) -> None:
        connection = await connect(self._config.dsn, "publisher")
        try:
            edge = await self._resume(connection)
            log.info("publisher.started", size=edge.size)
            async with aiohttp.ClientSession() as session:
                while True:
                    await self._publish(connection, session, edge)
                    self.ready.set()
                    await asyncio.sleep(EVERY_S)
        finally:
            connection.terminate()

    # --- starting ----------------------------------------------------------------------------------------------

    async def _resume(self, connection: Any) -> RightEdge:
        """The tree that was last signed, read again from the ledger; it must still lead to the root that was signed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "checkpoints").mkdir(exist_ok=True)
        self._log_folder.mkdir(exist_ok=True)
        signed = last_signed(self._folder)
        size = 0 if signed is None else signed.size
        committed = await connection.fetchrow(QUERIES["committed"])
        if committed["size"] < size:
            raise StartRefused(
                f"the ledger has {committed['size']} entries, but a checkpoint of {size} was signed: it is older"
            )
        full = size // SUBTREE_SIZE
        roots = [row["hash"] for row in await connection.fetch(QUERIES["subtrees"], 0, full)]
        tail = [row["leaf"] for row in await connection.fetch(QUERIES["leaves"], full * SUBTREE_SIZE, size)]
        edge = RightEdge(roots, tail)
        if signed is not None and (edge.size != size or edge.frontier.root() != signed.root):
            raise StartRefused(f"the ledger does not lead to the root that was signed at size {size}")
        wrong = await asyncio.to_thread(first_wrong, self._log_folder, roots, tail)
        if wrong is not None:
            raise StartRefused(f"{wrong} is missing or was changed, and {size} entries were signed")
        return edge

    # --- one round ---------------------------------------------------------------------------------------------

    async def _publish(self, connection: Any, session: aiohttp.ClientSession, edge: RightEdge) -> None:
        """Tiles, then the signature, then the witnesses; nothing if nothing has grown and the newest is fresh."""
        self._read_at = now_s()
        head = await connection.fetchrow(QUERIES["committed"])
        fresh = time.monotonic() < self._renew_at
        if head["size"] == 0 or (head["size"] == edge.size and fresh):
            return
        while edge.size < head["size"]:
            await self._grow(connection, edge, min(edge.size + CHUNK, head["size"]))
        if edge.frontier.root() != head["root"]:
            raise LedgerError(f"the entries do not lead to the head's root at size {edge.size}: nothing is published")
        note = await self._sign(Checkpoint(self._origin, edge.size, edge.frontier.root()))
        await connection.execute(QUERIES["save_checkpoint"], edge.size, note.encode())
        public = await self._witness(connection, session, note, edge.size)
        self._renew_at = time.monotonic() + (RENEW_S if public else RETRY_S)

    async def _grow(self, connection: Any, edge: RightEdge, size: int) -> None:
        rows = await connection.fetch(QUERIES["leaves"], edge.size, size)
        if len(rows) != size - edge.size:
            raise LedgerError(f"entries between {edge.size} and {size} are missing")
        files = edge.grow([row["leaf"] for row in rows])
        await asyncio.to_thread(write_files, self._log_folder, files)
        await asyncio.to_thread(prune_partials, self._log_folder, files)
        faults.at("publisher.tiles.written")

    async def _sign(self, checkpoint: Checkpoint) -> Note:
        """Note durably what will be signed, then sign: Ed25519 gives the same bytes again after a crash."""
        text = checkpoint.encode()
        kept = self._folder / "checkpoints" / str(checkpoint.size)
        if kept.is_file() and not kept.read_bytes().startswith(text + b"\n"):
            raise StartRefused(f"{kept} is of another tree of {checkpoint.size} entries")
        faults.at("publisher.signed.before")
        await asyncio.to_thread(note_signed, self._folder, text)
        faults.at("publisher.signed.after")
        note = Note(text, tuple(sign_note(text, key) for key in self._keys))
        await asyncio.to_thread(self._keep, "checkpoint.unwitnessed", checkpoint.size, note)
        faults.at("publisher.published")
        return note

    def _keep(self, name: str, size: int, note: Note) -> None:
        """Keep a checkpoint and make it the newest of its kind; a bare one does not replace a cosigned one."""
        data, kept = note.encode(), self._folder / "checkpoints" / str(size)
        if name == "checkpoint" or not kept.is_file():
            write_durable(kept, data)
        write_durable(self._log_folder / name, data)

    # --- witnesses ---------------------------------------------------------------------------------------------

    async def _witness(self, connection: Any, session: aiohttp.ClientSession, note: Note, size: int) -> bool:
        """Ask every witness of the policy; a checkpoint with a quorum becomes the public one, which is the answer."""
        begun = now_s()
        asked = [self._ask(session, witness, note, size) for witness in self._policy.witnesses if witness.url]
        answers = [line for lines in await asyncio.gather(*asked) for line in lines]
        if now_s() - begun > KEEP_COSIGNATURE_S:
            log.warning("publisher.cosignatures_late", size=size)
            return False
        cosigned = note.with_signatures(answers)
        judgement = self._policy.judge(cosigned)
        for found in judgement.cosigned:
            line = next(s for s in answers if s.name == found.witness.key.name)
            await connection.execute(QUERIES["save_cosignature"], size, found.witness.name, line.encode())
        if not judgement.has_quorum:
            log.warning("publisher.no_quorum", size=size, cosigned=len(judgement.cosigned))
            return False
        await asyncio.to_thread(self._keep, "checkpoint", size, cosigned)
        log.debug("publisher.published", size=size, cosigned=len(judgement.cosigned))
        return True

    async def _ask(
        self, session: aiohttp.ClientSession, witness: Witness, note: Note, size: int
    ) -> Sequence[Signature]:
        """One witness's cosignatures; nothing where it is away. A witness that is ahead of us stops the publisher."""
        for _ in range(2):
            old = self._witnessed.get(witness.name, 0)
            try:
                proof = await asyncio.to_thread(self._consistency, old, size)
                if now_s() - self._read_at > SUBMIT_S:
                    log.warning("publisher.checkpoint_old", size=size)
                    return ()
                lines = await add_checkpoint(session, witness.url, old=old, proof=proof, note=note.encode())
            except WitnessConflict as conflict:
                if conflict.size > size:
                    raise StartRefused(
                        f"witness {witness.name} has cosigned {conflict.size} entries, we have {size}: we rolled back"
                    ) from conflict
                self._witnessed[witness.name] = conflict.size
                continue
            except (WitnessRefused, Unavailable, Malformed) as error:
                log.warning("publisher.witness_failed", witness=witness.name, error=error.message)
                return ()
            return self._valid(witness, note, size, lines)
        return ()

    def _valid(self, witness: Witness, note: Note, size: int, lines: Sequence[str]) -> Sequence[Signature]:
        """The cosignatures that are this witness's and hold."""
        try:
            signatures = decode_signatures("".join(f"{line}\n" for line in lines).encode())
            verified = note.with_signatures(signatures).verified([witness.key])
        except (Malformed, CheckFailed) as error:
            log.warning("publisher.witness_failed", witness=witness.name, error=error.message)
            return ()
        self._witnessed[witness.name] = size
        found = [signature for _, signature in verified]
        if any(abs(Cosignature.decode(one.signature).time_s - time.time()) > KEEP_COSIGNATURE_S for one in found):
            log.warning("publisher.witness_failed", witness=witness.name, error="its clock and ours differ")
            return ()
        return found

    def _consistency(self, old: int, size: int) -> list[bytes]:
        """The proof that the tree continues the one a witness knows, from our own tiles."""
        return TileTree(size, self._read_tile).consistency_path(old)

    def _read_tile(self, tile: Tile) -> bytes:
        return (self._log_folder / tile.path).read_bytes()
