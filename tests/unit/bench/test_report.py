"""The maths of the benchmark's report, on figures that can be checked by hand. Nothing here is timed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.records import shares
from bench.report import Pass, Result, Round, Throughput, as_json, costs, latency, percentile, show, summary


def a_round(bare: float, bus: float, ledger: float = 900.0) -> Round:
    """One round of given rates."""
    return Round(100, Pass(bare, {"pipe": 40.0, "kafka": 60.0}), Pass(bus, {"notary": 90.0, "kafka": 80.0}, ledger))


def a_result() -> Result:
    """Three rounds and one line of latency."""
    rounds = [a_round(1000, 700), a_round(1000, 500), a_round(500, 300)]
    machine = {"cpu": "A", "cores": 2, "memory_gib": 8.0, "python": "3", "kafka": "4", "postgres": "18"}
    waits = [latency("steady", 500, [0.010, 0.020, 0.030], [0.0, 0.0, 0.001])]
    return Result("abc", "2026-01-01", machine, {}, [Throughput("full", 3000, 3800, rounds)], waits)


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """A slow moment of the machine hits both halves of its round, so ratios are taken before the median is."""
    found = summary(a_result().throughput[0].rounds)
    assert (found.bare_per_s, found.bus_per_s, found.ledger_per_s) == (1000, 500, 900)
    assert (found.ratio, found.ratio_low, found.ratio_high) == (0.6, 0.5, 0.7)


def test_percentiles_are_nearest_ranks() -> None:
    """The p99 of a hundred values is the ninety-ninth, and of three the largest."""
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile(list(range(1, 101)), 0.5) == 50
    assert percentile([3, 1, 2], 0.99) == 3
    assert percentile([7], 0.5) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], share: float) -> None:
    """At least that share of the values is not above it."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_waits_are_reported_in_milliseconds() -> None:
    """Seconds go in, milliseconds come out."""
    found = latency("x", 500, [0.010, 0.020, 0.030], [0.001])
    assert (found.events, found.p50_ms, found.p99_ms, found.max_ms, found.late_p99_ms) == (3, 20, 30, 30, 1)


def test_costs_are_medians_by_process() -> None:
    """A process that one pass did not have costs nothing there."""
    found = costs([Pass(1, {"a": 10.0}), Pass(1, {"a": 20.0, "b": 6.0}), Pass(1, {"a": 60.0, "b": 9.0})])
    assert found == {"a": 20.0, "b": 6.0}


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_shares_are_even_and_leave_nothing_out(count: int, parts: int) -> None:
    """The shares of a count differ by one at most and add up to it."""
    found = shares(count, parts)
    assert sum(found) == count
    assert max(found) - min(found) <= 1


def test_the_json_has_the_medians_beside_the_rounds() -> None:
    """A program reads the same figures that the table shows."""
    (part,) = as_json(a_result())["throughput"]
    assert part["median"]["ratio"] == 0.6
    assert [line["ratio"] for line in part["rounds"]] == [0.7, 0.5, 0.6]
    assert part["cpu_us"]["bus"] == {"notary": 90.0, "kafka": 80.0}


def test_the_table_names_machine_commit_and_medians() -> None:
    """What is printed can be quoted as it stands."""
    out = io.StringIO()
    show(a_result(), Console(file=out, width=120))
    text = out.getvalue()
    for wanted in ("2 cores", "commit abc", "0.600", "bus ÷ bare", "publish → receipt", "20.0"):
        assert wanted in text
