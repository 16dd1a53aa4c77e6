"""The SDK's promises on the hub in memory."""

from __future__ import annotations

from tests.behaviour.partner import PartnerBehaviour


class TestInMemory(PartnerBehaviour):
    """All of it, on the double."""
