"""``bus consume`` beside the inbox itself: acknowledgements, a look ahead, documents; on a bus in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

import bus.partner
from bus.cli.consume import acknowledgement, acknowledging
from bus.cli.consume_out import consume_out
from bus.cli.peek import peek
from bus.errors import ReceiptTimeout
from bus.events.ids import dashed
from bus.partner import Delivery, Subscriber
from tests.patience import PATIENT_S
from tests.unit.partner.places import MemoryPlace

INBOX = "in.hotline-east"
LOOK = {"follow": False, "from_start": False, "show_recalled": False}


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryPlace:
    """A hub in memory, with two events in one inbox; what the command opens is opened there."""
    found = MemoryPlace(tmp_path)
    await found.world.found(found.bus.transport("hub"))
    async with found.publisher(found.sender) as publisher:
        for _ in range(2):
            event = found.event("HashListing", issuer=found.sender, to=found.receiver)
            event["sealed"]["hashes"] = [{"algorithm": "MD5", "value": secrets.token_hex(16)}]
            assert (await publisher.publish(event)).outcome == "accepted"

    def opened(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda profile, **how: make(profile.organisation, **{k: v for k, v in how.items() if k != "on_alarm"})

    monkeypatch.setattr(bus.partner, "Subscriber", opened(found.subscriber))
    monkeypatch.setattr(bus.partner, "Publisher", opened(found.publisher))
    return found


def spoil(place: MemoryPlace) -> None:
    """Change a byte of the first record."""
    first = place.bus.topics[INBOX][0]
    assert first.value is not None
    place.bus.topics[INBOX][0] = structs.replace(first, value=first.value[:-1] + bytes([first.value[-1] ^ 1]))


async def test_a_look_ahead_says_what_does_not_hold(place: MemoryPlace, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that was changed, and one that is missing, are alarms and end with 3, whether or not they are consumed."""
    profile = place.world.profile(place.receiver)
    assert await peek(profile, LOOK, limit=None) == 0
    assert "ALARM" not in capsys.readouterr().err
    spoil(place)
    assert await peek(profile, LOOK, limit=None) == 3
    assert "ALARM: bulk inbox, number 0 does not hold" in capsys.readouterr().err


async def heard(place: MemoryPlace) -> list[Delivery]:
    """What is in the inbox."""
    async with place.subscriber(place.receiver, follow=False) as subscriber:
        return [one async for one in subscriber]


async def test_an_acknowledgement_without_a_receipt_ends_whoever_waits(
    place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who follows an inbox for days finds out at the end that no issuer was told."""
    deliveries = await heard(place)
    await place.pause_hub()
    monkeypatch.setattr(
        bus.partner, "Publisher", lambda profile: place.publisher(profile.organisation, receipt_timeout_s=0.2)
    )

    async def follow() -> None:
        async with acknowledging(place.world.profile(place.receiver), "fetched") as acks:
            await acks.put(deliveries[0])
            await asyncio.Event().wait()

    with pytest.raises(ReceiptTimeout):
        await asyncio.wait_for(follow(), PATIENT_S)


async def test_what_ends_the_inbox_is_told_as_it_is(place: MemoryPlace) -> None:
    """Who acknowledges meanwhile wraps it in nothing."""
    error = OSError("the disk is full")
    with pytest.raises(OSError, match="the disk is full") as raised:
        async with acknowledging(place.world.profile(place.receiver), "fetched"):
            raise error
    assert raised.value is error


async def test_a_refused_acknowledgement_is_said(place: MemoryPlace, capsys: pytest.CaptureFixture[str]) -> None:
    """The issuer was not told, and whoever asked for that learns so and why; the event is handled all the same."""
    [first, _] = await heard(place)
    assert first.decoded is not None
    async with place.publisher(place.receiver) as publisher:
        for step in ("fetched", "taken"):
            outcome = await publisher.publish(acknowledgement(first.decoded.header, step=step))
            assert outcome.outcome == "accepted"
    profile = place.world.profile(place.receiver)
    async with place.subscriber(place.receiver, follow=False) as subscriber, acknowledging(profile, "fetched") as acks:
        async for delivery in subscriber:
            await acks.put(delivery)
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"not acknowledged: {dashed(first.event_id or b'')} (step-order, allowed.complied")
    assert await heard(place) == []


async def test_documents_of_a_file_that_is_not_there_are_not_counted(
    place: MemoryPlace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is there whole or not at all: while it is not, all is left in the inbox, and nothing is said to be written."""
    out, profile = tmp_path / "out.json", place.world.profile(place.receiver)
    opened = bus.partner.Subscriber

    def late(*args: Any, **how: Any) -> Subscriber:
        out.touch()  # somebody else's, since it was looked for
        return opened(*args, **how)

    monkeypatch.setattr(bus.partner, "Subscriber", late)
    with pytest.raises(FileExistsError):
        await consume_out(profile, "vics", str(out), LOOK, ack="none", limit=None)
    assert f"0 events written to {out}; 2 left in the inbox" in capsys.readouterr().err
    out.unlink()
    monkeypatch.setattr(bus.partner, "Subscriber", opened)
    assert await consume_out(profile, "vics", str(out), LOOK, ack="none", limit=None) == 0
    assert f"2 events written to {out}\n" in capsys.readouterr().err
