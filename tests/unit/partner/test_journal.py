"""The journal against a dictionary, across crashes, processes and hostile files."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from bus.errors import IdConflict, Unavailable, UsageError
from bus.partner.journal import VERSION, Item, Journal, KeptEvent, NewEvent, Settled


def event(number: int, *, content: bytes = b"", lane: str = "bulk", item: Item | None = None) -> NewEvent:
    """A made-up event; the journal looks into none of its bytes."""
    event_id = number.to_bytes(16, "big")
    return NewEvent(
        event_id=event_id,
        content=hashlib.sha256(content or event_id).digest(),
        topic="out.hotline-north" + (".urgent" if lane == "urgent" else ""),
        thread=hashlib.sha256(event_id).digest()[:16],
        lane=lane,
        value=b"\x00value" + event_id,
        signature=b"\x01signature" + event_id,
        item=item,
    )


def as_kept(new: NewEvent) -> KeptEvent:
    """The event as the journal shows it before any receipt."""
    return KeptEvent(new.event_id, new.content, new.topic, new.thread, new.value, new.signature)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal will be; its folders are not there yet."""
    return tmp_path / "home" / "journal" / "hotline-north.db"


def test_what_is_kept_is_found_after_reopening(path: Path) -> None:
    """An event is found by another connection exactly as it was kept."""
    with Journal(path) as journal:
        journal.keep([event(1), event(2)])
    with Journal(path) as again:
        assert again.find(event(1).event_id) == as_kept(event(1))
        assert again.find(event(3).event_id) is None


def test_a_batch_that_fails_leaves_nothing(path: Path) -> None:
    """When one id of a batch is known already, no other of the batch is kept."""
    with Journal(path) as journal:
        journal.keep([event(2)])
        with pytest.raises(IdConflict):
            journal.keep([event(1), event(2)])
        assert journal.find(event(1).event_id) is None
        assert journal.subject(event(1).event_id) is None


def test_other_content_under_a_known_id_is_a_conflict(path: Path) -> None:
    """A known id comes back with its bytes for the same content, and is refused for another."""
    with Journal(path) as journal:
        journal.keep([event(1)])
        assert journal.check(event(1).event_id, event(1).content) == as_kept(event(1))
        with pytest.raises(IdConflict):
            journal.check(event(1).event_id, event(1, content=b"another").content)
        assert journal.check(event(2).event_id, event(2).content) is None


def test_an_event_that_stands_is_not_talked_out_of_it(path: Path) -> None:
    """A refusal of a copy sent too late does not hide that the first was accepted; a repeat replaces it."""
    with Journal(path) as journal:
        journal.keep([event(1)])
        journal.settle([Settled(event(1).event_id, "refused", 3, reasons=("issuer-suspended", "key-unknown"))])
        kept = journal.find(event(1).event_id)
        assert kept is not None
        assert kept.reasons == ("issuer-suspended", "key-unknown")
        journal.settle([Settled(event(1).event_id, "accepted", 4, time_us=7)])
        journal.settle([Settled(event(1).event_id, "refused", 9, reasons=("id-time",))])
        assert journal.find(event(1).event_id) == structs.replace(
            as_kept(event(1)), outcome="accepted", index=4, time_us=7
        )
        journal.settle([Settled(event(1).event_id, "repeated", 12, first_index=4)])
        assert journal.counts() == {"repeated": 1}


def test_an_item_names_the_event_that_last_spoke_of_it(path: Path) -> None:
    """A later event about an item replaces the earlier one, and brings its own content and outcome."""
    entry = Item("ncmec-hashes", "list.example", "e-1", "listed")
    with Journal(path) as journal:
        assert journal.item(entry) is None
        journal.keep([event(1, item=entry)])
        journal.settle([Settled(event(1).event_id, "accepted", 0)])
        journal.keep([event(2, item=structs.replace(entry, step="retracted"))])
        state = journal.item(entry)
        assert state is not None
        assert (state.event_id, state.step, state.outcome) == (event(2).event_id, "retracted", "unknown")
        assert state.content == event(2).content


def test_unsettled_events_come_in_order_and_in_pages(path: Path) -> None:
    """Events without a receipt are listed in the order of their keeping, page by page."""
    with Journal(path) as journal:
        journal.keep([event(number) for number in (5, 3, 4)])
        journal.settle([Settled(event(3).event_id, "accepted", 1)])
        [(place, first)] = journal.unsettled(limit=1)
        assert first.event_id == event(5).event_id
        assert [kept.event_id for _, kept in journal.unsettled(place)] == [event(4).event_id]


def test_deliveries_done_ahead_are_forgotten_once_passed(path: Path) -> None:
    """Numbers handled ahead of an earlier one are kept per consumer and lane until the mark passes them."""
    with Journal(path) as journal:
        journal.mark_done("police-west", "bulk", below=3, ahead=[5, 7])
        journal.mark_done("police-west", "urgent", below=-1, ahead=[1])
        assert journal.done_ahead("police-west", "bulk") == {5, 7}
        journal.mark_done("police-west", "bulk", below=5, ahead=[7, 8])
        assert journal.done_ahead("police-west", "bulk") == {7, 8}
        assert journal.done_ahead("police-west", "urgent") == {1}
        assert journal.done_ahead("other", "bulk") == frozenset()


def test_only_the_owner_can_read_it(path: Path) -> None:
    """The file and its folder are closed to everybody else."""
    with Journal(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_commits_are_durable_before_the_send(path: Path) -> None:
    """The connection asks for a write-ahead log that is synced at every commit."""
    with Journal(path) as journal:
        assert journal.rows("PRAGMA journal_mode") == [("wal",)]
        assert journal.rows("PRAGMA synchronous") == [(2,)]


def test_a_file_that_is_no_journal_is_named(path: Path) -> None:
    """A foreign file is refused with its path and what to do."""
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database, and long enough to have a header of its own" * 20)
    with pytest.raises(UsageError, match=r"hotline-north\.db"):
        Journal(path)


def test_a_journal_of_a_newer_version_is_left_alone(path: Path) -> None:
    """An older program refuses a journal it may not understand."""
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UsageError, match="newer version"):
        Journal(path)


def test_a_journal_of_the_first_version_gets_what_is_new(path: Path) -> None:
    """What stands in an older journal stays, and the tables of later versions are added."""
    with Journal(path) as journal:
        journal.keep([event(1)])
    with contextlib.closing(sqlite3.connect(path)) as db:
        for table in ("log_leaf", "log_head", "log_alarm", "recalled"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 1")
    with Journal(path) as journal:
        assert journal.find(event(1).event_id) == as_kept(event(1))
        assert journal.rows("SELECT count(*) FROM log_leaf") == [(0,)]
        assert journal.rows("PRAGMA user_version") == [(VERSION,)]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """Where the folder of the journal cannot be, the error says so."""
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(Unavailable, match="journal"):
        Journal(tmp_path / "journal" / "x.db")


_WRITER = """
import sys
from bus.partner.journal import Journal, NewEvent
path, base = sys.argv[1], int(sys.argv[2])
journal = Journal(path)
for batch in range(10_000):
    ids = [(base + batch * 8 + place).to_bytes(16, "big") for place in range(8)]
    journal.keep([NewEvent(i, i * 2, "out.x", i, "bulk", i * 200, i * 20) for i in ids])
    print(base + batch * 8, flush=True)
"""


def test_kill_at_any_moment_loses_nothing_that_was_kept(path: Path) -> None:
    """Two processes write at once and are killed: every batch they reported is whole, and none is in part."""
    rng = random.Random(7)
    Journal(path).close()
    for round_ in range(4):
        bases = [(round_ * 2 + n) * 1_000_000 for n in range(2)]
        writers = [
            subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(base)], stdout=subprocess.PIPE, text=True)
            for base in bases
        ]
        reported = bases.copy()
        try:
            for writer in writers:
                assert writer.stdout is not None
                writer.stdout.readline()
            time.sleep(rng.random() * 0.1)
        finally:
            for writer in writers:
                writer.kill()
                out, _ = writer.communicate()
                reported += [int(line) for line in out.splitlines()]
        with Journal(path) as journal:
            for first in reported:
                for place in range(8):
                    assert journal.find((first + place).to_bytes(16, "big")) is not None
            assert sum(journal.counts().values()) % 8 == 0


class JournalMachine(RuleBasedStateMachine):
    """Two processes and their crashes against one dictionary."""

    used = Bundle("used")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.connections = [Journal(self.path), Journal(self.path)]
        self.events: dict[bytes, KeptEvent] = {}
        self.order: list[bytes] = []
        self.items: dict[tuple[str, str, str], tuple[bytes, str]] = {}
        self.subjects: dict[bytes, tuple[bytes, str]] = {}
        self.done: dict[str, set[int]] = {"bulk": set(), "urgent": set()}

    def _apply(self, batch: list[NewEvent]) -> None:
        for new in batch:
            self.events[new.event_id] = as_kept(new)
            self.order.append(new.event_id)
            self.subjects.setdefault(new.event_id, (new.thread, new.lane))
            if new.item is not None:
                item = new.item
                self.items[item.format, item.source, item.key] = (new.event_id, item.step)

    batches = st.lists(
        st.builds(
            lambda number, lane, key, step: event(
                number, lane=lane, item=None if key is None else Item("f", "s", key, step)
            ),
            st.integers(0, 40),
            st.sampled_from(["bulk", "urgent"]),
            st.none() | st.sampled_from("abc"),
            st.sampled_from(["listed", "retracted"]),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda new: new.event_id,
    )
    who = st.integers(0, 1)

    @rule(who=who, batch=batches)
    def keep(self, who: int, batch: list[NewEvent]) -> None:
        if any(new.event_id in self.events for new in batch):
            with pytest.raises(IdConflict):
                self.connections[who].keep(batch)
        else:
            self.connections[who].keep(batch)
            self._apply(batch)

    @rule(who=who, batch=batches, killed=st.booleans())
    def crash_before_commit(self, who: int, batch: list[NewEvent], killed: bool) -> None:
        """The connection is lost, or an error comes, while a batch is open: nothing of it stays."""
        journal = self.connections[who]
        fresh = [new for new in batch if new.event_id not in self.events]
        with contextlib.suppress(KeyboardInterrupt), journal.batch():
            journal.keep(fresh)
            journal.settle([Settled(new.event_id, "refused", 1) for new in batch])
            if killed:
                journal._db.close()
            raise KeyboardInterrupt
        if killed:
            self.connections[who] = Journal(self.path)

    @rule(who=who, number=st.integers(0, 40), outcome=st.sampled_from(["accepted", "repeated", "refused"]))
    def settle(self, who: int, number: int, outcome: str) -> None:
        event_id = number.to_bytes(16, "big")
        said = Settled(event_id, outcome, number, 0, ("key-unknown",) if outcome == "refused" else (), number)
        self.connections[who].settle([said])
        known = self.events.get(event_id)
        if known and (outcome != "refused" or known.outcome not in {"accepted", "repeated"}):
            self.events[event_id] = structs.replace(
                known, outcome=outcome, index=number, first_index=0, reasons=said.reasons, time_us=number
            )

    @rule(who=who, number=st.integers(30, 60), lane=st.sampled_from(["bulk", "urgent"]))
    def consume(self, who: int, number: int, lane: str) -> None:
        event_id = number.to_bytes(16, "big")
        self.connections[who].remember([(event_id, event_id, lane)])
        self.subjects.setdefault(event_id, (event_id, lane))

    @rule(
        who=who,
        lane=st.sampled_from(["bulk", "urgent"]),
        below=st.integers(-1, 20),
        ahead=st.sets(st.integers(0, 40)),
    )
    def mark_done(self, who: int, lane: str, below: int, ahead: set[int]) -> None:
        ahead = {seq for seq in ahead if seq > below}
        self.connections[who].mark_done("org", lane, below=below, ahead=ahead)
        self.done[lane] = {seq for seq in self.done[lane] if seq > below} | ahead

    @rule(who=who)
    def restart(self, who: int) -> None:
        self.connections[who].close()
        self.connections[who] = Journal(self.path)

    @invariant()
    def both_see_the_model(self) -> None:
        for journal in getattr(self, "connections", []):
            for number in range(61):
                event_id = number.to_bytes(16, "big")
                assert journal.find(event_id) == self.events.get(event_id)
                assert journal.subject(event_id) == self.subjects.get(event_id)
            for key in "abc":
                state = journal.item(Item("f", "s", key))
                assert (state and (state.event_id, state.step)) == self.items.get(("f", "s", key))
            waiting = [i for i in self.order if self.events[i].outcome == "unknown"]
            assert [kept.event_id for _, kept in journal.unsettled()] == waiting
            for lane, seqs in self.done.items():
                assert journal.done_ahead("org", lane) == seqs

    def teardown(self) -> None:
        for journal in getattr(self, "connections", []):
            journal.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()


JournalMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestJournalMachine = JournalMachine.TestCase
