"""One key of the log follows another under way: real witnesses, no checkpoint that nobody can check, nothing lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus.sandbox.lifecycle import Sandbox
from bus.sandbox.witnesses import WITNESSES, folder
from bus.tlog.note import Note
from bus.tlog.vkey import Kind, NoteKey, VerifierKey
from tests.faults.hurt import Hurt
from tests.patience import until

pytestmark = [pytest.mark.integration, pytest.mark.deep]


@pytest.fixture(scope="module")
async def hub(trial: Sandbox) -> Hurt:
    """A hub that runs, with some entries published."""
    found = Hurt(trial)
    await found.is_published(await found.grow(2, 40))
    return found


def signers(path: Path, *keys: str) -> list[bool]:
    """Which of these keys signed a checkpoint."""
    known = [VerifierKey.decode(key) for key in keys]
    found = {key for key, _ in Note.decode(path.read_bytes()).verified(known)}
    return [key in found for key in known]


async def restart(hub: Hurt) -> None:
    """Stop and start the publisher."""
    await hub.sandbox.stop("publisher")
    await hub.start("publisher")


async def test_a_log_key_follows_another_as_the_runbook_says(hub: Hurt, tmp_path: Path) -> None:
    """Each step is refused before its time; in the end old checkpoints hold by the old key and new ones by the new."""
    shown, old = hub.published / "log" / "checkpoint", hub.sandbox.status()["log"]["vkey"]
    assert hub.bus("hub", "log-key", "finish").returncode == 2
    made = hub.bus("hub", "log-key", "new")
    new = made.stdout.strip()
    assert (made.returncode, hub.bus("hub", "log-key", "new").stdout.strip()) == (0, new)
    assert "do not name the new key" in hub.bus("hub", "log-key", "finish").stderr
    events = hub.bus("hub", "log-key", "adopt").stdout
    told = await asyncio.to_thread(hub.bus, "publish", "-", "--as", "hub", given=events)
    assert told.returncode == 0, told.stderr
    assert "not signed by both keys" in hub.bus("hub", "log-key", "finish").stderr
    await restart(hub)
    await until(lambda: signers(shown, old, new) == [True, True], "both keys sign")
    refused = hub.bus("hub", "log-key", "finish")
    assert (refused.returncode, "not trusted by every witness" in refused.stderr) == (4, True)
    stranger = NoteKey(new.partition("+")[0], Kind.ED25519, bytes(range(32))).verifier.encode()
    for witness in WITNESSES:
        vouched = ("--vouched", str(shown), "--dir", str(folder(hub.sandbox.home, witness).folder))
        assert hub.bus("witness", "trust", stranger, *vouched).returncode == 3
        assert hub.bus("witness", "trust", new, *vouched).returncode == 0
    done = await asyncio.to_thread(hub.bus, "hub", "log-key", "finish")
    assert (done.returncode, done.stdout.strip()) == (0, new), done.stderr
    assert hub.sandbox.status()["log"]["vkey"] == new
    overlap = tmp_path / "overlap"
    overlap.write_bytes(shown.read_bytes())
    await restart(hub)
    size = await hub.grow(3, 20)
    await hub.is_published(size)
    assert signers(shown, old, new) == [False, True]
    assert (await hub.verify())["size"] == size
    await hub.sandbox.up()
    report = await hub.verify()
    assert len(report["witnesses"]) == 2


async def test_old_checkpoints_need_the_old_key_and_new_ones_the_new(hub: Hurt, tmp_path: Path) -> None:
    """Who knows one key alone believes one part of the kept checkpoints, and is told so of the other."""
    policy = (hub.published / "policy").read_text(encoding="utf-8").splitlines()
    logs = [line for line in policy if line.startswith("log ")]
    assert len(logs) == 2
    for line, sentence in zip(logs, ("newest checkpoint", "kept checkpoint"), strict=True):
        alone = tmp_path / "policy"
        alone.write_text("\n".join([line, *(other for other in policy if other not in logs), ""]), encoding="utf-8")
        done = await asyncio.to_thread(hub.bus, "audit", "verify", "--files-only", "--policy", str(alone))
        assert done.returncode == 3
        assert f"The {sentence}" in done.stderr
        assert "signed by no log of the policy" in done.stderr
