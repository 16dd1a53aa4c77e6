"""Clocks that stand still, against a clock that is looked at every second."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from bus.policy.clocks import DAY_US, FOREVER, Calendar, after, measure, merged, running

BUSINESS = Calendar(business=True, holidays=frozenset({12}))
instants = st.integers(0, 400)
pauses = st.lists(st.tuples(instants, instants), max_size=6)


def _naive(start: int, until: int, stops: list[tuple[int, int]]) -> int:
    return sum(1 for at in range(start, until) if not any(a <= at < b for a, b in stops))


@given(instants, instants, pauses)
def test_running_time_is_every_unit_that_no_pause_covers(start: int, until: int, stops: list[tuple[int, int]]) -> None:
    """Overlapping, empty, reversed and touching pauses count once, or not at all."""
    assert running(start, until, merged(stops)) == _naive(start, until, stops)


@given(instants, st.integers(0, 300), pauses)
def test_after_is_the_first_instant_at_which_so_much_has_run(
    start: int, length: int, stops: list[tuple[int, int]]
) -> None:
    """The instant due is the earliest that has the length behind it."""
    at = after(start, length, merged(stops))
    assert at is not None
    assert running(start, at, merged(stops)) == length
    assert at == start or running(start, at - 1, merged(stops)) == length - 1


@given(instants, st.integers(1, 300), pauses, st.data())
def test_splitting_a_pause_changes_nothing(
    start: int, length: int, stops: list[tuple[int, int]], data: st.DataObject
) -> None:
    """A pause told in two halves, in any order, is the same pause."""
    assume(stops)
    first, last = data.draw(st.sampled_from(stops))
    middle = data.draw(st.integers(min(first, last), max(first, last)))
    halves = [one for one in stops if one != (first, last)] + [(middle, last), (first, middle)]
    shuffled = data.draw(st.permutations(halves))
    if first <= last:
        assert merged(shuffled) == merged(stops)
        assert after(start, length, merged(shuffled)) == after(start, length, merged(stops))


def test_a_pause_without_an_end_has_no_due_instant() -> None:
    """What stands still for ever is never due; what had run before it is."""
    assert after(0, 10, [(5, FOREVER)]) is None
    assert after(0, 5, [(5, FOREVER)]) == 5
    assert measure([(5, FOREVER)], 0, 20) == 15


def test_business_calendars_leave_out_weekends_and_holidays() -> None:
    """The 2nd of January 1970 was a Friday: five days from its noon end on Friday noon, or Monday's after a holiday."""
    noon = DAY_US + DAY_US // 2
    assert after(noon, 5 * DAY_US, [], Calendar(business=True)) == 8 * DAY_US + DAY_US // 2
    monday_holiday = Calendar(business=True, holidays=frozenset({4}))
    assert after(noon, 5 * DAY_US, [], monday_holiday) == 11 * DAY_US + DAY_US // 2


@given(st.integers(0, 20 * DAY_US), st.integers(0, 10 * DAY_US))
def test_business_time_runs_as_long_as_it_should(start: int, length: int) -> None:
    """From any instant, over weekends and a holiday, the due instant has exactly the length behind it."""
    at = after(start, length, [], BUSINESS)
    assert at is not None
    assert running(start, at, [], BUSINESS) == length
