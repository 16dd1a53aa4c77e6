"""The survey's numbers at every scale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.demo import proportions
from bus.demo.proportions import LARGEST_SCALE, SMALLEST_SCALE, apportion, counts_at

SCALES = st.floats(SMALLEST_SCALE, LARGEST_SCALE)


def test_at_scale_one_they_are_the_surveys_own():
    """20,254 found, 11,108 selected, 9,146 set aside, 2,562 and 416 criminal: 2,978; 87.5 hours."""
    counts = counts_at(1)
    assert (counts.found, counts.selected, counts.set_aside) == (20_254, 11_108, 9_146)
    assert (counts.pseudo, counts.prohibited, counts.criminal) == (2_562, 416, 2_978)
    assert counts.minutes == 87.5 * 60


def test_at_a_twentieth_they_are_the_nearest_that_add_up():
    """1,012.7 and 555.4 and 148.9 become whole numbers that fit together."""
    counts = counts_at(0.05)
    assert (counts.found, counts.selected, counts.set_aside) == (1_013, 556, 457)
    assert (counts.pseudo, counts.prohibited, counts.criminal) == (128, 21, 149)


@given(SCALES)
def test_every_part_is_within_one_of_its_share_and_the_parts_are_the_whole(scale: float):
    """No scale loses or invents an item."""
    counts = counts_at(scale)
    assert counts.found == round(20_254 * scale)
    assert counts.pseudo + counts.prohibited + counts.not_criminal + counts.set_aside == counts.found
    shares = (proportions.PSEUDO, proportions.PROHIBITED, proportions.NOT_CRIMINAL, proportions.SET_ASIDE)
    parts = (counts.pseudo, counts.prohibited, counts.not_criminal, counts.set_aside)
    for part, share in zip(parts, shares, strict=True):
        assert abs(part - counts.found * share / 20_254) < 1


@given(SCALES)
def test_there_is_something_of_what_the_story_needs(scale: float):
    """Even the smallest story has an item that is criminal, one that is not, and a minute of work."""
    counts = counts_at(scale)
    assert min(counts.pseudo, counts.not_criminal, counts.set_aside, counts.minutes) >= 1


@given(st.integers(0, 10_000), st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any))
def test_shares_add_up(total: int, weights: list[int]):
    """Largest remainders: the sum is exact, each share within one of its own, and nothing goes to a weight of 0."""
    shares = apportion(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - total * weight / sum(weights)) < 1
        assert weight or not share


@pytest.mark.parametrize(("total", "shares"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1])])
def test_of_equal_remainders_the_first_goes_up(total: int, shares: list[int]):
    """The same scale always gives the same numbers."""
    assert apportion(total, [1, 1, 1]) == shares
