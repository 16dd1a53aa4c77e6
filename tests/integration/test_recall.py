"""A recall on a real hub: it comes after its target to everyone who ever got that, whoever dies in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bus.events.examples import example
from bus.events.ids import dashed, parse_uuid
from bus.partner import Profile, Publisher
from bus.sandbox.lifecycle import Sandbox
from tests.outside import Outside
from tests.patience import PATIENT_S


class Desk:
    """Publishes for anyone, and counts from outside what comes in."""

    def __init__(self, sandbox: Sandbox, journals: Path) -> None:
        self.sandbox, self._journals = sandbox, journals
        self._members: Mapping[str, Any] = sandbox.status()["organisations"]

    def event(
        self, org: str, kind: str, step: str, to: tuple[str, ...], about: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """An example of a step, about another one where that is given."""
        now_us = time.time_ns() // 1000
        nations = [self._members[org]["nation"]]
        event = example(kind, issuer=org, audience=to, nations=nations, now_us=now_us, step=step)
        header = event["header"]
        for key in ("about", "thread", "lane", "supersedes", "case"):
            header.pop(key, None)
        if about is not None:
            first = about["header"]
            thread = first.get("thread") or parse_uuid(first["event_id"]).hex()
            lane = first.get("lane") or ("urgent" if first["priority"] in {"immediate", "urgent"} else "bulk")
            header |= {"about": first["event_id"], "thread": thread, "lane": lane}
        event["body"].pop("viewed", None)
        return event

    async def publish(self, org: str, *events: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
        """Publish events in order; outcome and reasons of each."""
        profile = structs.replace(Profile.load(self._members[org]["profile"]), journal_home=self._journals)
        async with Publisher(profile, linger_ms=2) as publisher:
            found = {one.event_id: one async for one in publisher.publish_many(iter(events))}
        told = [found[parse_uuid(event["header"]["event_id"])] for event in events]
        return [(one.outcome, one.reasons) for one in told]

    def inboxes(self, *events: Mapping[str, Any]) -> dict[str, list[str]]:
        """In which inboxes these events stand, and in which order: read by a client that is not ours."""
        outside = Outside(self.sandbox.status(), _admin(self.sandbox))
        names = [f"in.{org}{lane}" for org in self._members for lane in ("", ".urgent")]
        wanted = {event["header"]["event_id"] for event in events}
        found: dict[str, list[str]] = {}
        for name, (_, records) in outside.topics(names).items():
            ids = [headers["ce_id"].decode() for *_, headers in records]
            here = [one for one in ids if one in wanted]
            if here:
                found[name.removeprefix("in.").removesuffix(".urgent")] = here
        return found

    async def settled(self, *events: Mapping[str, Any], count: int) -> dict[str, list[str]]:
        """The same, once so many records are there: the courier works behind the receipt."""
        async with asyncio.timeout(PATIENT_S):
            while True:
                found = await asyncio.to_thread(self.inboxes, *events)
                if sum(map(len, found.values())) >= count:
                    return found


def _admin(sandbox: Sandbox) -> dict[str, str]:
    """The hub's own login, as librdkafka takes it."""
    connection = sandbox.connection("hub")
    return {
        "bootstrap.servers": connection.bootstrap,
        "security.protocol": connection.security_protocol,
        "sasl.mechanism": connection.sasl_mechanism,
        "sasl.username": connection.username,
        "sasl.password": connection.password,
    }


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path) -> Desk:
    """Everybody's publishers, with journals of their own."""
    return Desk(sandbox, tmp_path)


async def test_a_recall_stands_in_every_inbox_that_had_the_target(desk: Desk) -> None:
    """Behind the target, once, to those too whom it does not name, and to whom the report was referred."""
    hearers = ("clearing-house", "hotline-isles", "hotline-north")
    report = desk.event("fernpost", "Report", "filed", hearers)
    assert await desk.publish("fernpost", report) == [("accepted", ())]
    referred = desk.event("clearing-house", "Report", "referred", ("police-isles",), report)
    assert await desk.publish("clearing-house", referred) == [("accepted", ())]
    recall = desk.event("fernpost", "Recall", "called", ("clearing-house",), report)
    assert await desk.publish("fernpost", recall) == [("accepted", ())]
    ids = [event["header"]["event_id"] for event in (report, referred, recall)]
    assert await desk.settled(report, referred, recall, count=8) == {
        "clearing-house": [ids[0], ids[2]],
        "hotline-isles": [ids[0], ids[2]],
        "hotline-north": [ids[0], ids[2]],
        "police-isles": [ids[1], ids[2]],
    }


@pytest.mark.parametrize("killed", ["notary", "courier"])
async def test_a_crash_between_target_and_recall_loses_nobody(desk: Desk, killed: str) -> None:
    """SIGKILL between the two, or both in one flush afterwards: each recipient has the target, then the recall."""
    sandbox = desk.sandbox
    hit = desk.event("tidewave", "HashHit", "detected", ("hotline-isles", "hotline-north"))
    recall = desk.event("tidewave", "Recall", "called", ("hotline-north",), hit)
    assert await desk.publish("tidewave", hit) == [("accepted", ())]
    await sandbox.kill(killed)
    later = desk.event("tidewave", "HashHit", "detected", ("hotline-isles", "hotline-north"))
    its_recall = desk.event("tidewave", "Recall", "called", ("hotline-isles",), later)
    publishing = asyncio.create_task(desk.publish("tidewave", recall, later, its_recall))
    await sandbox.up()
    assert await publishing == [("accepted", ())] * 3
    ids = [event["header"]["event_id"] for event in (hit, recall, later, its_recall)]
    expected = {"hotline-isles": ids, "hotline-north": ids}
    assert await desk.settled(hit, recall, later, its_recall, count=8) == expected


async def test_what_somebody_never_had_is_not_named_to_it(desk: Desk) -> None:
    """From what Postgres has: an event about one that a hearer has not got is refused, until it was passed on."""
    report = desk.event("fernpost", "Report", "filed", ("clearing-house",))
    await desk.publish("fernpost", report)
    note = desk.event("clearing-house", "Report", "triaged", ("fernpost", "police-isles"), report)
    assert await desk.publish("clearing-house", note) == [("refused", ("about-unseen",))]
    referred = desk.event("clearing-house", "Report", "referred", ("police-isles",), report)
    assert await desk.publish("clearing-house", referred) == [("accepted", ())]
    note = desk.event("clearing-house", "Report", "triaged", ("fernpost", "police-isles"), report)
    assert await desk.publish("clearing-house", note) == [("accepted", ())]
    about = dashed(parse_uuid(report["header"]["event_id"]))
    hit = desk.event("fernpost", "HashHit", "detected", ("hotline-north",))
    hit["header"]["causes"] = [about]
    assert await desk.publish("fernpost", hit) == [("refused", ("about-unseen",))]
