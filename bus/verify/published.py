"""Verifies what was published: files against files, and all of them against signed checkpoints.

The order: the newest checkpoint, which the policy must believe; every bundle, leaf and tile of level 0; the tiles
above; the root; every checkpoint that was kept; the rule of back-dating. The first that fails ends it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from bus.errors import Malformed
from bus.tlog.frontier import EMPTY, SUBTREE_HEIGHT, Frontier
from bus.tlog.tile import HEIGHT, WIDTH, Tile, tiles_above, width_at
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import EMPTY_ROOT, HASH_SIZE
from bus.verify.claims import Claim, back_dated, forked, kept, newest, read_claim, sizes
from bus.verify.crew import tasks, walk
from bus.verify.fault import Fault
from bus.verify.folder import Folder
from bus.verify.report import Report, close_span, counted, span
from bus.verify.scan import Edge, Part, first_difference, narrow_tile
from bus.verify.subject import Progress, Subject, Tree, silent

_PUBLISHING_S: Final = 2.0


def verify_files(subject: Subject, report: Report, *, jobs: int = 1, progress: Progress = silent) -> Tree:
    """Verify all that was published; ``report`` is filled in as it goes.

    Raises:
        Wrong: the first thing that is wrong.
        Unavailable: there is no checkpoint.
    """
    folder = Folder.at(subject.files)
    data = folder.read("checkpoint") if subject.newest is None else subject.newest
    claim = newest(data, subject.policy, str(subject.files / "checkpoint"))
    report.origin, report.size, report.root = claim.origin, claim.size, claim.root
    report.witnesses = [(one.witness.name, one.time_s) for one in claim.cosigned]
    names = ", ".join(one.witness.name for one in claim.cosigned) or "no witness"
    report.passed("checkpoint", f"{claim.size} entries, signed by {claim.origin}, cosigned by {names}")
    return _Verifier(subject, report, folder, claim, jobs, progress).run()


class _Verifier:
    """One verification of the files."""

    def __init__(
        self, subject: Subject, report: Report, folder: Folder, claim: Claim, jobs: int, progress: Progress
    ) -> None:
        self.subject, self.report, self.folder, self.claim = subject, report, folder, claim
        self.jobs, self.progress = jobs, progress
        self.tiles = TileTree(claim.size, folder.tile)
        self.tree = Tree(claim, 0, [])
        self.frontier = EMPTY
        self.edges: dict[int, Edge] = {}
        self.roots: dict[int, bytes] = {0: EMPTY_ROOT}

    def run(self) -> Tree:
        claims = [*self._since(), *self._kept()]
        first = self.tree.first * WIDTH
        wanted = sorted({one.size for one in claims if one.size > first} | {self.claim.size})
        self._walk(wanted)
        self._tiles_above(claims)
        self._root(claims)
        self._newer()
        for one in claims:
            self._same_tree(one)
        if claims:
            self.report.passed("consistency", f"{len(claims)} earlier checkpoints are beginnings of this tree")
        self._dates([*claims, self.claim])
        self.tree.signed = {one.size: one.root for one in [*claims, self.claim]}
        return self.tree

    # --- checkpoints -------------------------------------------------------------------------------------------

    def _since(self) -> list[Claim]:
        """The older checkpoint that was given; what stands under it is taken from tiles that lead to its root."""
        if self.subject.since is None:
            return []
        old = read_claim(self.subject.since, self.subject.policy, "the older checkpoint", "--since")
        if old.origin != self.claim.origin:
            sentence = f"The older checkpoint is one of {old.origin}, the newest one of {self.claim.origin}."
            raise Fault("checkpoint-foreign", sentence, place="--since").raised()
        if old.size > self.claim.size:
            sentence = (
                f"The log was rolled back: a checkpoint of {old.size} entries was signed, "
                f"and now it shows {self.claim.size}."
            )
            raise Fault("rolled-back", sentence, self.claim.size, "checkpoint").raised()
        self.tree.first = old.size // WIDTH
        self.report.since = self.tree.since = old.size
        self.tree.roots = self._roots_before(self.tree.first)
        self.frontier = EMPTY.extend(self.tree.roots)
        self.roots[self.tree.first * WIDTH] = self.frontier.root()
        return [old]

    def _kept(self) -> list[Claim]:
        found = kept(self.subject.kept, self.subject.policy, -1, self.claim.size)
        foreign = next((one for one in found if one.origin != self.claim.origin), None)
        if foreign is not None:
            sentence = f"{foreign.name} is one of {foreign.origin}, not of {self.claim.origin}."
            raise Fault("checkpoint-foreign", f"T{sentence[1:]}", foreign.size, f"checkpoints/{foreign.size}").raised()
        return found

    def _newer(self) -> None:
        """What is signed beyond the newest believed checkpoint continues it, and was not taken back."""
        data = None if self.subject.newest is not None else self.folder.read("checkpoint.unwitnessed")
        if data is None:
            return
        claim, place = self.claim, "checkpoint.unwitnessed"
        found = read_claim(data, self.subject.policy, "the newest unwitnessed checkpoint", place)
        last = max((size for size in sizes(self.subject.kept) if size > claim.size), default=None)
        seen = [found] if last is None else [found, *kept(self.subject.kept, self.subject.policy, last - 1, last)]
        for one in seen:
            if one.size < claim.size or (one.has_quorum and one.size > claim.size and not self._grew(one.size)):
                sentence = (
                    f"The log was rolled back: a checkpoint of {max(one.size, claim.size)} entries was published, "
                    f"and now it shows {min(one.size, claim.size)}."
                )
                raise Fault("rolled-back", sentence, min(one.size, claim.size), place).raised()
            if not self._continues(one):
                raise forked(claim, one).raised()

    def _continues(self, one: Claim) -> bool:
        """Whether a larger checkpoint's tree begins with the newest believed one's."""
        tree = TileTree(one.size, self.folder.tile)
        try:
            return (tree.root(), tree.root(self.claim.size)) == (one.root, self.claim.root)
        except Malformed:
            sentence = f"The tiles do not hold the tree of {one.size} entries that {one.name} is of."
            raise Fault("file-malformed", sentence, self.claim.size, "checkpoint.unwitnessed").raised() from None

    def _grew(self, size: int) -> bool:
        """Whether the newest checkpoint has meanwhile reached a size: the publisher may be at work."""
        time.sleep(_PUBLISHING_S)
        data = self.folder.read("checkpoint")
        return newest(data, self.subject.policy, "checkpoint").size >= size

    def _root_at(self, size: int) -> bytes | None:
        """The root that the tiles lead to at a size; None where they do not hold a tree."""
        try:
            return self.tiles.root(size)
        except Malformed:
            return None

    def _roots_before(self, count: int) -> list[bytes]:
        """The roots of the first whole tiles of level 0, as the tiles of level 1 have them."""
        found: list[bytes] = []
        for index in range((count + WIDTH - 1) // WIDTH):
            tile = Tile(1, index, width_at(1, index, self.claim.size))
            data = self.folder.tile(tile)
            if len(data) != tile.width * HASH_SIZE:
                raise _not_whole(tile).raised()
            found += tile.split(data)
        return found[:count]

    # --- the walk ----------------------------------------------------------------------------------------------

    def _walk(self, wanted: Sequence[int]) -> None:
        report, done, last_us = self.report, 0, None
        total = self.claim.size - self.tree.first * WIDTH
        work = tasks(self.folder, self.tree.first, self.claim.size, self.claim.root, wanted)
        for part in walk(work, self.jobs, (total + WIDTH - 1) // WIDTH):
            _follows(part, last_us)
            self._take(part)
            last_us = part.last_us if part.last_us is not None else last_us
            done += part.entries
            self.progress(done, total)
            if part.fault is not None:
                raise part.fault.raised()
        report.time_us = last_us
        close_span(report.policies, self.claim.size)
        report.passed("entries", f"{counted(self.claim.size, report.since)}: leaves of the tree, in order of time")

    def _take(self, part: Part) -> None:
        before = self.edges.get(part.first * WIDTH)
        if before is not None:
            before.next_us = part.first_us
        edges = iter([*part.edges, None])
        edge = next(edges)
        number = self.frontier.size
        for root in [*part.roots, None]:
            while edge is not None and (edge.size - 1) // WIDTH == number:
                self.edges[edge.size] = edge
                self.roots[edge.size] = _fold(self.frontier, edge.hashes)
                edge = next(edges)
            if root is not None:
                self.frontier = self.frontier.append(root)
                self.tree.roots.append(root)
                number += 1
        for outcome, count in part.outcomes.items():
            self.report.outcomes[outcome] = self.report.outcomes.get(outcome, 0) + count
        for index, digest in part.policies:
            span(self.report.policies, index, digest)

    def _tiles_above(self, claims: Sequence[Claim]) -> None:
        """Every tile above level 0, from the roots of the tiles below."""
        count = 0
        for tile, right in tiles_above(self.tree.roots):
            self._tile_above(tile, right, claims)
            count += 1
        self.report.passed("tiles", f"{count} tiles above them hold the roots of the tiles below")

    def _tile_above(self, tile: Tile, right: bytes, claims: Sequence[Claim]) -> None:
        stored = self.folder.tile(tile)
        if len(stored) != len(right):
            raise _not_whole(tile).raised()
        if stored != right:
            raise self._blamed(tile, stored, right, claims).raised()
        for width in self.folder.narrower(Tile(tile.level, tile.index).path, tile.width):
            narrow_tile(self.folder, Tile(tile.level, tile.index, width), right)

    def _blamed(self, tile: Tile, stored: bytes, right: bytes, claims: Sequence[Claim]) -> Fault:
        """Which is wrong: a tile, or everything below it."""
        reach = 1 << (HEIGHT * tile.level)
        first = (tile.index * WIDTH + first_difference(stored, right)) * reach
        run = f"entries {first} to {first + reach - 1}"
        if self._leads_to_root():
            sentence = f"{tile.path} was changed: it does not hold the hash that {run} lead to."
            return Fault("tile-changed", sentence, first, tile.path)
        older = next((one for one in reversed(claims) if one.size > first and self._agrees(one)), None)
        if older is not None:
            return forked(older, self.claim)
        sentence = f"Among {run} some were changed together with their tiles: {tile.path} still holds what was there."
        return Fault("entry-changed", sentence, first, tile.path)

    def _leads_to_root(self) -> bool:
        return self.roots.get(self.claim.size) == self.claim.root

    # --- what they must lead to --------------------------------------------------------------------------------

    def _root(self, claims: Sequence[Claim]) -> None:
        """The root of all that was read is the checkpoint's."""
        if self._leads_to_root():
            self.report.passed("root", f"they lead to the root {self.claim.root.hex()}")
            return
        same = next((one for one in claims if one.size == self.claim.size and self._agrees(one)), None)
        if same is not None:
            raise forked(same, self.claim).raised()
        good = max((one.size for one in claims if self._agrees(one)), default=self.tree.first * WIDTH)
        bad = min((one.size for one in claims if not self._agrees(one)), default=self.claim.size)
        sentence = (
            f"The published entries do not lead to the root that was signed at {self.claim.size} entries: "
            f"something between entry {good} and entry {max(bad - 1, good)} was changed, added or left out."
        )
        raise Fault("root-differs", sentence, good, "checkpoint").raised()

    def _agrees(self, claim: Claim) -> bool:
        return (self.roots.get(claim.size) or self._root_at(claim.size)) == claim.root

    def _same_tree(self, claim: Claim) -> None:
        if not self._agrees(claim):
            raise forked(claim, self.claim).raised()

    def _dates(self, claims: Sequence[Claim]) -> None:
        """The rule of back-dating, wherever a witness has cosigned."""
        count = 0
        for claim in claims:
            found = self.edges.get(claim.size)
            if found is None or not claim.cosigned:
                continue
            count += 1
            fault = back_dated(claim, found.last_us, found.next_us)
            if fault is not None:
                raise fault.raised()
        said = f"{count} cosigned checkpoints, and no entry is dated against one"
        self.report.passed("dates", said if count else "no witness has cosigned, so nothing bounds the times")


def _fold(frontier: Frontier, tail: Sequence[bytes]) -> bytes:
    """The root of whole tiles and the right edge behind them."""
    return Frontier(0, (*frontier.hashes, *tail)).root()


def _follows(part: Part, last_us: int | None) -> None:
    if last_us is None or part.first_us is None or part.first_us > last_us:
        return
    index = part.first * WIDTH
    sentence = f"Entry {index} is not later than entry {index - 1}: the ledger's time goes back there."
    raise Fault("time-goes-back", sentence, index).raised()


def _not_whole(tile: Tile) -> Fault:
    first = (tile.index * WIDTH) << (SUBTREE_HEIGHT * tile.level)
    return Fault("file-malformed", f"{tile.path} does not hold {tile.width} hashes.", first, tile.path)
