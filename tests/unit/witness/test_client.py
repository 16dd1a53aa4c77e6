"""The client asks a real witness, and is not misled by one that is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bus.errors import Unavailable, WitnessConflict, WitnessRefused
from bus.tlog.note import Note, decode_signatures
from bus.witness.client import MAX_ANSWER, add_checkpoint
from bus.witness.service import listening
from bus.witness.witness import Witness
from tests.patience import PATIENT_S
from tests.unit.witness.support import leaves, note, proof

LINE = "— witness.example/north jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZC\n".encode()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The session of whoever asks."""
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def answering(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncGenerator[str]:
    """Something that takes a request and answers as it likes; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def reply(status: int, body: bytes, kind: str = "text/plain") -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An answer in one piece."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\n" % (status, kind.encode()))
        writer.write(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return write


async def ask(http: aiohttp.ClientSession, url: str, timeout_s: float = PATIENT_S) -> list[str]:
    """A first request."""
    return await add_checkpoint(http, url, old=0, proof=(), note=note(leaves(5)), timeout_s=timeout_s)


async def test_cosignatures_come_as_lines(http: aiohttp.ClientSession, witness: Witness) -> None:
    """The lines verify with the witness's key when they are put under the note; a slash behind the URL is no matter."""
    async with listening(witness) as url:
        for old, size in ((0, 5), (5, 9), (9, 9)):
            sent = note(leaves(size))
            lines = await add_checkpoint(http, f"{url}/", old=old, proof=proof(leaves(size), old), note=sent)
            found = decode_signatures("".join(f"{line}\n" for line in lines).encode())
            assert Note.decode(sent).with_signatures(found).verified([witness.key.verifier])


async def test_a_conflict_carries_the_size(http: aiohttp.ClientSession, witness: Witness) -> None:
    """From the size of the conflict, the next request is cosigned."""
    async with listening(witness) as url:
        await ask(http, url)
        with pytest.raises(WitnessConflict) as conflict:
            await add_checkpoint(http, url, old=3, proof=proof(leaves(9), 3), note=note(leaves(9)))
        old = conflict.value.size
        assert old == 5
        assert await add_checkpoint(http, url, old=old, proof=proof(leaves(9), old), note=note(leaves(9)))


async def test_a_refusal_carries_its_status(http: aiohttp.ClientSession, witness: Witness) -> None:
    """Unknown logs, foreign keys, steps back and false proofs are told apart by status."""
    async with listening(witness) as url:
        await ask(http, url)
        for status, old, sent in (
            (404, 0, note(leaves(5), origin="else.example")), (403, 5, note(leaves(5)).replace(b"\n5\n", b"\n6\n")),
            (400, 9, note(leaves(6))), (422, 5, note(leaves(6))),
        ):  # fmt: skip
            with pytest.raises(WitnessRefused) as refused:
                await add_checkpoint(http, url, old=old, proof=(), note=sent)
            assert refused.value.status == status
            assert refused.value.reason


async def test_a_witness_that_is_away_or_slow_is_unavailable(http: aiohttp.ClientSession) -> None:
    """Nobody there, an answer that never comes, and one that stops in the middle: each ends in time."""

    async def never(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + LINE)

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        for _ in range(20):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    for answer in (never, half, drip):
        async with answering(answer) as url:
            with pytest.raises(Unavailable):
                await ask(http, url, 0.3)
    for nowhere in (url, "http://127.0.0.1:1", "not a url", "ftp://witness.example", "http://[::1"):
        with pytest.raises(Unavailable):
            await ask(http, nowhere, 0.3)


async def test_what_is_no_witnesss_answer_is_unavailable(http: aiohttp.ClientSession) -> None:
    """Other statuses, redirects, and bodies that are no cosignature lines or no size are not believed."""
    odd = (
        reply(200, b""), reply(200, b"<html>\n"), reply(200, LINE[:-1]), reply(200, LINE + b"x\n"),
        reply(200, LINE * 100_000), reply(200, b"\xff\n"), reply(201, LINE), reply(302, LINE), reply(500, b"no"),
        reply(503, b"later"), reply(409, b"+5\n", "text/x.tlog.size"), reply(409, b"5", "text/x.tlog.size"),
        reply(409, b"9223372036854775808\n", "text/x.tlog.size"), reply(409, b"x" * (MAX_ANSWER + 1), "text/x.tlog.size"),
    )  # fmt: skip
    for answer in odd:
        async with answering(answer) as url:
            with pytest.raises(Unavailable):
                await ask(http, url)


async def test_a_conflict_without_a_size_is_a_refusal(http: aiohttp.ClientSession) -> None:
    """A 409 of another type says nothing of where the witness is; and what it says is safe to print."""
    async with answering(reply(409, b"5\n\x1b[31m\xff" + b"x" * 1000)) as url:
        with pytest.raises(WitnessRefused) as refused:
            await ask(http, url)
    assert refused.value.status == 409
    assert refused.value.reason.isprintable()
    assert len(refused.value.reason) <= 200


async def test_every_line_comes_whoever_signed_it(http: aiohttp.ClientSession) -> None:
    """Lines of several keys come in their order: it is for whoever asked to believe them."""
    async with answering(reply(200, LINE + LINE.replace(b"north", b"south"), "application/octet-stream")) as url:
        assert [line.split()[1] for line in await ask(http, url)] == ["witness.example/north", "witness.example/south"]
