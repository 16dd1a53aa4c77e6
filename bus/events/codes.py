"""The code lists of ``schemas/codes``: each code with its meaning, read when it is needed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from bus.paths import schemas_dir


@cache
def codes(name: str) -> Mapping[str, str]:
    """The codes of a list and what they mean, in the list's order. Lists are open: others may be valid too.

    Args:
        name: of the list, such as ``recall_reason``.
    """
    path = schemas_dir() / "codes" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType({row["value"]: row["meaning"] for row in csv.DictReader(lines)})
