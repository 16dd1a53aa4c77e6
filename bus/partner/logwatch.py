"""Sees that what was delivered stands in the published log, and that the log only grows.

The leaf that came with an inbox record must turn up, at its index, under a checkpoint that the policy accepts,
within a set time. So an operator who delivers what was never logged, logs and does not publish, or shows one member
another history than the rest, is found out by an ordinary subscriber::

    subscriber.not_in_log   another leaf stands at the index (``foreign``), or none within the time (``absent``)
    subscriber.log_forked   two checkpoints of the log cannot both be true; both notes are kept
    subscriber.log_stale    no checkpoint that counts within the time: ``unavailable``, ``malformed``,
                            ``not-accepted`` or ``rolled-back``

Deliveries never wait for it, and nothing that the log answers can end the subscriber.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, Final, Literal, TypeVar

import structlog
from msgspec import Struct

from bus.errors import BusError, CheckFailed, Malformed, Unavailable
from bus.events.clock import Clock, SystemClock
from bus.partner.logcheck import LogTree
from bus.partner.logmemory import Head, LogMemory, Seen
from bus.partner.logsource import Fetch
from bus.partner.unforeseen import trace
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.policy import Policy

log: Any = structlog.get_logger("bus.partner")
T = TypeVar("T")

BATCH: Final = 1024
"""Leaves that are looked up with one reading of the tiles above them."""
MOST_ALARMS: Final = 1000
EVERY_S: Final = 10.0
"""Longest time between two looks at the log …"""
PAUSE_S: Final = 1.0
"""… and the shortest."""

Kind = Literal["not-in-log", "log-forked", "log-stale"]


class LogAlarm(Struct, frozen=True):
    """The log, or what was delivered, does not hold.

    Attributes:
        kind: ``not-in-log``, ``log-forked`` or ``log-stale``.
        problem: a code for the case.
        message: a sentence for a person.
        index: the entry that was delivered; the first of them, if there are more.
        count: how many entries.
        size: of the log's checkpoint, where one was read.
    """

    kind: Kind
    problem: str
    message: str
    index: int | None = None
    count: int = 1
    size: int | None = None


class _Trouble(Struct, frozen=True):
    """Why a look at the log came to nothing."""

    problem: str
    message: str


class LogWatch:
    """Looks at a log again and again.

    Args:
        origin: the log's name; a checkpoint of any other does not count.
        policy: whose checkpoints are believed.
        fetch: reads the log's files.
        memory: what is remembered.
        thread: where ``memory`` may be used.
        within_s: how late a leaf may turn up, and how long the log may be away.
        clock: what time it is.
        on_alarm: told of each alarm when it arises.
    """

    def __init__(
        self,
        origin: str,
        policy: Policy,
        fetch: Fetch,
        memory: LogMemory,
        thread: Executor,
        *,
        within_s: float,
        clock: Clock | None = None,
        on_alarm: Callable[[LogAlarm], None] | None = None,
    ) -> None:
        self._origin = origin
        self._policy = policy
        self._fetch = fetch
        self._memory = memory
        self._thread = thread
        self._within_s = within_s
        self._clock = clock or SystemClock()
        self._on_alarm = on_alarm
        self._alarms: list[LogAlarm] = []
        self._looking = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._good_at_us = self._clock.now_us()
        self._stale = self._forked = False

    @property
    def alarms(self) -> tuple[LogAlarm, ...]:
        """What has arisen so far, the first thousand."""
        return tuple(self._alarms)

    def note(self, leaves: Sequence[Seen]) -> None:
        """Expect these leaves in the log. For the memory's thread."""
        dropped = self._memory.note(leaves, self._clock.now_us())
        if self._memory.is_filling and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)
        if dropped:
            log.warning("subscriber.log_unchecked", entries=dropped)

    async def run(self) -> None:
        """Look until cancelled; earlier than it is time for where leaves come faster than they can wait."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._hurry.clear()
            await self.look()
            pause_s = min(EVERY_S, self._within_s / 6)
            await asyncio.sleep(min(PAUSE_S, pause_s))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), max(0.0, pause_s - PAUSE_S))

    async def look(self) -> None:
        """Look once. Raises nothing: what goes wrong is an alarm when it lasts."""
        async with self._looking:
            try:
                trouble = await self._look()
            except Unavailable as error:
                trouble = _Trouble("unavailable", error.message)
            except Malformed as error:
                trouble = _Trouble("malformed", f"what it gives is no {error.detail}")
            except BusError as error:
                trouble = _Trouble("not-accepted", error.message)
            except Exception as error:  # noqa: BLE001 - logged with its trace
                log.error("subscriber.log_failed", trace=trace())  # noqa: TRY400 - the trace alone
                trouble = _Trouble("failed", type(error).__name__)
            self._judge(trouble)

    # -- one look ------------------------------------------------------------------------------------------------

    async def _look(self) -> _Trouble | None:
        """Read the newest checkpoint, hold it against the one that is known, and look for what was delivered."""
        known = await self._remembered(self._memory.head)
        head, note = await self._newest()
        if known is not None and head.size < known.size:
            return await self._smaller(known, head, note)
        tree = LogTree(head, self._fetch)
        if known is not None and head != known and not (head.size > known.size and await tree.continues(known)):
            await self._fork(known, head, note)
            return None
        if head.size and head != known:
            await self._remembered(lambda: self._memory.keep_head(head, note))
        await self._find(tree, note)
        await self._miss(head)
        return None

    async def _newest(self) -> tuple[Head, bytes]:
        data = await self._fetch("checkpoint", MAX_NOTE)
        if data is None:
            raise Unavailable("it has no checkpoint")
        checkpoint = self._policy.accept(Note.decode(data)).checkpoint
        if checkpoint.origin != self._origin:
            raise CheckFailed("the checkpoint is another log's")
        return Head(checkpoint.size, checkpoint.root), data

    async def _smaller(self, known: Head, head: Head, note: bytes) -> _Trouble | None:
        """An older checkpoint may come from a slow mirror; one that is no beginning of the known is a fork."""
        try:
            same = not head.size or await LogTree(known, self._fetch).continues(head)
        except (Unavailable, Malformed, CheckFailed):
            same = True
        if not same:
            await self._fork(known, head, note)
            return None
        message = f"its newest checkpoint has {head.size} entries, and one of {known.size} was seen"
        return _Trouble("rolled-back", message)

    async def _fork(self, known: Head, head: Head, note: bytes) -> None:
        await self._remembered(lambda: self._memory.keep_fork(head, note, self._clock.now_us()))
        if not self._forked:
            self._forked = True
            log.error("subscriber.log_forked", size=head.size, known_size=known.size)
            message = f"the log has two histories: its tree of {head.size} entries does not fit that of {known.size}"
            self._raise(LogAlarm("log-forked", "forked", message, size=head.size))

    async def _find(self, tree: LogTree, note: bytes) -> None:
        """Look for every leaf that waits and that the tree must have."""
        head = tree.head
        while seen := await self._remembered(lambda: self._memory.waiting_below(head.size, BATCH)):
            foreign = await tree.foreign(seen)
            await self._settle(set(seen).difference(foreign), foreign, head, note)
            tree = LogTree(head, self._fetch)

    async def _settle(self, found: AbstractSet[Seen], foreign: Sequence[Seen], head: Head, note: bytes) -> None:
        now_us = self._clock.now_us()
        await self._remembered(lambda: self._memory.settle(found, foreign, note, now_us))
        for one in foreign:
            log.error("subscriber.not_in_log", problem="foreign", index=one.index, entries=1, size=head.size)
            message = f"entry {one.index} was delivered, but the log has something else there"
            self._raise(LogAlarm("not-in-log", "foreign", message, one.index, size=head.size))

    async def _miss(self, head: Head) -> None:
        """Tell of leaves that the log should have by now."""
        seen_by_us = self._clock.now_us() - round(self._within_s * 1e6)
        missed = await self._remembered(lambda: self._memory.overdue(head.size, seen_by_us))
        if missed is None:
            return
        first, count = missed
        log.error("subscriber.not_in_log", problem="absent", index=first, entries=count, size=head.size)
        others = f" and {count - 1} more were" if count > 1 else " was"
        message = (
            f"entry {first}{others} delivered over {self._within_s:g} s ago, "
            f"but the log's newest checkpoint has {head.size} entries"
        )
        self._raise(LogAlarm("not-in-log", "absent", message, first, count, head.size))

    async def _remembered(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- alarms --------------------------------------------------------------------------------------------------

    def _judge(self, trouble: _Trouble | None) -> None:
        """Alarm when trouble lasts, once, and say when it is over."""
        now_us = self._clock.now_us()
        if trouble is None:
            self._good_at_us = now_us
            if self._stale:
                self._stale = False
                log.warning("subscriber.log_is_back")
        elif not self._stale and now_us - self._good_at_us >= self._within_s * 1e6:
            self._stale = True
            log.error("subscriber.log_stale", problem=trouble.problem, error=trouble.message)
            message = f"for {self._within_s:g} s the log gives no checkpoint that counts: {trouble.message}"
            self._raise(LogAlarm("log-stale", trouble.problem, message))

    def _raise(self, alarm: LogAlarm) -> None:
        if len(self._alarms) < MOST_ALARMS:
            self._alarms.append(alarm)
        if self._on_alarm is not None:
            self._on_alarm(alarm)
