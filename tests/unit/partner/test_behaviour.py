"""The SDK's promises on the hub in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.partner import Publisher, Subscriber
from bus.testing import MemoryBus, World
from tests.behaviour.partner import PartnerBehaviour


class MemoryPlace:
    """A :class:`tests.behaviour.partner.Place` without a broker."""

    sender = "platform-one"
    receiver = "hotline-east"

    def __init__(self, home: Path) -> None:
        self.world = World(home)
        self.bus = MemoryBus(self.world.hub.signing, origin=self.world.origin)

    def publisher(self, org: str, **options: Any) -> Publisher:
        """A publisher of the organisation."""
        return Publisher(self.world.profile(org), **self._way(org), **{"linger_ms": 2, **options})

    def subscriber(self, org: str, **options: Any) -> Subscriber:
        """A subscriber of the organisation."""
        return Subscriber(self.world.profile(org), **self._way(org), **options)

    def _way(self, org: str) -> dict[str, Any]:
        return {"keys": self.world.keys(org), "transport": self.bus.transport(org)}

    def event(self, kind: str = "HashHit", *, issuer: str, to: str) -> dict[str, Any]:
        """A valid event without an id."""
        return self.world.event(kind, issuer=issuer, to=[to])

    def journal(self, org: str) -> Path:
        """Its journal's file."""
        return self.world.profile(org).journal_file

    def now_us(self) -> int:
        """The time there."""
        return self.world.clock.now_us()

    async def pause_hub(self) -> None:
        """The hub takes nothing from now on."""
        self.bus.hub_is_up = False

    async def resume_hub(self) -> None:
        """It does again."""
        self.bus.hub_is_up = True
        self.bus.work()


@pytest.fixture
async def place(tmp_path: Path) -> MemoryPlace:
    """A log opened in memory, with its members admitted."""
    made = MemoryPlace(tmp_path)
    await made.world.found(made.bus.transport("hub"))
    return made


class TestInMemory(PartnerBehaviour):
    """All of it, on the double."""
