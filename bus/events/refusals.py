"""What a refusal code means and what its sender should do: ``schemas/codes/refusal.csv``, read when it is needed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from bus.paths import schemas_dir


@cache
def refusals() -> Mapping[str, tuple[str, str]]:
    """Meaning and remedy of each code."""
    path = schemas_dir() / "codes" / "refusal.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType({line["code"]: (line["meaning"], line["remedy"]) for line in csv.DictReader(lines)})
