"""The maths of the benchmark's report, on figures that can be checked by hand. Nothing here is timed."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import mirror
from bench.cost import Figure, Spent, percentile, repeated, timed, wait
from bench.records import shares
from bench.report import WIDTH, Pass, Result, Round, Throughput, as_json, costs, latency, show, summary
from bus.tlog import tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note
from bus.verify.published import verify_files
from bus.verify.report import Report
from bus.verify.subject import Subject


def a_round(bare: float, bus: float, ledger: float = 900.0) -> Round:
    """One round of given rates."""
    return Round(100, Pass(bare, {"pipe": 40.0, "kafka": 60.0}), Pass(bus, {"notary": 90.0, "kafka": 80.0}, ledger))


def a_result() -> Result:
    """Three rounds and one line of latency."""
    rounds = [a_round(1000, 700), a_round(1000, 500), a_round(500, 300)]
    machine = {"cpu": "A", "cores": 2, "memory_gib": 8.0, "python": "3", "kafka": "4", "postgres": "18"}
    waits = [latency("steady", 500, [0.010, 0.020, 0.030], [0.0, 0.0, 0.001])]
    log = [Figure("verify", 1000, [Spent(2.0, 1.0), Spent(4.0, 2.0), Spent(8.0, 2.0)], 0.5, 250_000)]
    answers = [wait("proof", [0.001, 0.002, 0.003], 0.006, 2)]
    return Result("abc", "2026-01-01", machine, {}, [Throughput("full", 3000, 3800, rounds)], waits, log, answers)


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


def test_rates_of_the_log_are_told_by_the_clock_and_by_cpu() -> None:
    """A slow clock on a busy machine does not make the work dearer: both rates are given, median and best."""
    (figure,) = a_result().log
    assert figure.rates(cpu=False) == (250, 500)
    assert figure.rates(cpu=True) == (500, 1000)
    (told,) = as_json(a_result())["log"]
    assert told["per_s"] == {"median": 250, "best": 500}
    assert told["per_cpu_s"] == {"median": 500, "best": 1000}
    assert (told["entries"], told["aim_per_s"], len(told["runs"])) == (1000, 250_000, 3)


def test_an_answers_wait_is_told_with_its_own_cpu() -> None:
    """Percentiles are of the clock; CPU is this process's, for one answer in the mean."""
    (found,) = a_result().waits
    assert (found.answers, found.p50_ms, found.p99_ms, found.cpu_ms, found.aim_ms) == (3, 2, 3, 2, 2)


def test_works_take_turns_and_the_first_turn_does_not_count() -> None:
    """Neither of two works has the quieter machine, and neither is charged for warming up."""
    done: list[str] = []
    works = {"a": lambda: done.append("a"), "b": lambda: done.append("b")}
    found = repeated(works, 10, 2, {"a": 5.0}, {"b": 20})
    assert done == ["a", "b"] * 3
    assert [(one.name, one.amount, len(one.spent), one.aim_per_s) for one in found] == [
        ("a", 10, 2, 5),
        ("b", 20, 2, None),
    ]


def test_cpu_of_ended_children_counts() -> None:
    """Work that other processes do for one is charged to it."""
    code = "x = sum(range(2_000_000))"
    _, spent = timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))
    assert spent.cpu_s > 0


def test_the_table_has_the_logs_figures() -> None:
    """Entries a second, CPU seconds beside, the aim, and the waits for one answer."""
    out = io.StringIO()
    show(a_result(), Console(file=out, width=WIDTH))
    for wanted in ("250 (500)", "500 (1,000)", "250,000", "proof", "2.00"):
        assert wanted in out.getvalue()


def test_a_bare_loop_hashes_the_tree_that_is_verified(tmp_path: Path) -> None:
    """What the verification is measured against leads to the very root that the mirror's checkpoint is of."""
    made = mirror.write_mirror(tmp_path / "log", 70_000)
    root = Checkpoint.decode(Note.decode(made.note).text).root
    assert (
        mirror.bare_loop(mirror.tiles_of_leaves(70_000))
        == root
        == tree.root(tree.leaf_hashes(mirror.leaves(0, 70_000)))
    )
    subject = Subject(made.folder, made.folder / "checkpoints", made.policy, newest=made.note)
    report = Report()
    verify_files(subject, report)
    assert (report.holds, report.size) == (True, 70_000)
