"""The tree by itself, without servers: leaves appended, integrated into files, and verified, beside bare hashing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from bench.cost import Figure, repeated
from bench.ground import FOLDER
from bench.mirror import ORIGIN, Mirror, bare_loop, leaves, tiles_of_leaves, write_mirror
from bus.hub.publisher import CHUNK
from bus.hub.tilefiles import RightEdge, prune_partials, write_files
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.frontier import EMPTY
from bus.tlog.leaf import LEAF_SIZE
from bus.tlog.tree import leaf_hashes
from bus.verify.published import verify_files
from bus.verify.report import Report
from bus.verify.subject import Subject

AIMS: Final = {"verify, 1 process": 250_000.0, "verify, 2 processes": 400_000.0}
FLUSH: Final = 1024
_BARE: Final = 1 << 16
_INTEGRATED: Final = 1 << 17

Say = Callable[[str], None]


def append(repeats: int, say: Say) -> list[Figure]:
    """The notary's share: leaf packed, hashed, and taken into the frontier, a flush at a time."""
    say(f"append: {_BARE:,} leaves, {repeats} times")
    return repeated({"append: leaf, hash, frontier": _append}, _BARE, repeats)


def _append() -> None:
    frontier = EMPTY
    for first in range(0, _BARE, FLUSH):
        frontier, _ = frontier.extend_noting(leaf_hashes(leaves(first, FLUSH)))
    assert frontier.size == _BARE


def integrate(repeats: int, say: Say) -> list[Figure]:
    """The publisher's share: tiles and bundles, each flushed to disk, partial ones removed, root and checkpoint."""
    say(f"integrate: {_INTEGRATED:,} leaves, {repeats} times")
    made, folder = leaves(0, _INTEGRATED), FOLDER / "integrated"
    try:
        return repeated(
            {
                "integrate: tiles made, written, flushed to disk": lambda: _integrate(made, folder),
                "integrate: tiles made": lambda: _integrate(made, None),
            },
            _INTEGRATED,
            repeats,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _integrate(made: list[bytes], folder: Path | None) -> None:
    edge = RightEdge()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for first in range(0, len(made), CHUNK):
        files = edge.grow(made[first : first + CHUNK])
        if folder is not None:
            write_files(folder, files)
            prune_partials(folder, files)
        Checkpoint(ORIGIN, edge.size, edge.frontier.root()).encode()


def verify(entries: int, jobs: int, repeats: int, say: Say) -> list[Figure]:
    """Every leaf and node of a mirror's files, by one process and by more; the bare loop takes turns with them."""
    folder = FOLDER / "mirror"
    try:
        say(f"verify: writing a mirror of {entries:,} entries")
        mirror, tiles = write_mirror(folder, entries), tiles_of_leaves(min(_BARE, entries))
        bare = sum(map(len, tiles))
        works: dict[str, Callable[[], object]] = {
            "bare loop of hashlib, 1 process": lambda: bare_loop(tiles),
            "verify, 1 process": lambda: _verify(mirror, 1),
        }
        amounts = {"bare loop of hashlib, 1 process": bare}
        if jobs > 1:
            many = f"{jobs} processes"
            works[f"bare loop of hashlib, {many}"] = lambda: _bare_in(jobs, bare, entries // jobs // bare or 1)
            works[f"verify, {many}"] = lambda: _verify(mirror, jobs)
            amounts[f"bare loop of hashlib, {many}"] = jobs * bare * (entries // jobs // bare or 1)
        say(f"verify: {' · '.join(works)}, {repeats} times each")
        return repeated(works, entries, repeats, AIMS, amounts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _verify(mirror: Mirror, jobs: int) -> None:
    subject = Subject(mirror.folder, mirror.folder / "checkpoints", mirror.policy, newest=mirror.note)
    report = Report()
    verify_files(subject, report, jobs=jobs)
    assert report.holds
    assert report.size == mirror.size


def _bare_in(jobs: int, count: int, times: int) -> None:
    """The bare loop in several processes, which are started for it as the verification's are."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_bare_again, count, times) for _ in range(jobs)]:
            done.result()


def _bare_again(count: int, times: int) -> None:
    blank = [bytes(LEAF_SIZE)] * 256  # what is hashed decides nothing, and packing leaves would cost more than that
    tiles = [blank] * (count // 256)
    for _ in range(times):
        bare_loop(tiles)
