"""Where the SDK's unit tests take place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bus.partner import Publisher, Subscriber
from bus.partner.known import Known
from bus.testing import MemoryBus, World
from bus.trust.directory import Directory


class MemoryPlace:
    """A :class:`tests.behaviour.partner.Place` without a broker."""

    sender = "platform-one"
    receiver = "hotline-east"
    sends_in_s = 0.5

    def __init__(self, home: Path) -> None:
        self.world = World(home)
        self.bus = MemoryBus(self.world.hub.signing, origin=self.world.origin)

    def publisher(self, org: str, **options: Any) -> Publisher:
        """A publisher of the organisation."""
        chosen: dict[str, Any] = {"linger_ms": 2, **self._way(org), **options}
        return Publisher(self.world.profile(org), **chosen)

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

    def directory(self) -> Directory:
        """The directory as a member learns it."""
        known = Known(self.world.origin, self.world.hub.signing.public_key)
        known.take(self.bus.topics["hub.directory"])
        return known.directory
