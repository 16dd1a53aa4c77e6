"""What a subscriber finds out about the published log, honest and not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from structlog.testing import capture_logs

from bus.errors import CheckFailed, Malformed, Unavailable, UsageError
from bus.files import load_policy
from bus.hub.serve import application
from bus.hub.tilefiles import RightEdge, prune_partials, write_files
from bus.partner import Delivery, LogAlarm, Subscriber
from bus.partner.journal import Journal
from bus.partner.logcheck import LogTree, prefix_root
from bus.partner.logmemory import Head, LogMemory, Seen
from bus.partner.logsource import Fetch, LogSource
from bus.partner.logwatch import LogWatch
from bus.partner.profile import LogSettings
from bus.testing import ManualClock
from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Policy
from bus.tlog.tile import Tile
from bus.tlog.vkey import Kind, NoteKey
from tests.patience import PATIENT_S
from tests.unit.partner.places import MemoryPlace
from tests.unit.partner.test_subscriber import INBOX, change, header, hear, publish

ORIGIN = "ledger.test.example/safeguard"
WITHIN_S = 60


def entry(number: int, branch: str = "") -> bytes:
    """A made-up leaf."""
    return f"entry {number}{branch}".encode()


def seen(number: int, branch: str = "") -> Seen:
    """The same as it was delivered."""
    return Seen(number, tree.leaf_hash(entry(number, branch)))


class Published:
    """A log in a folder, as the hub's publisher writes it."""

    def __init__(self, folder: Path, *, origin: str = ORIGIN) -> None:
        self.folder = folder
        self.key = NoteKey(origin, Kind.ED25519, bytes(range(32)))
        self.witness = NoteKey("witness.example", Kind.COSIGNATURE, bytes(range(32, 64)))
        self.edge = RightEdge()
        folder.mkdir()

    def grow(self, leaves: list[bytes]) -> None:
        """Append leaves and publish a checkpoint of all."""
        files = self.edge.grow(leaves)
        write_files(self.folder, files)
        prune_partials(self.folder, files)
        self.sign(self.edge.size, self.edge.frontier.root())

    def sign(self, size: int, root: bytes, *, key: NoteKey | None = None, cosigned: bool = False) -> None:
        """Publish a checkpoint of whatever is said."""
        key = key or self.key
        note = Checkpoint(key.verifier.name, size, root).encode()
        lines = [sign_note(note, key), *([sign_note(note, self.witness, 1_800_000_000)] if cosigned else [])]
        (self.folder / "checkpoint").write_bytes(Note(note, tuple(lines)).encode())

    def policy(self, *, quorum: bool = False) -> bytes:
        """Believe this log; with ``quorum``, only what its witness has cosigned."""
        witness = f"witness w {self.witness.verifier.encode()}\nquorum w\n" if quorum else "quorum none\n"
        return f"log {self.key.verifier.encode()}\n{witness}".encode()


class Watcher:
    """A watch over a log in a folder, with a clock of its own."""

    def __init__(self, published: Published, journal: Path) -> None:
        self.published = published
        self.path = journal
        self.clock = ManualClock()
        self.fetched: list[str] = []
        self.source: Fetch = LogSource(published.folder.as_uri()).fetch
        self.told: list[LogAlarm] = []
        self.begin()

    def begin(self, *, quorum: bool = False) -> None:
        """A process starts."""
        self.journal = Journal(self.path)
        self.memory = LogMemory(self.journal, ORIGIN)
        self.thread = ThreadPoolExecutor(1)
        self.policy = Policy.parse(self.published.policy(quorum=quorum))
        self.watch = self.watching()

    def watching(self, within_s: float = WITHIN_S) -> LogWatch:
        """A watch."""
        return LogWatch(
            ORIGIN, self.policy, self.fetch, self.memory, self.thread,
            within_s=within_s, clock=self.clock, on_alarm=self.told.append,
        )  # fmt: skip

    def end(self) -> None:
        """It ends."""
        self.thread.shutdown()
        self.journal.close()

    async def fetch(self, path: str, limit: int) -> bytes | None:
        """Read the log's files, and write down which."""
        self.fetched.append(path)
        return await self.source(path, limit)

    async def look(self, *, after_s: float = 0) -> list[tuple[str, str]]:
        """Look once; the alarms so far."""
        self.clock.advance(seconds=after_s)
        await self.watch.look()
        assert list(self.watch.alarms) == self.told
        return [(alarm.kind, alarm.problem) for alarm in self.watch.alarms]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """A log without entries or a checkpoint."""
    return Published(tmp_path / "log")


@pytest.fixture
def watcher(published: Published, tmp_path: Path) -> Iterator[Watcher]:
    """A watch over it."""
    made = Watcher(published, tmp_path / "journal.db")
    yield made
    made.end()


# --- an honest log ----------------------------------------------------------------------------------------------------


async def test_an_honest_log_passes_as_it_grows(watcher: Watcher) -> None:
    """Whatever its sizes, every leaf is found once it is published, and nothing is left waiting."""
    for size, more in ((0, 1), (1, 1), (2, 253), (255, 1), (256, 1), (257, 400), (657, 1)):
        watcher.published.grow([entry(number) for number in range(size, size + more)])
        watcher.watch.note([seen(number) for number in range(size, size + more, 7)])
        assert await watcher.look(after_s=1) == []
        assert watcher.memory.waiting() == 0
        assert watcher.memory.head() == Head(size + more, watcher.published.edge.frontier.root())


async def test_each_tile_is_fetched_once(watcher: Watcher) -> None:
    """Six hundred leaves of three tiles cost three tiles, and the one above them."""
    watcher.published.grow([entry(number) for number in range(600)])
    watcher.watch.note([seen(number) for number in range(600)])
    assert await watcher.look() == []
    assert sorted(watcher.fetched) == ["checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]


async def test_a_log_at_rest_costs_its_checkpoint_alone(watcher: Watcher) -> None:
    """With no growth and nothing to find, no tile is fetched."""
    watcher.published.grow([entry(0), entry(1)])
    await watcher.look()
    watcher.fetched.clear()
    assert await watcher.look(after_s=3600) == []
    assert watcher.fetched == ["checkpoint"]


async def test_a_narrow_tile_that_was_pruned_is_read_from_the_whole_one(watcher: Watcher) -> None:
    """The log may grow between the checkpoint and its tiles."""
    watcher.published.grow([entry(number) for number in range(200)])
    watcher.watch.note([seen(3), seen(199)])
    note = (watcher.published.folder / "checkpoint").read_bytes()
    watcher.published.grow([entry(number) for number in range(200, 300)])
    (watcher.published.folder / "checkpoint").write_bytes(note)
    assert await watcher.look() == []
    assert "tile/0/000" in watcher.fetched
    assert watcher.memory.waiting() == 0


async def test_a_log_without_entries_says_nothing(watcher: Watcher) -> None:
    """A checkpoint of the empty tree is one, and is not kept."""
    watcher.published.sign(0, tree.EMPTY_ROOT)
    assert await watcher.look(after_s=2 * WITHIN_S) == []
    assert watcher.memory.head() is None


async def test_the_root_of_an_earlier_tree_comes_out_of_a_later_ones_path() -> None:
    """For every size up to 70 and every earlier one, from the path of its last leaf."""
    hashes = [tree.leaf_hash(entry(number)) for number in range(70)]
    for size in range(1, 71):
        for index in range(size):
            path = tree.inclusion_path(hashes[:size], index)
            assert prefix_root(index, size, hashes[index], path) == tree.root(hashes[: index + 1])


@pytest.mark.parametrize("older", [1, 2, 255, 256, 257, 511, 512, 600, 700])
async def test_a_tree_begins_with_its_earlier_ones_and_no_others(published: Published, older: int) -> None:
    """Through its tiles, at and around their edges."""
    published.grow([entry(number) for number in range(700)])
    whole = LogTree(Head(700, published.edge.frontier.root()), LogSource(published.folder.as_uri()).fetch)
    hashes = [tree.leaf_hash(entry(number)) for number in range(older)]
    assert await whole.continues(Head(older, tree.root(hashes)))
    assert not await whole.continues(Head(older, tree.root([*hashes[:-1], bytes(32)])))


# --- what was delivered is not there ----------------------------------------------------------------------------------


async def test_another_leaf_at_the_index_is_told_at_once(watcher: Watcher) -> None:
    """The log has something else there: the delivery was not what was recorded; the note that shows it is kept."""
    watcher.published.grow([entry(number) for number in range(300)])
    watcher.watch.note([seen(16), seen(17, " forged"), seen(18), seen(299)])
    with capture_logs() as logs:
        assert await watcher.look() == [("not-in-log", "foreign")]
    [alarm] = watcher.watch.alarms
    assert (alarm.index, alarm.size) == (17, 300)
    assert [(line["event"], line["log_level"]) for line in logs] == [("subscriber.not_in_log", "error")]
    kept = watcher.journal.rows("SELECT kind, entry, hash, note FROM log_alarm")
    assert kept == [
        ("not-in-log", 17, seen(17, " forged").leaf_hash, (watcher.published.folder / "checkpoint").read_bytes())
    ]
    assert await watcher.look(after_s=2 * WITHIN_S) == [("not-in-log", "foreign")]


async def test_two_leaves_for_one_index_are_one_too_many(watcher: Watcher) -> None:
    """The right one does not hide the other."""
    watcher.published.grow([entry(0), entry(1)])
    watcher.watch.note([seen(1), seen(1, " forged")])
    assert await watcher.look() == [("not-in-log", "foreign")]


async def test_what_is_not_published_is_told_after_the_time_and_once(watcher: Watcher) -> None:
    """An entry that the log does not reach may be late, and is absent when the time is over."""
    watcher.published.grow([entry(0)])
    watcher.watch.note([seen(5), seen(6)])
    assert await watcher.look(after_s=WITHIN_S - 1) == []
    assert await watcher.look(after_s=2) == [("not-in-log", "absent")]
    [alarm] = watcher.watch.alarms
    assert (alarm.index, alarm.count, alarm.size) == (5, 2, 1)
    assert "entry 5 and 1 more were delivered over 60 s ago" in alarm.message
    assert await watcher.look(after_s=2 * WITHIN_S) == [("not-in-log", "absent")]


async def test_what_was_absent_is_looked_for_further(watcher: Watcher) -> None:
    """It is found when it turns up, and still caught if it turns up as something else."""
    watcher.published.grow([entry(0)])
    watcher.watch.note([seen(1), seen(2, " forged")])
    await watcher.look(after_s=WITHIN_S + 1)
    watcher.published.grow([entry(1), entry(2)])
    assert await watcher.look(after_s=1) == [("not-in-log", "absent"), ("not-in-log", "foreign")]
    assert watcher.memory.waiting() == 0


async def test_an_index_beyond_every_ledger_is_absent(watcher: Watcher) -> None:
    """No number that a record can carry ends the check."""
    watcher.published.grow([entry(0)])
    watcher.watch.note([structs.replace(seen(0), index=10**19 - 1)])
    assert await watcher.look(after_s=WITHIN_S + 1) == [("not-in-log", "absent")]


async def test_what_waits_survives_a_restart(watcher: Watcher) -> None:
    """A leaf noted by one process is missed by the next."""
    watcher.published.grow([entry(0)])
    watcher.watch.note([seen(0, " forged"), seen(9)])
    watcher.end()
    watcher.begin()
    assert await watcher.look(after_s=WITHIN_S + 1) == [("not-in-log", "foreign"), ("not-in-log", "absent")]


async def test_only_so_much_waits(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a log that is away, what there is no room for is counted, and there is room again later."""
    monkeypatch.setattr("bus.partner.logmemory.MOST_WAITING", 10)
    with capture_logs() as logs:
        watcher.watch.note([seen(number) for number in range(8)])
        watcher.watch.note([seen(number) for number in range(4, 12)])
        watcher.watch.note([seen(12)])
    assert [line["entries"] for line in logs if line["event"] == "subscriber.log_unchecked"] == [6]
    assert watcher.memory.waiting() <= 10
    watcher.published.grow([entry(number) for number in range(20)])
    assert await watcher.look() == []
    watcher.watch.note([seen(number) for number in range(10)])
    assert watcher.memory.waiting() == 10


async def test_a_flood_is_looked_up_before_there_is_no_room(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who delivers much at once gets nothing past the check by filling up what waits for it."""
    monkeypatch.setattr("bus.partner.logmemory.MOST_WAITING", 100)
    monkeypatch.setattr("bus.partner.logwatch.EVERY_S", 3600.0)
    monkeypatch.setattr("bus.partner.logwatch.PAUSE_S", 0.01)
    watcher.watch = watcher.watching(within_s=10**6)
    watcher.published.grow([entry(number) for number in range(600)])
    looking = asyncio.create_task(watcher.watch.run())
    loop, settled, settle = asyncio.get_running_loop(), asyncio.Event(), watcher.memory.settle

    def noted(*found: Any) -> None:
        settle(*found)
        loop.call_soon_threadsafe(settled.set)

    monkeypatch.setattr(watcher.memory, "settle", noted)
    with capture_logs() as logs:
        for first in range(0, 600, 60):
            leaves = [seen(number, "x" if number == 599 else "") for number in range(first, first + 60)]
            await loop.run_in_executor(watcher.thread, watcher.watch.note, leaves)
            async with asyncio.timeout(PATIENT_S):
                await settled.wait()
            settled.clear()
    await watcher.watch.look()  # behind the one that is under way
    looking.cancel()
    assert not [line for line in logs if line["event"] == "subscriber.log_unchecked"]
    assert [(alarm.problem, alarm.index) for alarm in watcher.watch.alarms] == [("foreign", 599)]


# --- two histories ----------------------------------------------------------------------------------------------------


def branch(watcher: Watcher, size: int) -> None:
    """Replace the log by another, signed by the same key."""
    shutil.rmtree(watcher.published.folder)
    watcher.published = Published(watcher.published.folder)
    watcher.published.grow([entry(number, " rewritten" if number == 3 else "") for number in range(size)])


@pytest.mark.parametrize("size", [300, 301, 512, 900])
@pytest.mark.parametrize("restart", [False, True])
async def test_a_fork_is_told_at_once(watcher: Watcher, size: int, restart: bool) -> None:
    """Another tree of the same size or one that does not continue what was seen, also by the last process."""
    watcher.published.grow([entry(number) for number in range(300)])
    first = (watcher.published.folder / "checkpoint").read_bytes()
    await watcher.look()
    branch(watcher, size)
    if restart:
        watcher.end()
        watcher.begin()
    assert await watcher.look(after_s=1) == [("log-forked", "forked")]
    assert await watcher.look(after_s=1) == [("log-forked", "forked")]
    [(kind, at, note)] = watcher.journal.rows("SELECT kind, entry, note FROM log_alarm")
    assert (kind, at, note) == ("log-forked", size, (watcher.published.folder / "checkpoint").read_bytes())
    assert watcher.journal.rows("SELECT size, note FROM log_head") == [(300, first)]


async def test_a_smaller_tree_that_is_no_beginning_is_a_fork(watcher: Watcher) -> None:
    """While the tiles of the larger one are there, its smaller rival is convicted with them."""
    watcher.published.grow([entry(number) for number in range(300)])
    await watcher.look()
    rewritten = [tree.leaf_hash(entry(number, " rewritten")) for number in range(200)]
    watcher.published.sign(200, tree.root(rewritten))
    assert await watcher.look() == [("log-forked", "forked")]


async def test_a_rollback_is_told_when_it_lasts(watcher: Watcher) -> None:
    """An older checkpoint may come from a slow mirror; after the time it is an alarm, and growth ends it."""
    watcher.published.grow([entry(number) for number in range(200)])
    old = (watcher.published.folder / "checkpoint").read_bytes()
    watcher.published.grow([entry(number) for number in range(200, 300)])
    new = (watcher.published.folder / "checkpoint").read_bytes()
    await watcher.look()
    (watcher.published.folder / "checkpoint").write_bytes(old)
    assert await watcher.look(after_s=1) == []
    assert await watcher.look(after_s=WITHIN_S) == [("log-stale", "rolled-back")]
    (watcher.published.folder / "checkpoint").write_bytes(new)
    with capture_logs() as logs:
        assert len(await watcher.look(after_s=1)) == 1
    assert [line["event"] for line in logs] == ["subscriber.log_is_back"]


async def test_a_database_rolled_back_with_its_tiles_is_told_when_it_lasts(watcher: Watcher) -> None:
    """Without the larger tree's tiles nobody can say more than that it is older, until it grows another way."""
    watcher.published.grow([entry(number) for number in range(300)])
    await watcher.look()
    branch(watcher, 250)
    assert await watcher.look(after_s=WITHIN_S) == [("log-stale", "rolled-back")]
    watcher.published.grow([entry(number) for number in range(250, 310)])
    assert (await watcher.look(after_s=1))[1:] == [("log-forked", "forked")]


# --- a log that gives nothing that counts -----------------------------------------------------------------------------


def remove(watcher: Watcher) -> None:
    """There is no checkpoint."""
    (watcher.published.folder / "checkpoint").unlink()


def unreachable(watcher: Watcher) -> None:
    """The log is away."""

    async def away(_path: str, _limit: int) -> bytes | None:
        raise Unavailable("the log cannot be reached")

    watcher.source = away


def broken(watcher: Watcher) -> None:
    """Our own code fails."""

    async def wrong(_path: str, _limit: int) -> bytes | None:
        raise RuntimeError

    watcher.source = wrong


def says(data: bytes) -> Callable[[Watcher], None]:
    """The checkpoint is these bytes."""

    def replace(watcher: Watcher) -> None:
        (watcher.published.folder / "checkpoint").write_bytes(data)

    return replace


def signed_by_another(watcher: Watcher) -> None:
    """The key is not the policy's."""
    watcher.published.sign(2, bytes(32), key=NoteKey(ORIGIN, Kind.ED25519, bytes(32)))


def signature_spoilt(watcher: Watcher) -> None:
    """The text is not what was signed."""
    path = watcher.published.folder / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n2\n", b"\n3\n"))


def tile_lost(watcher: Watcher) -> None:
    """A tile is not there."""
    (watcher.published.folder / "tile/0/000.p/2").unlink()


def tile_short(watcher: Watcher) -> None:
    """A tile lacks a byte."""
    (watcher.published.folder / "tile/0/000.p/2").write_bytes(bytes(63))


def tile_changed(watcher: Watcher) -> None:
    """A tile holds something else."""
    (watcher.published.folder / "tile/0/000.p/2").write_bytes(bytes(64))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (remove, "unavailable"),
        (unreachable, "unavailable"),
        (tile_lost, "unavailable"),
        (says(b""), "malformed"),
        (says(b"\xff\x00garbage"), "malformed"),
        (says(b"<html>502</html>\n\n"), "malformed"),
        (says(b"x" * ((1 << 20) + 1)), "malformed"),
        (tile_short, "malformed"),
        (signed_by_another, "not-accepted"),
        (signature_spoilt, "not-accepted"),
        (tile_changed, "not-accepted"),
        (broken, "failed"),
    ],
)
async def test_a_log_that_gives_nothing_that_counts_is_stale_after_the_time(
    watcher: Watcher, spoil: Callable[[Watcher], None], problem: str
) -> None:
    """Not at once, and once; nothing is raised, accuses nobody else, and all is well when the log is back."""
    watcher.published.grow([entry(0), entry(1)])
    watcher.watch.note([seen(1)])
    kept, source = watcher.published.folder.with_name("kept"), watcher.source
    shutil.copytree(watcher.published.folder, kept)
    spoil(watcher)
    assert await watcher.look(after_s=WITHIN_S - 1) == []
    assert await watcher.look(after_s=1) == [("log-stale", problem)]
    assert await watcher.look(after_s=2 * WITHIN_S) == [("log-stale", problem)]
    shutil.rmtree(watcher.published.folder)
    kept.rename(watcher.published.folder)
    watcher.source = source
    assert await watcher.look() == [("log-stale", problem)]
    assert watcher.memory.waiting() == 0
    spoil(watcher)
    watcher.watch.note([seen(0)])
    assert len(await watcher.look(after_s=WITHIN_S)) == 2


async def test_without_a_quorum_a_checkpoint_does_not_count(watcher: Watcher) -> None:
    """What the policy's witnesses have not cosigned is as if it were not there."""
    watcher.end()
    watcher.begin(quorum=True)
    watcher.published.grow([entry(0)])
    watcher.watch.note([seen(0)])
    assert await watcher.look(after_s=WITHIN_S) == [("log-stale", "not-accepted")]
    assert "witnesses" in watcher.watch.alarms[0].message
    assert watcher.memory.waiting() == 1
    watcher.published.sign(1, watcher.published.edge.frontier.root(), cosigned=True)
    await watcher.look()
    assert watcher.memory.waiting() == 0


async def test_another_log_of_the_policy_does_not_count(watcher: Watcher, tmp_path: Path) -> None:
    """The policy may believe several logs; the profile says which one this is."""
    other = Published(tmp_path / "other", origin="ledger.test.example/another")
    other.grow([entry(0)])
    watcher.source = LogSource(other.folder.as_uri()).fetch
    both = other.policy().split(b"\n")[0] + b"\n" + watcher.published.policy().replace(b"quorum none\n", b"")
    policy = Policy.parse(both.replace(watcher.published.key.verifier.encode().encode(), NoteKey(
        ORIGIN, Kind.ED25519, bytes(32)).verifier.encode().encode()) + b"quorum none\n")  # fmt: skip
    watch = LogWatch(
        ORIGIN, policy, watcher.fetch, watcher.memory, watcher.thread, within_s=WITHIN_S, clock=watcher.clock
    )
    watcher.clock.advance(seconds=WITHIN_S)
    await watch.look()
    assert [(alarm.kind, alarm.problem) for alarm in watch.alarms] == [("log-stale", "not-accepted")]
    assert "another log's" in watch.alarms[0].message


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_no_changed_tile_accuses_an_honest_log_or_acquits_a_forger(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever byte of a tile is another: no fork and no foreign leaf is made up, and a forged one is never found."""
    folder = tmp_path_factory.mktemp("tampered")
    watcher = Watcher(Published(folder / "log"), folder / "journal.db")
    watcher.published.grow([entry(number) for number in range(270)])
    await watcher.look()
    watcher.published.grow([entry(number) for number in range(270, 600)])
    name = data.draw(st.sampled_from([Tile(0, 0), Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)])).path
    path = watcher.published.folder / name
    spoilt = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(spoilt) - 1))
    spoilt[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(spoilt)
    index = data.draw(st.integers(0, 599))
    watcher.watch.note([seen(index)])
    assert await watcher.look() == []
    forged = seen(index, " forged")
    watcher.watch.note([forged])
    tile = watcher.published.folder / Tile(0, index >> 8, 256 if index < 512 else 88).path
    hashes = bytearray(tile.read_bytes())
    hashes[index % 256 * 32 : index % 256 * 32 + 32] = forged.leaf_hash
    tile.write_bytes(hashes)
    await watcher.look()
    assert forged in watcher.memory.waiting_below(600, 10)
    watcher.end()


# --- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def server(published: Published) -> AsyncIterator[str]:
    """The log as the hub serves it, beside paths that misbehave."""

    async def behave(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/slow"):
            await asyncio.sleep(30)
        if request.path.startswith("/endless"):
            return web.Response(body=bytes(1 << 16))
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/{kind:slow|endless|ill}/{path}", behave)
    app.add_subapp("/log", application(published.folder))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_log_is_read_over_http(server: str, watcher: Watcher) -> None:
    """With the files and the very server of the hub."""
    watcher.published.grow([entry(number) for number in range(300)])
    watcher.watch.note([seen(1), seen(299), seen(7, " forged")])
    async with LogSource(f"{server}/log/") as source:
        watcher.source = source.fetch
        assert await watcher.look() == [("not-in-log", "foreign")]
        assert watcher.memory.waiting() == 0
        assert await source.fetch("tile/0/009", 8192) is None


async def test_a_server_that_misbehaves_is_an_error_of_ours(server: str) -> None:
    """Slow, endless, ill or away: bounded in time and size, and said."""
    async with LogSource(f"{server}/slow", timeout_s=0.1) as source:
        with pytest.raises(Unavailable, match="did not answer"):
            await source.fetch("checkpoint", 100)
    async with LogSource(f"{server}/endless") as source:
        with pytest.raises(Malformed):
            await source.fetch("checkpoint", 100)
    async with LogSource(f"{server}/ill") as source:
        with pytest.raises(Unavailable, match="503"):
            await source.fetch("checkpoint", 100)
    async with LogSource("http://127.0.0.1:9") as source:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await source.fetch("checkpoint", 100)


# --- in a subscriber --------------------------------------------------------------------------------------------------


class Logged:
    """The hub in memory with its log published."""

    def __init__(self, place: MemoryPlace, folder: Path) -> None:
        self.place = place
        self.published = Published(folder / "log", origin=place.world.origin)
        (folder / "policy").write_bytes(self.published.policy())
        self.settings = LogSettings(self.published.folder.as_uri(), folder / "policy", 0.3)
        plain = place.world.profile
        place.world.profile = lambda org: structs.replace(plain(org), log=self.settings)  # type: ignore[method-assign]

    def publish(self) -> None:
        """Publish what is in the ledger now."""
        self.published.grow(self.place.bus.leaves[self.published.edge.size :])

    def waiting(self) -> int:
        """How many leaves the receiver still looks for."""
        with Journal(self.place.journal(self.place.receiver)) as journal:
            return LogMemory(journal, self.place.world.origin).waiting()


@pytest.fixture
async def logged(place: MemoryPlace, tmp_path: Path) -> Logged:
    """The hub in memory, three events in the receiver's inbox, all of it published."""
    made = Logged(place, tmp_path)
    await publish(place, 3)
    made.publish()
    return made


def backdate(place: MemoryPlace, offset: int) -> None:
    """Deliver with another time than the recorded one: nothing in the record itself contradicts it."""
    leaf = header(place, offset, "bus-entry")
    change(place, offset, bus_entry=leaf[:9] + bytes([leaf[9] ^ 1]) + leaf[10:])


async def test_a_subscriber_of_an_honest_hub_has_no_alarms(logged: Logged) -> None:
    """All is delivered, and all was found by the end."""
    async with logged.place.subscriber(logged.place.receiver, follow=False, strict=True) as subscriber:
        heard = [delivery.status async for delivery in subscriber]
        assert subscriber.alarms == ()
    assert heard == ["ok"] * 3
    assert logged.waiting() == 0


async def test_a_delivery_that_was_never_logged_is_told(logged: Logged) -> None:
    """It looks right in itself, so it is delivered; the log convicts it."""
    backdate(logged.place, 1)
    told: list[LogAlarm] = []
    async with logged.place.subscriber(logged.place.receiver, follow=False, on_alarm=told.append) as subscriber:
        heard: list[Delivery] = [delivery async for delivery in subscriber]
        assert [delivery.status for delivery in heard] == ["ok"] * 3
        assert [(alarm.problem, alarm.index) for alarm in subscriber.alarms] == [("foreign", heard[1].index)]
    assert told == list(subscriber.alarms)


@pytest.mark.parametrize("name", ["OrganisationAdmitted", "KeyRegistered"])
async def test_a_directory_that_is_shown_to_one_member_alone_is_told(logged: Logged, name: str) -> None:
    """An admission or a key that is not the log's is used, since the hub signed it; the log convicts the operator."""
    topic = logged.place.bus.topics["hub.directory"]
    offset = next(
        n for n, record in enumerate(topic) if dict(record.headers)["ce_type"].split(b".")[2] == name.encode()
    )
    leaf = dict(topic[offset].headers)["bus-entry"]
    headers = {**dict(topic[offset].headers), "bus-entry": leaf[:9] + bytes([leaf[9] ^ 1]) + leaf[10:]}
    topic[offset] = structs.replace(topic[offset], headers=tuple(headers.items()))
    async with logged.place.subscriber(logged.place.receiver, follow=False) as subscriber:
        assert [delivery.status async for delivery in subscriber] == ["ok"] * 3
        assert [(alarm.problem, alarm.index) for alarm in subscriber.alarms] == [("foreign", int(headers["bus-index"]))]


async def test_a_directory_entry_that_is_never_published_is_told(place: MemoryPlace, tmp_path: Path) -> None:
    """The newest entry of the directory is under no checkpoint although time has passed: the subscriber says so."""
    made = Logged(place, tmp_path)
    made.published.grow(place.bus.leaves[:-1])
    async with place.subscriber(place.receiver, strict=True) as subscriber:
        with pytest.raises(CheckFailed, match=r"newest checkpoint has \d+ entries"):
            await follow(subscriber)
        (alarm,) = subscriber.alarms
    assert (alarm.problem, alarm.index, alarm.count) == ("absent", len(place.bus.leaves) - 1, 1)


async def follow(subscriber: Subscriber) -> None:
    """Handle whatever comes, until an alarm."""
    async with asyncio.timeout(PATIENT_S):
        async for delivery in subscriber:
            await delivery.done()


async def test_a_strict_subscriber_stops(logged: Logged) -> None:
    """It goes no further than the alarm, also while it waits for more."""
    backdate(logged.place, 1)
    async with logged.place.subscriber(logged.place.receiver, strict=True) as subscriber:
        with pytest.raises(CheckFailed, match="something else there"):
            await follow(subscriber)


async def test_what_is_logged_and_not_published_is_told(logged: Logged) -> None:
    """The ledger has it, the world has not: after the time the follower hears so."""
    await publish(logged.place)
    async with logged.place.subscriber(logged.place.receiver, strict=True) as subscriber:
        with pytest.raises(CheckFailed, match=r"newest checkpoint has \d+ entries"):
            await follow(subscriber)


async def test_what_is_published_later_is_found_by_the_next(logged: Logged) -> None:
    """A subscriber that ends before the log has grown leaves its leaf to the one after it."""
    await publish(logged.place)
    async with logged.place.subscriber(logged.place.receiver, follow=False) as subscriber:
        async for delivery in subscriber:
            await delivery.done()
    assert logged.waiting() == 1
    logged.publish()
    async with logged.place.subscriber(logged.place.receiver, follow=False) as subscriber:
        assert [delivery async for delivery in subscriber] == []
    assert (logged.waiting(), subscriber.alarms) == (0, ())


async def test_a_log_that_is_away_holds_nothing_up(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is delivered while the log hangs; the end waits a moment, and not for ever."""
    monkeypatch.setattr("bus.partner.subscriber.LOOK_S", 0.2)

    async def hang(_self: LogSource, _path: str, _limit: int) -> bytes | None:
        await asyncio.sleep(3600)
        return None

    monkeypatch.setattr(LogSource, "fetch", hang)
    async with asyncio.timeout(PATIENT_S):
        assert len(await hear(logged.place)) == 3
    assert logged.waiting() == 3 + len(logged.place.bus.topics["hub.directory"])


async def test_without_a_log_in_the_profile_nothing_is_looked_for(place: MemoryPlace) -> None:
    """The check is off: nothing is noted, nothing can be wrong."""
    await publish(place)
    async with place.subscriber(place.receiver, follow=False, strict=True) as subscriber:
        assert len([delivery async for delivery in subscriber]) == 1
        assert await subscriber.look_into_log() == ()
    with Journal(place.journal(place.receiver)) as journal:
        assert journal.rows("SELECT count(*) FROM log_leaf") == [(0,)]


def test_a_policy_that_is_none_is_named(tmp_path: Path) -> None:
    """Missing or wrong, the file is said, and which line of it."""
    with pytest.raises(UsageError, match="policy"):
        load_policy(tmp_path / "policy")
    (tmp_path / "policy").write_text("quorum none\nlog x\n")
    with pytest.raises(UsageError, match="line 2"):
        load_policy(tmp_path / "policy")


def test_the_inbox_of_these_tests_is_the_receivers() -> None:
    """What is rewritten above is what the receiver reads."""
    assert f"in.{MemoryPlace.receiver}" == INBOX
