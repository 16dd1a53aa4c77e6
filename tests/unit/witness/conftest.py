"""A witness for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.witness.witness import Witness
from tests.unit.witness.support import make_witness


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """A new witness that trusts one log."""
    made = make_witness(tmp_path / "witness")
    yield made
    made.store.close()
