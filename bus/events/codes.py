"""The code lists of ``schemas/codes``: each code with its meaning, read when it is needed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from bus.paths import schemas_dir


def read_list(name: str) -> list[dict[str, str]]:
    """The lines of a list, each by the names of its columns."""
    path = schemas_dir() / "codes" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@cache
def codes(name: str) -> Mapping[str, str]:
    """The codes of a list and what they mean, in the list's order. Lists are open: others may be valid too.

    Args:
        name: of the list, such as ``recall_reason``.
    """
    return MappingProxyType({line["value"]: line["meaning"] for line in read_list(name)})
