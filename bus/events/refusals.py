"""What a refusal code means and what its sender should do: ``schemas/codes/refusal.csv``, read when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from bus.events.codes import read_list


@cache
def refusals() -> Mapping[str, tuple[str, str]]:
    """Meaning and remedy of each code."""
    return MappingProxyType({line["code"]: (line["meaning"], line["remedy"]) for line in read_list("refusal")})
