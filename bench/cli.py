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

from bench import latency, machine, records, report, rounds, stages
from bench import profile as profiling
from bench.ground import FOLDER, ROOT, Ground, ground
from bench.latency import Load
from bench.records import Stream
from bench.watch import RoundError
from bus.errors import BusError
from bus.sandbox.home import make_private

MINIMUM_ROUNDS = 3


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", "round_count", type=click.IntRange(1), default=MINIMUM_ROUNDS, show_default=True,
              help="Rounds of bare pipe and bus, for each kind of record.")  # fmt: skip
@click.option("--events", type=click.IntRange(300), default=20_000, show_default=True, help="Records of a round.")
@click.option("--seconds", type=click.FloatRange(1), default=10.0, show_default=True, help="Of each steady load.")
@click.option("--rate", "rates", type=click.FloatRange(1), multiple=True, default=(500.0, 1000.0), show_default=True,
              help="Events a second of a steady load; may be given again.")  # fmt: skip
@click.option("--linger-ms", type=click.FloatRange(0), default=5.0, show_default=True,
              help="How long the loaded Publisher waits for company in a batch.")  # fmt: skip
@click.option("--only", type=click.Choice(("full", "small", "latency")), multiple=True,
              help="Leave the rest out; may be given again.")  # fmt: skip
@click.option(
    "--profile", is_flag=True, help="Instead: where the hub's CPU time goes, sampled over one pass of records."
)
@click.option("--stages", "by_stage", is_flag=True, help="Instead: what each stage costs by itself, without servers.")
@click.option("--quick", is_flag=True, help="One short round of each, to see that it works.")
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", show_default=True,
              help="What to print; build/bench/result.json is written in any case.")  # fmt: skip
def main(
    round_count: int, events: int, seconds: float, rates: tuple[float, ...], linger_ms: float, only: tuple[str, ...],
    profile: bool, by_stage: bool, quick: bool, output: str,
) -> None:  # fmt: skip
    """Measure the bus beside a bare pipe, on a sandbox of its own that is gone afterwards."""
    settings: dict[str, Any] = {
        "rounds": 1 if quick else round_count,
        "events": min(events, 4000) if quick else events,
        "seconds": min(seconds, 3.0) if quick else seconds,
        "rates": [rates[0]] if quick else list(rates),
        "linger_ms": linger_ms,
        "warm_ups": 1 if quick else rounds.WARM_UPS,
        "only": list(only or ("full", "small", "latency")),
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
        report.show(result, Console())


async def _measure(settings: dict[str, Any]) -> report.Result:
    make_private(FOLDER)
    async with ground(_say) as found:
        streams = records.streams(found.home)
        started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        await rounds.warm_up(found, streams, rounds=settings["warm_ups"], say=_say)
        throughput = [
            await rounds.throughput(
                found, streams, kind, rounds=settings["rounds"], events=settings["events"], say=_say
            )
            for kind in ("full", "small")
            if kind in settings["only"]
        ]
        waits = await _latencies(found, streams, settings) if "latency" in settings["only"] else []
        named = machine.machine(await found.versions())
        return report.Result(machine.commit(ROOT), started, named, settings, throughput, waits)


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
