"""For tests, ours and partners': a clock that obeys, made-up organisations, and a whole hub in memory.

Names are looked up when they are first used: the clock does not cost the hub.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bus.testing.clock import ManualClock
    from bus.testing.memory import MemoryBus
    from bus.testing.world import Member, World

__all__ = ["ManualClock", "Member", "MemoryBus", "World"]

_HOME = {"ManualClock": "clock", "Member": "world", "MemoryBus": "memory", "World": "world"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"bus.testing.{_HOME[name]}"), name)
