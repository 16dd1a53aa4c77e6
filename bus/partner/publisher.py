"""The Publisher: says events on the bus, and tells what became of each.

An event is checked, sealed for its audience, signed with its batch, and durable in the journal before it is sent.
``publish`` waits for the hub's receipt. Whatever happens in between, publishing the same again is safe: the same
bytes are sent, and the hub answers ``repeated`` for what stands already.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

import structlog

from bus.errors import BusError, ReceiptTimeout, Unavailable, UsageError
from bus.events.clock import Clock, SystemClock
from bus.events.ids import dashed
from bus.events.jsonform import Parts
from bus.events.names import LANES, parse_topic, receipts_topic
from bus.partner.compose import Composed, Draft, Event, compose, content_digest, fill, given_id
from bus.partner.flight import Flight
from bus.partner.journal import Item, ItemState, Journal, KeptEvent
from bus.partner.known import DirectoryReader, unsealable
from bus.partner.lane import Lane
from bus.partner.many import Run, each
from bus.partner.outbox import Ticket
from bus.partner.outcome import Outcome
from bus.partner.profile import Profile
from bus.partner.transport import KafkaTransport, Transport
from bus.partner.unforeseen import trace
from bus.trust.keys import KeyRing
from bus.trust.stream import Stream

log: Any = structlog.get_logger("bus.partner")

REFRESH_S = 60.0
Loop = Callable[[], Awaitable[None]]

BREATH = 32
"""How many events are composed before the loop's other tasks get a turn."""


class Publisher:
    """Publishes an organisation's events. An async context manager; safe for concurrent ``publish`` calls.

    Args:
        profile: who publishes, and where.
        linger_ms: how long a batch waits for company.
        batch_size: events of one signed batch, at most 256.
        max_in_flight: events between ``publish`` and their receipts; more wait.
        receipt_timeout_s: seconds after which an event without a receipt is given up as ``unknown``.
        clock: what time it is.
        keys: the organisation's keys; by default those of the profile's key file.
        transport: how to reach a broker; by default Kafka as the profile says.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        linger_ms: float = 20,
        batch_size: int = 256,
        max_in_flight: int = 2048,
        receipt_timeout_s: float = 120.0,
        clock: Clock | None = None,
        keys: KeyRing | None = None,
        transport: Transport | None = None,
    ) -> None:
        if not 1 <= batch_size <= 256 or max_in_flight < 1:
            raise UsageError("a batch has 1 to 256 events, and at least one event must be let under way")
        self._profile = profile
        self._linger_s = linger_ms / 1000
        self._batch_size = batch_size
        self._timeout_s = receipt_timeout_s
        self._clock = clock or SystemClock()
        self._keys = keys
        self._transport = transport
        self._flight = Flight(profile, most=max_in_flight, timeout_s=receipt_timeout_s)
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._lanes: dict[str, Lane] = {}
        self._composed = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            self._stack = stack.pop_all()
        return self

    async def _enter(self, stack: AsyncExitStack) -> None:
        profile, client_id = self._profile, f"bus-publisher-{self._profile.organisation}-{os.getpid()}"
        transport = self._transport or KafkaTransport(profile.connection())
        keys = self._keys or KeyRing.load(profile.key_file)
        self._journal = stack.enter_context(Journal(profile.journal_file))
        self._directory = await stack.enter_async_context(DirectoryReader(profile, transport, client_id))
        receipts = await stack.enter_async_context(transport.reader(client_id))
        await receipts.assign({receipts_topic(profile.organisation, lane): "latest" for lane in LANES})
        settling = stack.enter_context(Journal(profile.journal_file))
        flight = self._flight
        loops: list[Loop] = [
            partial(flight.receive_forever, receipts),
            partial(flight.settle_forever, settling),
            flight.sweep_forever,
            self._learn,
        ]
        for name in LANES:
            writer = await stack.enter_async_context(transport.writer(client_id))
            lane = self._lanes[name] = Lane(
                writer,
                Journal(profile.journal_file),
                Stream.begin(keys.signing, origin=profile.origin, organisation=profile.organisation),
                clock=self._clock,
                linger_s=self._linger_s,
                batch_size=self._batch_size,
                landed=flight.landed,
            )
            stack.callback(lane.close)
            loops += [lane.prepare_forever, lane.send_forever]
        stack.push_async_callback(self._stop)
        self._tasks = [asyncio.create_task(self._watched(loop)) for loop in loops]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._flight.wait()
        finally:
            await self._stack.aclose()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._flight.fail(Unavailable("the publisher was closed"))

    async def _watched(self, loop: Loop) -> None:
        """Run one of the loops; what ends it ends the publisher."""
        try:
            await loop()
        except BusError as error:
            self._flight.fail(error)
        except Exception as error:
            log.error("publisher.failed", trace=trace())  # noqa: TRY400 - the trace alone
            self._flight.fail(BusError(f"the publisher failed: {type(error).__name__}"))
            raise

    # -- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, event: Event, *, item: Item | None = None) -> Outcome:
        """Publish one event and wait for its receipt.

        Args:
            event: its JSON form, or :class:`~bus.events.jsonform.Parts`.
            item: the item of another system's format that it speaks of, kept with it in the journal.

        Raises:
            InvalidEvent: a field breaks a rule; nothing was sent.
            IdConflict: the journal has other content under its id; nothing was sent.
            ReceiptTimeout: it is in the journal and perhaps in the outbox, and no receipt came in time.
            NotAllowed, Unavailable: Kafka said no, or the journal cannot be written.
        """
        await self._flight.room()
        ticket = await self._submit(Draft(event, item))
        outcome = await ticket.outcome
        if outcome.outcome == "unknown":
            done = "was sent" if outcome.offset is not None else "is in the journal, could not be sent"
            raise ReceiptTimeout(
                f"event {dashed(outcome.event_id)} {done}, and has no receipt after {self._timeout_s:g} s"
            )
        return outcome

    async def publish_many(
        self, events: Iterable[Event | Draft] | AsyncIterable[Event | Draft]
    ) -> AsyncIterator[Outcome]:
        """Publish many events, in the order given within each lane; outcomes come as receipts do.

        Memory is bounded: no more than ``max_in_flight`` events are taken ahead of their receipts. At the first
        event that is invalid or has no receipt in time, no more are taken; those under way are waited for, and
        then the error is raised.

        Raises:
            InvalidEvent, IdConflict, NotAllowed, Unavailable: as :meth:`publish`.
            ReceiptTimeout: says how many have which outcome. The ``unknown`` ones were handed out too.
        """
        run = Run()
        try:
            async for event in each(events):
                await self._flight.room()
                run.collect()
                if run.broken:
                    self._flight.leave()
                    break
                run.add(await self._submit(event if isinstance(event, Draft) else Draft(event)))
                while run.outcomes:
                    yield run.outcomes.popleft()
        except BusError as error:
            run.error = run.error or error
        async for outcome in run.rest():
            yield outcome
        if run.error is not None:
            raise run.error
        if run.tally["unknown"]:
            known = ", ".join(f"{run.tally[code]} {code}" for code in ("accepted", "repeated", "refused"))
            raise ReceiptTimeout(f"{run.tally['unknown']} events have no receipt after {self._timeout_s:g} s; {known}")

    async def _submit(self, draft: Draft) -> Ticket:
        """Check an event and put it on its way; there is room for it."""
        try:
            ticket = self._ticket(draft)
            if ticket.composed is not None and ticket.composed.plaintext is not None:
                ticket.recipients = await self._recipients(ticket.composed.header.audience)
        except BaseException:
            self._flight.leave()
            raise
        self._flight.add(ticket)
        known = ticket.kept.topic if ticket.kept is not None else cast("Composed", ticket.composed).topic
        place = parse_topic(known)
        assert place is not None
        self._lanes[place[2]].put(ticket)
        self._composed += 1
        if self._composed % BREATH == 0:
            await asyncio.sleep(0)
        return ticket

    def _ticket(self, draft: Draft) -> Ticket:
        """A ticket of what the journal has, or of the event newly composed."""
        event, content = draft.event, draft.content
        if not isinstance(event, Parts):
            content = content or content_digest(event)
            kept = self._kept(given_id(event), draft.item, content)
            if kept is not None:
                return Ticket(kept=kept)
        filler = fill(self._profile, now_us=self._clock.now_us(), subjects=self.subject)
        return Ticket(composed=compose(draft, filler, content))

    def _kept(self, event_id: bytes | None, item: Item | None, content: bytes) -> KeptEvent | None:
        """What the journal has of this id, or of this item with the same content."""
        kept = None if event_id is None else self._journal.check(event_id, content)
        if kept is None and item is not None:
            state = self._journal.item(item)
            if state is not None and state.content == content:
                return self._journal.find(state.event_id)
        return kept

    def subject(self, event_id: bytes) -> tuple[bytes, str] | None:
        """The thread and lane of an event that was published or consumed here."""
        return self._flight.subject(event_id) or self._journal.subject(event_id)

    def item(self, item: Item) -> ItemState | None:
        """What the journal knows of an item of another system's format."""
        return self._journal.item(item)

    async def _recipients(self, audience: Iterable[str]) -> list[bytes]:
        """The current sealing key of each organisation.

        Raises:
            InvalidEvent: one has none; it is named.
        """
        found = self._sealing_keys(audience)
        if None in found.values():
            await self._directory.refresh()
            found = self._sealing_keys(audience)
        for org, key in found.items():
            if key is None:
                raise unsealable(self._directory.directory, org)
        return [key for key in found.values() if key is not None]

    def _sealing_keys(self, audience: Iterable[str]) -> dict[str, bytes | None]:
        directory, now_us = self._directory.directory, self._clock.now_us()
        keys = {org: directory.sealing_keys(org, now_us) for org in audience}
        return {org: found[0].public_key if found else None for org, found in keys.items()}

    async def _learn(self) -> None:
        """Keep up with new keys."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self._directory.refresh()
            except Unavailable as error:
                log.warning("directory.unavailable", error=error.message)
