"""The demonstration's organisations as a test uses them: their keys, their Kafka logins, a forge for their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bus.kafka.connection import Connection
from bus.sandbox.lifecycle import Sandbox
from bus.sandbox.world import HUB, WORLD
from bus.trust.keys import KeyRing
from tests.forge import Forge


class Members:
    """Everybody's keys and logins."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.status: dict[str, Any] = sandbox.status()
        self._root: Path = sandbox.home.root
        rings = {member.id: KeyRing.load(sandbox.home.organisation(member.id) / "keys.json") for member in WORLD}
        rings[HUB] = KeyRing.load(sandbox.home.hub / "keys.json")
        self.forge = Forge(sandbox.home.origin, rings, nations={member.id: member.nation for member in WORLD})

    def having(self, role: str) -> list[str]:
        """The organisations of a role, in order."""
        return [member.id for member in WORLD if role in member.roles]

    def connection(self, org: str) -> Connection:
        """An organisation's login, or the hub's."""
        kafka = self.status["kafka"]
        folder = self._root / "hub" if org == HUB else self._root / "organisations" / org
        return Connection(
            bootstrap=kafka["bootstrap"],
            security_protocol=kafka["security_protocol"],
            sasl_mechanism=kafka["sasl_mechanism"],
            username=org,
            password=(folder / "password").read_text(encoding="utf-8").strip(),
        )

    def librdkafka(self, org: str) -> dict[str, Any]:
        """The same login for an independent client."""
        return dict(self.connection(org).librdkafka())
