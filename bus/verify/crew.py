"""Several processes that walk over a tree's tiles side by side; their parts come back in order."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from threading import current_thread, main_thread
from typing import Final

from bus.tlog.tile import WIDTH
from bus.verify.folder import Folder
from bus.verify.scan import Part, Task, scan

TILES: Final = 64
"""A task's tiles: 16,384 entries, some 40 ms of work."""
_ALONE: Final = 16 * TILES
"""Below so many tiles it is not worth starting processes."""
_AHEAD: Final = 4


def cores() -> int:
    """How many processors this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tasks(folder: Folder, first: int, size: int, root: bytes, wanted: Sequence[int]) -> Iterator[Task]:
    """The tree's tiles from number ``first`` on, cut into tasks.

    Args:
        folder: where the files are.
        first: number of the first tile of level 0.
        size: of the tree.
        root: that its checkpoint says.
        wanted: sizes at which the right edge is wanted, ascending.
    """
    end = (size + WIDTH - 1) // WIDTH
    sizes = deque(one for one in wanted if one > first * WIDTH)
    for at in range(first, end, TILES):
        count = min(TILES, end - at)
        mine: list[int] = []
        while sizes and sizes[0] <= (at + count) * WIDTH:
            mine.append(sizes.popleft())
        yield Task(folder, at, count, size, root, tuple(mine))


def walk(work: Iterator[Task], jobs: int, tiles: int) -> Iterator[Part]:
    """The parts of tasks, in order; whoever stops reading stops the work.

    Args:
        work: the tasks. They are made as they are needed: a checkpoint may claim more than fits into memory.
        jobs: how many processes.
        tiles: how many tiles the tasks have together.
    """
    if jobs < 2 or tiles < _ALONE:
        yield from map(scan, work)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_interrupts)
    try:
        waiting: deque[Future[Part]] = deque()
        for task in work:
            with uninterrupted():
                waiting.append(pool.submit(scan, task))
            if len(waiting) > jobs * _AHEAD:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        with uninterrupted():
            pool.shutdown(cancel_futures=True)


def _first(waiting: deque[Future[Part]]) -> Part:
    """The part that was asked for first, once it is there."""
    with uninterrupted():
        return waiting.popleft().result()


@contextmanager
def uninterrupted() -> Generator[None]:
    """Let Ctrl-C wait until the end: within the pool's own steps it could leave one of its locks held for ever.

    Python raises ``KeyboardInterrupt`` between any two instructions of the main thread, also between taking a lock of
    the standard library's queues and the block that gives it back; whoever joins the pool then waits without an end.
    """
    if current_thread() is not main_thread():
        yield
        return
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if told and callable(before):
            before(signal.SIGINT, None)


def _leave_interrupts() -> None:
    """Ctrl-C is for whoever started these processes, and ends them; each would write a trace of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
