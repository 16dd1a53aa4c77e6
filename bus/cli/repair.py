"""``bus hub repair``: what a stopped hub has lost, and putting it back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bus.cli.base import command, option, output_option, say, settings
from bus.cli.logkey import config_option

if TYPE_CHECKING:
    from bus.repair.report import Report

FALSE = 3
SHOWN = 10


@command("repair", examples="""
bus hub repair
bus hub repair --yes -o json
""")  # fmt: skip
@config_option()
@option("--yes", is_flag=True, help="Do what is to be done, without asking.")
@option("--dry-run", is_flag=True, help="Only say what was found and what would be done; do not ask.")
@output_option("table", "json")
def repair(config: Path | None, yes: bool, dry_run: bool, output: str) -> int | None:
    """Find what a stopped hub has lost, and put back exactly what was told of it.

    Says what it found and what it would do, and does it only after a yes. Nothing is guessed: what comes
    back leads to the roots that were signed. Stop every role of the hub first. Ends with 3 if something is
    wrong and was not mended.
    """
    from bus.cli.runtime import run
    from bus.errors import UsageError
    from bus.hub.config import HubConfig
    from bus.repair.repair import repair as mend

    if yes and dry_run:
        raise UsageError("--yes and --dry-run say two things")
    hub = HubConfig.load(config or settings().state / "hub" / "hub.toml")
    report = run(mend(hub, perform=False))
    if report.steps and not dry_run and (yes or _asked(report)):
        report = run(mend(hub, perform=True))
    _print(report, output)
    return None if report.is_healthy or report.done else FALSE


@command("continue", examples="""
bus hub continue --config new/hub.toml --old old/published --reason disk_lost --lost 290-713 | bus publish - --as hub
""")  # fmt: skip
@config_option()
@option("--old", type=click.Path(path_type=Path, file_okay=False), required=True,
        help="The old log's publisher folder, or what is left of it.")  # fmt: skip
@option("--reason", required=True, metavar="CODE", help="A code of schemas/codes/continuation_reason.csv.")
@option("--lost", metavar="FIRST-LAST", help="The entries of the old log that were lost, if any.")
def continue_log(config: Path | None, old: Path, reason: str, lost: str | None) -> None:
    """Print the event by which a new log says that it continues a lost one.

    The hub of the new log is opened first, like any other: another origin, keys, database, folder and
    topics. The old log's checkpoint, with its cosignatures, and its policy are kept in the new folder.
    """
    import json

    from bus.hub.config import HubConfig
    from bus.repair.continued import continue_from

    hub = HubConfig.load(config or settings().state / "hub" / "hub.toml")
    body = continue_from(hub, old, reason, lost)
    click.echo(json.dumps({"type": "LogContinued", "header": {"step": "continued"}, "body": body}))
    say(f"{body['old_origin']}: {body['old_size']} entries were signed; its checkpoint is kept beside the new log.")


def _asked(report: Report) -> bool:
    """Ask a person who is there; nobody else is taken to have said yes."""
    if not sys.stdin.isatty():
        return False
    _tell(report)
    return click.confirm("Do this?", err=True)


def _print(report: Report, output: str) -> None:
    from bus.cli.output import print_json

    if output == "json":
        print_json(report.as_json())
    if report.is_healthy:
        say(f"Nothing to repair: {report.size} entries.", colour="green")
        return
    _tell(report)
    if report.stuck:
        say(f"This cannot be restored: {report.stuck}.", colour="red")
        say("Restore the database, an older backup will do, and repair again. If there is none, a new log continues")
        say("this one: `bus hub continue`. See docs/runbooks/repair.md.")
    elif report.done:
        say("Done. Start the hub, and run `bus audit verify`.", colour="green")
    else:
        say("Nothing was changed. With --yes it is done.")


def _tell(report: Report) -> None:
    for found in report.found:
        say(f"found: {found.sentence}", colour="red")
    for step in report.steps:
        say(f"{'done' if report.done else 'would'}: {step.sentence}")
    for one in report.partial[:SHOWN]:
        say(f"  entry {one.index}: its {one.lost} is not to be found ({one.topic}, offset {one.offset})")
    if len(report.partial) > SHOWN:
        say(f"  and {len(report.partial) - SHOWN} more; -o json names all")
