"""Checkpoints and cosignatures are kept twice, in the publisher's folder and in the database: each from the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bus.errors import CheckFailed, Malformed
from bus.hub.logkey import kept_files
from bus.hub.tilefiles import write_files
from bus.ledger.sql import QUERIES
from bus.ledger.store import connect
from bus.repair.files import put_aside, read_file
from bus.repair.report import Report
from bus.repair.scene import Scene, claimed
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, decode_signatures


async def look_at_checkpoints(scene: Scene, report: Report) -> None:
    """Note the checkpoints that only the database has."""
    lost = await _lost(scene)
    if lost:
        sizes = ", ".join(map(str, sorted(lost)[:3])) + (" …" if len(lost) > 3 else "")
        report.finding("checkpoints-lost", f"{len(lost)} kept checkpoints are missing or no checkpoints: {sizes}")
        report.step("checkpoints", f"write {len(lost)} checkpoints again from the database")


async def put_back_checkpoints(scene: Scene, aside: Path) -> None:
    """Write them into the folder; what lies in their place is kept aside."""
    names = {f"checkpoints/{size}": note for size, note in (await _lost(scene)).items()}
    for name in names:
        put_aside(scene.publisher.folder, name, aside)
    write_files(scene.publisher.folder, names)


async def _lost(scene: Scene) -> dict[int, bytes]:
    """The checkpoints that the database has, and of which the folder has none or something that is no checkpoint."""
    folder, found = scene.publisher.folder / "checkpoints", dict[int, bytes]()
    for row in await scene.store.fetch("kept_checkpoints"):
        if _is_checkpoint(read_file(folder / str(row["size"]))):
            continue  # whether it is the right one is for the start and for an auditor to say
        try:
            note = Note.decode(row["note"]).with_signatures(decode_signatures(b"".join(row["lines"]))).encode()
        except Malformed:
            note = bytes(row["note"])
        if claimed(note, scene.policy, scene.config.origin, "ledger.checkpoint") is not None:
            found[row["size"]] = note
    return found


def _is_checkpoint(data: bytes | None) -> bool:
    try:
        return data is not None and bool(Checkpoint.decode(Note.decode(data).text).origin)
    except Malformed:
        return False


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
