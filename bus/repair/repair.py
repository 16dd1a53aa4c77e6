"""The repair: look at a stopped hub, say what is wrong, and put back what was told.

Everything is made and checked in memory first, up to the root that was signed. Only then, and only if asked to, is
anything written: lost entries, flush by flush, each in the notary's own transaction; then the publisher's note and
files. Cut short anywhere, the same repair goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bus.errors import LedgerError, StartRefused, UsageError
from bus.hub import faults
from bus.hub.config import HubConfig
from bus.hub.cursor import Cursor
from bus.hub.load import check_cursors, check_signed, is_hubs, load_state
from bus.hub.logkey import note_signed
from bus.hub.nonces import nonces_of
from bus.hub.sequencer import State
from bus.hub.told import hub_keys
from bus.kafka.admin import Admin
from bus.kafka.reader import Reader
from bus.kafka.records import Record
from bus.ledger.store import Head
from bus.policy import Policy
from bus.repair.again import Again, Partial, as_sent, topics_by_digest, windows, write
from bus.repair.files import damaged, keep_aside, put_aside
from bus.repair.heard import Heard, fetch_delivered, listen
from bus.repair.kept import keep_checkpoints, look_at_checkpoints, put_back_checkpoints
from bus.repair.outboxes import Outboxes
from bus.repair.pointers import Pointers
from bus.repair.report import Report
from bus.repair.scene import Scene, opened
from bus.repair.told import Told, published, settle
from bus.tlog import Outcome
from bus.trust.keys import KeyRing
from bus.verify.folder import Folder

MOST = 1_000
"""Entries whose records are fetched at once; no flush that was made again is longer."""


async def repair(config: HubConfig, *, perform: bool) -> Report:
    """Find what is wrong, and mend it if asked to.

    Raises:
        UsageError: configuration or folders are not those of a hub.
        NotAllowed: the hub runs.
        Unavailable: Kafka or Postgres is away.
        LedgerError: what was checked before does not hold while it is written.
    """
    async with opened(config) as scene:
        return await _Repair(scene, perform=perform).run()


class _Repair:
    def __init__(self, scene: Scene, *, perform: bool) -> None:
        self.scene, self.perform = scene, perform
        self.config, self.store, self.head = scene.config, scene.store, scene.head
        self.report = Report(self.config.origin, self.head.size)
        self.policy = Policy.load(self.config.policy_file)
        self.key = KeyRing.load(self.config.key_file).signing
        self.lost: list[Told] = []
        self.heard = Heard(self.head.size)
        self.topics: list[str] = []

    async def run(self) -> Report:
        """All checks in order; the first that cannot be mended ends it."""
        report = self.report
        report.witnesses = {one.witness: one.size for one in self.scene.held}
        report.signed = None if self.scene.signed is None else self.scene.signed.checkpoint.size
        try:
            state = await load_state(self.store, self.head, self.policy)
        except StartRefused as error:
            return self._stuck("ledger-damaged", error.message, "the ledger contradicts itself")
        self._note()
        self.topics = sorted(await Admin(self.config.kafka).topics())
        pointers = Pointers(self.config.kafka, self.store, self.topics, self.report)
        cursors = await pointers.read()
        if not await self._same_history(cursors) or not await self._behind(state, cursors):
            return report
        if not is_hubs(self.key, state.directory):
            raise UsageError(
                f"{self.config.key_file} does not hold a key of this hub",
                hint="Put the hub's own key file in its place: decisions and receipts are made again with it.",
            )
        await pointers.look(cursors, self.head.size)
        outboxes = self._outboxes()
        await outboxes.look(report)
        await self._files()
        await look_at_checkpoints(self.scene, report)
        if self.perform and report.steps:
            await self._write(cursors, pointers, outboxes)
            report.done = True
        return report

    def _stuck(self, what: str, sentence: str, why: str) -> Report:
        self.report.finding(what, sentence)
        self.report.steps.clear()
        self.report.stuck = why
        return self.report

    # --- looking -----------------------------------------------------------------------------------------------

    def _note(self) -> None:
        """The publisher's note of what it last signed."""
        signed = self.scene.signed
        if self.scene.note_lost and signed is not None:
            self.report.finding("last-signed", self.scene.note_lost)
            sentence = f"write last-signed again: {signed.checkpoint.size} entries, as {signed.found_in} has it"
            self.report.step("last-signed", sentence)

    async def _same_history(self, cursors: dict[str, Cursor]) -> bool:
        """What the ledger has is what was signed and delivered, as far as it goes."""
        signed = self.scene.signed
        try:
            if signed is not None and signed.checkpoint.size <= self.head.size:
                await check_signed(self.store, self.head, signed.checkpoint)
            within = {lane: one for lane, one in cursors.items() if one.index < self.head.size}
            await check_cursors(self.store, self.head, within)
        except StartRefused as error:
            self._stuck("other-history", error.message, "the ledger has other entries than those that were told")
            return False
        return True

    async def _behind(self, state: State, cursors: dict[str, Cursor]) -> bool:
        """Whether what was told of entries that the ledger lacks is enough to make them again."""
        self.heard = await listen(
            self.config.kafka,
            self.topics,
            size=self.head.size,
            time_us=self.head.time_us,
            origin=self.config.origin,
            key_of=self._key_of(state),
        )
        torn = self.heard.contradiction
        if torn is not None:
            self._stuck("other-history", f"two things were told of entry {torn}", "the hub has told two histories")
            return False
        told = {f"witness {one.witness}": one.size or 0 for one in self.scene.held}
        told["last-signed" if self._only_noted() else "the newest checkpoint"] = self.report.signed or 0
        told |= {f"the cursor of the {lane} lane": one.index + 1 for lane, one in cursors.items()}
        told["receipts and inboxes"] = self.heard.end
        end = max(told.values())
        if end <= self.head.size:
            return True
        who = ", ".join(f"{name} {size}" for name, size in told.items() if size > self.head.size)
        self.report.finding("ledger-behind", f"the ledger has {self.head.size} entries, and more were told: {who}")
        return await self._restorable(state, cursors, end)

    def _only_noted(self) -> bool:
        """Whether the newest checkpoint is one that was noted, and is found signed nowhere."""
        signed = self.scene.signed
        return signed is not None and signed.note is None

    async def _restorable(self, state: State, cursors: dict[str, Cursor], end: int) -> bool:
        """Settle what each lost entry must be, and make all of them in memory."""
        signed = self.scene.signed
        size = 0 if signed is None else signed.checkpoint.size
        lost = settle(self.heard, published(Folder.at(self.scene.log), self.head.size, size), end)
        if isinstance(lost, int):
            return self._give_up(f"nobody was told enough of entry {lost} to make it again")
        self.lost = lost
        hashes = [told.leaf_hash for told in lost]
        if signed is not None and size > self.head.size:
            found = self.head.frontier.extend(hashes[: size - self.head.size])
            if found.root() != signed.checkpoint.root:
                return self._give_up(f"what was told of the lost entries does not lead to the root signed at {size}")
        for cursor in cursors.values():
            if cursor.index >= self.head.size and hashes[cursor.index - self.head.size].hex() != cursor.leaf_hash:
                return self._give_up(f"what was told of entry {cursor.index} is not what was delivered")
        try:
            partial = await self._again(state, None)
        except LedgerError as error:
            return self._give_up(error.message)
        self.report.partial = partial
        whole = len(lost) - len(partial)
        sentence = f"append entries {lost[0].index} to {lost[-1].index} again: {whole} whole, {len(partial)} in part"
        self.report.step("append", sentence)
        return True

    def _give_up(self, why: str) -> bool:
        self.report.steps.clear()
        self.report.stuck = why
        return False

    async def _files(self) -> None:
        """The published files; where the ledger is behind they are looked at once it is not."""
        if self.lost:
            self.report.step("files", "then look at the published files, and write again what is missing or wrong")
            return
        wrong = await self._damaged(self.head.size)
        if wrong:
            some = ", ".join(wrong[:3]) + (" …" if len(wrong) > 3 else "")
            self.report.finding("files-damaged", f"{len(wrong)} published files are missing or were changed: {some}")
            sentence = f"write {len(wrong)} files again from the ledger, and keep wrong ones in {self._aside()}"
            self.report.step("files", sentence)

    async def _damaged(self, size: int, *, mend: bool = False) -> list[str]:
        roots = {
            one.checkpoint.size: one.checkpoint.root
            for one in (self.scene.signed, *self.scene.served)
            if one is not None and 0 < one.checkpoint.size <= size
        }
        for name in self.scene.broken if mend else ():
            put_aside(self.scene.log, name, self._aside())
        wrong = await damaged(self.store, self.scene.log, roots, mend=self._aside() if mend else None)
        return [*self.scene.broken, *wrong]

    def _outboxes(self) -> Outboxes:
        return Outboxes(self.config.kafka, self.store, self.scene.publisher.folder, self.topics)

    def _aside(self) -> Path:
        return self.scene.publisher.folder / "damaged"

    # --- making again ------------------------------------------------------------------------------------------

    def _key_of(self, state: State) -> Callable[[bytes], bytes | None]:
        hub, known = self.key, hub_keys(state.directory)

        def key_of(key_id: bytes) -> bytes | None:
            return hub.public_key if key_id == hub.key_id else known(key_id)

        return key_of

    async def _again(self, state: State, head: Head | None) -> list[Partial]:
        """Make the lost entries; write them where a head is given."""
        digests = topics_by_digest([name for name in self.topics if name.startswith("out.")])
        again = Again(self.store, state, nonces_of(self.key), self.key, self.config.origin, digests, self.heard.given)
        partial: list[Partial] = []
        async with Reader(self.config.kafka, "hub-repair-outbox", isolation="read_uncommitted") as reader:
            for window in windows(self.lost, self.heard.flushes, MOST):
                records = await self._records(reader, again, [told for some in window for told in some])
                for some in window:
                    made = await again.flush(some, records)
                    partial += made.partial
                    if made.frontier.size == self.lost[-1].index + 1:
                        again.count_on(made, self.heard.numbers)
                    if head is not None:
                        head = await write(self.store, head, made)
                        faults.at("repair.appended")
        if head is not None:
            self.head = head
        return partial

    async def _records(self, reader: Reader, again: Again, some: Sequence[Told]) -> dict[tuple[str, int], Record]:
        """The records of some entries: from outboxes; where they are gone there, from inboxes."""
        places = {told.index: again.place_of(told) for told in some}
        starts: dict[str, int] = {}
        ends: dict[str, int] = {}
        for topic, first, last in places.values():
            starts[topic] = min(starts.get(topic, first), first)
            ends[topic] = max(ends.get(topic, 0), last + 1)
        found = {(one.topic, one.offset): one for one in await reader.fetch(starts, ends)}
        missing = {index for index, (topic, first, _) in places.items() if (topic, first) not in found}
        wanted = missing & self.heard.leaves.keys() | {i for i in missing if self._is_accepted(i)}
        if wanted:
            for record in await fetch_delivered(self.config.kafka, self.topics, wanted, self.head.time_us):
                topic, first, _ = places[int(record.header("bus-index") or b"")]
                sent = as_sent(record, topic, first)
                if sent is not None:
                    found[topic, first] = sent
        return found

    def _is_accepted(self, index: int) -> bool:
        return self.lost[index - self.lost[0].index].outcome == Outcome.ACCEPTED

    # --- writing -----------------------------------------------------------------------------------------------

    async def _write(self, cursors: dict[str, Cursor], pointers: Pointers, outboxes: Outboxes) -> None:
        if self.lost:
            head = await self.store.take_epoch()
            await self.store.make_partitions()
            state = await load_state(self.store, head, self.policy)
            await self._again(state, head)
            await check_cursors(self.store, self.head, cursors)
        await pointers.write()
        await outboxes.mend()
        await put_back_checkpoints(self.scene, self._aside())
        signed = self.scene.signed
        if signed is not None:
            await check_signed(self.store, self.head, signed.checkpoint)
            if self.scene.note_lost:
                folder = self.scene.publisher.folder
                keep_aside(folder / "last-signed", self._aside())
                note_signed(folder, signed.checkpoint.encode())
                faults.at("repair.noted")
        await self._damaged(self.head.size, mend=True)
        faults.at("repair.mended")
        await keep_checkpoints(self.scene)
        faults.at("repair.kept")
