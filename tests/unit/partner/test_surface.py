"""What partners may import, and what it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["bus.partner", "bus.testing"])
def test_every_public_name_is_there(package: str) -> None:
    """The names are sorted, each is found, and a name that is not public is an error."""
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert all(getattr(module, name).__name__ == name for name in module.__all__)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = module.Nothing


@pytest.mark.parametrize(
    ("name", "spared"),
    [
        ("bus.partner.Profile", {"sqlite3", "fastavro", "cryptography.hazmat.primitives.hpke"}),
        ("bus.partner.Journal", {"aiokafka", "fastavro"}),
        ("bus.partner.Subscriber", {"aiohttp", "asyncpg"}),
        ("bus.testing.ManualClock", {"aiokafka", "asyncpg", "sqlite3"}),
    ],
)
def test_a_part_costs_that_part_alone(name: str, spared: set[str]) -> None:
    """Importing one name does not load what only the others need."""
    module, _, attribute = name.rpartition(".")
    script = f"import sys; from {module} import {attribute}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert spared.isdisjoint(loaded)
