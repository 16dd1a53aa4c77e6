"""A log in memory with its members admitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.partner.places import MemoryPlace


@pytest.fixture
async def place(tmp_path: Path) -> MemoryPlace:
    """A log opened in memory, with its members admitted."""
    made = MemoryPlace(tmp_path)
    await made.world.found(made.bus.transport("hub"))
    return made
