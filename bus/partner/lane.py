"""One lane of a publisher at work: collect a batch, make it durable, send it; and so on until closed.

Batches of a lane are sent one after another, so that events stand in the outbox in the order they were given.
While one is on its way to Kafka, the next is sealed, signed and journalled in the lane's own thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from bus.errors import IdConflict, NotAllowed, Unavailable
from bus.events.clock import Clock
from bus.kafka.records import Outgoing, Sent
from bus.partner.journal import Journal
from bus.partner.outbox import Outbox, Ticket
from bus.partner.transport import Writes
from bus.trust.stream import Stream

log: Any = structlog.get_logger("bus.partner")

MIN_PAUSE_S = 0.1
MAX_PAUSE_S = 2.0

Landed = Callable[[Ticket, Sent], None]


class Lane:
    """The way of tickets from :meth:`put` to the outbox. ``landed`` is called with each that Kafka took."""

    def __init__(
        self,
        writer: Writes,
        journal: Journal,
        stream: Stream,
        *,
        clock: Clock,
        linger_s: float,
        batch_size: int,
        landed: Landed,
    ) -> None:
        self._writer = writer
        self._journal = journal
        self._outbox = Outbox(journal, stream)
        self._clock = clock
        self._linger_s = linger_s
        self._batch_size = batch_size
        self._landed = landed
        self._waiting: asyncio.Queue[Ticket] = asyncio.Queue()
        self._ready: asyncio.Queue[list[Ticket]] = asyncio.Queue(maxsize=1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bus-outbox")

    def put(self, ticket: Ticket) -> None:
        """Take a ticket; the publisher bounds how many are under way."""
        self._waiting.put_nowait(ticket)

    def close(self) -> None:
        """Wait for what the thread is doing, and let go of the journal. The loops must have been cancelled."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._journal.close()

    async def prepare_forever(self) -> None:
        """Collect batches and make them durable.

        Raises:
            Unavailable, UsageError: the journal cannot be written.
        """
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._collect()
            now_us = self._clock.now_us()
            refused = await loop.run_in_executor(self._thread, self._outbox.prepare, batch, now_us)
            for ticket, error in refused:
                _refuse(ticket, error)
            for ticket in batch:
                ticket.since = loop.time()
            await self._ready.put([ticket for ticket in batch if ticket.outgoing is not None])

    async def _collect(self) -> list[Ticket]:
        """The first ticket that comes, and those that come within the linger time, up to a batch."""
        loop = asyncio.get_running_loop()
        batch = [await self._waiting.get()]
        until = loop.time() + self._linger_s
        while len(batch) < self._batch_size:
            if not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            elif (left := until - loop.time()) > 0:
                try:
                    async with asyncio.timeout(left):
                        batch.append(await self._waiting.get())
                except TimeoutError:
                    break
            else:
                break
        return batch

    async def send_forever(self) -> None:
        """Send what is durable.

        Raises:
            NotAllowed: the broker does not let this organisation write to its outbox.
        """
        while True:
            await self._send(await self._ready.get())

    async def _send(self, batch: list[Ticket]) -> None:
        """Send a batch; what has an unknown fate is sent again as it is, until its tickets are given up."""
        pause = MIN_PAUSE_S
        while tickets := [ticket for ticket in batch if not ticket.outcome.done()]:
            records: list[Outgoing] = [ticket.outgoing for ticket in tickets if ticket.outgoing is not None]
            try:
                sent = await self._writer.send_all(records)
            except NotAllowed:
                raise
            except Unavailable as error:
                log.warning("publisher.resend", events=len(tickets), error=error.message)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_S)
                continue
            for ticket, where in zip(tickets, sent, strict=True):
                self._landed(ticket, where)
            return


def _refuse(ticket: Ticket, error: IdConflict) -> None:
    if not ticket.outcome.done():
        ticket.outcome.set_exception(error)
