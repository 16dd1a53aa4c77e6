"""The publisher's role as a whole: the publisher, and the web server beside it where that is asked for."""

from __future__ import annotations

import asyncio

from bus.errors import UsageError
from bus.hub.config import HubConfig
from bus.hub.publisher import LogPublisher
from bus.hub.serve import serve_forever
from bus.hub.together import together


class Published:
    """Publishes, and serves what it publishes."""

    def __init__(self, config: HubConfig, *, serve: bool) -> None:
        self._publisher = LogPublisher(config)
        self._config = config.publisher
        self._serve = serve
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled, or until the publisher or the server ends with an error."""
        serving = asyncio.Event()
        if not self._serve:
            serving.set()
            await together(self._publisher.run(), self._announce(serving))
            return
        if self._config is None or self._config.listen is None:
            raise UsageError("--serve needs `listen` in [publisher] of the hub's configuration")
        server = serve_forever(self._config.folder / "log", self._config.listen, serving)
        await together(self._publisher.run(), self._announce(serving), server)

    async def _announce(self, serving: asyncio.Event) -> None:
        await self._publisher.ready.wait()
        await serving.wait()
        self.ready.set()
