"""``bus demo``: the story, end to end, on a sandbox of its own or on the one that is up."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from bus.cli.base import as_option, command, option, output_option, say, settings, use_colour
from bus.cli.output import print_json
from bus.errors import SandboxError

if TYPE_CHECKING:
    from bus.sandbox.lifecycle import Sandbox

SEED = 2023


@command(
    examples="""
bus demo
bus demo --seed 7 --keep
bus demo -o json
"""
)
@option(
    "--seed", type=int, default=SEED, show_default=True, help="Another seed is another morning; ids are ever fresh."
)
@option("--keep", is_flag=True, help="Leave the sandbox up that was started for this.")
@as_option(required=False, text="The auditor who asks at the end.  [default: the sandbox's first]")
@output_option("table", "json")
def demo(seed: int, keep: bool, as_org: str | None, output: str) -> None:
    """Watch real input travel from platforms through the ledger to hotlines and police.

    Starts a sandbox if none is up, and stops it again. Publishes the sample pages of a hash-sharing API and one
    page of a made-up story, waits until every recipient has what it may hear, and asks the ledger three questions.
    The counts in the last line are counted: by receipts, in the ledger, and in the inboxes.
    """
    from bus.cli.runtime import run

    print_at_end = run(_demo(seed, keep, as_org, output))
    if output == "json":
        print_json(print_at_end)


async def _demo(seed: int, keep: bool, auditor: str | None, output: str) -> dict[str, Any]:
    from bus.demo import run, telling
    from bus.sandbox.lifecycle import ROLES, Sandbox

    begun = time.monotonic()
    sandbox = Sandbox(settings().state, say=say)
    was = _running(sandbox)
    stream = telling.stderr if output == "json" else telling.stdout
    try:
        if was != frozenset(ROLES):
            await sandbox.up()
        facts = sandbox.status()
        asker = auditor or _first_auditor(facts)
        told = stream(colour=use_colour(sys.stderr if output == "json" else sys.stdout))
        counts = await run.tell(settings().state, facts, seed=seed, auditor=asker, telling=told)
    finally:
        if not was and not keep:
            await sandbox.down()
    return counts | {"seconds": round(time.monotonic() - begun, 3)}


def _running(sandbox: Sandbox) -> frozenset[str]:
    """The roles that run already."""
    try:
        return frozenset(process["role"] for process in sandbox.status()["processes"])
    except SandboxError:
        return frozenset()


def _first_auditor(facts: dict[str, Any]) -> str:
    return next(org for org, found in facts["organisations"].items() if "auditor" in found["roles"])
