"""Lifecycles on a real hub: the state comes from Postgres, flush by flush, and outlives the notary."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from bus.events import registry
from bus.events.codec import assemble, decode
from bus.events.examples import example
from bus.events.ids import dashed
from bus.hub.subjects import replay
from bus.partner import Profile, Publisher
from bus.sandbox.lifecycle import Sandbox


class Desk:
    """Publishes for anyone, one event a flush, and says what became of it."""

    def __init__(self, sandbox: Sandbox, journals: Path) -> None:
        self._members = sandbox.status()["organisations"]
        self._journals = journals

    async def say(
        self, org: str, kind: str, step: str, to: tuple[str, ...], about: Any = None, **body: Any
    ) -> tuple[str, tuple[str, ...], Any]:
        """Publish an example of a step; outcome, reasons, and a handle for what is about it."""
        now_us = time.time_ns() // 1000
        nations = [self._members[org]["nation"]]
        event = example(kind, issuer=org, audience=to, nations=nations, now_us=now_us, step=step)
        header = event["header"]
        for key in ("about", "thread", "lane", "supersedes", "case"):
            header.pop(key, None)
        if about is not None:
            header |= {"about": dashed(about[0]), "thread": about[1].hex(), "lane": about[2]}
        event["body"] |= body
        profile = structs.replace(Profile.load(self._members[org]["profile"]), journal_home=self._journals)
        async with Publisher(profile, linger_ms=2) as publisher:
            outcome = await publisher.publish(event)
        assert outcome.topic is not None
        lane = "urgent" if outcome.topic.endswith(".urgent") else "bulk"
        handle = (outcome.event_id, about[1] if about else outcome.event_id, lane)
        return outcome.outcome, outcome.reasons, handle


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path) -> Desk:
    """Everybody's publishers, with journals of their own."""
    return Desk(sandbox, tmp_path)


async def test_a_notice_goes_its_way_and_no_other(desk: Desk) -> None:
    """Each step is decided from what Postgres has; refused ones name the steps that would be allowed."""
    told = ("fernpost", "hotline-isles", "police-isles", "tidewave")
    _, _, notice = await desk.say("ministry-isles", "TakedownNotice", "issued", told)
    ways = [
        ("fernpost", "TakedownAction", "acknowledged", ()),
        ("tidewave", "TakedownAction", "removed", ("step-role",)),
        ("police-north", "TakedownAction", "le_hold", ("about-unseen",)),
        ("police-isles", "TakedownAction", "le_hold", ()),
        ("fernpost", "TakedownAction", "removed", ("step-order",)),
        ("police-isles", "TakedownAction", "hold_lifted", ()),
        ("fernpost", "TakedownAction", "removed", ()),
        ("hotline-isles", "TakedownAction", "verified_removed", ("step-role", "allowed.reappeared")),
        ("ministry-isles", "TakedownAction", "verified_removed", ()),
        ("ministry-isles", "TakedownNotice", "withdrawn", ()),
        ("ministry-isles", "TakedownNotice", "corrected", ("step-order",)),
    ]
    for org, kind, step, expected in ways:
        to = tuple(sorted({"fernpost", "hotline-isles", "ministry-isles"} - {org}))
        outcome, reasons, _ = await desk.say(org, kind, step, to, notice)
        assert (outcome, reasons) == ("refused" if expected else "accepted", expected), (org, step)


async def test_a_chain_leads_to_its_root(desk: Desk, sandbox: Sandbox) -> None:
    """Each step about the one before is about the first; what was viewed is compared with the stored body."""
    stated = {"by_provider": True, "exif": False, "public": False, "stated_by": "glimmerchat"}
    _, _, report = await desk.say("glimmerchat", "Report", "filed", ("clearing-house",), viewed=None)
    told = ("clearing-house", "Report", "triaged", ("glimmerchat",), report)
    outcome, _, triaged = await desk.say(*told, viewed=stated)
    assert outcome == "accepted"
    changed = await desk.say(
        "clearing-house", "Report", "referred", ("police-lowlands",), triaged, viewed={**stated, "exif": True}
    )
    assert changed[1] == ("viewed-changed",)
    await sandbox.stop("notary")
    await sandbox.up()
    _, reasons, referred = await desk.say(
        "clearing-house", "Report", "referred", ("police-lowlands",), triaged, viewed=stated
    )
    assert reasons == ()
    assert (await desk.say("police-lowlands", "Report", "closed", ("clearing-house",), referred))[1][0] == "step-order"
    assert (await desk.say("police-lowlands", "Report", "received", ("clearing-house",), referred))[0] == "accepted"
    clearing = ("clearing-house",)
    _, _, hit = await desk.say("glimmerchat", "HashHit", "detected", clearing, viewed=stated)
    _, _, silent = await desk.say("glimmerchat", "Report", "filed", clearing, hit, viewed=None)
    for viewed, expected in (({**stated, "exif": True}, ("viewed-changed",)), (stated, ())):
        assert (await desk.say("glimmerchat", "Report", "supplemented", clearing, silent, viewed=viewed))[1] == expected


async def test_steps_can_be_told_again_from_the_entries(desk: Desk, sandbox: Sandbox) -> None:
    """What ledger.step and ledger.reach have is what folding all accepted entries gives."""
    _, _, hit = await desk.say("tidewave", "HashHit", "detected", ("hotline-north",))
    await desk.say("tidewave", "HashHit", "confirmed", ("hotline-north",), hit)
    _, _, report = await desk.say("tidewave", "Report", "filed", ("clearing-house",))
    await desk.say("clearing-house", "Report", "referred", ("police-north",), report)
    await desk.say("tidewave", "Recall", "called", ("clearing-house",), report)
    connection = await asyncpg.connect(sandbox.status()["postgres"]["dsn"])
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            events = await connection.fetch(
                "SELECT index, record.schema_id, header, body, decision FROM ledger.record"
                " JOIN ledger.content USING (index) ORDER BY index"
            )
            steps = await connection.fetch("SELECT * FROM ledger.step ORDER BY index")
            reach = await connection.fetch("SELECT * FROM ledger.reach ORDER BY index, event, org")
    finally:
        await connection.close()
    accepted = []
    for row in events:
        info = registry.by_id(row["schema_id"])
        assert info is not None
        found = decode(assemble(info, row["header"], row["body"], b"\x00"))
        accepted.append((row["index"], found, row["decision"]))
    step_rows, reach_rows = replay(accepted)
    assert [tuple(row) for row in steps] == step_rows
    assert [tuple(row) for row in reach] == sorted(reach_rows, key=lambda row: (row[2], row[0], row[1]))
