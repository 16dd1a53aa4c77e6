"""Tries parked topics apart from their lane: a topic that does not answer may take a request's time-out to say so.

A try writes what is owed in a Kafka transaction that is then aborted, so no reader sees it, with a producer of its own.
Only what a try has shown to take its records is given back to the lane, which delivers them with its cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from bus.errors import Unavailable
from bus.kafka.records import Outgoing
from bus.kafka.writer import Fenced, WriteError, Writer

log: Any = structlog.get_logger("bus.hub.courier")

RETRY_PARKED_S = 5.0

Owed = Callable[[str], Awaitable[Sequence[Outgoing]]]
"""From a parked topic to the next records that it is owed."""


class Parked:
    """The parked topics of one lane, and which of them answer again.

    Attributes:
        answering: parked topics that have shown that they take what they are owed.
    """

    def __init__(self, lane: str) -> None:
        self.answering: set[str] = set()
        self._log = log.bind(lane=lane)
        self._topics: frozenset[str] = frozenset()
        self._some = asyncio.Event()

    def now(self, parked: Mapping[str, int]) -> None:
        """Say which topics are parked now."""
        if len(parked) == len(self._topics) and self._topics.issuperset(parked):
            return
        self._topics = frozenset(parked)
        self.answering &= self._topics
        if self._topics:
            self._some.set()
        else:
            self._some.clear()

    async def watch(self, writer: Writer, owed: Owed) -> None:
        """Try what is parked, every few seconds, until cancelled.

        Args:
            writer: a transactional one, used for nothing else.
            owed: what to try with.

        Raises:
            Fenced: another courier has this lane.
        """
        while True:
            await self._some.wait()
            await asyncio.sleep(RETRY_PARKED_S)
            for topic in sorted(self._topics - self.answering):
                if await self._takes(writer, topic, owed):
                    self.answering.add(topic)

    async def _takes(self, writer: Writer, topic: str, owed: Owed) -> bool:
        self._log.info("courier.trying", topic=topic)
        try:
            await writer.attempt(await owed(topic))
        except Fenced:
            raise
        except WriteError as error:
            self._log.warning("courier.still_parked", topic=topic, error=error.failures[0].error)
        except Unavailable as error:
            self._log.warning("courier.still_parked", topic=topic, error=error.message)
        else:
            return True
        return False
