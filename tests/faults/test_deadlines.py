"""A deadline of a day, in a minute: real processes whose clock a test turns, and a clerk that is killed on its way.

Counted from outside: with SQL as the superuser, and with fastavro for what a statement says.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from bus.events.clock import format_us
from bus.events.examples import example
from bus.events.ids import parse_uuid
from bus.hub.clock import VARIABLE
from bus.hub.config import HubConfig
from bus.kafka.admin import Admin
from bus.partner import Profile, Publisher
from bus.sandbox.lifecycle import Sandbox
from bus.trust.adoptions import adoption
from tests.faults.roles import Roles
from tests.outside import read, schema
from tests.patience import PATIENT_S, until_true
from tests.unit.hub.hall import VERIFIED

pytestmark = pytest.mark.integration

HOUR = 3_600_000_000
ROLES = ("notary", "courier", "clerk")
HEARERS = ("fernpost", "police-isles")


class Story:
    """A trial sandbox whose hub is as far ahead as the test says; everybody publishes by that clock."""

    def __init__(self, trial: Sandbox, roles: Roles, folder: Path) -> None:
        self.roles = roles
        self.clock_file = folder / "clock"
        self._members: Mapping[str, Any] = trial.status()["organisations"]
        self._hub_profile = trial.home.organisation("hub") / "profile.toml"
        self._kafka = Admin(HubConfig.load(trial.home.hub / "hub.toml").kafka)
        self._dsn: str = trial.status()["postgres"]["admin_dsn"]
        self._journals = folder
        self._ahead_us = 0
        self.sql: asyncpg.Connection
        self._start_us = 0

    async def open(self) -> None:
        """Connect, and adopt a table in which the row of 24 hours is switched on."""
        self.sql = await asyncpg.connect(self._dsn)
        bodies = adoption("deadlines", "deadlines", VERIFIED)
        events = [{"type": "PolicyAdopted", "header": {"step": "adopted"}, "body": body} for body in bodies]
        await self.publish("hub", *events)

    def now_us(self) -> int:
        """What time it is, in the story."""
        return time.time_ns() // 1000 + self._ahead_us

    def begin(self) -> None:
        """Hours count from now."""
        self._start_us = self.now_us()

    def at(self, hour: float) -> None:
        """Turn the clock to an hour of the story; it never goes back."""
        ahead = self._start_us + round(hour * HOUR) - time.time_ns() // 1000
        assert ahead >= self._ahead_us
        self._ahead_us = ahead
        draft = self.clock_file.with_suffix(".part")
        draft.write_text(f"{ahead}", encoding="ascii")
        draft.replace(self.clock_file)

    async def publish(self, org: str, *events: Mapping[str, Any]) -> None:
        """Publish as anybody, by the story's clock; all of it is accepted."""
        path = self._hub_profile if org == "hub" else self._members[org]["profile"]
        profile = structs.replace(Profile.load(path), journal_home=self._journals)
        async with Publisher(profile, clock=self, linger_ms=2) as publisher:
            for event in events:
                outcome = await publisher.publish(event)
                assert outcome.outcome == "accepted", outcome.reasons

    async def notice(self) -> str:
        """The ministry asks the platform, and it is delivered; the id."""
        event = example(
            "TakedownNotice", issuer="ministry-isles", audience=HEARERS, nations=["GB"], now_us=self.now_us()
        )
        event["header"] |= {"deadline": "au-class1", "due_at": None}
        event["body"]["renotify_every_h"] = None
        await self.publish("ministry-isles", event)
        return event["header"]["event_id"]

    async def act(self, org: str, notice: str, step: str, **given: Any) -> None:
        """Something happens to a notice."""
        to = ["fernpost", "ministry-isles"] if org != "fernpost" else ["ministry-isles"]
        event = example("TakedownAction", issuer=org, audience=to, nations=["GB"], now_us=self.now_us(), step=step)
        header = {k: v for k, v in event["header"].items() if k not in {"effect_at", "case"}}
        thread = parse_uuid(notice).hex()
        event["header"] = header | {"about": notice, "thread": thread, "lane": "urgent", **given.get("header", {})}
        event["body"] |= given.get("body", {})
        await self.publish(org, event)

    async def said(self, notice: str) -> Counter[str]:
        """What the hub has said about a notice: how often each step stands in the ledger."""
        rows = await self.sql.fetch(
            "SELECT step, count(*) AS n FROM ledger.entry WHERE about = $1 AND issuer = 'hub' AND outcome = 1 GROUP BY 1",
            notice,
        )
        return Counter({row["step"]: row["n"] for row in rows})

    async def until_said(self, notice: str, *steps: str) -> None:
        """Wait until all of this stands."""

        async def is_said() -> bool:
            return set(steps) <= (await self.said(notice)).keys()

        await until_true(is_said, f"the clerk says {', '.join(steps)}")

    async def statement(self, notice: str, step: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and body of the one statement of a step, read by fastavro."""
        (row,) = await self.sql.fetch(
            "SELECT record.header, content.body FROM ledger.entry JOIN ledger.record USING (index) "
            "JOIN ledger.content USING (index) WHERE about = $1 AND step = $2 AND issuer = 'hub' AND outcome = 1",
            notice, step,
        )  # fmt: skip
        found = read(schema("Overdue"), row["header"] + row["body"] + b"\x00")
        return found["header"], found["body"]

    async def time_of(self, notice: str, step: str) -> int:
        """When a step of somebody's about a notice was recorded; 0 if it was not."""
        query = "SELECT time_us FROM ledger.entry WHERE about = $1 AND step = $2 AND outcome = 1"
        return int(await self.sql.fetchval(query, notice, step) or 0)

    async def said_us(self, notice: str, step: str) -> int:
        """When a step of somebody's about a notice was said, by its own word, read by fastavro."""
        (row,) = await self.sql.fetch(
            "SELECT record.header, content.body FROM ledger.entry JOIN ledger.record USING (index) "
            "JOIN ledger.content USING (index) WHERE about = $1 AND step = $2 AND outcome = 1",
            notice, step,
        )  # fmt: skip
        return _us(read(schema("TakedownAction"), row["header"] + row["body"] + b"\x00")["header"]["issued_at"])

    async def in_outbox(self, org: str) -> int:
        """How many records an organisation has sent about urgent matters."""
        topic = f"out.{org}.urgent"
        return (await self._kafka.end_offsets([topic]))[topic]

    async def delivered_us(self, notice: str) -> int:
        """When the courier says that it brought the notice."""
        found = await self.sql.fetchval(
            "SELECT (extract(epoch FROM delivered_at) * 1000000)::bigint FROM ledger.delivery, ledger.entry "
            "WHERE event_id = $1 AND outcome = 1 AND delivery.lane = entry.lane AND index BETWEEN "
            "delivery.first_index AND delivery.last_index",
            notice,
        )
        assert found is not None
        return int(found)

    async def hour(self, hour: float, *points: str) -> None:
        """Kill the clerk, turn the clock, let clerks kill themselves at these points, and start a sound one."""
        self.roles.kill("clerk")
        self.at(hour)
        await self.killed(*points)

    async def killed(self, *points: str) -> None:
        """Clerks that kill themselves, one after another; then one that nothing happens to."""
        for point in points:
            await self.roles.start("clerk", point)
            await self.roles.died("clerk")
        await self.roles.start("clerk")


@pytest.fixture
async def story(trial: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    """Notary, courier and clerk by the test's clock."""
    for role in reversed(ROLES):
        await trial.stop(role)
    roles = Roles(trial)
    made = Story(trial, roles, tmp_path)
    made.clock_file.write_text("0", encoding="ascii")
    monkeypatch.setenv(VARIABLE, str(made.clock_file))
    try:
        for role in ROLES:
            await roles.start(role)
        await made.open()
        yield made
        await made.sql.close()
    finally:
        roles.stop()


async def test_killed_and_doubled_clerks_say_each_thing_once(story: Story) -> None:
    """Delivered, warned, overdue, escalated, cured, with and without a police hold; ten kills, and twins at the end."""
    story.begin()
    story.roles.kill("clerk")
    plain, held = await story.notice(), await story.notice()
    await story.killed("clerk.send.before", "clerk.send.after")
    for notice in (plain, held):
        await story.until_said(notice, "delivered")
    story.at(2)
    await story.act("police-isles", held, "le_hold", body={"hold_until": format_us(story.now_us() + 600 * HOUR)})
    story.at(12)
    await story.act("police-isles", held, "hold_lifted")

    await story.hour(18.5, "clerk.send.before", "clerk.send.after", "clerk.read")
    await story.until_said(plain, "warned")
    await story.hour(24.2, "clerk.send.before", "clerk.send.after")
    await story.until_said(plain, "overdue")
    assert await story.said(held) == Counter(["delivered"])
    story.at(28.5)  # ten hours on hold: warned ten hours later
    await story.until_said(held, "warned")
    await story.hour(34.2, "clerk.send.before", "clerk.send.after")
    await story.until_said(held, "overdue")

    twin = await _twin(story)
    story.at(48.2)
    await story.until_said(plain, "escalated")
    story.at(50)
    effect_us = await story.delivered_us(plain) + 49 * HOUR + 1_250_000
    await story.act("fernpost", plain, "removed", header={"effect_at": format_us(effect_us)})
    await story.act("fernpost", held, "removed")
    for notice in (plain, held):
        await story.until_said(notice, "cured")
    assert twin.poll() is None
    twin.terminate()
    twin.wait(PATIENT_S)

    assert story.roles.kills >= 10
    assert await story.said(plain) == Counter(["delivered", "warned", "overdue", "escalated", "cured"])
    assert await story.said(held) == Counter(["delivered", "warned", "overdue", "cured"])
    await _exact(story, plain, effect_us)
    await _exact(story, held, await story.said_us(held, "removed"))
    await _waited(story)
    refused = await story.sql.fetchval("SELECT count(*) FROM ledger.entry WHERE topic LIKE 'out.hub%' AND outcome > 2")
    assert refused == 0


async def _waited(story: Story) -> None:
    """An answer that was sent in time, and recorded hours after it was due because no notary lived, is not late."""
    answered, silent = await story.notice(), await story.notice()
    for notice in (answered, silent):
        await story.until_said(notice, "delivered")
    story.at(66)
    story.roles.kill("notary")
    sent = await story.in_outbox("fernpost")
    answer = asyncio.create_task(story.act("fernpost", answered, "removed"))

    async def is_sent() -> bool:
        assert not answer.done()
        return await story.in_outbox("fernpost") > sent

    await until_true(is_sent, "the answer stands in the outbox")
    story.at(76)
    await story.roles.start("notary")
    await story.until_said(silent, "overdue")
    await answer
    story.roles.kill("clerk")
    story.at(77)
    await story.roles.start("clerk", "clerk.read:3")
    await story.roles.died("clerk")
    assert await story.said(answered) == Counter(["delivered"])


async def _twin(story: Story) -> Any:
    """A second clerk beside the first."""
    first = story.roles.release("clerk")
    await story.roles.start("clerk")
    return first


async def _exact(story: Story, notice: str, effect_us: int) -> None:
    """The account of a notice, recomputed from the times of what happened: to the second, and to the microsecond."""
    start = await story.delivered_us(notice)
    paused = 0
    if lifted := await story.time_of(notice, "hold_lifted"):
        paused = lifted - await story.time_of(notice, "le_hold")
        assert paused > 9.9 * HOUR
    header, body = await story.statement(notice, "cured")
    due = start + 24 * HOUR + paused
    assert (_us(header["due_at"]), _us(body["due_at"]), _us(header["effect_at"])) == (due, due, effect_us)
    late = effect_us - (start + 24 * HOUR) - paused
    assert (body["late_s"], body["paused_s"]) == (late // 1_000_000, paused // 1_000_000)
    header, body = await story.statement(notice, "overdue")
    assert (_us(header["issued_at"]), body["late_s"]) == (due, 0)
    header, _ = await story.statement(notice, "warned")
    assert _us(header["effect_at"]) == start + 18 * HOUR + paused


def _us(value: Any) -> int:
    """An instant as fastavro gives it."""
    return value if isinstance(value, int) else round(value.timestamp() * 1_000_000)
