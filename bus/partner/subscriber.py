"""The Subscriber: hears what is addressed to an organisation, checked against everything that can be checked.

Deliveries come at least once: what the handler has not said ``done`` of comes again after a restart. The urgent
lane goes first. Nothing that arrives ends the loop: a record that does not hold, is of an unknown schema or came
without its content is a delivery too, and says so. What came is looked for in the published log, if the profile says
where that is; what does not hold there is an alarm beside the deliveries.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import structlog

from bus.errors import BusError, CheckFailed, Unavailable, UsageError
from bus.events.names import LANES, in_topic
from bus.files import load_policy
from bus.partner.bookmark import Bookmark
from bus.partner.delivery import Delivery
from bus.partner.inlane import InLane, Opener
from bus.partner.journal import Journal
from bus.partner.known import DirectoryReader
from bus.partner.logmemory import LogMemory
from bus.partner.logsource import LogSource
from bus.partner.logwatch import LogAlarm, LogWatch
from bus.partner.profile import Profile
from bus.partner.progress import Mark
from bus.partner.transport import KafkaTransport, Transport
from bus.partner.unforeseen import trace
from bus.trust.keys import KeyRing

log: Any = structlog.get_logger("bus.partner")

COMMIT_S = 1.0
LOOK_S = 5.0
"""How long the end of the inboxes may wait for a last look into the log."""


class Subscriber:
    """Hands out an organisation's deliveries. An async context manager, and an async iterator inside it.

    Args:
        profile: who hears, and where.
        lanes: which inboxes, the most urgent first.
        from_start: hand out all that the inboxes still have, and commit nothing.
        since: for programs that keep their place themselves: where to begin in each lane named, and from the start in
            the others; commits nothing either. A delivery's ``offset`` + 1 and its ``seq`` are the place behind it.
        follow: wait for more; else end where the inboxes ended at the start.
        group: under which name the place is kept; by default the organisation's own, and Kafka allows no other
            without a further ACL. Each process that consumes gets every delivery.
        keys: the organisation's keys; by default those of the profile's key file.
        transport: how to reach a broker; by default Kafka as the profile says.
        strict: raise CheckFailed instead of going on after an alarm of the log.
        on_alarm: told of each alarm of the log when it arises.
        show_recalled: hand out the content of what was recalled too; its status is ``recalled`` either way.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        lanes: Sequence[str] = ("urgent", "bulk"),
        from_start: bool = False,
        since: Mapping[str, Mark] | None = None,
        follow: bool = True,
        group: str | None = None,
        keys: KeyRing | None = None,
        transport: Transport | None = None,
        strict: bool = False,
        on_alarm: Callable[[LogAlarm], None] | None = None,
        show_recalled: bool = False,
    ) -> None:
        if not lanes or set(lanes) - set(LANES) or len(set(lanes)) != len(lanes):
            raise UsageError(f"the lanes are {' and '.join(LANES)}, each at most once")
        self._profile = profile
        self._names = tuple(lanes)
        self._from_start = from_start or since is not None
        self._since = since or {}
        self._follow = follow
        self._group = group or profile.organisation
        self._keys = keys
        self._transport = transport
        self._strict = strict
        self._on_alarm = on_alarm
        self._show_recalled = show_recalled
        self._opener: Opener | None = None
        self._watch: LogWatch | None = None
        self._stack = AsyncExitStack()
        self._lanes: list[InLane] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._error: BusError | None = None
        self._committing = asyncio.Lock()
        self._committed_at = 0.0

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            self._stack = stack.pop_all()
        return self

    async def _enter(self, stack: AsyncExitStack) -> None:
        profile, client_id = self._profile, f"bus-subscriber-{self._profile.organisation}-{os.getpid()}"
        transport = self._transport or KafkaTransport(profile.connection())
        keys = self._keys or KeyRing.load(profile.key_file)
        journal = stack.enter_context(Journal(profile.journal_file))
        thread = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="bus-journal"))
        directory = await stack.enter_async_context(DirectoryReader(profile, transport, client_id))
        self._watch = await self._watching(stack, journal, thread)
        opener = self._opener = Opener(profile, keys, directory, journal, thread, self._watch)
        await opener.begin()
        for name in self._names:
            topic = in_topic(profile.organisation, name)
            if self._from_start:
                reader, group = await stack.enter_async_context(transport.reader(client_id)), None
            else:
                reader = await stack.enter_async_context(transport.group_reader(client_id, self._group))
                group = (self._group, reader)
            bookmark = Bookmark(
                topic, name, reader=reader, group=group, journal=journal, thread=thread, since=self._since.get(name)
            )
            lane = InLane(name, topic, reader=reader, bookmark=bookmark, opener=opener, news=self._news)
            await lane.begin(follow=self._follow)
            self._lanes.append(lane)
        stack.push_async_callback(self._stop)
        self._committed_at = asyncio.get_running_loop().time()
        self._tasks = [asyncio.create_task(self._watched(lane)) for lane in self._lanes]
        if self._watch is not None:
            self._tasks.append(asyncio.create_task(self._watch.run()))

    async def _watching(self, stack: AsyncExitStack, journal: Journal, thread: Executor) -> LogWatch | None:
        """What looks into the published log, if the profile says where it is."""
        settings = self._profile.log
        if settings is None:
            return None
        policy = load_policy(settings.policy_file)
        source = await stack.enter_async_context(LogSource(settings.url))
        return LogWatch(
            self._profile.origin,
            policy,
            source.fetch,
            LogMemory(journal, self._profile.origin),
            thread,
            within_s=settings.within_s,
            on_alarm=self._alarmed,
        )

    def _alarmed(self, alarm: LogAlarm) -> None:
        self._news.set()
        if self._on_alarm is not None:
            self._on_alarm(alarm)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._commit()

    async def _watched(self, lane: InLane) -> None:
        """Run a lane; what ends it ends the subscriber."""

        async def mark(offset: int) -> None:
            lane.bookmark.done(offset)
            await self._commit_if_due()

        try:
            await lane.run(mark)
        except BusError as error:
            self._error = self._error or error
        except Exception as error:  # noqa: BLE001 - logged with its trace
            log.error("subscriber.failed", lane=lane.name, trace=trace())  # noqa: TRY400 - the trace alone
            self._error = self._error or BusError(f"the subscriber failed: {type(error).__name__}")
        self._news.set()

    # -- the published log ---------------------------------------------------------------------------------------

    @property
    def alarms(self) -> tuple[LogAlarm, ...]:
        """What of the published log does not hold, so far; empty where the profile does not say where it is."""
        return () if self._watch is None else self._watch.alarms

    async def look_into_log(self) -> tuple[LogAlarm, ...]:
        """Look into the published log now, for a few seconds at most, instead of when it is due; all alarms so far.

        Entries that are too new to stand there are looked for again, by the next subscriber if this one ends.
        """
        if self._watch is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._watch.look()
        return self.alarms

    def _stop_if_strict(self) -> None:
        if self._strict and self.alarms:
            alarm = self.alarms[0]
            raise CheckFailed(alarm.message, hint="See docs/log-check.md before anything that came is relied on.")

    # -- hearing -------------------------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        while True:
            self._stop_if_strict()
            delivery = next((found for lane in self._lanes if (found := lane.take()) is not None), None)
            if delivery is not None:
                assert self._opener is not None
                yield await self._opener.hand_out(delivery, show_recalled=self._show_recalled)
            elif self._error is not None:
                raise self._error
            elif all(lane.ended for lane in self._lanes):
                await self.look_into_log()
                self._stop_if_strict()
                return
            else:
                await self._wait()

    async def _wait(self) -> None:
        """Until a lane has news, committing meanwhile what was handled."""
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        await self._commit_if_due()

    async def _commit_if_due(self) -> None:
        if asyncio.get_running_loop().time() - self._committed_at >= COMMIT_S:
            await self._commit()

    async def _commit(self) -> None:
        """Keep every lane's place. Where that fails, what was handled since comes again after a restart."""
        async with self._committing:
            self._committed_at = asyncio.get_running_loop().time()
            for lane in self._lanes:
                try:
                    await lane.bookmark.commit()
                except Unavailable as error:
                    log.warning("subscriber.not_committed", lane=lane.name, error=error.message)
