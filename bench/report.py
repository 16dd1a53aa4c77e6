"""The maths of a report, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.cost import Figure, Wait, percentile

WIDTH = 130
"""Of the tables, where no terminal says how wide it is."""


class Pass(Struct, frozen=True):
    """One timed pass of records through one of the two: rates an event, CPU microseconds an event by process."""

    per_s: float
    cpu_us: dict[str, float]
    ledger_per_s: float | None = None


class Round(Struct, frozen=True):
    """The same records through the bare pipe and through the bus, one after the other."""

    records: int
    bare: Pass
    bus: Pass

    @property
    def ratio(self) -> float:
        """The bus's rate as a share of the bare pipe's."""
        return self.bus.per_s / self.bare.per_s


class Throughput(Struct, frozen=True):
    """All rounds of one kind of record."""

    kind: str
    value_bytes: int
    whole_bytes: int
    rounds: list[Round]


class Latency(Struct, frozen=True):
    """What a Publisher waited for its receipts, in milliseconds, at a steady rate.

    ``late`` says how far the load itself fell behind: above a few milliseconds the machine was too slow for it.
    """

    name: str
    per_s: float
    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    late_p99_ms: float


class Result(Struct, frozen=True):
    """Everything of one run."""

    commit: str
    started: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    throughput: list[Throughput]
    latency: list[Latency]
    log: list[Figure] = []
    waits: list[Wait] = []


class Summary(Struct, frozen=True):
    """Medians over the rounds, and how far the ratio ranged."""

    bare_per_s: float
    bus_per_s: float
    ledger_per_s: float | None
    ratio: float
    ratio_low: float
    ratio_high: float


def latency(name: str, per_s: float, seconds: Sequence[float], late: Sequence[float]) -> Latency:
    """Waits in seconds as a line of the report."""

    def ms(value: float) -> float:
        return round(value * 1000, 2)

    return Latency(
        name, per_s, len(seconds), ms(percentile(seconds, 0.5)), ms(percentile(seconds, 0.99)), ms(max(seconds)),
        ms(percentile(late, 0.99)),
    )  # fmt: skip


def summary(rounds: Sequence[Round]) -> Summary:
    """Medians; the ratio's is that of the rounds' own ratios, since noise of a round hits both of its halves."""
    ratios = [one.ratio for one in rounds]
    ledger = [one.bus.ledger_per_s for one in rounds if one.bus.ledger_per_s is not None]
    return Summary(
        median(one.bare.per_s for one in rounds),
        median(one.bus.per_s for one in rounds),
        median(ledger) if ledger else None,
        median(ratios),
        min(ratios),
        max(ratios),
    )


def costs(passes: Sequence[Pass]) -> dict[str, float]:
    """CPU microseconds an event by process, medians over passes."""
    names = dict.fromkeys(name for one in passes for name in one.cpu_us)
    return {name: median(one.cpu_us.get(name, 0.0) for one in passes) for name in names}


def as_json(result: Result) -> dict[str, Any]:
    """The result with its medians, as plain values."""
    found = msgspec.to_builtins(result)
    for part, one in zip(found["throughput"], result.throughput, strict=True):
        part["median"] = msgspec.to_builtins(summary(one.rounds))
        part["cpu_us"] = {
            "bare": costs([r.bare for r in one.rounds]),
            "bus": costs([r.bus for r in one.rounds]),
        }
        for line, r in zip(part["rounds"], one.rounds, strict=True):
            line["ratio"] = r.ratio
    found["log"] = [one.as_json() for one in result.log]
    return found


# --- tables ---------------------------------------------------------------------------------------------------------


def show(result: Result, console: Console) -> None:
    """Print the result for people."""
    machine = result.machine
    names = ("python", "kafka", "postgres")
    versions = ", ".join(f"{name} {machine[name]}" for name in names if name in machine)
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {versions}; "
        f"commit {result.commit}; load average {machine.get('load_average', 'unknown')}",
        highlight=False,
        soft_wrap=True,
    )
    for one in result.throughput:
        console.print(_rates(one))
        console.print(_costs(one))
    if result.latency:
        console.print(_waits(result.latency))
    if result.log:
        console.print(_log(result.log))
    if result.waits:
        console.print(_answers(result.waits))


def _rates(part: Throughput) -> Table:
    title = f"{part.kind} records: value {part.value_bytes:,} B, {part.whole_bytes:,} B with headers (mean)"
    table = _table(title, "round", "records", "bare pipe /s", "bus /s", "ledger alone /s", "bus ÷ bare")
    for number, one in enumerate(part.rounds, 1):
        table.add_row(
            str(number), f"{one.records:,}", _rate(one.bare.per_s), _rate(one.bus.per_s), _rate(one.bus.ledger_per_s),
            f"{one.ratio:.3f}",
        )  # fmt: skip
    total = summary(part.rounds)
    table.add_section()
    table.add_row(
        "median", "", _rate(total.bare_per_s), _rate(total.bus_per_s), _rate(total.ledger_per_s), f"{total.ratio:.3f}",
        style="bold",
    )  # fmt: skip
    return table


def _costs(part: Throughput) -> Table:
    """What an event costs, by process: on a machine whose cores are all busy, this is what sets the rate."""
    bare, bus = costs([one.bare for one in part.rounds]), costs([one.bus for one in part.rounds])
    names = list(dict.fromkeys((*bare, *bus)))
    table = _table(f"{part.kind} records: CPU µs an event", "", *names, "all")
    for label, found in (("bare pipe", bare), ("bus", bus)):
        cells = [f"{found[name]:.0f}" if name in found else "" for name in names]
        table.add_row(label, *cells, f"{sum(found.values()):.0f}")
    return table


def _waits(lines: Sequence[Latency]) -> Table:
    table = _table("publish → receipt", "", "events/s", "events", "p50 ms", "p99 ms", "max ms", "load late p99 ms")
    for one in lines:
        table.add_row(
            one.name, f"{one.per_s:,.0f}", f"{one.events:,}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}",
            f"{one.max_ms:.1f}", f"{one.late_p99_ms:.1f}",
        )  # fmt: skip
    return table


def _log(lines: Sequence[Figure]) -> Table:
    """The tree: CPU seconds are what it took, seconds of the clock also who else was there."""
    table = _table("the log: entries a second, median (best)", "", "entries", "/s", "/CPU s", "aim /s", "load")
    for one in lines:
        rates = [f"{middle:,.0f} ({best:,.0f})" for middle, best in (one.rates(cpu=False), one.rates(cpu=True))]
        table.add_row(one.name, f"{one.amount:,}", *rates, _rate(one.aim_per_s), f"{one.load:.2f}")
    return table


def _answers(lines: Sequence[Wait]) -> Table:
    table = _table("one answer, ms", "", "answers", "p50", "p99", "max", "own CPU", "aim", "load")
    for one in lines:
        cells = [f"{value:.2f}" for value in (one.p50_ms, one.p99_ms, one.max_ms, one.cpu_ms)]
        aim = "" if one.aim_ms is None else f"{one.aim_ms:g}"
        table.add_row(one.name, f"{one.answers:,}", *cells, aim, f"{one.load:.2f}")
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _rate(per_s: float | None) -> str:
    return "" if per_s is None else f"{per_s:,.0f}"
