"""A real `bus witness run`, killed and stopped under load, and judged by what it answered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import signal
import sys
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from msgspec import Struct

from bus.errors import Unavailable, WitnessConflict, WitnessRefused
from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.cosignature import Cosignature
from bus.tlog.note import Note, decode_signatures, sign_note
from bus.tlog.vkey import Kind, NoteKey
from bus.witness.client import add_checkpoint
from bus.witness.home import Home
from bus.witness.witness import Witness
from tests.patience import PATIENT_S, until

ORIGIN = "log.example/one"
LOG = NoteKey(ORIGIN, Kind.ED25519, sha256(ORIGIN.encode()).digest())
RUN = "from bus.cli import main; main()"

Leaves = tuple[bytes, ...]


class Running(Struct):
    """A process of `bus witness run`, and where it listens."""

    process: asyncio.subprocess.Process
    url: str

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), PATIENT_S)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A witness that trusts one log."""
    made = Home(tmp_path / "witness")
    key = made.make("witness.example/north")
    store = made.store(key)
    Witness(key, store).trust(LOG.verifier)
    store.close()
    return made


@contextlib.asynccontextmanager
async def running(home: Home, number: int = 0) -> AsyncGenerator[Running]:
    """Start a witness on a free port; it is gone at the end, whatever happened."""
    ready = home.folder / f"ready.{number}"
    ready.unlink(missing_ok=True)
    words = ("witness", "run", "--port", "0", "--dir", str(home.folder), "--ready-file", str(ready))
    log = (home.folder / f"log.{number}").open("ab")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, *words, stderr=log)
    log.close()
    try:
        await until(lambda: ready.exists() or process.returncode is not None, "the witness is ready")
        assert process.returncode is None, (home.folder / f"log.{number}").read_text(encoding="utf-8")
        pid, url = ready.read_text(encoding="ascii").split()
        assert int(pid) == process.pid
        yield Running(process, url)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Log:
    """A log that lies: each of its clients goes on from what was cosigned in a way of its own.

    It keeps every tree that it ever showed, so that what was cosigned can be judged without the witness's word.
    """

    def __init__(self, home: Home) -> None:
        self._witness = home.key().verifier
        self._page = f"{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
        self.shown: dict[bytes, Leaves] = {tree.EMPTY_ROOT: ()}
        self.cosigned: list[tuple[int, int, bytes]] = []
        """(time, size, root) of every cosignature that came."""
        self.floor = 0
        """The largest size of which a cosignature came."""
        self.conflicts = 0

    async def newest(self, http: aiohttp.ClientSession, url: str) -> Leaves:
        """The entries of the checkpoint that the witness shows."""
        async with http.get(f"{url}/{self._page}", timeout=aiohttp.ClientTimeout(total=PATIENT_S)) as answer:
            if answer.status == 404:
                return ()
            return self.shown[Checkpoint.decode(Note.decode(await answer.read()).text).root]

    async def ask(self, http: aiohttp.ClientSession, url: str, salt: str) -> None:
        """Ask to go on, as nobody else does, from what the witness shows."""
        old = await self.newest(http, url)
        new = (*old, *(f"{salt}.{n}".encode() for n in range(random.randint(0, 3))))
        hashes = tree.leaf_hashes(new)
        root = tree.root(hashes)
        self.shown[root] = new
        text = Checkpoint(ORIGIN, len(new), root).encode()
        note = Note(text, (sign_note(text, LOG),))
        path = tree.consistency_path(hashes, len(old)) if old and len(new) > len(old) else ()
        floor = self.floor
        try:
            lines = await add_checkpoint(http, url, old=len(old), proof=path, note=note.encode())
        except WitnessConflict as error:
            self.conflicts += 1
            assert error.size >= floor  # noqa: PT017 - what it carries is what is tested
            return
        assert len(new) >= floor
        signed = note.with_signatures(decode_signatures("".join(f"{line}\n" for line in lines).encode()))
        ((_, signature),) = signed.verified([self._witness])
        self.floor = max(self.floor, len(new))
        self.cosigned.append((Cosignature.decode(signature.signature).time_s, len(new), root))

    async def press(self, one: Running, *, client: str) -> None:
        """Ask again and again, until the witness is gone."""
        async with aiohttp.ClientSession() as http:
            for turn in itertools.count():
                try:
                    await self.ask(http, one.url, f"{client}.{turn}")
                except (Unavailable, aiohttp.ClientError, TimeoutError):
                    if one.process.returncode is not None:
                        return
                    await asyncio.sleep(0.01)

    async def goes_on(self) -> None:
        """Wait until clients have got a cosignature more, and another conflict, than now."""
        cosigned, conflicts = len(self.cosigned), self.conflicts
        await until(
            lambda: len(self.cosigned) > cosigned + 1 and self.conflicts > conflicts, "a witness answers its clients"
        )

    def judge(self) -> None:
        """Whatever was cosigned is one history: each tree begins with the one before."""
        trees = sorted({(size, root) for _, size, root in self.cosigned})
        assert len({size for size, _ in trees}) == len(trees)
        for (small, one), (_, other) in itertools.pairwise(trees):
            assert self.shown[other][:small] == self.shown[one]
        by_time = sorted(self.cosigned)
        for (earlier, small, _), (later, large, _) in itertools.pairwise(by_time):
            assert earlier == later or small <= large


async def under_load(log: Log, witnesses: list[Running], clients: int) -> list[asyncio.Task[None]]:
    """Clients that press all of them."""
    return [
        asyncio.create_task(log.press(one, client=f"{one.process.pid}.{client}"))
        for one in witnesses
        for client in range(clients)
    ]


async def test_a_witness_that_is_killed_again_and_again_keeps_one_history(home: Home) -> None:
    """Killed at any moment, under clients that all lie: no two roots at one size, and never a smaller size."""
    log = Log(home)
    for life in range(6):
        async with running(home, life) as witness:
            tasks = await under_load(log, [witness], 4)
            await log.goes_on()
            await asyncio.sleep(random.uniform(0, 0.3))  # killed at any moment
            assert await witness.end(signal.SIGKILL) == -signal.SIGKILL
            await asyncio.gather(*tasks)
        log.judge()
    assert len(log.cosigned) > 6
    assert log.conflicts > 0
    async with running(home) as witness, aiohttp.ClientSession() as http:
        assert len(await log.newest(http, witness.url)) >= log.floor


async def test_two_processes_of_one_witness_keep_one_history(home: Home) -> None:
    """Two that share a memory, one of them killed and the other going on, never go two ways."""
    log = Log(home)
    async with running(home, 1) as one, running(home, 2) as two:
        tasks = await under_load(log, [one, two], 3)
        await log.goes_on()
        await one.end(signal.SIGKILL)
        await log.goes_on()
        assert await two.end(signal.SIGTERM) == 0
        await asyncio.gather(*tasks)
    log.judge()
    assert log.conflicts > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_witness_stops_cleanly(home: Home, number: signal.Signals) -> None:
    """Exit code 0, no ready file, a last line in the log, and everything in one file that another start reads."""
    log = Log(home)
    async with running(home) as witness:
        tasks = await under_load(log, [witness], 2)
        await log.goes_on()
        assert await witness.end(number) == 0
        await asyncio.gather(*tasks)
    assert {path.name for path in home.folder.iterdir()} == {"address", "key", "witness.db", "log.0"}
    text = (home.folder / "log.0").read_text(encoding="utf-8")
    assert '"event": "witness.started"' in text
    assert text.rstrip().splitlines()[-1].count('"event": "witness.stopped"') == 1
    log.judge()
    store = home.store(home.key())
    assert store.logs()[0].newest.size >= log.floor > 0
    store.close()


async def test_a_log_is_trusted_while_the_witness_runs(home: Home) -> None:
    """`bus witness trust` needs no restart."""
    other = NoteKey("log.example/two", Kind.ED25519, bytes(32))
    text = Checkpoint(other.verifier.name, 0, tree.EMPTY_ROOT).encode()
    note = Note(text, (sign_note(text, other),)).encode()
    async with running(home) as witness, aiohttp.ClientSession() as http:
        with pytest.raises(WitnessRefused) as refused:
            await add_checkpoint(http, witness.url, old=0, proof=(), note=note)
        assert refused.value.status == 404
        words = ("witness", "trust", other.verifier.encode(), "--dir", str(home.folder))
        trusting = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, *words)
        assert await trusting.wait() == 0
        assert await add_checkpoint(http, witness.url, old=0, proof=(), note=note)
