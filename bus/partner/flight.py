"""Events between ``publish`` and their receipts: bounded in number, answered by the hub, or given up in time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from bus.errors import BusError, Malformed, Unavailable
from bus.kafka.reader import OffsetLost
from bus.kafka.records import Record, Sent
from bus.partner.journal import Journal, Settled
from bus.partner.outbox import Ticket
from bus.partner.outcome import Outcome
from bus.partner.profile import Profile
from bus.partner.receipts import Answer, Awaited, ReceiptChecker
from bus.partner.transport import Reads

log: Any = structlog.get_logger("bus.partner")

SWEEP_S = 0.2


class Flight:
    """All that is under way. Its loops run until cancelled; what ends one, ends all by :meth:`fail`."""

    def __init__(self, profile: Profile, *, most: int, timeout_s: float) -> None:
        self._checker = ReceiptChecker(
            origin=profile.origin, organisation=profile.organisation, hub_key=profile.hub_key
        )
        self._slots = asyncio.Semaphore(most)
        self._timeout_s = timeout_s
        self._open: dict[int, Ticket] = {}
        self._subjects: dict[bytes, tuple[bytes, str]] = {}
        self._awaited = Awaited()
        self._settled: asyncio.Queue[Settled] = asyncio.Queue()
        self._error: BusError | None = None

    # -- taking off ----------------------------------------------------------------------------------------------

    async def room(self) -> None:
        """Wait until there is room for one more; give it back by :meth:`leave`, or fill it by :meth:`add`.

        Raises:
            BusError: what ended the flight.
        """
        await self._slots.acquire()
        if self._error is not None:
            self._slots.release()
            raise self._error

    def leave(self) -> None:
        """The room is not needed."""
        self._slots.release()

    def add(self, ticket: Ticket) -> None:
        """An event is under way."""
        self._open[id(ticket)] = ticket
        if ticket.composed is not None:
            header = ticket.composed.header
            self._subjects[header.event_id] = (header.thread, header.lane)
        ticket.outcome.add_done_callback(lambda _: self._finished(ticket))

    def subject(self, event_id: bytes) -> tuple[bytes, str] | None:
        """The thread and lane of an event that is under way."""
        return self._subjects.get(event_id)

    def landed(self, ticket: Ticket, where: Sent) -> None:
        """Kafka took an event's record."""
        if ticket.outcome.done():
            return
        ticket.where = where
        answer = self._awaited.expect(ticket, where.topic, where.offset)
        if answer is not None:
            self._answered(answer)

    # -- landing -------------------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Until nothing is under way and all is written down."""
        await asyncio.gather(*(ticket.outcome for ticket in self._open.values()), return_exceptions=True)
        await self._settled.join()

    def fail(self, error: BusError) -> None:
        """End everything that is under way with an error."""
        self._error = self._error or error
        for ticket in list(self._open.values()):
            if not ticket.outcome.done():
                ticket.outcome.set_exception(error)
        while not self._settled.empty():
            self._settled.get_nowait()
            self._settled.task_done()

    async def receive_forever(self, reader: Reads) -> None:
        """Read receipts and answer tickets.

        Raises:
            NotAllowed: the broker does not let this organisation read its receipts.
        """
        while True:
            try:
                records = await reader.read(timeout_s=1.0)
            except OffsetLost as error:
                await reader.assign(dict.fromkeys(error.positions, "earliest"))
            except Unavailable as error:
                log.warning("receipts.unavailable", error=error.message)
                await asyncio.sleep(0.5)
            else:
                for record in records:
                    self._receive(record)

    def _receive(self, record: Record) -> None:
        try:
            receipt = self._checker.open(record)
        except Malformed as error:
            alarm = log.bind(topic=record.topic, offset=record.offset)
            alarm.error("receipt.invalid", problem=error.reason)
            return
        for item in receipt.items:
            for answer in self._awaited.answer(item):
                self._answered(answer)

    def _answered(self, answer: Answer) -> None:
        self._settled.put_nowait(answer.settled)
        if not answer.ticket.outcome.done():
            answer.ticket.outcome.set_result(answer.outcome)

    def _finished(self, ticket: Ticket) -> None:
        """An event is under way no longer, whatever came of it."""
        self._slots.release()
        self._open.pop(id(ticket), None)
        if ticket.composed is not None:
            self._subjects.pop(ticket.composed.event_id, None)
        if ticket.where is not None:
            self._awaited.forget(ticket.where.topic, ticket.where.offset)
        if not ticket.outcome.cancelled():
            ticket.outcome.exception()  # it may be nobody's any more

    async def settle_forever(self, journal: Journal) -> None:
        """Write down what receipts said, many at a time, behind the answers.

        Raises:
            Unavailable, UsageError: the journal cannot be written.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="bus-settle") as thread:
            while True:
                batch = [await self._settled.get()]
                while not self._settled.empty():
                    batch.append(self._settled.get_nowait())
                try:
                    await loop.run_in_executor(thread, journal.settle, batch)
                finally:
                    for _ in batch:
                        self._settled.task_done()

    async def sweep_forever(self) -> None:
        """Give up events that have waited too long for a receipt."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            limit = loop.time() - self._timeout_s
            late = [t for t in self._open.values() if t.since is not None and t.since < limit]
            for ticket in late:
                _give_up(ticket)
            if late:
                log.warning("publisher.no_receipt", events=len(late))


def _give_up(ticket: Ticket) -> None:
    if ticket.outcome.done():
        return
    where = ticket.where
    topic, offset = (None, None) if where is None else (where.topic, where.offset)
    ticket.outcome.set_result(Outcome(ticket.event_id, "unknown", topic=topic, offset=offset))
