"""Serving the log's files over HTTP with the cache headers that C2SP asks for; any other web server does as well.

Tiles and bundles never change and may be kept for ever; a checkpoint is new each second.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from bus.errors import Malformed, Unavailable
from bus.httplog import server_log
from bus.hub.logkey import SERVED
from bus.tlog.bundle import Bundle
from bus.tlog.tile import Tile


def application(folder: Path) -> web.Application:
    """The web application over ``folder`` (the publisher's ``log/``)."""

    async def serve(request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path in SERVED:
            return await _file(folder / path, "text/plain", "no-cache")
        if not is_log_file(path):
            raise web.HTTPNotFound
        return await _file(folder / path, "application/octet-stream", "public, max-age=31536000, immutable")

    app = web.Application()
    app.router.add_get("/{path:.+}", serve)
    return app


def is_log_file(path: str) -> bool:
    """Whether it is the one valid path of a tile or bundle: nothing else is ever read from disk."""
    try:
        Bundle.parse(path) if path.startswith("tile/entries/") else Tile.parse(path)
    except Malformed:
        return False
    return True


async def _file(path: Path, kind: str, cache: str) -> web.Response:
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except (FileNotFoundError, NotADirectoryError):
        raise web.HTTPNotFound from None
    charset = "utf-8" if kind == "text/plain" else None
    return web.Response(body=data, content_type=kind, charset=charset, headers={"Cache-Control": cache})


async def serve_forever(folder: Path, listen: str, started: asyncio.Event) -> None:
    """Serve until cancelled.

    Raises:
        Unavailable: the address is taken.
    """
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(application(folder), access_log=None, logger=server_log("bus.publisher.http"))
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, int(port))
        await site.start()
        started.set()
        await asyncio.Event().wait()
    except OSError as error:
        raise Unavailable(f"the log cannot be served at {listen}: {error.strerror}") from error
    finally:
        await runner.cleanup()
