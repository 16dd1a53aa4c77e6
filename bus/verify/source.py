"""Where a mirror fetches a log's files: a URL, or a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from bus.errors import Unavailable, UsageError
from bus.files import read_regular

ATTEMPTS: Final = 4
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_REDIRECTS: Final = 3
_AS_IT_IS: Final = {"Accept-Encoding": "identity"}


class Source(Protocol):
    """Gives a file of the log by its path."""

    async def get(self, path: str, limit: int) -> bytes | None:
        """The bytes, at most ``limit`` + 1 of them, which shows that there are more. None if there is no such file.

        Raises:
            Unavailable: it could not be asked.
        """
        ...


@asynccontextmanager
async def open_source(where: str) -> AsyncGenerator[Source]:
    """The source at a URL or in a folder.

    Raises:
        UsageError: it is neither.
    """
    if where.startswith(("http://", "https://")):
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            yield _Url(where.rstrip("/"), session)
    elif Path(where).is_dir():  # noqa: ASYNC240 - once
        yield _Directory(Path(where))
    else:
        raise UsageError(f"{where!r} is neither a URL nor a folder", hint="Give --from URL, or --from DIR.")


class _Directory:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, path: str, limit: int) -> bytes | None:
        file = self._folder / path
        try:
            return await asyncio.to_thread(read_regular, file, limit)
        except OSError as error:
            raise Unavailable(f"{file} cannot be read: {error.strerror}", hint="Give --from another one.") from error


class _Url:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def get(self, path: str, limit: int) -> bytes | None:
        for attempt in range(ATTEMPTS):
            try:
                return await self._get(path, limit)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if attempt == ATTEMPTS - 1:
                    raise Unavailable(
                        f"{self._url}/{path} cannot be fetched: {type(error).__name__}",
                        hint="Run the same again: what was fetched is kept.",
                    ) from error
            await asyncio.sleep(0.1 * 4**attempt)
        return None

    async def _get(self, path: str, limit: int) -> bytes | None:
        url = f"{self._url}/{path}"
        async with self._session.get(url, headers=_AS_IT_IS, max_redirects=_REDIRECTS) as response:
            if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                return None
            response.raise_for_status()
            data = bytearray()
            while len(data) <= limit and (chunk := await response.content.read(limit + 1 - len(data))):
                data += chunk
            return bytes(data)
