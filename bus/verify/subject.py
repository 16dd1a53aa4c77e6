"""What is verified, by whose word, and what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from bus.tlog.policy import Policy
from bus.verify.claims import Claim

Progress = Callable[[int, int], None]
"""Told how many entries are done, and of how many."""


def silent(_done: int, _total: int) -> None:
    """Shows no progress."""


class Subject(msgspec.Struct, frozen=True):
    """What is to be verified, and by whose word."""

    files: Path
    """The folder below which ``tile/…`` stands."""
    kept: Path
    """The folder of earlier checkpoints, each under its size."""
    policy: Policy
    since: bytes | None = None
    """An older checkpoint that the auditor has: entries below it are not read again, only their tree is."""
    newest: bytes | None = None
    """The checkpoint to verify against; where it is None, it is read from ``files``."""


class Tree(msgspec.Struct):
    """What is known of the published tree once it is verified."""

    claim: Claim
    first: int
    """Number of the first tile of level 0 that was read."""
    roots: list[bytes]
    """The roots of all whole tiles of level 0."""
    signed: dict[int, bytes] = {}
    """The root of every checkpoint that is kept, by its size."""
    since: int = 0
    """Size of the older checkpoint that was given."""

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.claim.size
