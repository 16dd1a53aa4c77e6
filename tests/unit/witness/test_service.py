"""A witness on HTTP: statuses, bodies and types as the specification has them, and limits."""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from bus.errors import Unavailable
from bus.tlog.note import Note
from bus.tlog.vkey import Kind, VerifierKey
from bus.tlog.witness import AddCheckpoint
from bus.witness import service
from bus.witness.metrics import Tally
from bus.witness.service import MAX_BODY, listening
from bus.witness.store import Store
from bus.witness.witness import Witness
from tests.patience import PATIENT_S
from tests.unit.tlog.support import VECTORS
from tests.unit.witness.support import NAME, ORIGIN, leaves, log_key, make_witness, note, proof, request

TRANSCRIPT = VECTORS / "others" / "torchwood" / "vectors.json"


@pytest.fixture
async def url(witness: Witness) -> AsyncIterator[str]:
    """The witness, listening."""
    async with listening(witness) as found:
        yield found


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(http: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, str, bytes]:
    """Status, type and body of an answer to add-checkpoint."""
    async with http.post(f"{url}/add-checkpoint", data=body) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.read()


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
    """Status and body of a page."""
    async with http.get(url) as answer:
        return answer.status, await answer.read()


async def test_a_conversation_with_another_witness_is_the_same_with_ours(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Requests of another program's own test get the same statuses and bodies, and its log stands on the front page."""
    taken = json.loads(TRANSCRIPT.read_text(encoding="utf-8"))
    calls = taken["calls"]
    origin = AddCheckpoint.decode(calls[0]["body"].encode()).origin
    witness = make_witness(tmp_path / "witness", "else.example")
    witness.trust(VerifierKey(origin, Kind.ED25519, bytes.fromhex(taken["log_key"])))
    async with listening(witness) as url:
        for call in calls:
            status, kind, body = await ask(http, url, call["body"].encode())
            assert status == call["status"]
            assert call["answer"].replace("example.com/witness", NAME).encode() in body
            if status == 409:
                assert (kind, body) == ("text/x.tlog.size", call["answer"].encode())
        status, body = await get(http, url)
        assert (status, f"5 {origin}\n".encode() in body) == (200, True)
    witness.store.close()


async def test_what_was_cosigned_is_shown_to_monitors(url: str, http: aiohttp.ClientSession, witness: Witness) -> None:
    """Before the first cosignature there is nothing; then the note with the log's signature and the cosignature."""
    page = f"{url}/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert (await get(http, page))[0] == 404
    assert (await get(http, page.replace("/checkpoint", "x/checkpoint")))[0] == 404
    status, _, line = await ask(http, url, request(leaves(5), 0))
    assert status == 200
    status, body = await get(http, page)
    assert status == 200
    assert body == note(leaves(5)) + line
    assert len(Note.decode(body).verified([witness.key.verifier, log_key().verifier])) == 2


async def test_counts_are_there_for_prometheus(url: str, http: aiohttp.ClientSession) -> None:
    """Answers by status, and for each log its size, when it was cosigned, and forks."""
    for entries, old in ((leaves(5), 0), (leaves(5), 0), (leaves(5, "fork"), 5)):
        await ask(http, url, request(entries, old))
    status, body = await get(http, f"{url}/metrics")
    lines = body.decode().splitlines()
    assert status == 200
    assert 'safeguard_witness_answers_total{status="200"} 1' in lines
    assert 'safeguard_witness_answers_total{status="409"} 1' in lines
    assert 'safeguard_witness_answers_total{status="422"} 1' in lines
    assert f'safeguard_witness_size{{origin="{ORIGIN}"}} 5' in lines
    assert f'safeguard_witness_cosigned_timestamp_seconds{{origin="{ORIGIN}"}} 1800000000' in lines
    assert f'safeguard_witness_forks{{origin="{ORIGIN}"}} 1' in lines
    assert [line.split()[1] for line in lines if line.startswith("#")] == ["HELP", "TYPE"] * 4


def test_a_label_is_escaped(tmp_path: Path) -> None:
    """An origin with quotes and backslashes does not break out of its label."""
    witness = make_witness(tmp_path / "witness", 'a"b\\c')
    text = Tally().text(witness.store.logs(), []).decode()
    assert 'safeguard_witness_size{origin="a\\"b\\\\c"} 0\n' in text
    witness.store.close()


async def test_of_many_at_once_one_is_cosigned(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Two servers on one memory, asked to go on from nothing in 20 ways, cosign one of them."""
    first = make_witness(tmp_path / "witness")
    second = Witness(first.key, Store(first.store.path, first.key.verifier))
    async with listening(first) as one, listening(second) as two:
        asked = [ask(http, (one, two)[way % 2], request(leaves(5, f"{way}."), 0)) for way in range(20)]
        answers = await asyncio.gather(*asked)
    assert Counter(status for status, _, _ in answers) == {200: 1, 409: 19}
    for store in (first.store, second.store):
        store.close()


async def test_what_is_too_large_or_packed_is_refused(url: str, http: aiohttp.ClientSession) -> None:
    """A body above the limit is not read to its end, and one that is packed is not unpacked."""
    status, _, _ = await ask(http, url, b"old 0\n\n" + b"x" * (MAX_BODY + 1))
    assert status == 413

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    try:
        async with http.post(f"{url}/add-checkpoint", data=endless()) as answer:
            assert answer.status == 413
    except aiohttp.ClientConnectionError:
        pass
    async with http.post(f"{url}/add-checkpoint", data=request(leaves(5), 0), compress="gzip") as answer:
        assert answer.status == 400
    assert (await ask(http, url, request(leaves(5), 0)))[0] == 200


async def test_slow_and_too_many_requests_are_turned_away(
    url: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that does not come ends with 408, and one request too many at once with 503; others are served."""
    monkeypatch.setattr(service, "BODY_TIMEOUT_S", 2.0)
    monkeypatch.setattr(service, "MAX_WAITING", 1)
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nold")
    await writer.drain()
    while (turned_away := (await ask(http, url, b"nonsense"))[0]) == 400:
        pass  # the slow one was not begun yet
    assert turned_away == 503
    assert b" 408 " in await asyncio.wait_for(reader.readline(), PATIENT_S)
    writer.close()
    assert (await ask(http, url, request(leaves(5), 0)))[0] == 200


@pytest.mark.parametrize(
    "sent",
    [b"Content-Length: 100\r\n\r\nold wicked", b"Transfer-Encoding: chunked\r\n\r\nwicked\r\n", b"wicked\x00\r\n\r\n"],
    ids=["broken off", "no chunk", "no header"],
)
async def test_nothing_that_a_stranger_sends_stands_in_the_log(
    url: str, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """A request that breaks off or is none is no fault of the witness, and writes nothing into its log."""
    gc.collect()  # what tests before left behind may say its last word now, and not below
    caplog.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n" + sent)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), PATIENT_S)
    writer.close()
    assert (await ask(http, url, request(leaves(5), 0)))[0] == 200
    assert caplog.records == []


async def test_other_methods_and_pages_are_not_there(url: str, http: aiohttp.ClientSession) -> None:
    """Only what the specification has, metrics and the front page."""
    assert (await get(http, f"{url}/add-checkpoint"))[0] == 405
    assert (await get(http, f"{url}/elsewhere"))[0] == 404
    async with http.post(f"{url}/", data=b"x") as answer:
        assert answer.status == 405


async def test_a_memory_that_cannot_be_read_is_a_503(url: str, http: aiohttp.ClientSession, witness: Witness) -> None:
    """Pages say that nothing can be read, and show nothing of why."""
    witness.store._db.execute("ALTER TABLE log RENAME TO gone")
    for page in ("/", "/metrics", f"/{'0' * 64}/checkpoint"):
        assert await get(http, url + page) == (503, b"this witness cannot read now\n")
    assert (await ask(http, url, request(leaves(5), 0)))[0] == 503


async def test_what_was_begun_is_finished_at_the_end(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A server that is told to stop answers the request it has taken."""
    witness = make_witness(tmp_path / "witness")
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = witness.add_checkpoint

    def slow(body: bytes) -> object:
        loop.call_soon_threadsafe(reached.set)
        return real(body)

    witness.add_checkpoint = slow  # pyright: ignore[reportAttributeAccessIssue]
    async with listening(witness) as url:
        asked = asyncio.create_task(ask(http, url, request(leaves(5), 0)))
        await reached.wait()
    assert (await asked)[0] == 200
    witness.store.close()


async def test_a_taken_port_is_said(url: str, witness: Witness) -> None:
    """Two servers do not share a port."""
    with pytest.raises(Unavailable, match="cannot listen"):
        async with listening(witness, port=int(url.rpartition(":")[2])):
            pass


async def test_a_chunked_request_is_read(url: str, http: aiohttp.ClientSession) -> None:
    """A client that does not say how long its request is, is served."""
    body = AddCheckpoint(0, proof(leaves(5), 0), note(leaves(5))).encode()

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 50):
            yield body[at : at + 50]

    async with http.post(f"{url}/add-checkpoint", data=parts()) as answer:
        assert answer.status == 200
