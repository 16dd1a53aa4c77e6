"""What the clerk must say of one duty, from its facts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.paths import ops_dir
from bus.policy.clocks import FOREVER, measure, merged
from bus.policy.deadlines import Deadline, parse
from bus.policy.duties import Duty, Statement, due, is_closed, statements

TABLE = parse((ops_dir() / "deadlines.toml").read_text(encoding="utf-8"))
H = 3_600_000_000
START = 1_800_000_000_000_000
LENGTH = 24 * H
NOTICE = TABLE.rows["au-class1"]


def _duty(row: Deadline = NOTICE, **facts: int) -> Duty:
    duty = Duty(row, "fernpost")
    for fact, at in facts.items():
        duty.happened(fact, at)
    return duty


def _steps(found: Sequence[Statement]) -> list[str]:
    return [one.step for one in found]


def test_a_life_is_warned_overdue_escalated_cured_each_once_and_to_the_second() -> None:
    """Told again and again, each thing is due when it is, and not once more when it was said."""
    duty, told = _duty(issued=START, delivered=START), list[Statement]()
    for hour in range(60):
        if hour == 50:
            duty.meet(START + 50 * H, START + 49 * H + 1_999_999)
        found = statements(duty, TABLE, START + hour * H)
        told += found
        duty.said |= {one.step for one in found}
    assert _steps(told) == ["warned", "overdue", "escalated", "cured"]
    assert [one.at_us - START for one in told] == [18 * H, 24 * H, 48 * H, 50 * H]
    assert [one.late_s for one in told] == [0, 0, 24 * 3600, 25 * 3600 + 1]
    assert {one.due_us for one in told} == {START + LENGTH}
    assert is_closed(duty, TABLE)


def test_an_answer_in_time_says_nothing() -> None:
    """Whoever was warned and answered is not told of again."""
    duty = _duty(delivered=START)
    duty.said.add("warned")
    duty.meet(START + LENGTH, None)
    assert statements(duty, TABLE, START + 100 * H) == []
    assert is_closed(duty, TABLE)


def test_late_begins_with_the_first_microsecond_after_the_due_instant() -> None:
    """At the instant itself it is in time; a microsecond later it is late, by no whole second."""
    duty = _duty(delivered=START)
    duty.meet(START + LENGTH + 1, None)
    assert [(one.step, one.late_s) for one in statements(duty, TABLE, FOREVER)] == [("overdue", 0), ("cured", 0)]


def test_an_answer_told_late_but_made_in_time_is_cured_with_no_lateness() -> None:
    """Who had said nothing was called late; the answer shows when it was made."""
    duty = _duty(delivered=START)
    duty.said |= {"warned", "overdue"}
    duty.meet(START + LENGTH + 5 * H, START + LENGTH - H)
    (cured,) = statements(duty, TABLE, START + 100 * H)
    assert (cured.step, cured.late_s, cured.at_us) == ("cured", 0, START + LENGTH + 5 * H)


@pytest.mark.parametrize("claim", [START - 1, START + 30 * H + 1, 0])
def test_a_claim_outside_what_can_be_is_not_taken(claim: int) -> None:
    """Nobody acts before the clock started, or after having told of it: then the record counts."""
    duty = _duty(delivered=START)
    duty.meet(START + 30 * H, claim)
    assert duty.met_us == START + 30 * H


@given(
    effect=st.integers(0, 100 * 3600),
    holds=st.lists(st.tuples(st.integers(0, 90 * 3600), st.integers(0, 20 * 3600)), max_size=4),
)
def test_late_is_effect_minus_due_minus_pauses(effect: int, holds: list[tuple[int, int]]) -> None:
    """For every answer and all holds, to the second; paused is all time on hold until then."""
    duty = _duty(delivered=START)
    for first, length in holds:
        duty.pause("le_hold", START + first * 1_000_000, START + (first + length) * 1_000_000)
    at = START + effect * 1_000_000
    duty.meet(at, None)
    duty.said.add("overdue")
    paused = measure(merged((a, b) for _, a, b in duty.pauses), START, at)
    late = max(0, at - (START + LENGTH) - paused)
    cured = statements(duty, TABLE, FOREVER)[-1]
    assert (cured.late_s, cured.paused_s) == (late // 1_000_000, paused // 1_000_000)


def test_a_hold_moves_what_is_due_and_ends_by_itself() -> None:
    """Ten hours on hold are ten hours more; a hold that is not lifted ends when it was to."""
    for lifted in (True, False):
        duty = _duty(delivered=START)
        duty.pause("le_hold", START + 10 * H, START + 20 * H if not lifted else START + 90 * H)
        if lifted:
            duty.resume("le_hold", START + 20 * H)
        found = due(duty, TABLE)
        assert found is not None
        assert (found.due_us, found.warn_us) == (START + 34 * H, START + 28 * H)
        assert _steps(statements(duty, TABLE, START + 33 * H)) == ["warned"]


def test_what_a_row_does_not_allow_for_stops_no_clock() -> None:
    """A pause counts only for the reasons that the row names."""
    duty = _duty(TABLE.rows["recall-stop-use"], delivered=START)
    duty.pause("le_hold", START, FOREVER)
    assert _steps(statements(duty, TABLE, START + H)) == ["overdue", "escalated"]


def test_a_clock_starts_on_its_fact_or_one_that_implies_it() -> None:
    """Delivered is enough for delivered, taken too; issued is not; and the earliest counts, however told."""
    assert _duty(issued=START).started_us is None
    assert _duty(issued=START, taken=START + 9).started_us == START + 9
    duty = _duty(taken=START + 9)
    duty.happened("delivered", START + 3)
    duty.happened("delivered", START + 4)
    assert duty.started_us == START + 3


def test_a_stated_date_is_the_due_date_and_never_shortens_a_row() -> None:
    """Where the row says `stated`, the notice's own date counts; elsewhere it may only give more time."""
    duty = _duty(TABLE.rows["stated"], issued=START)
    assert due(duty, TABLE) is None
    duty.stated_us = START + 3_000_000
    found = due(duty, TABLE)
    assert found is not None
    assert (found.warn_us - START, found.due_us - START) == (2_250_000, 3_000_000)
    for stated, wanted in ((START + H, START + LENGTH), (START + 30 * H, START + 30 * H)):
        row = _duty(delivered=START)
        row.stated_us = stated
        more = due(row, TABLE)
        assert more is not None
        assert more.due_us == wanted


def test_a_clerk_that_was_away_says_what_it_missed_but_no_stale_warning() -> None:
    """Long after, it is overdue and escalated; nobody can be warned any more."""
    assert _steps(statements(_duty(delivered=START), TABLE, START + 900 * H)) == ["overdue", "escalated"]
    late = _duty(delivered=START)
    late.meet(START + 60 * H, None)
    assert _steps(statements(late, TABLE, START + 900 * H)) == ["overdue", "escalated", "cured"]


@pytest.mark.parametrize("end", ["over", "excused"])
def test_who_is_excused_or_no_longer_asked_is_left_alone(end: str) -> None:
    """After a withdrawal or an excuse nothing is said any more."""
    duty = _duty(delivered=START)
    duty.said |= {"warned", "overdue"} | ({"excused"} if end == "excused" else set())
    duty.over = end == "over"
    duty.meet(START + 60 * H, None)
    assert statements(duty, TABLE, FOREVER) == []
    assert is_closed(duty, TABLE)


@given(st.permutations(range(5)))
def test_the_order_of_facts_of_one_flush_changes_nothing(order: list[int]) -> None:
    """Facts carry their own instants: however a flush has them in order, the same is due."""
    duty = _duty()
    told = [
        lambda: duty.happened("delivered", START),
        lambda: duty.happened("fetched", START + H),
        lambda: duty.pause("le_hold", START + 2 * H, START + 4 * H),
        lambda: duty.pause("hub_outage", START + 3 * H, START + 6 * H),
        lambda: duty.meet(START + 40 * H, None),
    ]
    for number in order:
        told[number]()
    found = statements(duty, TABLE, FOREVER)
    assert [(one.step, one.late_s, one.paused_s) for one in found] == [
        ("overdue", 0, 4 * 3600),
        ("cured", 12 * 3600, 4 * 3600),
    ]
