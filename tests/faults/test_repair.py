"""The hub loses its database, its files, or both, refuses to start, and is repaired to exactly what it had been.

Everything is counted from outside afterwards: inboxes, receipts and tables by :mod:`tests.outside`, tree and files by
``bus audit verify``, and the tables against a copy from before, row by row.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.hub.cursor import read_cursors
from bus.hub.topics import topics_of
from bus.kafka.admin import Admin
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.sandbox.lifecycle import Sandbox
from tests.docs.support import ROOT, blocks
from tests.faults.hurt import Hurt
from tests.faults.roles import settled
from tests.faults.test_tampering import followed
from tests.outside import Outside
from tests.patience import until

pytestmark = pytest.mark.integration

TABLES = ("entry", "record", "content", "accepted_id", "step", "reach", "subtree", "flush", "recipient", "intake")


@pytest.fixture(scope="module")
async def hurt(trial: Sandbox) -> AsyncIterator[Hurt]:
    """A hub with a backup of its database, and some hundred entries more; its roles are stopped."""
    found = Hurt(trial)
    await found.grow(3, 120)
    await found.stop()
    await found.back_up()
    await found.start()
    await followed(trial)
    await found.is_published(await found.grow(5, 300))
    await settled(Outside(found.status, found.members.librdkafka("hub")))
    await found.stop()
    try:
        yield found
    finally:
        found.roles.stop()


async def contents(hurt: Hurt) -> dict[str, str]:
    """A digest of every row of each table that a repair fills."""
    digest = "SELECT md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')) FROM ledger.{} AS t"
    return {table: await hurt.sql(digest.format(table)) for table in TABLES}


async def recovers(hurt: Hurt) -> None:
    """The hub starts, takes new events, and from outside nothing is missing and nothing is there twice."""
    await hurt.start()
    size = await hurt.grow(7, 40)
    await hurt.is_published(size)
    counts = await settled(Outside(hurt.status, hurt.members.librdkafka("hub")))
    assert counts["size"] == size
    report = await hurt.verify()
    assert (report["holds"], report["size"]) == (True, size)
    assert len(report["witnesses"]) == 2
    await hurt.stop()
    code, report = await hurt.repair()
    assert (code, report["outcome"]) == (0, "nothing")


async def test_a_healthy_hub_has_nothing_to_repair_and_a_running_one_is_left_alone(hurt: Hurt) -> None:
    """Exit code 0 and a sentence; while a role runs, exit code 4 and the role's name, and nothing is touched."""
    before = await contents(hurt)
    done = hurt.bus("hub", "repair")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Nothing to repair" in done.stderr
    policy = hurt.published / "policy"
    right = policy.read_bytes()
    for wrong, sentence in ((right[:40], "is not a policy"), (b"quorum none\n", "folder of another log")):
        policy.write_bytes(wrong)
        done = hurt.bus("hub", "repair", "--yes")
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    policy.write_bytes(right)
    keys = hurt.sandbox.home.hub / "keys.json"
    right = keys.read_bytes()
    keys.write_bytes((hurt.sandbox.home.root / "organisations" / "audit-isles" / "keys.json").read_bytes())
    done = hurt.bus("hub", "repair", "--yes")
    assert (done.returncode, "does not hold a key of this hub" in done.stderr) == (2, True), done.stderr
    keys.write_bytes(right)
    done = hurt.bus("hub", "repair", "--config", str(hurt.published / "no.toml"))
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True), done.stderr
    for role in ("notary", "courier", "publisher"):
        await hurt.start(role)
        refused = hurt.bus("hub", "repair", "--yes")
        assert refused.returncode == 4
        assert f"the hub still runs: {'a notary' if role == 'notary' else role}" in refused.stderr
        await hurt.sandbox.stop(role)
    assert await contents(hurt) == before


async def test_a_database_from_before_the_checkpoint_gets_its_lost_entries_back(hurt: Hurt) -> None:
    """Notary, courier and publisher refuse; every lost row comes back as it was; nobody gets anything twice."""
    before = await contents(hurt)
    await hurt.roll_back()
    assert "is older" in await hurt.refuses("publisher")
    assert "older than the inboxes" in await hurt.refuses("courier")
    assert "older than the inboxes" in await hurt.refuses("notary")
    code, plan = await hurt.repair()
    assert (code, plan["outcome"], plan["partial"]) == (3, "planned", [])
    assert [step["do"] for step in plan["steps"]] == ["append", "files"]
    assert await hurt.sql("SELECT size FROM ledger.head") == plan["size"]
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"]) == (0, "done")
    assert await contents(hurt) == before
    await recovers(hurt)


@pytest.mark.deep
async def test_a_repair_that_is_killed_goes_on_where_it_was(hurt: Hurt) -> None:
    """At each of its steps: a hub started in between refuses, and the next repair ends in the one right state."""
    before = await contents(hurt)
    for point in ("repair.appended:1", "repair.appended:4", "repair.mended", "repair.kept"):
        await hurt.roll_back()
        assert hurt.bus("hub", "repair", "--yes", fault=point).returncode == -signal.SIGKILL
        if point == "repair.appended:4":
            assert "older than the inboxes" in await hurt.refuses("notary")
            assert "is older" in await hurt.refuses("publisher")
        code, report = await hurt.repair("--yes")
        assert (code, report["partial"]) == (0, []), point
        assert await contents(hurt) == before, point
    await recovers(hurt)


@pytest.mark.deep
async def test_the_runbook_goes_as_written(hurt: Hurt) -> None:
    """Its commands, in its order, over an old database: each ends as the page says."""
    await hurt.roll_back()
    (text,) = blocks(ROOT / "docs" / "runbooks" / "repair.md", "sh")
    up, *rest = text.splitlines()
    assert up == "bus sandbox up"
    for line in rest:
        done = await asyncio.to_thread(hurt.bus, *line.split()[1:])
        assert done.returncode == (3 if line == "bus hub repair" else 0), f"{line}: {done.stderr}"
    await hurt.stop()
    await recovers(hurt)


@pytest.mark.deep
async def test_a_database_and_a_folder_from_before_are_caught_by_the_witnesses(hurt: Hurt) -> None:
    """An old database with an old folder and an old cursor: only the witnesses know, and their size is named."""
    folder = hurt.published
    newest = max(int(path.name) for path in (folder / "checkpoints").glob("[0-9]*"))
    size = int(await hurt.sql("SELECT size FROM ledger.head", database_name="backup"))
    older = max(int(p.name) for p in (folder / "checkpoints").glob("[0-9]*") if int(p.name) <= size)
    before = await contents(hurt)
    await hurt.roll_back()
    note = (folder / "checkpoints" / str(older)).read_bytes()
    for path in (folder / "checkpoints").glob("[0-9]*"):
        if int(path.name) > older:
            path.unlink()
    for name in ("checkpoint", "checkpoint.unwitnessed"):
        (folder / "log" / name).write_bytes(note)
    (folder / "last-signed").write_bytes(note.rpartition(b"\n\n")[0] + b"\n")
    sentence = await hurt.refuses("publisher")
    assert f"has cosigned {newest} entries, we have {size}" in sentence
    assert "older than the inboxes" in await hurt.refuses("notary")
    code, plan = await hurt.repair()
    assert code == 3
    assert set(plan["witnesses"].values()) == {newest}
    assert str(newest) in plan["found"][0]["sentence"]
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"], report["partial"]) == (0, "done", [])
    assert await contents(hurt) == before
    await recovers(hurt)


@pytest.mark.deep
async def test_a_database_older_than_the_cursor_alone_is_made_good_from_receipts(hurt: Hurt) -> None:
    """Nothing of the lost entries was published: what receipts and inboxes say of them is enough."""
    folder = hurt.published
    await hurt.back_up()
    begun = int(await hurt.sql("SELECT size FROM ledger.head"))
    await hurt.start("notary", "courier")
    size = await hurt.grow(11, 60)
    counts = await settled(Outside(hurt.status, hurt.members.librdkafka("hub")))
    assert counts["size"] == size
    await hurt.stop()
    before = await contents(hurt)
    await hurt.roll_back()
    assert f"\n{begun}\n" in (folder / "last-signed").read_text()
    assert "older than the inboxes" in await hurt.refuses("notary")
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"], report["partial"]) == (0, "done", [])
    assert await contents(hurt) == before
    await recovers(hurt)


@pytest.mark.deep
async def test_a_database_older_than_receipts_alone_is_not_written_on(hurt: Hurt) -> None:
    """Nothing was delivered or published: the notary refuses by what senders were told, also half-way through a repair."""
    await hurt.back_up()
    await hurt.start("notary")
    await hurt.grow(17, 80)
    await hurt.stop()
    before = await contents(hurt)
    await hurt.roll_back()
    assert "older than what senders were told" in await hurt.refuses("notary")
    assert hurt.bus("hub", "repair", "--yes", fault="repair.appended").returncode == -signal.SIGKILL
    assert "older than what senders were told" in await hurt.refuses("notary")
    code, report = await hurt.repair("--yes")
    assert (code, report["partial"]) == (0, [])
    assert await contents(hurt) == before
    await recovers(hurt)


@pytest.mark.deep
async def test_lost_and_forged_files_are_written_again_and_forged_ones_kept(hurt: Hurt) -> None:
    """Without its tiles, and with a forged one, the publisher refuses; the ledger has all that is needed."""
    tiles = hurt.published / "log" / "tile"
    before = {path.relative_to(tiles): path.read_bytes() for path in tiles.rglob("*") if path.is_file()}
    shutil.rmtree(tiles)
    assert "is missing or was changed" in await hurt.refuses("publisher")
    code, report = await hurt.repair("--yes")
    assert (code, [step["do"] for step in report["steps"]]) == (0, ["files"])
    forged = tiles / "entries" / "000"
    data = bytearray(forged.read_bytes())
    data[376 * 60 + 100] ^= 1
    forged.write_bytes(data)
    assert "tile/entries/000 is missing or was changed" in await hurt.refuses("publisher")
    code, report = await hurt.repair()
    assert (code, report["found"][0]["what"]) == (3, "files-damaged")
    code, report = await hurt.repair("--yes")
    assert code == 0
    assert forged.read_bytes() == before[forged.relative_to(tiles)]
    assert (hurt.published / "damaged" / "tile" / "entries" / "000").read_bytes() == bytes(data)
    noted = (hurt.published / "last-signed").read_bytes()
    (hurt.published / "last-signed").write_text("truncat")
    assert "is unreadable" in await hurt.refuses("publisher")
    code, report = await hurt.repair("--yes")
    assert (code, [step["do"] for step in report["steps"]]) == (0, ["last-signed"])
    origin, size, *rest = noted.split(b"\n")
    (hurt.published / "last-signed").write_bytes(b"\n".join([origin, b"9" + size, *rest]))
    assert "is unreadable" in await hurt.refuses("publisher")
    code, report = await hurt.repair("--yes")
    assert (code, [step["do"] for step in report["steps"]]) == (0, ["last-signed"])
    assert (hurt.published / "last-signed").read_bytes() == noted
    kept = hurt.published / "checkpoints"
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    shutil.rmtree(kept)
    kept.mkdir()
    (kept / max(before, key=int)).write_bytes(b"garbage")
    code, report = await hurt.repair("--yes")
    assert (code, [step["do"] for step in report["steps"]]) == (0, ["checkpoints"])
    after = {path.name: path.read_bytes() for path in kept.iterdir()}
    assert {name: data.partition(b"\n\n")[0] for name, data in after.items()} == {
        name: data.partition(b"\n\n")[0] for name, data in before.items()
    }
    assert {name: data.count(b"\n") for name, data in after.items()} == {
        name: data.count(b"\n") for name, data in before.items()
    }
    await recovers(hurt)


@pytest.mark.deep
async def test_an_old_database_without_files_is_made_good_from_receipts(hurt: Hurt) -> None:
    """Both are lost: receipts and outboxes still say what stood there, and it leads to the root that was signed."""
    before = await contents(hurt)
    await hurt.roll_back()
    shutil.rmtree(hurt.published / "log" / "tile")
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"], report["partial"]) == (0, "done", [])
    assert await contents(hurt) == before
    await recovers(hurt)


@pytest.mark.deep
async def test_trimmed_outboxes_cost_only_what_inboxes_do_not_have(hurt: Hurt) -> None:
    """Accepted events come back from inboxes, whole; of repeats and refusals the leaf stays, and each is named."""
    platforms = hurt.members.having("platform")[:2]
    outboxes = [f"out.{org}{lane}" for org in platforms for lane in ("", ".urgent")]
    before = await contents(hurt)
    admin = Admin(hurt.sandbox.connection("hub"))
    await hurt.roll_back()
    await admin.delete_records(await admin.end_offsets(outboxes))
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"]) == (0, "done")
    assert {one["lost"] for one in report["partial"]} == {"record"}
    assert {one["outcome"] for one in report["partial"]} == {2, 3}
    after = await contents(hurt)
    assert {table for table in TABLES if after[table] != before[table]} <= {"content", "entry"}
    await recovers(hurt)


@pytest.mark.deep
async def test_a_lost_cursor_is_made_again_from_the_inboxes(hurt: Hurt) -> None:
    """Wiped, taken out, garbage, a stranger's, gone with its topic: it is what it was, and nobody gets anything twice."""
    admin, connection = Admin(hurt.sandbox.connection("hub")), hurt.sandbox.connection("hub")
    lanes, empty = (b"bulk", b"urgent"), b'{"index":-1,"leaf_hash":"","parked":{}}'
    before = await read_cursors(connection, "before")
    for value, keys in ((empty, lanes), (None, lanes[:1]), (b"\xff", lanes[1:]), (b"x", (b"\xff",)), (b"", ())):
        if keys:
            async with Writer(connection, "wipe") as writer:
                await writer.send_all([Outgoing("hub.cursor", key, value, ()) for key in keys])
        else:
            await admin.delete_topics(["hub.cursor"])
        code, plan = await hurt.repair()
        assert (code, {one["what"] for one in plan["found"]}) == (3, {"cursor-lost"})
        assert hurt.bus("hub", "repair", "--yes", fault="repair.pointed").returncode in {0, -signal.SIGKILL}
        code, report = await hurt.repair("--yes")
        assert (code, report["partial"]) == (0, [])
        after = await read_cursors(connection, "after")
        assert {lane: one.parked for lane, one in after.items()} == {"bulk": {}, "urgent": {}}
        assert all(after[lane].index <= before[lane].index for lane in after)
    await recovers(hurt)


@pytest.mark.deep
async def test_a_lost_cursor_forgets_no_inbox_that_was_parked(hurt: Hurt) -> None:
    """One inbox refuses while others are served, then the cursor is lost: it is owed what it lacks, from the first on."""
    admin, org = Admin(hurt.sandbox.connection("hub")), hurt.members.having("hotline")[0]
    topic = f"in.{org}"
    size = (await admin.topic_config(topic))["max.message.bytes"]
    await admin.set_topic_config(topic, {"max.message.bytes": "100"})
    await hurt.start()
    parked = re.compile(rf'"courier.parked".*"{topic}"|"{topic}".*"courier.parked"')
    await hurt.is_published(await hurt.grow(13, 80))
    await until(lambda: parked.search(hurt.roles.log_text("courier")) is not None, "the inbox is parked")
    await hurt.stop()
    before = (await read_cursors(hurt.sandbox.connection("hub"), "before"))["bulk"].parked
    assert set(before) == {topic}
    async with Writer(hurt.sandbox.connection("hub"), "wipe") as writer:
        await writer.send_all([Outgoing("hub.cursor", b"bulk", None, ())])
    code, report = await hurt.repair("--yes")
    assert code == 0
    assert any(f"still owed: {topic} from {before[topic]}" in step["sentence"] for step in report["steps"])
    assert (await read_cursors(hurt.sandbox.connection("hub"), "after"))["bulk"].parked == before
    await admin.set_topic_config(topic, {"max.message.bytes": size})
    await recovers(hurt)


async def truncated(hurt: Hurt, org: str, gone: str) -> tuple[int, list[str]]:
    """Cut an outbox to half of what it held, delete another, and let the first one's owner write three events more.

    Where the outbox ended, and the ids of those events.
    """
    hub, topic = hurt.sandbox.connection("hub"), f"out.{org}"
    end = int(await hurt.sql(f"SELECT next_offset FROM ledger.intake WHERE topic = '{topic}'"))
    async with Reader(hub, "half", isolation="read_uncommitted") as reader:
        held = await reader.fetch({topic: 0}, {topic: end})
    half = [record for offset, record in enumerate(held) if record.offset == offset][: end // 2]
    assert len(half) > 2
    admin = Admin(hub)
    await admin.delete_topics([topic, gone])
    assert await admin.create_topics([one for one in topics_of(org) if one.name == topic]) == [topic]
    async with Writer(hub, "half") as writer:
        await writer.send_all([Outgoing(topic, one.key, one.value, one.headers) for one in half])
    to = (hurt.members.having("hotline")[0],)
    events = [hurt.members.forge.event(org, to) for _ in range(3)]
    async with Writer(hurt.members.connection(org), "new") as writer:
        sent = await writer.send_all([hurt.members.forge.record(org, event) for event in events])
    assert sent[-1].offset < end
    return end, [event["header"]["event_id"] for event in events]


@pytest.mark.deep
async def test_an_outbox_that_lost_its_end_is_filled_up_and_what_nobody_read_is_read(hurt: Hurt) -> None:
    """What its owner wrote below the offset that the ledger has read to is recorded once, whenever the repair is killed."""
    org, other = hurt.members.having("platform")[:2]
    topic, gone = f"out.{org}", f"out.{other}"
    empty = f"SELECT count(*) FROM ledger.entry WHERE topic IN ('{topic}', '{gone}') AND 'null-value' = ANY (reasons)"
    before = await hurt.sql(empty)
    end, events = await truncated(hurt, org, gone)
    assert "truncated or made anew" in await hurt.refuses("notary")
    code, plan = await hurt.repair()
    assert (code, {one["what"] for one in plan["found"]}) == (3, {"outbox-short"})
    wanted = f"fill {topic} up to offset {end}, and write behind it 3 records that were not read"
    assert wanted in [step["sentence"] for step in plan["steps"]]
    assert hurt.bus("hub", "repair", "--yes", fault="repair.filled:2").returncode == -signal.SIGKILL
    assert (await hurt.repair())[0] == 3
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"]) == (0, "done")
    await recovers(hurt)
    ids = ", ".join(f"'{one}'" for one in events)
    told = f"SELECT array_agg(kafka_offset ORDER BY index) FROM ledger.entry WHERE outcome = 1 AND event_id IN ({ids})"
    assert await hurt.sql(told) == [end, end + 1, end + 2]
    assert await hurt.sql(empty) == before, "no notary reads what only fills up"


@pytest.mark.deep
async def test_what_nobody_can_say_any_more_is_not_made_up_and_a_new_log_continues(hurt: Hurt, tmp_path: Path) -> None:
    """Without files and receipts the repair gives up; a new log of another origin names the old one, and verifies."""
    old, size = hurt.published, int(await hurt.sql("SELECT size FROM ledger.head"))
    admin = Admin(hurt.sandbox.connection("hub"))
    await hurt.roll_back()
    begun = int(await hurt.sql("SELECT size FROM ledger.head"))
    shutil.rmtree(old / "log" / "tile")
    told = [name for name in await admin.topics() if name.startswith("receipts.")]
    await admin.delete_records(await admin.end_offsets(told))
    code, report = await hurt.repair("--yes")
    assert (code, report["outcome"], report["steps"]) == (3, "stuck", [])
    assert "nobody was told enough of entry" in report["stuck"]
    assert await hurt.sql("SELECT size FROM ledger.head") == begun
    assert hurt.bus("hub", "continue", "--old", str(old), "--reason", "disk_lost").returncode == 2
    kept = tmp_path / "old"
    shutil.copytree(old, kept)
    await hurt.sandbox.down(destroy=True)
    await hurt.sandbox.up(origin="ledger.sandbox.example/second")
    lost = ["--reason", "disk_lost", "--lost", f"{begun}-{size - 1}"]
    assert hurt.bus("hub", "continue", "--old", str(tmp_path), *lost).returncode == 2
    event = hurt.bus("hub", "continue", "--old", str(kept), *lost)
    assert event.returncode == 0, event.stderr
    done = await asyncio.to_thread(hurt.bus, "publish", "-", "--as", "hub", given=event.stdout)
    assert done.returncode == 0, done.stderr
    second = Hurt(hurt.sandbox)
    await second.is_published(await second.grow(1, 5))
    named = (await second.verify())["continues"]
    assert (named["origin"], named["size"]) == ("ledger.sandbox.example/safeguard", size)
    assert (named["lost"], named["reason"]) == ([begun, size - 1], "disk_lost")
    checkpoint = second.published / "continues" / "checkpoint"
    assert checkpoint.read_bytes() == (kept / "checkpoints" / str(size)).read_bytes()
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\n", b"\n1", 1))
    policy = str(second.published / "policy")
    wrong = await asyncio.to_thread(second.bus, "audit", "verify", "--policy", policy)
    assert (wrong.returncode, "goes on from" in wrong.stderr) == (3, True)
