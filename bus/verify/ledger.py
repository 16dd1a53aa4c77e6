"""Verifies the ledger in Postgres against what was published: one read-only snapshot, read once from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from bus.errors import CheckFailed, Malformed
from bus.events import registry
from bus.ledger.snapshot import snapshot
from bus.ledger.sql import parse_queries
from bus.tlog.frontier import EMPTY, Frontier
from bus.tlog.note import Note, decode_signatures
from bus.tlog.policy import Policy
from bus.tlog.tile import WIDTH, Tile, width_at
from bus.tlog.tree import HASH_SIZE
from bus.verify.claims import read_claim
from bus.verify.continued import continues
from bus.verify.course import Course
from bus.verify.folder import Folder
from bus.verify.follows import Follows
from bus.verify.leaves import above, hashes_of
from bus.verify.report import Report, counted
from bus.verify.rows import Row, check_row, fail
from bus.verify.subject import Progress, Tree, silent

QUERIES = parse_queries((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))
CHUNK: Final = 4 * WIDTH
QUERY_S: Final = 3600.0
"""Some questions are about whole tables: on a large ledger they take minutes."""


async def verify_ledger(
    dsn: str, tree: Tree, folder: Path, policy: Policy, report: Report, *, progress: Progress = silent
) -> None:
    """Verify Postgres against a published tree that has been verified.

    Args:
        dsn: a login that may read.
        tree: what was published.
        folder: where its files are.
        policy: whose cosignatures are believed.
        report: filled in as it goes.
        progress: told how many entries are done.

    Raises:
        Wrong: the first thing that is wrong.
        UsageError, Unavailable, NotAllowed, LedgerError: as :func:`bus.ledger.snapshot.snapshot` says.
    """
    async with snapshot(dsn, "verify", patience_s=30) as connection:
        await verify_snapshot(connection, tree, folder, policy, report, progress=progress)


async def verify_snapshot(
    connection: asyncpg.Connection,
    tree: Tree,
    folder: Path,
    policy: Policy,
    report: Report,
    *,
    progress: Progress = silent,
) -> None:
    """``verify_ledger`` in a transaction that the caller holds; it should read one snapshot.

    Raises:
        Wrong: the first thing that is wrong.
    """
    await _Ledger(connection, tree, Folder.at(folder), policy, report, progress).run()


class _Ledger:
    def __init__(
        self,
        connection: asyncpg.Connection,
        tree: Tree,
        folder: Folder,
        policy: Policy,
        report: Report,
        progress: Progress,
    ) -> None:
        self.connection, self.tree, self.folder, self.policy = connection, tree, folder, policy
        self.report, self.progress = report, progress
        self.start = tree.first * WIDTH
        self.frontier = EMPTY.extend(tree.roots[: tree.first])
        self.tail: list[bytes] = []
        self.last_us: int | None = None
        self.course = Course(tree.claim.origin, whole=self.start == 0)
        self.follows: Follows | None = None

    async def run(self) -> None:
        head = await self.connection.fetchrow(QUERIES["head"])
        if head is None:
            fail("head", None, "The ledger has no head", "head")
        size: int = head["size"]
        if size < self.tree.size:
            sentence = f"The ledger was rolled back: it has {size} entries, and {self.tree.size} were published"
            fail("rolled-back", size, sentence, "head")
        if self.start:
            self.course.directory(await self._fetch("directory", registry.directory_ids(), self.start))
        else:
            self.follows = Follows([row["about"].bytes for row in await self._fetch("subjects")])
        for at in range(self.start, size, CHUNK):
            await self._chunk(at, min(at + CHUNK, size))
            self.progress(min(at + CHUNK, size) - self.start, size - self.start)
        self.course.end(size)
        self._head(head)
        await self._beside(size)
        await self._signed()
        if self.course.continues is not None:
            self.report.continues = continues(self.course.continues, Path(self.folder.root).parent, self.report)
        self._tell(size)

    async def _fetch(self, query: str, *values: Any) -> list[Any]:
        return list(await self.connection.fetch(QUERIES[query], *values, timeout=QUERY_S))

    # --- entries -----------------------------------------------------------------------------------------------

    async def _chunk(self, low: int, high: int) -> None:
        rows = await self._fetch("rows", low, high)
        for index, row in zip(range(low, high), [*rows, None], strict=False):
            if row is None or row["index"] != index:
                fail("entry-missing", index, f"Entry {index} is missing in the ledger", "entry")
        stored = {row["n"]: row["hash"] for row in await self._fetch("subtrees", low // WIDTH, high // WIDTH)}
        for at in range(0, len(rows), WIDTH):
            self._tile(rows[at : at + WIDTH], stored)
        self.course.flushes(await self._fetch("flushes", low, high))
        if self.follows is not None:
            steps, reach = await self._fetch("steps", low, high), await self._fetch("reach", low, high)
            self.follows.compare(rows, steps, reach)

    def _tile(self, rows: Sequence[Row], stored: dict[int, bytes]) -> None:
        """Up to 256 entries: as they were published, sound, later than those before, and continuing them."""
        number = rows[0]["index"] // WIDTH
        hashes = hashes_of([row["leaf"] for row in rows])
        self._as_published(number, hashes)
        leaves = [check_row(row) for row in rows]
        for row, leaf in zip(rows, leaves, strict=True):
            if self.last_us is not None and leaf.time_us <= self.last_us:
                index = row["index"]
                fail("time-goes-back", index, f"Entry {index} is not later than entry {index - 1}", "entry")
            self.last_us = leaf.time_us
        self.course.entries(rows, leaves)
        if len(rows) < WIDTH:
            self.tail = hashes
            return
        root = above(hashes)
        if stored.get(number) != root:
            sentence = f"The stored root of entries {number * WIDTH} to {number * WIDTH + WIDTH - 1} is not theirs"
            fail("subtree", number * WIDTH, sentence, "subtree")
        self.frontier = self.frontier.append(root)

    def _as_published(self, number: int, hashes: Sequence[bytes]) -> None:
        width = width_at(0, number, self.tree.size)
        if not width:
            return
        tile = Tile(0, number, width)
        published = self.folder.tile(tile)
        if b"".join(hashes[:width]) == published:
            return
        parts = [published[at : at + HASH_SIZE] for at in range(0, len(published), HASH_SIZE)]
        wrong = next(n for n, part in enumerate(parts) if hashes[n] != part)
        index = number * WIDTH + wrong
        fail("entry-changed", index, f"Entry {index} in the ledger is not the entry that was published", "entry")

    # --- what they lead to -------------------------------------------------------------------------------------

    def _head(self, head: Row) -> None:
        size: int = head["size"]
        whole = Frontier(size, (*self.frontier.hashes, *EMPTY.extend(self.tail).hashes))
        if head["root"] != whole.root():
            fail("head", size, f"The head's root is not that of the {size} entries", "head")
        if head["frontier"] != whole.encode():
            fail("head", size, f"The head's frontier is not that of the {size} entries", "head")
        if self.last_us is not None and head["time_us"] != self.last_us:
            fail("head", size, "The head's time is not that of the last entry", "head")

    async def _beside(self, size: int) -> None:
        """The tables beside the entries."""
        for row in await self._fetch("beyond", size):
            if row["index"] is not None:
                sentence = f"The table {row['name']} has a row of entry {row['index']}, and the head has {size} entries"
                fail("beyond-head", row["index"], sentence, row["name"])
        for row in await self._fetch("strayed_ids"):
            sentence = f"An accepted id names entry {row['index']}, which does not accept it"
            fail("accepted-id", row["index"], sentence, "accepted_id")
        offsets = {row["topic"]: row["next_offset"] for row in await self._fetch("intake")}
        strays = {topic: 0 for topic in offsets.keys() - self.course.offsets.keys() if not self.start}
        for topic, due in sorted((strays | self.course.offsets).items()):
            if offsets.get(topic) != due:
                fail(
                    "offsets", None, f"The intake of {topic} stands at {offsets.get(topic)}, and {due} is due", "intake"
                )
        numbers = {(row["org"], row["lane"]): row["seq"] for row in await self._fetch("recipients")}
        for (org, lane), seq in sorted(self.course.seqs.items()):
            if numbers.get((org, lane)) != seq:
                sentence = f"The last number of {org} ({lane}) is said to be {numbers.get((org, lane))}, and is {seq}"
                fail("numbers", None, sentence, "recipient")
        whole = not self.start and not self.course.removed  # a decision that was removed may have given any number
        for org, lane in sorted(numbers.keys() - self.course.seqs.keys() if whole else ()):
            sentence = f"The last number of {org} ({lane}) is said to be {numbers[org, lane]}, and is None"
            fail("numbers", None, sentence, "recipient")

    async def _signed(self) -> None:
        """The checkpoints and cosignatures that Postgres keeps."""
        for row in await self._fetch("checkpoints", self.tree.size):
            size, place = row["size"], "ledger.checkpoint"
            claim = read_claim(row["note"], self.policy, f"the ledger's checkpoint of {size} entries", place)
            if size not in self.tree.signed:
                sentence = f"The checkpoint of {size} entries was signed, and is not kept among the published ones"
                fail("checkpoint-missing", size, sentence, "checkpoint")
            if claim.size != size or claim.root != self.tree.signed[size]:
                sentence = f"The ledger's checkpoint of {size} entries is another than the one published"
                fail("forked", size, sentence, "checkpoint")
        known = {one.name: one for one in self.policy.witnesses}
        for row in await self._fetch("cosignatures", self.tree.size):
            witness = known.get(row["witness"])
            if witness is None:
                continue
            try:
                note = Note.decode(row["note"]).with_signatures(decode_signatures(row["line"]))
                held = bool(note.verified([witness.key]))
            except (Malformed, CheckFailed):
                held = False
            if not held:
                sentence = f"The cosignature of {row['witness']} at {row['size']} entries does not hold"
                fail("cosignature", row["size"], sentence, "cosignature")

    def _tell(self, size: int) -> None:
        course, report = self.course, self.report
        more = size - self.tree.size
        beyond = f", {more} of them not yet published" if more else ""
        report.passed("ledger", f"{counted(size, self.tree.since)}: in Postgres as published{beyond}")
        gone = f"{course.erased.count} erased, {course.removed} removed"
        report.passed("content", f"columns, records and content are those of the leaves ({gone})")
        report.passed("policies", course.policies.told())
        report.passed("senders", f"{course.signatures} accepted events carry their senders' signatures")
        if self.follows is not None:
            report.passed("derived", _derived(self.follows))
        report.passed("receipts", "what the hub told each sender is what the entries say")


def _derived(follows: Follows) -> str:
    told = f"{follows.rows} rows on lifecycles and on who heard of an event are what the entries lead to"
    lost = follows.lost_from
    return told if lost is None else f"{told}, up to entry {lost}, whose header was removed"
