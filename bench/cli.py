"""The command line of the benchmark."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
from typing import Any

import click
import orjson
import structlog
import uvloop
from rich.console import Console

from bench import latency, log, machine, proofs, records, report, rounds, stages
from bench import profile as profiling
from bench.cost import Figure, Wait
from bench.ground import FOLDER, ROOT, Ground, ground
from bench.latency import Load
from bench.records import Stream
from bench.watch import RoundError
from bus.errors import BusError
from bus.sandbox.home import make_private

MINIMUM_ROUNDS = 3
PARTS = {
    "full": "the bus beside a bare pipe, sealed records of 3 KB",
    "small": "the same with unsealed records of 600 B",
    "latency": "from publish to receipt, at steady rates and under a flood",
    "append": "leaves packed, hashed and appended, without servers",
    "integrate": "tiles and bundles made and written, without servers",
    "verify": "a mirror verified, beside a bare loop of hashlib, without servers",
    "prove": "a proof, an evidence file and searches in a large ledger",
}
"""What can be measured by itself, in this order."""
SERVED = ("full", "small", "latency", "prove")
_EPILOG = "\b\nParts:\n" + "".join(f"  {name:<10} {what}\n" for name, what in PARTS.items())


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.option("--rounds", "round_count", type=click.IntRange(1), default=MINIMUM_ROUNDS, show_default=True,
              help="Rounds of bare pipe and bus, for each kind of record.")  # fmt: skip
@click.option("--events", type=click.IntRange(300), default=20_000, show_default=True, help="Records of a round.")
@click.option("--seconds", type=click.FloatRange(1), default=10.0, show_default=True, help="Of each steady load.")
@click.option("--rate", "rates", type=click.FloatRange(1), multiple=True, default=(500.0, 1000.0), show_default=True,
              help="Events a second of a steady load; may be given again.")  # fmt: skip
@click.option("--linger-ms", type=click.FloatRange(0), default=5.0, show_default=True,
              help="How long the loaded Publisher waits for company in a batch.")  # fmt: skip
@click.option("--entries", type=click.IntRange(10_000), default=1_000_000, show_default=True,
              help="Of the log that is verified, and of the ledger that is asked (verify, prove).")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes that verify, beside one.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True,
              help="Repetitions (append, integrate, verify); best and median are told.")  # fmt: skip
@click.option("--answers", type=click.IntRange(10), default=500, show_default=True, help="Of each question (prove).")
@click.option("--only", type=click.Choice(tuple(PARTS)), multiple=True,
              help="Leave the rest out; may be given again.")  # fmt: skip
@click.option(
    "--profile", is_flag=True, help="Instead: where the hub's CPU time goes, sampled over one pass of records."
)
@click.option("--stages", "by_stage", is_flag=True, help="Instead: what each stage costs by itself, without servers.")
@click.option("--quick", is_flag=True, help="One short round of each, to see that it works.")
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", show_default=True,
              help="What to print; build/bench/result.json is written in any case.")  # fmt: skip
def main(
    round_count: int, events: int, seconds: float, rates: tuple[float, ...], linger_ms: float,
    entries: int, jobs: int, repeats: int, answers: int, only: tuple[str, ...],
    profile: bool, by_stage: bool, quick: bool, output: str,
) -> None:  # fmt: skip
    """Measure the bus beside a bare pipe, and its log, on a sandbox of its own that is gone afterwards."""
    settings: dict[str, Any] = {
        "rounds": 1 if quick else round_count,
        "events": min(events, 4000) if quick else events,
        "seconds": min(seconds, 3.0) if quick else seconds,
        "rates": [rates[0]] if quick else list(rates),
        "linger_ms": linger_ms,
        "warm_ups": 1 if quick else rounds.WARM_UPS,
        "entries": min(entries, 100_000) if quick else entries,
        "jobs": jobs,
        "repeats": 1 if quick else repeats,
        "answers": min(answers, 50) if quick else answers,
        "only": [part for part in PARTS if not only or part in only],
    }
    _quiet()
    if by_stage:
        stages.show(Console())
        return
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if profile:
                runner.run(_profile(events))
                return
            result = runner.run(_measure(settings))
    except (BusError, RoundError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    text = orjson.dumps(report.as_json(result))
    (FOLDER / "result.json").write_bytes(text + b"\n")
    if output == "json":
        sys.stdout.write(text.decode() + "\n")
    else:
        report.show(result, Console(width=None if sys.stdout.isatty() else report.WIDTH))


async def _measure(settings: dict[str, Any]) -> report.Result:
    make_private(FOLDER)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    figures = _alone(settings)
    if not any(part in settings["only"] for part in SERVED):
        return report.Result(machine.commit(ROOT), started, machine.machine({}), settings, [], [], figures)
    async with ground(_say) as found:
        streams = records.streams(found.home)
        piped = any(part in settings["only"] for part in ("full", "small", "latency"))
        await rounds.warm_up(found, streams, rounds=settings["warm_ups"] if piped else 0, say=_say)
        throughput = [
            await rounds.throughput(
                found, streams, kind, rounds=settings["rounds"], events=settings["events"], say=_say
            )
            for kind in ("full", "small")
            if kind in settings["only"]
        ]
        waits = await _latencies(found, streams, settings) if "latency" in settings["only"] else []
        answers: list[Wait] = []
        if "prove" in settings["only"]:
            more, answers = await proofs.measure(found, streams, settings["entries"], settings["answers"], _say)
            figures += more
        named = machine.machine(await found.versions())
        return report.Result(machine.commit(ROOT), started, named, settings, throughput, waits, figures, answers)


def _alone(settings: dict[str, Any]) -> list[Figure]:
    """What needs no servers, while none are up."""
    wanted, repeats = settings["only"], settings["repeats"]
    found: list[Figure] = []
    if "append" in wanted:
        found += log.append(repeats, _say)
    if "integrate" in wanted:
        found += log.integrate(repeats, _say)
    if "verify" in wanted:
        found += log.verify(settings["entries"], settings["jobs"], repeats, _say)
    return found


async def _profile(events: int) -> None:
    make_private(FOLDER)
    async with ground(_say) as found:
        streams = records.streams(found.home)
        for kind in ("full", "small"):
            await rounds.bus_pass(found, rounds.make(streams, kind, rounds.WARM_UP))
            profiling.show(*await profiling.profiled(found, streams, kind, events), Console())


async def _latencies(found: Ground, streams: list[Stream], settings: dict[str, Any]) -> list[report.Latency]:
    lines: list[report.Latency] = []
    for rate in settings["rates"]:
        lines.append(await latency.steady(found, streams[0], Load(rate, settings["seconds"], settings["linger_ms"])))
        _say(f"latency at {rate:,.0f}/s: p50 {lines[-1].p50_ms} ms, p99 {lines[-1].p99_ms} ms")
    load = Load(latency.URGENT_PER_S, settings["seconds"], settings["linger_ms"])
    urgent = Stream(found.home, "mirage-models", "clearing-house")
    lines.append(await latency.under_flood(found, streams, urgent, load, 2 * settings["events"]))
    return lines


def _say(line: str) -> None:
    click.echo(line, err=True)


def _quiet() -> None:
    """The clients' own lines, about connections that end when the hub is stopped, are no part of the report."""
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
