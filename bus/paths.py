"""Where the data files of this program stand: in the checkout, or in the wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def schemas_dir() -> Path:
    """The folder of the schemas: ``released``, ``codes``, and the sources they are made from."""
    return _data("schemas")


def ops_dir() -> Path:
    """The folder of what runs the bus: Kafka's and Postgres's settings, the policy."""
    return _data("ops")


@cache
def _data(name: str) -> Path:
    checkout = _PACKAGE.parent / name
    if (_PACKAGE.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    return _PACKAGE / "_data" / name
