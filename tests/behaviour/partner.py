"""What the SDK promises, as tests that run on the hub in memory and on a real one.

A subclass gives the fixture ``place``. Topics may be shared with other tests: each test looks at its own events only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import pytest

from bus.errors import IdConflict, InvalidEvent, ReceiptTimeout
from bus.events.ids import dashed, parse_uuid, uuid7
from bus.partner import Delivery, Draft, Item, Journal, Outcome, Publisher, Subscriber
from tests.patience import PATIENT_S, until


class Place(Protocol):
    """A hub with a sender and a receiver, both fresh: nothing in their journals, the receiver at its inbox's end."""

    sender: str
    receiver: str
    sends_in_s: float
    """What an event takes at most from a publisher to the outbox."""

    def publisher(self, org: str, **options: Any) -> Publisher:
        """A publisher of the organisation."""
        ...

    def subscriber(self, org: str, **options: Any) -> Subscriber:
        """A subscriber of the organisation."""
        ...

    def event(self, kind: str = "HashHit", *, issuer: str, to: str) -> dict[str, Any]:
        """A valid event without an id."""
        ...

    def journal(self, org: str) -> Path:
        """Its journal's file."""
        ...

    def now_us(self) -> int:
        """The time there."""
        ...

    async def pause_hub(self) -> None:
        """The hub takes nothing from now on."""
        ...

    async def resume_hub(self) -> None:
        """It does again."""
        ...


async def hear(
    subscriber: Subscriber, ids: Collection[bytes], *, done: Collection[bytes] | None = None
) -> list[Delivery]:
    """The deliveries of these events, once all have come; those in ``done`` are done, all by default."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENT_S):
        async for delivery in subscriber:
            if delivery.event_id in ids:
                found.append(delivery)
                if done is None or delivery.event_id in done:
                    await delivery.done()
            else:
                await delivery.done()
            if len(found) == len(ids):
                break
    return found


async def until_there(place: Place, ids: Collection[bytes]) -> None:
    """Wait until the receiver's inbox has these events; its place stays where it is."""
    async with asyncio.timeout(PATIENT_S):
        while True:
            async with place.subscriber(place.receiver, from_start=True, follow=False) as subscriber:
                found = [one.event_id async for one in subscriber]
            if set(ids) <= set(found):
                return


class PartnerBehaviour:
    """Publishing and hearing."""

    def numbered(self, place: Place, count: int, **changes: Any) -> list[dict[str, Any]]:
        """Events with ids of their own."""
        events: list[dict[str, Any]] = []
        for number in range(count):
            event = place.event(issuer=place.sender, to=place.receiver)
            event["header"] |= {"event_id": dashed(uuid7(place.now_us(), number.to_bytes(8, "big"))), **changes}
            events.append(event)
        return events

    async def publish_all(
        self, place: Place, events: list[Any], found: list[Outcome] | None = None, **options: Any
    ) -> list[Outcome]:
        """Publish as the sender, in a publisher of its own; ``found`` also has what came before an error."""
        found = [] if found is None else found
        async with place.publisher(place.sender, **options) as publisher:
            async for outcome in publisher.publish_many(events):
                found.append(outcome)
        return found

    async def test_an_event_arrives_as_it_was_said(self, place: Place) -> None:
        """The sender learns where it stands; the receiver opens what was sealed and reads the same event."""
        said = place.event(issuer=place.sender, to=place.receiver)
        async with place.publisher(place.sender) as publisher:
            outcome = await publisher.publish(said)
        assert outcome.outcome == "accepted"
        assert outcome.index is not None
        async with place.subscriber(place.receiver) as subscriber:
            [heard] = await hear(subscriber, [outcome.event_id])
        assert (heard.status, heard.problem, heard.missing) == ("ok", None, 0)
        assert (heard.index, heard.lane) == (outcome.index, "bulk")
        event = heard.event
        assert event is not None
        assert event["type"] == said["type"]
        assert event["sealed"]["hashes"] == said["sealed"]["hashes"]
        assert event["header"].pop("handling").items() >= said["header"].pop("handling").items()
        assert {name: event["header"][name] for name in said["header"]} == said["header"]

    async def test_the_same_event_again_is_repeated(self, place: Place) -> None:
        """A second process that publishes the same event sends the same bytes, and one delivery comes."""
        [said] = self.numbered(place, 1)
        [first] = await self.publish_all(place, [said])
        [second] = await self.publish_all(place, [said])
        assert (first.outcome, second.outcome) == ("accepted", "repeated")
        assert second.first_index == first.index
        assert second.index is not None
        assert first.index is not None
        assert second.index > first.index
        [marker] = await self.publish_all(place, self.numbered(place, 1))
        async with place.subscriber(place.receiver) as subscriber:
            heard = await hear(subscriber, [first.event_id, marker.event_id])
        assert [delivery.event_id for delivery in heard] == [first.event_id, marker.event_id]
        with Journal(place.journal(place.sender)) as journal:
            kept = journal.find(first.event_id)
        assert kept is not None
        assert (kept.value, kept.signature) == (heard[0].value, heard[0].signature)
        assert (kept.outcome, kept.first_index) == ("repeated", first.index)

    async def test_an_item_known_with_its_content_is_the_same_event(self, place: Place) -> None:
        """An event without an id is recognised by the item it speaks of; with other content it is a new one."""
        item = Item("test", "list.example", "entry-1", "listed")
        said = place.event(issuer=place.sender, to=place.receiver)
        changed = {**said, "body": {**said["body"], "platform_action": []}}
        [first] = await self.publish_all(place, [Draft(said, item)])
        [again] = await self.publish_all(place, [Draft(said, item)])
        [update] = await self.publish_all(place, [Draft(changed, item)])
        assert (again.outcome, again.event_id) == ("repeated", first.event_id)
        assert update.outcome == "accepted"
        assert update.event_id != first.event_id
        with Journal(place.journal(place.sender)) as journal:
            state = journal.item(item)
        assert state is not None
        assert state.event_id == update.event_id

    async def test_other_content_under_a_known_id_is_refused_at_home(self, place: Place) -> None:
        """Nothing is sent, in a later process or in the same batch."""
        [said] = self.numbered(place, 1)
        other = {**said, "header": {**said["header"], "purpose": "prevention"}}
        await self.publish_all(place, [said])
        with pytest.raises(IdConflict):
            await self.publish_all(place, [other])
        [fresh] = self.numbered(place, 1)
        other = {**fresh, "header": {**fresh["header"], "purpose": "prevention"}}
        with pytest.raises(IdConflict):
            await self.publish_all(place, [fresh, other])

    async def test_one_id_twice_in_a_batch_stands_once(self, place: Place) -> None:
        """The same event twice in one breath is accepted and repeated."""
        [said] = self.numbered(place, 1)
        outcomes = await self.publish_all(place, [said, said])
        assert sorted(outcome.outcome for outcome in outcomes) == ["accepted", "repeated"]

    async def test_many_keep_their_order(self, place: Place) -> None:
        """Events of a lane stand in the ledger, and arrive, in the order they were given, whatever the batches."""
        events = self.numbered(place, 150)
        outcomes = await self.publish_all(place, events, batch_size=32, linger_ms=1, max_in_flight=70)
        ids = [parse_uuid(event["header"]["event_id"]) for event in events]
        assert {outcome.outcome for outcome in outcomes} == {"accepted"}
        by_index = sorted(outcomes, key=lambda outcome: outcome.index or 0)
        assert [outcome.event_id for outcome in by_index] == ids
        async with place.subscriber(place.receiver) as subscriber:
            heard = await hear(subscriber, ids)
        assert [delivery.event_id for delivery in heard] == ids
        assert {(delivery.status, delivery.missing) for delivery in heard} == {("ok", 0)}

    async def test_concurrent_publishing_shares_batches(self, place: Place) -> None:
        """Many tasks on one publisher each get the outcome of their own event."""
        events = self.numbered(place, 40)
        async with place.publisher(place.sender) as publisher:
            outcomes = await asyncio.gather(*(publisher.publish(event) for event in events))
        assert [dashed(outcome.event_id) for outcome in outcomes] == [e["header"]["event_id"] for e in events]
        assert all(outcome.stands for outcome in outcomes)

    async def test_what_is_done_does_not_come_again(self, place: Place) -> None:
        """After a restart only what was not done comes, even if later ones were."""
        outcomes = await self.publish_all(place, self.numbered(place, 5))
        ids = sorted(outcome.event_id for outcome in outcomes)
        done = {ids[0], ids[1], ids[3]}
        async with place.subscriber(place.receiver) as subscriber:
            assert len(await hear(subscriber, ids, done=done)) == 5
        async with place.subscriber(place.receiver) as subscriber:
            heard = await hear(subscriber, [ids[2], ids[4]])
        assert [delivery.event_id for delivery in heard] == [ids[2], ids[4]]
        async with place.subscriber(place.receiver, follow=False) as subscriber:
            assert [delivery async for delivery in subscriber if delivery.event_id in ids] == []

    async def test_the_very_first_may_stay_undone(self, place: Place) -> None:
        """What is done behind a first event that is not done does not come again, though nothing moved the mark."""
        outcomes = await self.publish_all(place, self.numbered(place, 3))
        ids = sorted(outcome.event_id for outcome in outcomes)
        async with place.subscriber(place.receiver) as subscriber:
            await hear(subscriber, ids, done=ids[1:])
        async with place.subscriber(place.receiver, follow=False) as subscriber:
            heard = [delivery async for delivery in subscriber if delivery.event_id in ids]
            assert [delivery.event_id for delivery in heard] == ids[:1]
            assert [delivery.missing for delivery in heard] == [0]
            await heard[0].done()
        async with place.subscriber(place.receiver, follow=False) as subscriber:
            assert [delivery async for delivery in subscriber if delivery.event_id in ids] == []

    async def test_from_the_start_commits_nothing(self, place: Place) -> None:
        """Reading all again hands out all, to its end, and leaves the group where it was."""
        [outcome] = await self.publish_all(place, self.numbered(place, 1))
        async with place.subscriber(place.receiver) as subscriber:
            await hear(subscriber, [outcome.event_id], done=[])
        for _ in range(2):
            async with place.subscriber(place.receiver, from_start=True, follow=False) as subscriber:
                heard = [delivery async for delivery in subscriber]
            assert [delivery.seq for delivery in heard if delivery.lane == "bulk"] == list(
                range(sum(delivery.lane == "bulk" for delivery in heard))
            )
            assert outcome.event_id in {delivery.event_id for delivery in heard}
            for delivery in heard:
                await delivery.done()
        async with place.subscriber(place.receiver) as subscriber:
            assert len(await hear(subscriber, [outcome.event_id])) == 1

    async def test_the_urgent_lane_goes_first(self, place: Place) -> None:
        """An urgent event overtakes routine ones that were there before it."""
        routine = await self.publish_all(place, self.numbered(place, 20))
        [urgent] = await self.publish_all(place, self.numbered(place, 1, priority="urgent"))
        assert urgent.topic == f"out.{place.sender}.urgent"
        ids = [outcome.event_id for outcome in (*routine, urgent)]
        await until_there(place, ids)
        async with place.subscriber(place.receiver) as subscriber:
            ready = {lane.name: lane._ready for lane in subscriber._lanes}
            await until(
                lambda: bool(ready["bulk"]) and urgent.event_id in [one.event_id for one in ready["urgent"]],
                "something of both inboxes is ready to be handed out",
            )
            heard = await hear(subscriber, ids)
        assert heard[0].event_id == urgent.event_id
        assert [delivery.lane for delivery in heard] == ["urgent"] + ["bulk"] * 20

    async def test_an_answer_follows_its_subject(self, place: Place) -> None:
        """An event about one that was heard takes its thread and lane from the journal, also in the same breath."""
        subject = place.event(issuer=place.sender, to=place.receiver)
        subject["header"]["priority"] = "immediate"
        async with place.publisher(place.sender) as publisher:
            outcome = await publisher.publish(subject)
        async with place.subscriber(place.receiver) as subscriber:
            [heard] = await hear(subscriber, [outcome.event_id])
        assert heard.decoded is not None
        answer = place.event("Acknowledgement", issuer=place.receiver, to=place.sender)
        for name in ("thread", "lane"):
            answer["header"].pop(name, None)
        answer["header"]["about"] = dashed(outcome.event_id)
        async with place.publisher(place.receiver) as publisher:
            told = await publisher.publish(answer)
        assert (told.outcome, told.topic) == ("accepted", f"out.{place.receiver}.urgent")
        async with place.subscriber(place.sender) as subscriber:
            [back] = await hear(subscriber, [told.event_id])
        assert back.decoded is not None
        assert back.decoded.header.thread == heard.decoded.header.thread

    async def test_an_answer_to_something_unknown_must_say_its_thread(self, place: Place) -> None:
        """Where the journal does not know the subject, the error names the field."""
        answer = place.event("Acknowledgement", issuer=place.receiver, to=place.sender)
        for name in ("thread", "lane"):
            answer["header"].pop(name, None)
        async with place.publisher(place.receiver) as publisher:
            with pytest.raises(InvalidEvent, match=r"header\.about"):
                await publisher.publish(answer)

    async def recall(self, place: Place, publisher: Publisher, target: Outcome) -> Outcome:
        """Recall an event, as its issuer, towards the receiver."""
        event = place.event("Recall", issuer=place.sender, to=place.receiver)
        header = {k: v for k, v in event["header"].items() if k not in {"thread", "lane", "about", "case"}}
        event["header"] = {**header, "about": dashed(target.event_id)}
        event["body"] |= {"reason": "error", "do": ["delete", "stop_using"]}
        outcome = await publisher.publish(event)
        assert outcome.outcome == "accepted", outcome.reasons
        return outcome

    async def test_what_was_recalled_meanwhile_comes_without_its_content(self, place: Place) -> None:
        """Target and recall are in the inbox: the target is withheld with its number, and can be shown on demand."""
        async with place.publisher(place.sender) as publisher:
            target = await publisher.publish(place.event(issuer=place.sender, to=place.receiver))
            recall = await self.recall(place, publisher, target)
        both = [target.event_id, recall.event_id]
        await until_there(place, both)
        async with place.subscriber(place.receiver, from_start=True, follow=False, show_recalled=True) as subscriber:
            shown, _ = [one async for one in subscriber if one.event_id in both]
        async with place.subscriber(place.receiver) as subscriber:
            first, second = await hear(subscriber, both)
        assert (first.status, first.problem, first.event, first.value) == ("recalled", "error", None, None)
        assert (first.seq, first.index, first.missing) == (shown.seq, target.index, 0)
        assert first.recalled is not None
        assert (first.recalled.recall_id, first.recalled.issuer) == (recall.event_id, place.sender)
        assert (second.status, second.recalls, second.missing) == ("ok", first.recalled, 0)
        assert (second.seq or 0) > (first.seq or 0)
        assert second.recalls is not None
        assert (second.recalls.do, second.recalls.handed_out) == (("delete", "stop_using"), False)
        assert (shown.status, shown.event is not None, shown.plaintext is not None) == ("recalled", True, True)

    async def test_a_recall_of_what_was_handed_out_says_so(self, place: Place) -> None:
        """Who used it before is told; and who looks again gets it no more, for the journal remembers."""
        async with place.publisher(place.sender) as publisher:
            target = await publisher.publish(place.event(issuer=place.sender, to=place.receiver))
            async with place.subscriber(place.receiver) as subscriber:
                [before] = await hear(subscriber, [target.event_id])
                recall = await self.recall(place, publisher, target)
                [told] = await hear(subscriber, [recall.event_id])
        assert (before.status, before.recalled, before.recalls) == ("ok", None, None)
        assert told.recalls is not None
        assert (told.recalls.event_id, told.recalls.handed_out) == (target.event_id, True)
        async with place.subscriber(place.receiver, from_start=True, follow=False) as subscriber:
            again = [one async for one in subscriber if one.event_id in {target.event_id, recall.event_id}]
        assert [(one.status, one.event is None) for one in again] == [("recalled", True), ("ok", False)]
        assert again[1].recalls == told.recalls

    async def test_a_refusal_names_its_reason(self, place: Place) -> None:
        """An audience that the hub does not know is refused by it, and the publisher goes on."""
        answer = place.event("Acknowledgement", issuer=place.sender, to=place.receiver)
        answer["header"]["audience"] = ["nobody-here"]
        async with place.publisher(place.sender) as publisher:
            refused = await publisher.publish(answer)
            fine = await publisher.publish(place.event(issuer=place.sender, to=place.receiver))
        assert (refused.outcome, refused.reasons) == ("refused", ("audience-unknown",))
        assert fine.outcome == "accepted"

    async def test_nothing_is_sealed_for_who_has_no_key(self, place: Place) -> None:
        """Sealed content for an organisation without a sealing key is refused at home, and the organisation named."""
        event = place.event(issuer=place.sender, to=place.receiver)
        event["header"]["audience"] = ["nobody-here"]
        async with place.publisher(place.sender) as publisher:
            with pytest.raises(InvalidEvent, match="nobody-here"):
                await publisher.publish(event)

    async def test_an_invalid_event_stops_the_rest_and_loses_nothing(self, place: Place) -> None:
        """What went before is published and handed out; what comes after is not taken."""
        first, broken, last = self.numbered(place, 3)
        del broken["header"]["purpose"]
        broken["header"]["purpsoe"] = "investigation"
        found: list[Outcome] = []
        with pytest.raises(InvalidEvent, match="purpsoe"):
            await self.publish_all(place, [first, broken, last], found)
        assert [dashed(outcome.event_id) for outcome in found] == [first["header"]["event_id"]]
        with Journal(place.journal(place.sender)) as journal:
            assert journal.find(parse_uuid(last["header"]["event_id"])) is None

    async def test_without_a_receipt_what_is_known_is_said(self, place: Place) -> None:
        """While the hub is away, the time-out counts; published again after, each event stands once."""
        events = self.numbered(place, 3)
        await place.pause_hub()
        try:
            found: list[Outcome] = []
            with pytest.raises(ReceiptTimeout, match=r"3 events have no receipt"):
                await self.publish_all(
                    place, events, found, receipt_timeout_s=place.sends_in_s, batch_size=3, linger_ms=PATIENT_S * 1000
                )
            assert [outcome.outcome for outcome in found] == ["unknown"] * 3
            assert all(outcome.offset is not None for outcome in found)
        finally:
            await place.resume_hub()
        outcomes = await self.publish_all(place, events)
        assert all(outcome.stands for outcome in outcomes)
        with Journal(place.journal(place.sender)) as journal:
            assert journal.counts().get("unknown", 0) == 0
        async with place.subscriber(place.receiver) as subscriber:
            heard = await hear(subscriber, [outcome.event_id for outcome in outcomes])
        assert len({delivery.index for delivery in heard}) == 3
