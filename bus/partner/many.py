"""Many events under way at once: their outcomes in the order of completion, and the first error."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

from bus.errors import BusError, UsageError
from bus.events.jsonform import Parts
from bus.partner.compose import Draft, Event
from bus.partner.outbox import Ticket
from bus.partner.outcome import Outcome


class Run:
    """The tickets of one ``publish_many``."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        self.error: BusError | None = None
        self.outcomes: deque[Outcome] = deque()
        self._under_way = 0
        self._done: asyncio.Queue[asyncio.Future[Outcome]] = asyncio.Queue()

    @property
    def broken(self) -> bool:
        """Whether to take no more."""
        return self.error is not None or self.tally["unknown"] > 0

    def add(self, ticket: Ticket) -> None:
        """One more event is under way."""
        self._under_way += 1
        ticket.outcome.add_done_callback(self._done.put_nowait)

    def collect(self) -> None:
        """Put the outcomes that are there into ``outcomes``."""
        while not self._done.empty():
            self._take(self._done.get_nowait())

    async def rest(self) -> AsyncIterator[Outcome]:
        """All that were not handed out yet, as they come."""
        while True:
            while self.outcomes:
                yield self.outcomes.popleft()
            if not self._under_way:
                return
            self._take(await self._done.get())

    def _take(self, future: asyncio.Future[Outcome]) -> None:
        self._under_way -= 1
        error = future.exception()
        if error is not None:
            self.error = self.error or (error if isinstance(error, BusError) else BusError(str(error)))
            return
        outcome = future.result()
        self.tally[outcome.outcome] += 1
        self.outcomes.append(outcome)


async def each(events: Iterable[Event | Draft] | AsyncIterable[Event | Draft]) -> AsyncIterator[Event | Draft]:
    """Events of either kind of iterable.

    Raises:
        UsageError: it is one event, and not many.
    """
    if isinstance(events, Parts | Mapping | Draft):
        raise UsageError("publish_many takes many events; publish takes one")
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event
