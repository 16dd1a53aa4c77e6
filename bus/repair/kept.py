"""The checkpoints and cosignatures that the database kept: put back from the publisher's folder."""

from __future__ import annotations

from typing import Any

from bus.errors import CheckFailed, Malformed
from bus.hub.logkey import kept_files
from bus.ledger.sql import QUERIES
from bus.ledger.store import connect
from bus.repair.files import read_file
from bus.repair.scene import Scene
from bus.tlog.note import Note


async def keep_checkpoints(scene: Scene) -> None:
    """Give the database every checkpoint of the folder that it has not; of one size there is one."""
    session: Any = await connect(scene.publisher.dsn, "repair")
    witnesses = {one.key: one.name for one in scene.policy.witnesses}
    try:
        for path in reversed([*kept_files(scene.publisher.folder)]):
            try:
                note = Note.decode(read_file(path) or b"")
                judged = scene.policy.judge(note)
                lines = note.verified(witnesses)
            except (Malformed, CheckFailed):
                continue
            if judged.log is None or judged.checkpoint.origin != scene.config.origin:
                continue
            bare = Note(note.text, tuple(line for line in note.signatures if line.name == judged.log.key.name))
            await session.execute(QUERIES["save_checkpoint"], judged.checkpoint.size, bare.encode())
            for key, line in lines:
                await session.execute(
                    QUERIES["save_cosignature"], judged.checkpoint.size, witnesses[key], line.encode()
                )
    finally:
        session.terminate()
