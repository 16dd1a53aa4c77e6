"""Waiting for what others do: other processes, and roles of the hub that act by themselves.

What is waited for comes within a second on an idle machine. The bound is for a machine that is many times slower, and is
reached only where the thing never comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENT_S = 300.0
"""How long a test waits for what must come before it says that it does not."""


async def until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENT_S) -> None:
    """Wait until a condition holds, or fail with its name."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = PATIENT_S) -> None:
    """The same for a condition that has to ask somebody."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        await asyncio.sleep(0.05)
