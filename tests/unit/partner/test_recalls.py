"""What a subscriber makes of recalls: by whom, of what was passed on, and without being named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.events.ids import dashed
from bus.partner import Delivery, Outcome
from bus.testing import MemoryBus, World
from tests.unit.partner.places import MemoryPlace

MEMBERS = {
    "clearing-desk": ("US", ("clearing-house",)),
    "high-court": ("IT", ("court",)),
    "hotline-east": ("PL", ("hotline",)),
    "platform-one": ("IE", ("platform",)),
    "police-south": ("IT", ("police",)),
}


class Town(MemoryPlace):
    """A hub in memory with some more members."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.world = World(home, members=MEMBERS)
        self.bus = MemoryBus(self.world.hub.signing, origin=self.world.origin)

    async def say(self, org: str, kind: str, step: str, *to: str, about: Outcome | None = None) -> Outcome:
        """Publish an example."""
        event: dict[str, Any] = self.world.event(kind, issuer=org, to=to, step=step)
        for key in ("about", "thread", "lane", "case", "supersedes"):
            event["header"].pop(key, None)
        event["body"].pop("viewed", None)
        if about is not None:
            event["header"]["about"] = dashed(about.event_id)
        async with self.publisher(org) as publisher:
            outcome = await publisher.publish(event)
        assert outcome.outcome == "accepted", outcome.reasons
        return outcome

    async def hear(self, org: str, **options: Any) -> list[Delivery]:
        """All that is new in an inbox."""
        async with self.subscriber(org, follow=False, **options) as subscriber:
            found = [one async for one in subscriber]
            for one in found:
                await one.done()
        return found


@pytest.fixture
async def town(tmp_path: Path) -> Town:
    """The town, founded."""
    found = Town(tmp_path)
    await found.world.found(found.bus.transport("hub"))
    return found


async def test_who_is_not_named_hears_the_recall_and_cannot_open_the_explanation(town: Town) -> None:
    """What is asked stands in the body; that the rest is sealed for others is said, and is no alarm."""
    hit = await town.say("platform-one", "HashHit", "detected", "hotline-east", "police-south")
    await town.say("platform-one", "Recall", "called", "hotline-east", about=hit)
    _, named = await town.hear("hotline-east")
    assert (named.status, named.problem, named.plaintext is not None) == ("ok", None, True)
    _, past = await town.hear("police-south")
    assert (past.status, past.problem, past.plaintext) == ("ok", "not-sealed-to-us", None)
    assert past.event is not None
    assert past.event["body"]["do"]
    assert "unopened" in past.event["sealed"]


async def test_what_was_passed_on_is_recalled_with_its_subject(town: Town) -> None:
    """A referral of a report that was recalled comes without its content, like the report itself."""
    report = await town.say("platform-one", "Report", "filed", "clearing-desk")
    await town.hear("clearing-desk")
    await town.say("clearing-desk", "Report", "referred", "police-south", about=report)
    recall = await town.say("platform-one", "Recall", "called", "clearing-desk", about=report)
    referred, told = await town.hear("police-south")
    assert (referred.status, referred.event) == ("recalled", None)
    assert (told.event_id, told.status) == (recall.event_id, "ok")
    assert told.recalls is not None
    assert (told.recalls.event_id, told.recalls.handed_out) == (report.event_id, False)


async def test_a_referral_makes_its_subject_known(town: Town) -> None:
    """Who got a report by referral can speak of the report itself, and is told that it was used when it is recalled."""
    report = await town.say("platform-one", "Report", "filed", "clearing-desk")
    await town.hear("clearing-desk")
    await town.say("clearing-desk", "Report", "referred", "police-south", about=report)
    [referred] = await town.hear("police-south")
    assert referred.status == "ok"
    await town.say("police-south", "Report", "received", "clearing-desk", "platform-one", about=report)
    await town.say("platform-one", "Recall", "called", "clearing-desk", about=report)
    [told] = await town.hear("police-south")
    assert told.recalls is not None
    assert told.recalls.handed_out is True


async def test_a_court_takes_away_and_a_stranger_does_not(town: Town) -> None:
    """The subscriber holds a recall against the target's issuer and the directory, whatever the hub let through."""
    hit = await town.say("platform-one", "HashHit", "detected", "hotline-east")
    async with town.publisher("high-court") as publisher:
        event = town.world.event("Recall", issuer="high-court", to=["platform-one"])
        event["header"] |= {"about": dashed(hit.event_id), "thread": hit.event_id.hex(), "lane": "bulk"}
        assert (await publisher.publish(event)).outcome == "accepted"
    first, _ = await town.hear("hotline-east")
    assert (first.status, first.recalled is not None and first.recalled.issuer) == ("recalled", "high-court")


async def test_a_strangers_recall_takes_nothing_away(town: Town) -> None:
    """A recall that says in advance what is to be silenced reaches its hearers, and changes nothing for them."""
    async with town.publisher("platform-one") as publisher:
        hit = town.world.event(issuer="platform-one", to=["hotline-east"])
        from bus.events.ids import uuid7

        event_id = uuid7(town.now_us(), b"12345678")
        hit["header"]["event_id"] = dashed(event_id)
        async with town.publisher("police-south") as stranger:
            event = town.world.event("Recall", issuer="police-south", to=["hotline-east"])
            event["header"] |= {"about": dashed(event_id), "thread": event_id.hex(), "lane": "bulk"}
            assert (await stranger.publish(event)).outcome == "accepted"
        assert (await publisher.publish(hit)).outcome == "accepted"
    recall, target = await town.hear("hotline-east")
    assert recall.recalls is not None
    assert (target.status, target.event is not None) == ("ok", True)
