"""The publisher and its witnesses: what it takes to them, and what it throws away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bus.hub import publisher as hub
from bus.hub.config import HubConfig, PublisherConfig
from bus.hub.publisher import KEEP_COSIGNATURE_S, SUBMIT_S, LogPublisher
from bus.hub.tilefiles import RightEdge, write_files
from bus.kafka.connection import Connection
from bus.tlog.note import Note, Signature
from bus.tlog.policy import Witness as Named
from bus.witness.service import listening
from bus.witness.witness import Witness
from tests.unit.witness.support import ORIGIN, leaves, log_key, make_witness, note

SIZE = 5


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


def published(folder: Path) -> LogPublisher:
    """A publisher with the tiles of five entries in its folder."""
    log = folder / "log"
    log.mkdir(parents=True)
    write_files(log, RightEdge().grow(leaves(SIZE)))
    (folder / "log.key").write_text(f"{log_key().encode()}\n")
    (folder / "log.key").chmod(0o600)
    (folder / "policy").write_text(f"log {log_key().verifier.encode()}\nquorum none\n")
    config = HubConfig(ORIGIN, Connection(""), "", "", folder, None, PublisherConfig("", folder, None))
    return LogPublisher(config)


async def asked(one: LogPublisher, http: aiohttp.ClientSession, witness: Witness) -> Sequence[Signature]:
    """What the publisher gets of a running witness for the five entries."""
    async with listening(witness) as url:
        named = Named("north", witness.key.verifier, url)
        return await one._ask(http, named, Note.decode(note(leaves(SIZE))), SIZE)


def newest(witness: Witness) -> int:
    """How much the witness has cosigned."""
    return witness.store.logs()[0].newest.size


@pytest.mark.parametrize(("age_s", "size"), [(0.0, SIZE), (SUBMIT_S - 10, SIZE), (SUBMIT_S + 1, 0), (3600.0, 0)])
async def test_an_old_checkpoint_is_not_taken_to_a_witness(
    age_s: float, size: int, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """After 20 s what was added meanwhile would look back-dated by the cosignature: a newer checkpoint is made instead."""
    one, witness = published(tmp_path / "publisher"), make_witness(tmp_path / "witness", now_s=None)
    one._read_at = hub.now_s() - age_s
    assert len(await asked(one, http, witness)) == (size > 0)
    assert newest(witness) == size
    witness.store.close()


async def test_a_checkpoint_that_grows_old_on_its_way_is_not_taken_further(
    tmp_path: Path, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its age is looked at before each request, so a disk that stalls while the proof is made does not pass unseen."""
    one, witness = published(tmp_path / "publisher"), make_witness(tmp_path / "witness", now_s=None)
    one._read_at = hub.now_s()
    consistency = one._consistency

    def stalled(old: int, size: int) -> Any:
        one._read_at -= SUBMIT_S + 1
        return consistency(old, size)

    monkeypatch.setattr(one, "_consistency", stalled)
    assert await asked(one, http, witness) == ()
    assert newest(witness) == 0
    witness.store.close()


@pytest.mark.parametrize(("off_s", "kept"), [(0, 1), (KEEP_COSIGNATURE_S + 10, 0), (-KEEP_COSIGNATURE_S - 10, 0)])
async def test_a_cosignature_of_another_time_is_thrown_away(
    off_s: float, kept: int, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A witness whose clock is half a minute off vouches for nothing here."""
    one, made = published(tmp_path / "publisher"), make_witness(tmp_path / "witness", now_s=None)
    one._read_at = hub.now_s()
    witness = Witness(made.key, made.store, lambda: int(made._now_s() + off_s))
    assert len(await asked(one, http, witness)) == kept
    made.store.close()
