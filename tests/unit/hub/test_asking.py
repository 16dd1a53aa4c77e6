"""The publisher and a witness that lies: nothing that it answers is published, and nothing of it stops the log."""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bus.hub.config import HubConfig, PublisherConfig
from bus.hub.logkey import load_key
from bus.hub.publisher import LogPublisher, now_s
from bus.kafka.connection import Connection
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, Signature, sign_note
from bus.tlog.witness import AddCheckpoint
from tests.unit.tlog.support import ORIGIN, witness_key

KEY = witness_key("liar.example/witness")


def publisher(folder: Path, url: str) -> tuple[LogPublisher, Note]:
    """A publisher whose policy names one witness, and a checkpoint that it has signed."""
    key = load_key(folder / "log.key", ORIGIN)
    lines = (f"log {key.verifier.encode()}", f"witness liar {KEY.verifier.encode()} {url}", "quorum liar", "")
    (folder / "policy").write_text("\n".join(lines))
    text = Checkpoint(ORIGIN, 1, bytes(32)).encode()
    config = HubConfig(ORIGIN, Connection(""), "", "", folder, None, PublisherConfig("", folder, None))
    return LogPublisher(config), Note(text, (sign_note(text, key),))


@pytest.mark.parametrize(("skew_s", "good"), [(0, True), (-20, True), (20, True), (-86_400, False), (86_400, False)])
@pytest.mark.parametrize("forged", [False, True])
async def test_a_cosignature_that_is_wrong_or_of_another_time_is_passed_over(
    tmp_path: Path, skew_s: int, good: bool, forged: bool
) -> None:
    """Only one that holds, and is dated about now, is taken; the others are as if the witness were away."""

    async def answer(request: web.Request) -> web.Response:
        note = Note.decode(AddCheckpoint.decode(await request.read()).note)
        line = sign_note(note.text, KEY, int(time.time()) + skew_s)
        data = line.signature[:-1] + bytes((line.signature[-1] ^ 1,)) if forged else line.signature
        return web.Response(body=Signature(line.name, line.key_id, data).encode())

    app = web.Application()
    app.router.add_post("/add-checkpoint", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        found, note = publisher(tmp_path, str(server.make_url("")))
        found._read_at = now_s()  # the checkpoint is of now
        taken = await found._ask(session, found._policy.witnesses[0], note, 1)
    assert len(taken) == (good and not forged)
