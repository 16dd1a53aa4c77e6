"""A log in memory with its members admitted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.unit.partner.places import MemoryPlace


@pytest.fixture
async def place(tmp_path: Path) -> MemoryPlace:
    """A log opened in memory, with its members admitted."""
    made = MemoryPlace(tmp_path)
    await made.world.found(made.bus.transport("hub"))
    return made


@pytest.fixture(autouse=True)
def all_is_logged() -> Iterator[None]:
    """Whatever the command's tests left behind: alarms are part of what is tested here."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)
