"""The SDK's promises on a real hub."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bus.events.examples import example
from bus.partner import Profile, Publisher, Subscriber
from bus.sandbox.lifecycle import Sandbox
from tests.behaviour.partner import PartnerBehaviour


class SandboxPlace:
    """A :class:`tests.behaviour.partner.Place` with a real Kafka, Postgres, notary and courier."""

    sender = "tidewave"
    receiver = "hotline-north"
    sends_in_s = 6.0

    def __init__(self, sandbox: Sandbox, journals: Path) -> None:
        self._sandbox = sandbox
        self._journals = journals

    def profile(self, org: str) -> Profile:
        """The organisation's profile, with an empty journal."""
        profile = Profile.load(self._sandbox.status()["organisations"][org]["profile"])
        return structs.replace(profile, journal_home=self._journals)

    def publisher(self, org: str, **options: Any) -> Publisher:
        """A publisher of the organisation."""
        chosen: dict[str, Any] = {"linger_ms": 2, **options}
        return Publisher(self.profile(org), **chosen)

    def subscriber(self, org: str, **options: Any) -> Subscriber:
        """A subscriber of the organisation."""
        return Subscriber(self.profile(org), **options)

    def event(self, kind: str = "HashHit", *, issuer: str, to: str) -> dict[str, Any]:
        """A valid event without an id."""
        nations = [self.profile(org).nation for org in (issuer, to)]
        made = example(kind, issuer=issuer, audience=[to], nations=nations, now_us=self.now_us())
        del made["header"]["event_id"]
        return made

    def journal(self, org: str) -> Path:
        """Its journal's file."""
        return self.profile(org).journal_file

    def now_us(self) -> int:
        """The time there."""
        return time.time_ns() // 1000

    async def pause_hub(self) -> None:
        """The hub takes nothing from now on."""
        await self._sandbox.stop("notary")

    async def resume_hub(self) -> None:
        """It does again."""
        await self._sandbox.start("notary")


@pytest.fixture
async def place(sandbox: Sandbox, tmp_path: Path) -> SandboxPlace:
    """The sandbox, with both at the end of their inboxes."""
    made = SandboxPlace(sandbox, tmp_path)
    for org in (made.sender, made.receiver):
        async with made.subscriber(org, follow=False) as subscriber:
            async for delivery in subscriber:
                await delivery.done()
    return made


class TestOnSandbox(PartnerBehaviour):
    """All of it, for real."""
