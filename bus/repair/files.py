"""The published files against the ledger: which are missing or were changed, and writing them again.

Tiles and bundles follow from the ledger's leaves. They are made anew, must lead to the roots that were signed, and
are then compared with what lies there, byte for byte. What was wrong is kept aside: it may be evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bus.errors import LedgerError
from bus.hub.tilefiles import RightEdge, write_durable, write_files
from bus.ledger.store import Store
from bus.tlog.bundle import new_bundles
from bus.tlog.tile import WIDTH, tiles_of

CHUNK: Final = 16 * WIDTH


async def damaged(store: Store, folder: Path, roots: Mapping[int, bytes], *, mend: Path | None = None) -> list[str]:
    """Compare every file that the trees of some signed sizes need with what the ledger says.

    Args:
        store: the ledger, which has all of those entries.
        folder: below which ``tile/…`` stands.
        roots: the sizes, with the roots that were signed.
        mend: write the right files, and keep wrong ones below this folder.

    Returns:
        The paths of the files that were missing or wrong.

    Raises:
        LedgerError: the ledger's leaves do not lead to a signed root: nothing is written from there on.
    """
    needed = {one.path for size in roots for one in (*tiles_of(size), *new_bundles(0, size))}
    edge, found = RightEdge(), list[str]()
    last = max(roots, default=0)
    for stop in sorted({*roots, *range(CHUNK, last, CHUNK)}):
        leaves = [row["leaf"] for row in await store.fetch("leaves", edge.size, stop)]
        if len(leaves) != stop - edge.size:
            raise LedgerError(f"entries between {edge.size} and {stop} are missing in the ledger")
        files = edge.grow(leaves) if leaves else {}
        if stop in roots and edge.frontier.root() != roots[stop]:
            raise LedgerError(f"the ledger's leaves do not lead to the root that was signed at {stop}")
        wrong = {name: data for name, data in files.items() if name in needed and read_file(folder / name) != data}
        found += wrong
        if mend is not None:
            _mend(folder, wrong, mend)
    return found


def _mend(folder: Path, files: Mapping[str, bytes], aside: Path) -> None:
    for name in files:
        old = read_file(folder / name)
        if old is not None:
            kept = aside / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_durable(kept, old)
    write_files(folder, files)


def read_file(path: Path) -> bytes | None:
    """A file's bytes; None if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
