"""How many of each there are at a given scale, in the proportions of a published survey. Pure.

The survey: in October 2023 a hotline published what it had found on one dark-web forum in a month: 20,254 images, of
which 11,108 were selected to be assessed and 9,146 set aside; 2,562 were criminal under one act and 416 under another,
2,978 in all; 12 analysts worked on it for 87.5 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

FOUND: Final = 20_254
PSEUDO: Final = 2_562
PROHIBITED: Final = 416
NOT_CRIMINAL: Final = 11_108 - PSEUDO - PROHIBITED
SET_ASIDE: Final = 9_146
ANALYSTS: Final = 12
MINUTES: Final = 5_250

PSEUDO_LAW: Final = "pca1978_pseudo"
PROHIBITED_LAW: Final = "cja2009_prohibited"

SMALLEST_SCALE: Final = 0.001
LARGEST_SCALE: Final = 10.0


class Counts(Struct, frozen=True):
    """How many items there are of each kind; each is in one."""

    pseudo: int
    prohibited: int
    not_criminal: int
    set_aside: int
    minutes: int

    @property
    def criminal(self) -> int:
        """Criminal under either act."""
        return self.pseudo + self.prohibited

    @property
    def selected(self) -> int:
        """Assessed against the law."""
        return self.criminal + self.not_criminal

    @property
    def found(self) -> int:
        """All of them."""
        return self.selected + self.set_aside


def counts_at(scale: float) -> Counts:
    """The survey's numbers, times ``scale``; the parts are rounded so that they add up to the rounded whole."""
    weights = (PSEUDO, PROHIBITED, NOT_CRIMINAL, SET_ASIDE)
    return Counts(*apportion(round(FOUND * scale), weights), minutes=max(1, round(MINUTES * scale)))


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Share out ``total`` in proportion to ``weights``: the method of largest remainders (Hamilton).

    Returns:
        Whole numbers that add up to ``total``, each less than 1 away from its exact share. Of equal remainders the
        first goes up.
    """
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: -remainders[i])
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares
