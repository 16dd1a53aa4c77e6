r"""A witness on HTTP, for logs that ask and for people who watch.

::

    POST /add-checkpoint                       c2sp.org/tlog-witness
    GET  /<SHA-256 of an origin, hex>/checkpoint
    GET  /                                     who this is, and where its logs are
    GET  /metrics                              for Prometheus

One thread does all that touches the memory, one request after another. It speaks plain HTTP on a loopback address;
what stands before it on the Internet adds TLS.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from aiohttp import web

from bus.errors import BusError, Unavailable
from bus.httplog import server_log
from bus.witness import address
from bus.witness.home import Home
from bus.witness.metrics import CONTENT_TYPE, Tally
from bus.witness.witness import Answer, Witness

log: Any = structlog.get_logger("bus.witness")

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 7380
MAX_BODY: Final = 1 << 17
"""A note with 16 of the largest signatures and 63 digests has less than half of this."""
MAX_WAITING: Final = 64
BODY_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 5.0

T = TypeVar("T")


class Site:
    """The witness's pages. Each is one call on the memory's thread."""

    def __init__(self, witness: Witness, thread: ThreadPoolExecutor) -> None:
        self._witness = witness
        self._thread = thread
        self._tally = Tally()
        self._waiting = 0

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/add-checkpoint", self.add_checkpoint)
        app.router.add_get("/{origin_hash:[0-9a-f]{64}}/checkpoint", self.checkpoint)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/", self.index)
        return app

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        """Cosign, or say why not."""
        answer = await self._answer(request)
        self._tally.count(answer.status)
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})

    async def _answer(self, request: web.Request) -> Answer:
        if self._waiting >= MAX_WAITING:
            return Answer(503, b"too many requests at once\n")
        self._waiting += 1
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await request.read()
            return await self._call(lambda: self._witness.add_checkpoint(body))
        except TimeoutError:
            return Answer(408, b"the request came too slowly\n")
        except web.HTTPRequestEntityTooLarge:
            return Answer(413, b"the request is too large\n")
        except (ConnectionError, web.RequestPayloadError):
            return Answer(400, b"the request broke off\n")
        finally:
            self._waiting -= 1

    async def checkpoint(self, request: web.Request) -> web.Response:
        """The newest checkpoint of a log that was cosigned, with the log's signature and the cosignature."""
        note = await self._call(lambda: self._witness.store.note(request.match_info["origin_hash"]))
        if note is None:
            return web.Response(status=404, text="nothing of this log was cosigned\n")
        return web.Response(
            body=note, headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache"}
        )

    async def metrics(self, _request: web.Request) -> web.Response:
        """Counters and gauges."""
        logs, forks = await self._call(lambda: (self._witness.store.logs(), self._witness.store.forks()))
        return web.Response(body=self._tally.text(logs, forks), headers={"Content-Type": CONTENT_TYPE})

    async def index(self, _request: web.Request) -> web.Response:
        """Whose witness this is."""
        logs = await self._call(self._witness.store.logs)
        lines = [self._witness.key.verifier.encode(), *(f"{one.newest.size} {one.origin}" for one in logs)]
        return web.Response(text="".join(f"{line}\n" for line in lines))

    async def _call(self, work: Callable[[], T]) -> T:
        """Do it on the memory's thread. A request that goes away is done with all the same."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except BusError as error:
            log.error("witness.store_failed", error=error.message)  # noqa: TRY400 - what failed says it all
            raise web.HTTPServiceUnavailable(text="this witness cannot read now\n") from None


@asynccontextmanager
async def listening(witness: Witness, host: str = DEFAULT_HOST, port: int = 0) -> AsyncGenerator[str]:
    """Serve a witness while the block runs; yields its URL. Port 0 takes one that is free.

    At the end nothing new is taken, and what was begun is finished.

    Raises:
        Unavailable: the address is taken or not ours.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="witness") as thread:
        runner = web.AppRunner(
            Site(witness, thread).application(), access_log=None, logger=server_log("bus.witness.http"),
            auto_decompress=False, shutdown_timeout=STOP_TIMEOUT_S,
        )  # fmt: skip
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
            name, taken = runner.addresses[0][:2]
            yield f"http://[{name}]:{taken}" if ":" in name else f"http://{name}:{taken}"
        finally:
            await runner.cleanup()


async def run(
    home: Home,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    ready_file: Path | None = None,
    public: str | None = None,
) -> None:
    """Run a witness until SIGTERM or SIGINT.

    Args:
        home: its key and memory.
        host: the address to listen on.
        port: the port; 0 takes one that is free.
        ready_file: written once it listens, with this process's id and, on the second line, the URL.
        public: where logs reach it, if that is another address; it is kept beside the key.

    Raises:
        UsageError: the key or the memory is missing or wrong, or the public address is no URL.
        Unavailable: the address is taken, or the memory cannot be opened.
    """
    key = home.key()
    public = None if public is None else address.checked(public)
    store = home.store(key)
    known = len(store.logs())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with listening(Witness(key, store), host, port) as url:
            log.info("witness.started", witness=key.verifier.name, url=url, logs=known)
            address.note(home, url, public)
            _announce(ready_file, url)
            await stop.wait()
    finally:
        store.close()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)  # noqa: ASYNC240 - one small file, at the end
        log.info("witness.stopped", witness=key.verifier.name)


def _announce(ready_file: Path | None, url: str) -> None:
    if ready_file is not None:
        draft = ready_file.with_suffix(".part")
        draft.write_text(f"{os.getpid()}\n{url}\n", encoding="ascii")
        draft.replace(ready_file)
