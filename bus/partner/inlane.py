"""One inbox at work: read, check, open, number, and hold a few deliveries ready."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import structlog
from msgspec import structs

from bus.errors import Unavailable
from bus.kafka.reader import OffsetLost
from bus.kafka.records import Record
from bus.partner.bookmark import Bookmark
from bus.partner.delivery import Delivery, open_checked, withdrawn
from bus.partner.inbox import UNKNOWN_KEY, Checked, Checker
from bus.partner.journal import Journal
from bus.partner.known import DirectoryReader
from bus.partner.logmemory import Seen
from bus.partner.logwatch import LogWatch
from bus.partner.profile import Profile
from bus.partner.recalls import Recalls, named_by
from bus.partner.transport import Reads
from bus.tlog.tree import leaf_hash
from bus.trust.keys import KeyRing

log: Any = structlog.get_logger("bus.partner")

Mark = Callable[[int], Awaitable[None]]

CHUNK = 64
"""Records that are checked and opened before the loop's other tasks get a turn."""
READY = 256
"""Deliveries that are held ready."""


class Opener:
    """Checks and opens records, and remembers in the journal what later events may be about."""

    def __init__(
        self,
        profile: Profile,
        keys: KeyRing,
        directory: DirectoryReader,
        journal: Journal,
        thread: Executor,
        watch: LogWatch | None = None,
    ) -> None:
        self._origin, self._organisation = profile.origin, profile.organisation
        self._keys = keys
        self._directory = directory
        self._journal = journal
        self._thread = thread
        self._watch = watch
        self._checker = Checker(profile.origin, profile.hub_key)
        self._recalls = Recalls(journal)

    async def open(self, records: Sequence[Record], lane: str, mark: Mark) -> list[Delivery]:
        """The deliveries of records, in order.

        Raises:
            Unavailable: the journal cannot be written, or the directory not be read.
        """
        found = self._checker.check(records, self._directory.directory)
        if any(one.problem == UNKNOWN_KEY for one in found):
            await self._directory.refresh()
            found = self._checker.check(records, self._directory.directory)
        told = self._directory.told()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._remember, found, told)
        return [self._delivery(one, lane, mark) for one in found]

    async def begin(self) -> None:
        """Expect in the published log what the directory was made of.

        Raises:
            Unavailable: the journal cannot be written.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._remember, (), self._directory.told())

    async def hand_out(self, delivery: Delivery, *, show_recalled: bool) -> Delivery:
        """A delivery as it is handed out now: without its content if it was recalled, and a recall with what it hits.

        Raises:
            Unavailable: the journal cannot be written.
        """
        decoded, recalls = delivery.decoded, self._recalls
        if decoded is None or delivery.status != "ok" or not recalls.concern(decoded):
            return delivery
        run = partial(asyncio.get_running_loop().run_in_executor, self._thread)
        told = recalls.told_by(decoded)
        if told is not None:
            return structs.replace(delivery, recalls=await run(recalls.reached, told))
        recalled = recalls.of(decoded, self._directory.directory)
        if recalled is None:
            return delivery
        log.warning("subscriber.recalled", lane=delivery.lane, seq=delivery.seq, reason=recalled.reason)
        return withdrawn(delivery, await run(recalls.suppressed, recalled), show=show_recalled)

    def _remember(self, found: Sequence[Checked], told: Sequence[Seen]) -> None:
        """Keep what later events may be about, and what the published log must have, in one transaction."""
        named = [subject for one in found if one.decoded is not None for subject in named_by(one.decoded)]
        leaves: list[Seen] = []
        if self._watch is not None:
            arrivals = [one.arrival for one in found if one.arrival is not None]
            leaves = [*told, *(Seen(one.index, leaf_hash(one.leaf.encode())) for one in arrivals)]
        if not named and not leaves:
            return
        with self._journal.batch():
            self._journal.remember(named)
            self._recalls.note(found)
            if self._watch is not None:
                self._watch.note(leaves)

    def _delivery(self, checked: Checked, lane: str, mark: Mark) -> Delivery:
        opened = open_checked(checked, self._keys, self._origin, self._organisation)
        arrival = checked.arrival
        return Delivery(
            index=-1 if arrival is None else arrival.index,
            seq=None if arrival is None else arrival.seq,
            lane=lane,
            status=opened.status,
            problem=opened.problem,
            missing=0,
            leaf=None if arrival is None else arrival.leaf,
            value=checked.record.value,
            signature=None if arrival is None else arrival.signature,
            decoded=opened.decoded,
            plaintext=opened.plaintext,
            offset=checked.record.offset,
            mark=partial(mark, checked.record.offset),
        )


class InLane:
    """The deliveries of one inbox, in its order. ``news`` is set when there are some, and at the end."""

    def __init__(
        self, name: str, topic: str, *, reader: Reads, bookmark: Bookmark, opener: Opener, news: asyncio.Event
    ) -> None:
        self.name = name
        self.ended = False
        self.bookmark = bookmark
        self._topic = topic
        self._reader = reader
        self._opener = opener
        self._news = news
        self._ready: deque[Delivery] = deque()
        self._room = asyncio.Event()
        self._end: int | None = None
        self._last_seq: int | None = None
        self._last_index = -1
        self._unreadable = 0

    async def begin(self, *, follow: bool) -> None:
        """Go to where the bookmark is; without ``follow``, note where the inbox ends now.

        Raises:
            NotAllowed, Unavailable: the topic cannot be read.
        """
        self._last_seq = await self.bookmark.begin()
        if not follow:
            self._end = (await self._reader.end_offsets([self._topic]))[self._topic]

    def take(self) -> Delivery | None:
        """The next delivery, if one is ready."""
        if len(self._ready) <= READY:
            self._room.set()
        return self._ready.popleft() if self._ready else None

    async def run(self, mark: Mark) -> None:
        """Read until the end, or until cancelled.

        Args:
            mark: called with a delivery's offset when it is done.

        Raises:
            NotAllowed: the broker does not let this organisation read its inbox.
            Unavailable: Kafka is away, and following was not asked for; or the journal cannot be written.
        """
        while self._end is None or await self._reader.position(self._topic) < self._end:
            records = await self._read()
            for first in range(0, len(records), CHUNK):
                opened = await self._opener.open(records[first : first + CHUNK], self.name, mark)
                for record, delivery in zip(records[first:], opened, strict=False):
                    self._number(record.offset, delivery)
                self._news.set()
                if len(self._ready) > READY:
                    self._room.clear()
                    await self._room.wait()
        self.ended = True
        self._news.set()

    async def _read(self) -> list[Record]:
        try:
            return await self._reader.read(timeout_s=0.5)
        except OffsetLost:
            log.error("subscriber.offset_lost", topic=self._topic)  # noqa: TRY400 - its trace says nothing more
            await self._reader.assign({self._topic: "earliest"})
        except Unavailable as error:
            if self._end is not None:
                raise
            log.warning("subscriber.unavailable", topic=self._topic, error=error.message)
            await asyncio.sleep(0.5)
        return []

    def _number(self, offset: int, delivery: Delivery) -> None:
        """Hold a delivery ready, with what its number says; drop what was seen."""
        seq, missing = delivery.seq, 0
        if seq is not None and self._last_seq is not None:
            if seq <= self._last_seq and (self._last_index < 0 or delivery.index <= self._last_index):
                log.warning("subscriber.duplicate", lane=self.name, seq=seq)
                return
            missing = max(0, seq - self._last_seq - 1 - self._unreadable)
            if missing:
                log.error("subscriber.gap", lane=self.name, after=self._last_seq, seq=seq, missing=missing)
            elif seq <= self._last_seq:
                log.error("subscriber.disorder", lane=self.name, after=self._last_seq, seq=seq)
        self._unreadable = self._unreadable + 1 if seq is None else 0
        if seq is not None:
            self._last_seq = seq if self._last_seq is None else max(seq, self._last_seq)
            self._last_index = max(delivery.index, self._last_index)
        if delivery.status == "invalid":
            log.error("subscriber.invalid", lane=self.name, offset=offset, problem=delivery.problem)
        if self.bookmark.hand_out(offset, seq):
            self._ready.append(structs.replace(delivery, missing=missing) if missing else delivery)
