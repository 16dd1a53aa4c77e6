"""``bus demo``: the story, end to end, on a sandbox of its own or on the one that is up."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from bus.cli.base import as_option, command, option, output_option, say, settings, use_colour
from bus.cli.output import print_json
from bus.errors import SandboxError

if TYPE_CHECKING:
    from bus.demo.run import Run
    from bus.sandbox.lifecycle import Sandbox

SEED = 2023
SCALE = 0.4
SMALLEST, LARGEST = 0.001, 10.0


@command(
    examples="""
bus demo
bus demo --scale 1
bus demo --seed 7 --keep
bus demo -o json
"""
)
@option(
    "--scale", type=click.FloatRange(SMALLEST, LARGEST), default=SCALE, show_default=True,
    help="How large: 1 is the survey's own 20,254 hits, in some two minutes. The default takes half a minute"
    " on two idle cores.",
)  # fmt: skip
@option("--seed", type=int, default=SEED, show_default=True, help="Another seed is another month; ids are ever fresh.")
@option("--keep", is_flag=True, help="Leave the sandbox up that was started for this.")
@as_option(required=False, text="The auditor who asks at the end.  [default: the sandbox's first]", role="auditor")
@output_option("table", "json")
def demo(scale: float, seed: int, keep: bool, as_org: str | None, output: str) -> None:
    """Watch a month of work travel from platforms through the ledger to hotlines and police.

    Starts a sandbox if none is up, and stops it again. Tells a made-up story in the proportions of a published
    survey, waits until every recipient has what it may hear, asks the ledger, counts the survey again from
    what ledger and inboxes hold, and proves an answer to a process without network and database. Interrupted,
    it goes on where it stopped when it is called again with the same seed and scale. Ends with 1 if a number
    of the survey is not what was counted.
    """
    from bus.cli.runtime import run
    from bus.sandbox.lifecycle import Sandbox

    print_at_end = run(_demo(scale, seed, keep, as_org, output))
    if output == "json":
        print_json(print_at_end)
    if not _running(Sandbox(settings().state)):
        say("`bus sandbox up` starts it again.")
    say("Ask the ledger: `bus audit search --type Overdue`, `bus audit trace INDEX`.")


async def _demo(scale: float, seed: int, keep: bool, auditor: str | None, output: str) -> dict[str, Any]:
    from bus.cli.audit import check_auditor
    from bus.demo import telling
    from bus.demo.edition import alone
    from bus.demo.run import Run
    from bus.sandbox.lifecycle import ALL_ROLES, Sandbox

    begun = time.monotonic()
    sandbox = Sandbox(settings().state, say=say)
    was = _running(sandbox)
    stream = telling.stderr if output == "json" else telling.stdout
    try:
        if was != frozenset(ALL_ROLES):
            await sandbox.up()
        facts = sandbox.status()
        check_auditor(auditor, facts["organisations"], None)
        asker = auditor or _first_auditor(facts)
        told = stream(colour=use_colour(sys.stderr if output == "json" else sys.stdout))
        with alone(settings().state / "demo"):
            story = Run(settings().state, facts, seed=seed, scale=scale, auditor=asker, telling=told)
            counts = await _told(story, scale, seed)
    finally:
        if not was and not keep:
            await sandbox.down()
    return counts | {"seconds": round(time.monotonic() - begun, 3)}


async def _told(story: Run, scale: float, seed: int) -> dict[str, Any]:
    """Tell it; if somebody interrupts, say how to go on."""
    try:
        return await story.tell()
    except asyncio.CancelledError:
        say(f"Stopped after {story.published:,} receipts. Nothing is lost: journals and outboxes have it.")
        say(f"`bus demo --scale {scale:g} --seed {seed}` goes on from there.")
        raise


def _running(sandbox: Sandbox) -> frozenset[str]:
    """The roles that run already."""
    from bus.sandbox.lifecycle import running

    try:
        return running(sandbox.status())
    except SandboxError:
        return frozenset()


def _first_auditor(facts: dict[str, Any]) -> str:
    return next(org for org, found in facts["organisations"].items() if "auditor" in found["roles"])
