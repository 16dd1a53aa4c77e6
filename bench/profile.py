"""Where the hub's time goes: one pass with both roles under the sampler, told by function and by stage."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.ground import FOLDER, Ground
from bench.records import Kind, Stream
from bench.report import Pass
from bench.rounds import bus_pass, make

INSIDE = Path(__file__).parent / "inside"
ROLES = ("notary", "courier")
LINES = 22

STAGES: Mapping[str, Mapping[str, str]] = {
    "notary": {
        "kafka/reader:Reader.read": "read from Kafka",
        "hub/intake:_sliced": "slice, digests, commitment",
        "hub/intake:check": "verify signatures",
        "hub/intake:parse": "decode, compare headers",
        "hub/sequencer:build": "decide, leaf, rows",
        "hub/receipts:sign_receipts": "receipts",
        "ledger/store:FlushTransaction.write": "COPY",
        "ledger/store:Store.flush": "head, BEGIN, COMMIT",
        "ledger/store:FlushTransaction.find_accepted": "look up ids",
        "kafka/writer:Writer.send_all": "send receipts",
    },
    "courier": {
        "hub/courier:inbox_records": "make inbox records",
        "kafka/writer:Writer._batches": "build batches",
        "kafka/writer:Writer.send_all": "produce, commit",
    },
}
"""Functions whose time, with all they call, is a stage; the innermost of a stack counts."""


class Profile(Struct, frozen=True):
    """One role's CPU microseconds an event: by stage, and of the costliest functions by themselves."""

    role: str
    total_us: float
    stages: dict[str, float]
    functions: dict[str, float]


async def profiled(ground: Ground, streams: Sequence[Stream], kind: Kind, events: int) -> tuple[Pass, list[Profile]]:
    """Send new records through the bus with the sampler in it."""
    files = {role: FOLDER / f"{role}.profile.json" for role in ROLES}
    environment = {role: {"PYTHONPATH": str(INSIDE), "BENCH_PROFILE": str(file)} for role, file in files.items()}
    found = await bus_pass(ground, make(streams, kind, events), environment)
    return found, [profile(role, json.loads(file.read_bytes()), events) for role, file in files.items()]


def profile(role: str, sampled: Mapping[str, float], events: int) -> Profile:
    """Seconds by stack as microseconds an event. What was used while modules were imported is left out."""
    each = 1e6 / events
    stages: defaultdict[str, float] = defaultdict(float)
    functions: defaultdict[str, float] = defaultdict(float)
    for text, seconds in sampled.items():
        stack = text.split(";")
        if any("<frozen importlib" in name for name in stack):
            continue
        functions[stack[-1]] += seconds * each
        stages[_stage(role, stack)] += seconds * each
    return Profile(role, sum(stages.values()), _largest(stages), _largest(functions))


def _stage(role: str, stack: Sequence[str]) -> str:
    names = STAGES[role]
    return next((names[name] for name in reversed(stack) if name in names), "event loop, clients, the rest")


def _largest(parts: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(parts.items(), key=lambda part: -part[1])[:LINES])


def show(found: Pass, profiles: Sequence[Profile], console: Console) -> None:
    """Print what was sampled."""
    console.print(f"bus under the sampler: {found.per_s:,.0f}/s")
    for one in profiles:
        for title, part in (("stage", one.stages), ("function, by itself", one.functions)):
            table = Table(title=f"{one.role}: CPU µs an event, {one.total_us:.0f} in all", title_justify="left")
            table.add_column(title, min_width=64)
            table.add_column("µs", justify="right")
            for name, us in part.items():
                table.add_row(name, f"{us:.1f}")
            console.print(table)
