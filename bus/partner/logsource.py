"""Where a published log is read: a web server, or a folder.

What comes from there is believed by nobody: it is bytes, bounded, that somebody else verifies.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from bus.errors import Malformed, Unavailable
from bus.files import read_regular

Fetch = Callable[[str, int], Awaitable[bytes | None]]
"""Gives the bytes of a path below the log, at most so many; None if there are none.

It raises Unavailable where the log cannot be asked, and Malformed where there are more.
"""

TIMEOUT_S: Final = 5.0
_GONE: Final = frozenset({404, 410})


class LogSource:
    """A log by its URL, http, https or file. An async context manager; nothing is opened before the first fetch."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._folder = Path(url2pathname(parts.path)) if parts.scheme == "file" else None
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, path: str, limit: int) -> bytes | None:
        """The bytes at a path, or None.

        Raises:
            Unavailable: the log cannot be read now.
            Malformed: there are more than ``limit``.
        """
        if self._folder is not None:
            return await asyncio.to_thread(_read_file, self._folder / path, limit)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._get(f"{self._url}/{path}", limit)
        except TimeoutError:
            raise Unavailable(f"the log did not answer within {self._timeout_s:g} s") from None

    async def _get(self, url: str, limit: int) -> bytes | None:
        # Late and aside: a subscriber that does not look into the log has no need of a web client.
        aiohttp: Any = await asyncio.to_thread(importlib.import_module, "aiohttp")
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        try:
            async with self._session.get(url, headers={"Accept-Encoding": "identity"}, max_redirects=3) as answer:
                if answer.status in _GONE:
                    return None
                if answer.status != 200:
                    raise Unavailable(f"the log answered {answer.status}")
                return await _bounded(answer.content, limit)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the log cannot be reached: {type(error).__name__}") from error


async def _bounded(content: Any, limit: int) -> bytes:
    found = bytearray()
    async for chunk in content.iter_any():
        found += chunk
        if len(found) > limit:
            raise Malformed("malformed", "file of a log")
    return bytes(found)


def _read_file(path: Path, limit: int) -> bytes | None:
    try:
        data = read_regular(path, limit)
    except OSError as error:
        raise Unavailable(f"the log cannot be read: {error.strerror}") from error
    if data is not None and len(data) > limit:
        raise Malformed("malformed", "file of a log")
    return data
