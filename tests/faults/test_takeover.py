"""Stopped processes, lost replies, lost topics and records: what must hold for G1 to G3, each attack on the real thing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from typing import Any

import asyncpg
import pytest

from bus.errors import Unavailable
from bus.hub.config import HubConfig
from bus.hub.notary import Notary
from bus.hub.topics import topics_of
from bus.kafka.admin import Admin
from bus.kafka.reader import Reader
from bus.kafka.records import Outgoing
from bus.kafka.writer import Writer
from bus.sandbox.lifecycle import Sandbox
from tests.faults.proxy import CommitCutter
from tests.faults.roles import Load, Roles, settled
from tests.members import Members
from tests.outside import Outside
from tests.patience import PATIENT_S, until, until_true

pytestmark = pytest.mark.integration


async def epoch(members: Members) -> int:
    """The epoch of the head."""
    connection = await asyncpg.connect(members.status["postgres"]["dsn"])
    try:
        return await connection.fetchval("SELECT epoch FROM ledger.head")
    finally:
        await connection.close()


async def test_notary_stopped_in_its_tracks_is_taken_over_and_can_commit_nothing_more(
    sandbox: Sandbox, outside: Outside, roles: Roles
) -> None:
    """SIGSTOP a notary under load: another takes over within ten seconds; the first, continued, writes nothing.

    Ten seconds beside what a start takes on this machine, where nobody is in the way.
    """
    members = Members(sandbox)
    load = Load(members, 1)
    traffic = asyncio.create_task(load.run())
    try:
        await load.more(3)
        begun = time.monotonic()
        roles.kill("notary")
        await roles.start("notary")
        start_s = time.monotonic() - begun
        await load.more(3)
        before = await epoch(members)
        os.kill(roles.pid("notary"), signal.SIGSTOP)
        stopped = roles.release("notary")
        try:
            await asyncio.wait_for(roles.start("notary"), 10 + 5 * start_s)
            assert await epoch(members) == before + 1
            await load.more(3)
            os.kill(stopped.pid, signal.SIGCONT)
            await load.more(5)
            assert await epoch(members) >= before + 1
        finally:
            stopped.kill()
            stopped.wait()
    finally:
        load.stop()
        await asyncio.wait([traffic])
    assert (await settled(outside))["accepted"] > 0


async def test_courier_stopped_past_its_takeover_is_fenced(sandbox: Sandbox, outside: Outside, roles: Roles) -> None:
    """SIGSTOP a courier, let another deliver, SIGCONT the first: every inbox still holds each event once."""
    load = Load(Members(sandbox), 2)
    traffic = asyncio.create_task(load.run())
    try:
        await load.more(3)
        os.kill(roles.pid("courier"), signal.SIGSTOP)
        stopped = roles.release("courier")
        try:
            await roles.start("courier")
            await load.more(5)
            os.kill(stopped.pid, signal.SIGCONT)
            await load.more(5)
        finally:
            stopped.kill()
            stopped.wait()
            roles.kill("courier")
            await roles.start("courier")
    finally:
        load.stop()
        await asyncio.wait([traffic])
    assert (await settled(outside))["delivered"] > 0


@pytest.mark.parametrize("fate", ["lost", "kept"])
async def test_connection_cut_between_commit_and_its_reply(
    fate: str, sandbox: Sandbox, outside: Outside, roles: Roles
) -> None:
    """Whether the COMMIT happened or not, the notary loads again and the ledger is one linear history."""
    members = Members(sandbox)
    dsn = members.status["postgres"]["dsn"]
    port = int(re.search(r":(\d+)/", dsn).group(1))  # pyright: ignore[reportOptionalMemberAccess]
    async with CommitCutter(port).running() as proxy:
        config = sandbox.home.hub / "cut.toml"
        text = (sandbox.home.hub / "hub.toml").read_text(encoding="utf-8")
        config.write_text(text.replace(f":{port}/", f":{proxy.port}/"), encoding="utf-8")
        config.chmod(0o600)
        roles.kill("notary")
        await roles.start("notary", config=config)
        load = Load(members, 3)
        traffic = asyncio.create_task(load.run())
        try:
            for _ in range(4):
                proxy.fates.append(fate)  # pyright: ignore[reportArgumentType]
                done = len(proxy.cuts) + 1
                await until(lambda done=done: len(proxy.cuts) == done, "the next COMMIT is cut")
                await load.more(2)
        finally:
            load.stop()
            await asyncio.wait([traffic])
        assert proxy.cuts == [fate] * 4
        counts = await settled(outside)
        roles.kill("notary")
    config.unlink()
    await roles.start("notary")
    assert counts["accepted"] > 0


async def test_records_deleted_ahead_of_intake_become_a_gap_entry(
    sandbox: Sandbox, outside: Outside, roles: Roles
) -> None:
    """G3: what an outbox lost before it was read is covered by an entry of outcome 4, and its owner is told."""
    members = Members(sandbox)
    org, hotline = members.having("platform")[2], members.having("hotline")[0]
    await settled(outside)
    roles.kill("notary")
    records = [members.forge.record(org, members.forge.event(org, (hotline,))) for _ in range(5)]
    async with Writer(members.connection(org), "gap") as writer:
        sent = await writer.send_all(records)
    admin = Admin(members.connection("hub"))
    await admin.delete_records({f"out.{org}": sent[3].offset})
    await roles.start("notary")
    counts = await settled(outside)
    assert counts["gaps"] >= 1
    connection = await asyncpg.connect(members.status["postgres"]["dsn"])
    try:
        row = await connection.fetchrow(
            "SELECT kafka_offset, last_offset, reasons FROM ledger.entry WHERE outcome = 4 AND topic = $1", f"out.{org}"
        )
    finally:
        await connection.close()
    assert tuple(row) == (sent[0].offset, sent[2].offset, ["gap-deleted"])


async def test_inbox_that_refuses_is_parked_and_the_others_go_on(
    sandbox: Sandbox, outside: Outside, roles: Roles
) -> None:
    """G2: with one inbox too small for anything the rest is delivered; when it is mended it gets all, in order, once."""
    members = Members(sandbox)
    org = members.having("platform")[0]
    first, second = members.having("hotline")[:2]
    await settled(outside)

    def said(event: str) -> int:
        return roles.log_text("courier").count(f'"{event}"')

    parked, unparked = said("courier.parked"), said("courier.unparked")
    admin = Admin(members.connection("hub"))
    await admin.set_topic_config(f"in.{first}", {"max.message.bytes": "200"})
    try:
        both = tuple(sorted((first, second)))
        records = [members.forge.record(org, members.forge.event(org, both)) for _ in range(7)]
        async with Reader(members.connection(second), "parked") as reader:
            await reader.assign({f"in.{second}": "latest"})
            async with Writer(members.connection(org), "parked") as writer:
                await writer.send_all(records)
            got = 0
            newest = -1
            async with asyncio.timeout(PATIENT_S):
                while got < len(records):
                    found = await reader.read()
                    got += len(found)
                    newest = max([newest, *(int(record.header("bus-index") or b"-1") for record in found)])
        await until(lambda: said("courier.parked") > parked, "the courier says that it parked")
        in_time = await _delivered(members, second, newest)
        assert await _delivered_at(members, first, newest) is None
    finally:
        await admin.set_topic_config(f"in.{first}", {"max.message.bytes": "1048588"})
    await settled(outside)
    await until(lambda: said("courier.unparked") > unparked, "the courier says that it is paid up")
    assert await _delivered(members, second, newest) == in_time
    assert await _delivered(members, first, newest) > in_time


async def _delivered_at(members: Members, org: str, index: int) -> Any:
    """When an entry stood in an inbox, as the courier has told the database; None as long as it has not."""
    connection = await asyncpg.connect(members.status["postgres"]["dsn"])
    try:
        return await connection.fetchval("SELECT ledger.delivered_to('bulk', $1, $2)", f"in.{org}", index)
    finally:
        await connection.close()


async def _delivered(members: Members, org: str, index: int) -> Any:
    """The same, once the courier has told it: it does so behind its commit in Kafka."""

    async def is_told() -> bool:
        return await _delivered_at(members, org, index) is not None

    await until_true(is_told, f"the courier has told of entry {index} in the inbox of {org}")
    return await _delivered_at(members, org, index)


async def test_an_inbox_that_does_not_answer_holds_up_nobody(sandbox: Sandbox, outside: Outside, roles: Roles) -> None:
    """While a lost inbox is tried again, which takes a request's time-out, the lane delivers; made anew it gets all."""
    members = Members(sandbox)
    org, lost, other = members.having("platform")[0], "audit-north", members.having("hotline")[0]
    await settled(outside)
    admin = Admin(members.connection("hub"))
    assert (await admin.end_offsets([f"in.{lost}"]))[f"in.{lost}"] == 0
    await admin.delete_topics([f"in.{lost}"])

    def tries() -> tuple[int, int]:
        text = roles.log_text("courier")
        return text.count('"courier.trying"'), text.count('"courier.still_parked"')

    def unparked() -> int:
        return roles.log_text("courier").count('"courier.unparked"')

    before = unparked()
    try:
        async with (
            Reader(members.connection(other), "lost") as reader,
            Writer(members.connection(org), "lost") as writer,
        ):
            await reader.assign({f"in.{other}": "latest"})

            async def travels(*audience: str) -> None:
                await writer.send_all([members.forge.record(org, members.forge.event(org, sorted(audience)))])
                async with asyncio.timeout(PATIENT_S):
                    while not await reader.read():
                        pass

            await travels(lost, other)
            overtaken = False
            while not overtaken:  # a machine that is very slow may need more than one try of the courier's
                begun = tries()
                await until(lambda begun=begun: tries()[0] > begun[0], "the courier tries the lost inbox")
                failed = tries()[1]
                await travels(other)
                overtaken = tries()[1] == failed
    finally:
        await admin.create_topics([topic for topic in topics_of(lost) if topic.name == f"in.{lost}"])
    await settled(outside)
    await until(lambda: unparked() > before, "the courier says that it is paid up")


async def test_lost_cursor_stops_the_courier_instead_of_delivering_twice(sandbox: Sandbox, roles: Roles) -> None:
    """A wiped ``hub.cursor`` is named, and nothing is delivered until a person has looked."""
    members = Members(sandbox)
    roles.kill("courier")
    async with Reader(members.connection("hub"), "keep") as reader:
        end = (await reader.end_offsets(["hub.cursor"]))["hub.cursor"]
        start = await reader.assign({"hub.cursor": "earliest"})
        kept: dict[bytes, bytes] = {}
        at = start["hub.cursor"]
        while at < end:
            for record in await reader.read():
                kept[record.key or b""] = record.value or b""
            at = await reader.position("hub.cursor")
    tombstones = [Outgoing("hub.cursor", lane, b'{"index":-1,"leaf_hash":"","parked":{}}', ()) for lane in kept]
    async with Writer(members.connection("hub"), "wipe") as writer:
        await writer.send_all(tombstones)
        told = len(roles.log_text("courier"))
        await roles.start("courier", wait=False)
        await until(lambda: roles.returncode("courier") is not None, "the courier refuses to start")
        assert roles.returncode("courier") == 1
        assert "hub.cursor was lost" in roles.log_text("courier")[told:]
        await writer.send_all([Outgoing("hub.cursor", lane, value, ()) for lane, value in kept.items()])
    await roles.start("courier")


class Stepped:
    """A machine's clock that somebody sets while a program runs."""

    def __init__(self) -> None:
        self.hours = 0

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000 + self.hours * 3_600_000_000


async def test_a_notary_whose_clock_is_stepped_records_nothing(sandbox: Sandbox, roles: Roles) -> None:
    """An hour ahead, it stops at its next flush or sign of life: the database has another time. What waits is recorded later."""
    members = Members(sandbox)
    roles.kill("notary")
    clock = Stepped()
    notary = Notary(HubConfig.load(sandbox.home.hub / "hub.toml"), clock=clock)
    running = asyncio.create_task(notary.run())
    await until(lambda: notary.ready.is_set() or running.done(), "the notary is ready")
    clock.hours = 1
    stepped_us = clock.now_us()
    platform, hotline = members.having("platform")[0], members.having("hotline")[0]
    async with Writer(members.connection(platform), "stepped") as writer:
        (sent,) = await writer.send_all([members.forge.record(platform, members.forge.event(platform, (hotline,)))])
    with pytest.raises(Unavailable, match="the notary's clock differs from the database's by"):
        await asyncio.wait_for(running, PATIENT_S)
    assert await _recorded(members, sent.topic, sent.offset, stepped_us) == (0, 0)
    await roles.start("notary")

    async def is_recorded() -> bool:
        return await _recorded(members, sent.topic, sent.offset, stepped_us) == (1, 0)

    await until_true(is_recorded, "another notary records it")


async def _recorded(members: Members, topic: str, offset: int, since_us: int) -> tuple[int, int]:
    """How many entries are of a record, and how many are dated from an instant on."""
    connection = await asyncpg.connect(members.status["postgres"]["dsn"])
    try:
        row = await connection.fetchrow(
            "SELECT count(*) FILTER (WHERE topic = $1 AND kafka_offset = $2), count(*) FILTER (WHERE time_us >= $3)"
            " FROM ledger.entry",
            topic, offset, since_us,
        )  # fmt: skip
    finally:
        await connection.close()
    assert row is not None
    return row[0], row[1]
