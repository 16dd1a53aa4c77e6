"""Where a subscriber stands in one lane: kept in Kafka under its group's name, with the last ``bus-seq`` beside it."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Executor
from typing import Any

import structlog

from bus.partner.journal import Journal
from bus.partner.progress import Mark, Progress
from bus.partner.transport import GroupReads, Reads

log: Any = structlog.get_logger("bus.partner")

TOO_MANY_WAITING = 10_000
_SEQ = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Bookmark:
    """The place of one lane. Without a group nothing is kept, and reading begins at ``since``, or at the start."""

    def __init__(
        self,
        topic: str,
        lane: str,
        *,
        reader: Reads,
        group: tuple[str, GroupReads] | None,
        journal: Journal,
        thread: Executor,
        since: Mark | None = None,
    ) -> None:
        self._topic, self._lane = topic, lane
        self._since = since
        self._reader, self._group = reader, group
        self._journal, self._thread = journal, thread
        self._written: list[int] = []
        self._is_kept = False
        self._progress = Progress(Mark(0, None))
        self._warned = False

    async def begin(self) -> int | None:
        """Put the reader where it was left; the last ``bus-seq`` before it, -1 if none can be, or None.

        Raises:
            NotAllowed, Unavailable: the topic or the group cannot be read.
        """
        if self._since is not None:
            start = (await self._reader.assign({self._topic: self._since.offset}))[self._topic]
            self._progress = Progress(Mark(start, self._since.seq))
            return self._since.seq
        kept = None if self._group is None else (await self._group[1].committed([self._topic]))[self._topic]
        start = (await self._reader.assign({self._topic: "earliest" if kept is None else kept[0]}))[self._topic]
        seq = int(kept[1]) if kept is not None and _SEQ.fullmatch(kept[1]) else None
        ahead: frozenset[int] = frozenset()
        if self._group is not None and kept is not None:
            ahead = self._journal.done_ahead(self._group[0], self._lane)
        self._progress = Progress(Mark(start, seq), ahead)
        self._is_kept = kept is not None
        return -1 if seq is None and start == 0 else seq

    def hand_out(self, offset: int, seq: int | None) -> bool:
        """Note a delivery; False if it was handled before a restart."""
        waiting = self._progress.waiting
        if waiting > TOO_MANY_WAITING and self._group is not None and not self._warned:
            self._warned = True
            log.warning("subscriber.not_done", topic=self._topic, waiting=waiting)
        return self._progress.hand_out(offset, seq)

    def done(self, offset: int) -> None:
        """Note that a delivery is handled."""
        self._progress.done(offset)

    async def commit(self) -> None:
        """Keep the place, and what was handled ahead of it.

        Raises:
            NotAllowed, Unavailable: Kafka or the journal does not take it; nothing is lost but work.
        """
        if self._group is None:
            return
        name, reader = self._group
        mark, ahead = self._progress.uncommitted(), self._progress.ahead()
        if ahead and not self._is_kept:
            # What was handled ahead counts only beside a kept place: without one it may be of another hub.
            mark = self._progress.mark
        if mark is not None:
            await reader.commit({self._topic: (mark.offset, "" if mark.seq is None else str(mark.seq))})
            self._progress.committed(mark)
            self._is_kept = True
        if ahead == self._written:
            return
        below = self._progress.mark.seq
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._mark_done, name, -1 if below is None else below, ahead)
        self._written = ahead

    def _mark_done(self, name: str, below: int, ahead: list[int]) -> None:
        self._journal.mark_done(name, self._lane, below=below, ahead=ahead)
