"""What a piece of work costs: wall and CPU seconds, again and again, with how busy the machine was meanwhile.

On a machine that others use too, wall time says who else was there; CPU seconds say what the work took. Both are told,
and the median beside the best of several repetitions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from typing import Any, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Spent(Struct, frozen=True):
    """Of one repetition: seconds by the clock, and of CPU in this process and the ones that it has ended."""

    wall_s: float
    cpu_s: float


class Figure(Struct, frozen=True):
    """Repetitions of the same work over ``amount`` entries; ``load`` is the machine's load average afterwards."""

    name: str
    amount: int
    spent: list[Spent]
    load: float
    aim_per_s: float | None = None

    def rates(self, *, cpu: bool) -> tuple[float, float]:
        """Entries a second, or a CPU second: the median and the best."""
        seconds = [one.cpu_s if cpu else one.wall_s for one in self.spent]
        return self.amount / median(seconds), self.amount / min(seconds)

    def as_json(self) -> dict[str, Any]:
        """Plain values with the medians."""
        (wall, wall_best), (cpu, cpu_best) = self.rates(cpu=False), self.rates(cpu=True)
        return {
            "name": self.name, "entries": self.amount, "load": self.load, "aim_per_s": self.aim_per_s,
            "per_s": {"median": wall, "best": wall_best}, "per_cpu_s": {"median": cpu, "best": cpu_best},
            "runs": [{"wall_s": one.wall_s, "cpu_s": one.cpu_s} for one in self.spent],
        }  # fmt: skip


class Wait(Struct, frozen=True):
    """How long one answer took, in milliseconds of the clock; ``cpu_ms`` is this process's own CPU for one."""

    name: str
    answers: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float
    load: float
    aim_ms: float | None = None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all is not above (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


def timed(work: Callable[[], T]) -> tuple[T, Spent]:
    """Do the work once."""
    wall, cpu = time.perf_counter(), _cpu_s()
    done = work()
    return done, Spent(time.perf_counter() - wall, _cpu_s() - cpu)


def repeated(
    works: Mapping[str, Callable[[], object]],
    amount: int,
    repeats: int,
    aims: Mapping[str, float] | None = None,
    amounts: Mapping[str, int] | None = None,
) -> list[Figure]:
    """Do each work so often, taking turns, after one turn of each that is not counted.

    Args:
        works: by name.
        amount: entries of one repetition.
        repeats: how often.
        aims: entries a second that a work should reach.
        amounts: where a work has another number of entries.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            found = timed(work)[1]
            if turn:
                spent[name].append(found)
    aims, amounts = aims or {}, amounts or {}
    return [Figure(name, amounts.get(name, amount), spent[name], load(), aims.get(name)) for name in works]


def wait(name: str, seconds: Sequence[float], cpu_s: float, aim_ms: float | None = None) -> Wait:
    """Waits of single answers as a line of the report."""
    told = (percentile(seconds, 0.5), percentile(seconds, 0.99), max(seconds))
    p50, p99, most = (round(1000 * value, 3) for value in told)
    return Wait(name, len(seconds), p50, p99, most, round(1000 * cpu_s / len(seconds), 3), load(), aim_ms)


def load() -> float:
    """The load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _cpu_s() -> float:
    used = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
