"""Other people's logs and witnesses: each works with ours. Needs Go, and a way to its modules."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from bus.errors import Unavailable, WitnessConflict, WitnessRefused
from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.cosignature import Cosignature
from bus.tlog.note import Note, decode_signatures, sign_note
from bus.tlog.policy import Policy
from bus.tlog.vkey import Kind, NoteKey, VerifierKey
from bus.witness.client import add_checkpoint
from bus.witness.home import Home
from bus.witness.service import listening
from bus.witness.witness import Witness
from tests.patience import PATIENT_S

pytestmark = pytest.mark.deep

TESSERA = "github.com/transparency-dev/tessera@v1.0.4"
LITEWITNESS = "filippo.io/torchwood/cmd/litewitness@v0.9.0"
ORIGIN = "log.example/one"
LOG = NoteKey(ORIGIN, Kind.ED25519, sha256(ORIGIN.encode()).digest())
ENTRIES = [b"entry %d" % number for number in range(60)]
HASHES = tree.leaf_hashes(ENTRIES)


def built(*commands: list[str], folder: Path, **env: str) -> None:
    """Run Go commands one after the other; skip the test if the modules cannot be had."""
    if shutil.which("go") is None:
        pytest.skip("there is no go command")
    for words in commands:
        done = subprocess.run(words, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False)
        if done.returncode and "dial tcp" in done.stderr:
            pytest.skip("Go's module proxy cannot be reached")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def litewitness_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Torchwood's witness, compiled."""
    folder = tmp_path_factory.mktemp("litewitness")
    built(["go", "install", LITEWITNESS], folder=folder, GOBIN=str(folder))
    return folder / "litewitness"


@pytest.fixture(scope="module")
def tessera_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small log on Tessera, compiled from the source beside this file."""
    folder = tmp_path_factory.mktemp("tessera")
    shutil.copy(Path(__file__).with_name("test_witness_tessera.go"), folder / "main.go")
    built(
        ["go", "mod", "init", "peer"], ["go", "get", TESSERA], ["go", "build", "-mod=mod", "-o", "log"], folder=folder
    )
    return folder / "log"


@contextlib.asynccontextmanager
async def process(*words: str, **env: str) -> AsyncGenerator[None]:
    """A process for the time of a block."""
    quiet = asyncio.subprocess.DEVNULL
    started = await asyncio.create_subprocess_exec(*words, env=os.environ | env, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def done(*words: str, **env: str) -> int:
    """Run a command to its end; the exit code."""
    async with asyncio.timeout(PATIENT_S):
        ran = await asyncio.create_subprocess_exec(*words, env=os.environ | env, stderr=asyncio.subprocess.DEVNULL)
        return await ran.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
async def litewitness(litewitness_program: Path) -> AsyncIterator[tuple[str, VerifierKey]]:
    """Torchwood's witness, which trusts one log; its URL and key. Its key is held by an agent, as it wants it."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("there is no ssh-agent command")
    name, url = "witness.example/lite", f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as kept:
        agent, key, database = Path(kept, "agent"), Path(kept, "key"), Path(kept, "lite.db")
        assert await done("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)) == 0
        public = b64decode(key.with_suffix(".pub").read_text(encoding="ascii").split()[1])[-32:]
        async with process("ssh-agent", "-D", "-a", str(agent)):
            deadline = time.monotonic() + PATIENT_S
            while await done("ssh-add", "-q", str(key), SSH_AUTH_SOCK=str(agent)):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            words = (
                "-ssh-agent", str(agent), "-name", name, "-key", sha256(public).hexdigest(), "-db", str(database),
                "-listen", url.removeprefix("http://"),
            )  # fmt: skip
            async with process(str(litewitness_program), *words):
                await until_answering(url)
                with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
                    db.execute("INSERT INTO log VALUES (?, 0, '')", (ORIGIN,))
                    db.execute("UPDATE log SET tree_hash = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='")
                    db.execute("INSERT INTO key VALUES (?, ?)", (ORIGIN, LOG.verifier.encode()))
                yield url, VerifierKey(name, Kind.COSIGNATURE, public)


async def until_answering(url: str) -> None:
    """Wait for a web server of another process."""
    deadline = time.monotonic() + PATIENT_S
    async with aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[tuple[str, Witness]]:
    """Our witness, listening."""
    home = Home(tmp_path / "witness")
    key = home.make("witness.example/north")
    witness = Witness(key, home.store(key))
    witness.trust(LOG.verifier)
    async with listening(witness) as url:
        yield url, witness
    witness.store.close()


def note(size: int, *, key: NoteKey = LOG, root: bytes | None = None) -> Note:
    """A checkpoint of our log."""
    text = Checkpoint(ORIGIN, size, root or tree.root(HASHES[:size])).encode()
    return Note(text, (sign_note(text, key),))


def path(old: int, new: int) -> list[bytes]:
    """The consistency path between two sizes."""
    return tree.consistency_path(HASHES[:new], old) if 0 < old < new else []


async def test_another_witness_cosigns_our_log(litewitness: tuple[str, VerifierKey]) -> None:
    """Step by step, with a conflict on the way; a policy that names it believes the checkpoint."""
    url, key = litewitness
    text = f"log {LOG.verifier.encode()}\nwitness lite {key.encode()} {url}\nquorum lite\n"
    policy = Policy.parse(text.encode())
    async with aiohttp.ClientSession() as http:
        old = 0
        for size in (1, 2, 7, 7, 32, 33, 60):
            with pytest.raises(WitnessConflict) as conflict:
                await add_checkpoint(http, url, old=old + 1, proof=(), note=note(60).encode())
            assert conflict.value.size == old
            lines = await add_checkpoint(http, url, old=old, proof=path(old, size), note=note(size).encode())
            cosignatures = decode_signatures("".join(f"{line}\n" for line in lines).encode())
            judged = policy.accept(note(size).with_signatures(cosignatures))
            assert (judged.checkpoint.size, len(judged.cosigned)) == (size, 1)
            assert abs(judged.cosigned[0].time_s - time.time()) < 30
            old = size
        for status, asked in (
            (422, note(60, root=bytes(32))),
            (403, note(60, key=NoteKey(ORIGIN, Kind.ED25519, bytes(32)))),
        ):
            with pytest.raises(WitnessRefused) as refused:
                await add_checkpoint(http, url, old=60, proof=(), note=asked.encode())
            assert refused.value.status == status


async def test_another_witness_answers_as_ours(litewitness: tuple[str, VerifierKey], ours: tuple[str, Witness]) -> None:
    """Two hundred requests, right and wrong at random, get the same status and the same size from both."""
    chance = random.Random(5)
    newest = 0

    async def answer(http: aiohttp.ClientSession, url: str, old: int, proof: list[bytes], asked: bytes) -> object:
        try:
            return len(await add_checkpoint(http, url, old=old, proof=proof, note=asked))
        except WitnessConflict as conflict:
            return f"conflict at {conflict.size}"
        except WitnessRefused as refused:
            return refused.status
        except Unavailable as away:
            return away.message

    seen: set[object] = set()
    async with aiohttp.ClientSession() as http:
        for _ in range(200):
            size = min(newest + chance.choice((0, 1, 1, 2)), 60) if chance.random() < 0.7 else chance.randint(1, 60)
            old = newest if chance.random() < 0.7 else chance.randint(0, 60)
            proof = path(old, size)
            if old and chance.random() < 0.2:
                proof = [*proof[1:], bytes(32)]
            root = bytes(32) if old and chance.random() < 0.1 else None
            key = LOG if chance.random() < 0.9 else NoteKey(ORIGIN, Kind.ED25519, bytes(32))
            asked = note(size, key=key, root=root).encode()
            theirs = await answer(http, litewitness[0], old, proof, asked)
            assert await answer(http, ours[0], old, proof, asked) == theirs
            newest = size if theirs == 1 else newest
            seen.add(theirs if isinstance(theirs, int) else "conflict")
    assert seen == {1, 400, 403, 422, "conflict"}


async def test_another_log_is_cosigned_by_ours(
    tessera_program: Path, ours: tuple[str, Witness], litewitness: tuple[str, VerifierKey], tmp_path: Path
) -> None:
    """A log on Tessera publishes only what two witnesses of its policy, ours and another, have cosigned.

    It is stopped and started, finds out by a conflict where each witness is, and goes on.
    """
    url, witness = ours
    lite_url, lite = litewitness
    witness.trust(LOG.verifier)
    lines = (
        f"log {LOG.verifier.encode()}", f"witness north {witness.key.verifier.encode()} {url}",
        f"witness lite {lite.encode()} {lite_url}", "group both all north lite", "quorum both",
    )  # fmt: skip
    text = "".join(f"{line}\n" for line in lines).encode()
    (tmp_path / "policy").write_bytes(text)
    for begin, end in ((0, 5), (5, 8)):
        words = ("-dir", str(tmp_path / "log"), "-key", LOG.encode(), "-policy", str(tmp_path / "policy"))
        log = await asyncio.create_subprocess_exec(
            str(tessera_program), *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await asyncio.wait_for(
            log.communicate(b"".join(entry + b"\n" for entry in ENTRIES[begin:end])), PATIENT_S
        )
        assert log.returncode == 0, err.decode()
        judged = Policy.parse(text).accept(Note.decode(out))
        assert (judged.checkpoint.size, judged.checkpoint.root) == (end, tree.root(HASHES[:end]))
        assert {one.witness.name for one in judged.cosigned} == {"north", "lite"}
    known = witness.store.find(ORIGIN)
    assert known is not None
    assert known.newest.size == 8
    assert known.note is not None
    (ours_line,) = (line for line in Note.decode(known.note).signatures if line.is_of(witness.key.verifier))
    assert Cosignature.decode(ours_line.signature).time_s == known.time_s
