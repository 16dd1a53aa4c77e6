"""A TCP proxy before PostgreSQL that cuts the connection at a COMMIT, before or after the server has seen it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Literal

Fate = Literal["lost", "kept"]


class CommitCutter:
    """Forwards bytes; at each COMMIT that it is armed for it cuts: ``lost`` before, ``kept`` after the server did it."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.port = 0
        self.fates: list[Fate] = []
        self.cuts: list[Fate] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[CommitCutter]:
        """Serve on a free loopback port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        back = asyncio.create_task(self._copy(up_reader, writer))
        try:
            await self._forward(reader, up_reader, up_writer, back)
        finally:
            back.cancel()
            for one in (writer, up_writer):
                one.transport.abort()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        back: asyncio.Task[None],
    ) -> None:
        while data := await reader.read(1 << 16):
            if b"COMMIT;" in data and self.fates:
                fate = self.fates.pop(0)
                if fate == "kept":
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    up_writer.write(data)
                    assert await up_reader.read(1 << 16)
                self.cuts.append(fate)
                return
            up_writer.write(data)
            await up_writer.drain()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
