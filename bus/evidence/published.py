"""Reads what a publisher published: kept checkpoints, tiles and the policy, as plain files.

::

    <folder>/log/{checkpoint, tile/…}    what is served (c2sp.org/tlog-tiles)
    <folder>/checkpoints/<size>          every checkpoint that was signed
    <folder>/policy                      whose signatures count (c2sp.org/tlog-policy)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bus.errors import CheckFailed, LedgerError, Malformed, Unavailable
from bus.evidence.exhibit import Earlier
from bus.tlog.note import Note
from bus.tlog.policy import Judgement, Policy
from bus.tlog.tile import WIDTH, Tile
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import HASH_SIZE

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Published:
    """A publisher's folder, seen through a policy."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._folder = folder
        self._policy = policy
        self._sizes: list[int] | None = None
        self._notes: dict[int, Note | None] = {}

    def sizes(self) -> list[int]:
        """The sizes at which there is a checkpoint, ascending.

        Raises:
            Unavailable: nothing has been published here.
        """
        if self._sizes is None:
            try:
                names = [path.name for path in (self._folder / "checkpoints").iterdir()]
            except OSError as error:
                hint = "Is the publisher running? `bus hub run --role publisher` publishes checkpoints."
                raise Unavailable(f"nothing is published in {self._folder}", hint=hint) from error
            self._sizes = sorted(int(name) for name in names if _SIZE.fullmatch(name))
        return self._sizes

    def covering(self, index: int, *, newest: bool = False) -> Note:
        """The first, or the newest, checkpoint with a quorum that an entry stands under.

        It carries only the signatures that the policy names.

        Raises:
            Unavailable: there is none yet.
        """
        sizes = [size for size in self.sizes() if size > index]
        found = self._first(reversed(sizes) if newest else sizes)
        if found is None:
            raise Unavailable(
                f"entry {index} is not yet under a checkpoint that the policy accepts",
                hint="Checkpoints come each second, cosignatures with them: try again.",
            )
        return found

    def earlier(self, index: int, tree: TileTree) -> Earlier | None:
        """The last checkpoint with a quorum that an entry is not yet under, with its consistency path."""
        found = self._first(size for size in reversed(self.sizes()) if 0 < size <= index)
        if found is None:
            return None
        size = self._policy.judge(found).checkpoint.size
        return Earlier(found, tuple(tree.consistency_path(size)))

    def tree(self, note: Note) -> TileTree:
        """The tree of a checkpoint, from the published tiles.

        Raises:
            LedgerError: the tiles do not lead to the checkpoint's root.
            Unavailable: a tile is not there.
        """
        checkpoint = self._policy.judge(note).checkpoint
        found = TileTree(checkpoint.size, self._tile)
        if found.root() != checkpoint.root:
            raise LedgerError(f"the published tiles do not lead to the checkpoint of {checkpoint.size} entries")
        return found

    def _first(self, sizes: Iterable[int]) -> Note | None:
        return next((note for note in map(self._accepted, sizes) if note is not None), None)

    def _accepted(self, size: int) -> Note | None:
        """The checkpoint of a size, with the policy's signatures alone; None if the policy does not accept it."""
        if size not in self._notes:
            self._notes[size] = self._read(size)
        return self._notes[size]

    def _read(self, size: int) -> Note | None:
        try:
            note = Note.decode((self._folder / "checkpoints" / str(size)).read_bytes())
            judgement = self._policy.judge(note)
        except (OSError, Malformed, CheckFailed):
            return None
        return _named(note, judgement) if judgement.accepted and judgement.checkpoint.size == size else None

    def _tile(self, tile: Tile) -> bytes:
        """A tile's bytes, out of the whole tile or a wider one where its own is gone."""
        wanted = tile.width * HASH_SIZE
        for path in self._candidates(tile):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if len(data) >= wanted:
                return data[:wanted]
        raise Unavailable(f"{tile.path} is not published", hint="Is the publisher's folder complete?")

    def _candidates(self, tile: Tile) -> Iterable[Path]:
        log = self._folder / "log"
        whole = log / Tile(tile.level, tile.index).path
        yield log / tile.path
        yield whole
        wider = sorted(int(path.name) for path in whole.with_name(f"{whole.name}.p").glob("[1-9]*"))
        yield from (log / Tile(tile.level, tile.index, width).path for width in wider if tile.width < width < WIDTH)


def _named(note: Note, judgement: Judgement) -> Note:
    strangers = set(judgement.strangers)
    return Note(note.text, tuple(line for line in note.signatures if line not in strangers))
