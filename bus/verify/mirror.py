"""An auditor's own copy of a log: fetched once, grown since, verified whole each time, by nobody's word.

::

    <dir>/checkpoint          the newest that was verified
    <dir>/checkpoints/<size>  every one that was verified
    <dir>/tile/…              as the log serves them (c2sp.org/tlog-tiles)
    <dir>/rejected/…          checkpoints that were signed and do not fit: proof against the log

A file appears whole or not at all, so that an interrupted run goes on where it was. A checkpoint is kept only once
everything under it has been verified and continues every one that was kept before.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from bus.errors import BusError, Malformed, Unavailable, UsageError
from bus.hub.tilefiles import alone_in, write_files
from bus.tlog.bundle import MAX_ENTRY, Bundle, new_bundles
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.policy import Policy
from bus.tlog.tile import HEIGHT, MAX_LEVEL, WIDTH, Tile, tiles_of
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import HASH_SIZE
from bus.verify.aside import keep, reject, set_aside
from bus.verify.claims import Claim, forked, kept, newest, read_note, sizes
from bus.verify.fault import Fault, Wrong
from bus.verify.folder import Folder
from bus.verify.published import verify_files
from bus.verify.report import Report
from bus.verify.source import Source, open_source
from bus.verify.subject import Progress, Subject, silent

_AT_ONCE: Final = 16
_BATCH: Final = 512
Wanted = Tile | Bundle


async def fetch(where: str, folder: Path, policy: Policy, *, progress: Progress = silent) -> Claim:
    """Bring a mirror up to the newest checkpoint of its log, without verifying the files yet.

    Args:
        where: URL or folder of the log.
        folder: the mirror.
        policy: which checkpoints are believed.
        progress: told how many files have come, and of how many.

    Raises:
        Wrong: the newest checkpoint is not to be believed, the log was rolled back, or a file is missing or broken.
        Unavailable: the log cannot be reached.
    """
    async with open_source(where) as source:
        claim = newest(await source.get("checkpoint", MAX_NOTE), policy, f"{where.rstrip('/')}/checkpoint")
        _continues(folder, claim, policy)
        files, seen, total = _files(claim.size), 0, _count(claim.size)
        while some := list(islice(files, _BATCH)):  # a checkpoint may claim any size: what it says is not all listed
            await _fetch_some(source, folder, [one for one in some if not _is_there(folder, one)])
            seen += len(some)
            progress(seen, total)
    return claim


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Make a mirror's folder, and keep every other run out of it.

    Raises:
        Unavailable: another run works there.
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder, "run"):
        yield


def verify_mirror(
    folder: Path, claim: Claim, policy: Policy, report: Report, *, since: bytes | None, jobs: int, progress: Progress
) -> None:
    """Verify a mirror under a checkpoint that was fetched, and keep that checkpoint if all is well.

    Raises:
        Wrong: the first thing that is wrong; a broken file is set aside, so that the next run fetches it again.
    """
    subject = Subject(folder, folder / "checkpoints", policy, since, claim.data)
    try:
        verify_files(subject, report, jobs=jobs, progress=progress)
    except Wrong as wrong:
        fault = _fork(folder, claim, policy, wrong.fault) or wrong.fault
        raise set_aside(folder, claim, fault).raised() from None
    write_files(folder, {f"checkpoints/{claim.size}": claim.data, "checkpoint": claim.data})
    _prune(folder, claim.size)


def _continues(folder: Path, claim: Claim, policy: Policy) -> None:
    """The newest checkpoint that the mirror holds must be of this log, and not larger.

    Raises:
        UsageError: it is another log's mirror.
        Wrong: the log was rolled back, or what the mirror holds is not to be believed.
    """
    size = max(sizes(folder / "checkpoints"), default=None)
    if size is None:
        return
    origin = _origin_of(read_note(folder / "checkpoints" / str(size)))
    if origin not in {None, claim.origin}:
        hint = "Give each log a folder of its own."
        raise UsageError(f"{folder} is a mirror of {origin}, not of {claim.origin}", hint=hint)
    (known,) = kept(folder / "checkpoints", policy, size - 1, size)
    if claim.size >= known.size:
        return
    sentence = (
        f"The log was rolled back: this mirror holds its signed checkpoint of {known.size} entries, and now the log "
        f"shows one of {claim.size}."
    )
    raise reject(folder, claim, Fault("rolled-back", sentence, claim.size, "checkpoint")).raised()


def _files(size: int) -> Iterator[Wanted]:
    yield from tiles_of(size)
    yield from new_bundles(0, size)


def _origin_of(note: bytes) -> str | None:
    """The log that a note says it is of, whoever signed it; None if it is no checkpoint."""
    try:
        return Checkpoint.decode(Note.decode(note).text).origin
    except Malformed:
        return None


def _count(size: int) -> int:
    """How many files :func:`_files` gives."""
    rows = [(size >> (HEIGHT * level)) for level in range(MAX_LEVEL + 1)]
    tiles = [(row + WIDTH - 1) // WIDTH for row in rows]
    return sum(tiles) + tiles[0]


def _is_there(folder: Path, one: Wanted) -> bool:
    return os.path.exists(f"{folder}/{one.path}") or (  # noqa: PTH110 - asked for every file of the log
        one.width < WIDTH and os.path.exists(f"{folder}/{_whole(one).path}")  # noqa: PTH110
    )


def _whole(one: Wanted) -> Wanted:
    return Tile(one.level, one.index) if isinstance(one, Tile) else Bundle(one.index)


async def _fetch_some(source: Source, folder: Path, wanted: list[Wanted]) -> None:
    """Fetch side by side, begun in order.

    After a failure no more are begun, what is under way is kept, and of several failures the foremost file's is told.
    """
    gate, failed = asyncio.Semaphore(_AT_ONCE), dict[int, BusError | OSError]()

    async def one_of(number: int, one: Wanted) -> None:
        async with gate:
            if failed:
                return
            try:
                await _fetch_one(source, folder, one)
            except (BusError, OSError) as error:
                failed[number] = error

    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(wanted):
            group.create_task(one_of(number, one))
    if failed:
        raise failed[min(failed)]


async def _fetch_one(source: Source, folder: Path, one: Wanted) -> None:
    """Fetch a file; where a narrow one has just been replaced by the whole one, that."""
    data = await source.get(one.path, _largest(one))
    if data is None and one.width < WIDTH:
        one = _whole(one)
        data = await source.get(one.path, _largest(one))
    first = one.index * WIDTH << (8 * one.level if isinstance(one, Tile) else 0)
    if data is None:
        raise Fault("file-missing", f"The log does not serve {one.path}.", first, one.path).raised()
    if not _fits(one, data):
        sentence = f"What the log serves as {one.path} does not hold {one.width} of what it should."
        raise Fault("file-malformed", sentence, first, one.path).raised()
    writing = asyncio.ensure_future(asyncio.to_thread(keep, folder / one.path, data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing  # a thread cannot be stopped: whoever comes next would meet it
        raise


def _largest(one: Wanted) -> int:
    """No file of this kind is larger."""
    return one.width * (HASH_SIZE if isinstance(one, Tile) else 2 + MAX_ENTRY)


def _fits(one: Wanted, data: bytes) -> bool:
    if isinstance(one, Tile):
        return len(data) == one.width * HASH_SIZE
    try:
        one.split(data)
    except Malformed:
        return False
    return True


def _fork(folder: Path, claim: Claim, policy: Policy, fault: Fault) -> Fault | None:
    """Whether what differs is not a broken file: the log now signs another history than this mirror's newest."""
    old = kept(folder / "checkpoints", policy, -1, claim.size)[-1:]
    narrow = fault.place is not None and ".p/" in fault.place and _is_old(fault.place, claim.size)
    if not old or not narrow:
        return None
    tree = TileTree(claim.size, Folder.at(folder).tile)
    try:
        forked_here = tree.root() == claim.root and tree.root(old[0].size) != old[0].root
    except (Malformed, Wrong):
        return None
    if not forked_here:
        return None
    first = fault.index if fault.index is not None else old[0].size
    return Fault("forked", f"{forked(old[0], claim).sentence} Entry {first} is another.", first, fault.place)


def _is_old(place: str, size: int) -> bool:
    """Whether a narrow file is not one of the tree of this size, but of a smaller one."""
    return all(one.path != place for one in _files(size))


def _prune(folder: Path, size: int) -> None:
    """Remove the narrow tiles and bundles of earlier sizes."""
    files = Folder.at(folder)
    for one in _files(size):
        whole = _whole(one).path
        for width in files.narrower(whole, one.width):
            (folder / f"{whole}.p" / str(width)).unlink(missing_ok=True)


def source_of(policy: Policy) -> str:
    """The URL that a policy gives for its log.

    Raises:
        Unavailable: it gives none.
    """
    found = next((log.url for log in policy.logs if log.url), None)
    if found is None:
        raise Unavailable("the policy names no URL of the log", hint="Give --from URL, or --from DIR.")
    return found
