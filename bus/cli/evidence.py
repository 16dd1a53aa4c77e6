"""``bus evidence``: check and look at evidence, with the file and a policy alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bus.cli.base import BusCommand, group, option, output_option, say, settings
from bus.cli.output import RowWriter, print_json, print_table
from bus.errors import BusError, Malformed, UsageError

if TYPE_CHECKING:
    from bus.evidence.report import Facts, Report

FALSE = 3
COLUMNS = ("file", "holds", "checks", "event")
_FILES = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True)
)


def policy_option(text: str) -> Any:
    """``--policy FILE``."""
    return option(
        "--policy", type=click.Path(path_type=Path, dir_okay=False), envvar="BUS_POLICY",
        help=f"{text}  [default: the sandbox's]",
    )  # fmt: skip


def policy_file(given: Path | None) -> Path:
    """The policy to go by: the one given, else the sandbox's.

    Raises:
        UsageError: there is none.
    """
    found = given or settings().state / "publisher" / "policy"
    if given is None and not found.is_file():
        raise UsageError(
            "there is no policy: nothing says which log and witnesses to believe",
            hint="Give --policy FILE, set BUS_POLICY, or name a sandbox with --home; docs/evidence.md shows a policy.",
        )
    return found


@group(examples="""
bus evidence verify 42.evidence --policy policy
bus evidence show 42.evidence
""")  # fmt: skip
def evidence() -> None:
    """Check evidence of an event, offline.

    Evidence is made by `bus audit prove`. To check it takes the file and a policy, no network and no database.
    """


@evidence.command("verify", cls=BusCommand, examples="""
bus evidence verify 42.evidence
bus evidence verify *.evidence --policy policy -o ndjson
""")  # fmt: skip
@_FILES
@policy_option("Whose logs and witnesses are believed (c2sp.org/tlog-policy).")
@output_option("table", "json", "ndjson")
def verify(files: Sequence[Path], policy: Path | None, output: str) -> int | None:
    """Check evidence: every check with its outcome, and what follows. Ends with 3 if anything is false."""
    from bus.evidence.verify import verify as verify_bytes
    from bus.files import load_policy

    believed = load_policy(policy_file(policy))
    reports = (verify_bytes(_read(file), believed, file=str(file)) for file in files)
    false = sum(not report.holds for report in _print(reports, output))
    say(f"{len(files) - false} of {len(files)} hold.", colour="red" if false else "green")
    return FALSE if false else None


def _read(file: Path) -> bytes:
    """A file's bytes, and of one that is too large for evidence a byte more than evidence can have."""
    from bus.evidence.archive import MAX_ARCHIVE
    from bus.files import read_upto

    return read_upto(file, MAX_ARCHIVE)


def _print(reports: Iterable[Report], output: str) -> Iterator[Report]:
    """Print reports as they come, and pass them on."""
    if output == "table":
        for report in reports:
            _tell(report)
            yield report
        return
    with RowWriter(output, COLUMNS) as writer:
        for report in reports:
            writer.write(report.as_json())
            yield report


def _tell(report: Report) -> None:
    """Show a report to a person."""
    click.echo(f"{report.file}: {'holds' if report.holds else 'FALSE'}")
    if report.first_false is not None:
        click.echo(f"  {report.first_false.text}")
    if report.facts is not None:
        _print_facts(report.facts)
    click.echo()
    columns = ("check", "outcome", "meaning")
    rows = ((check.name, check.outcome, check.text) for check in report.checks)
    print_table([dict(zip(columns, row, strict=True)) for row in rows], columns)
    click.echo()


def _print_facts(facts: Facts) -> None:
    told = [f"{one.org}{f' ({one.nation})' if one.nation else ''}" for one in facts.recipients if one.allowed]
    withheld = [f"{one.org} ({one.reason})" for one in facts.recipients if not one.allowed]
    lines = {
        "event": f"{facts.event_id}, {facts.type} {facts.step}, entry {facts.index} of {facts.origin}",
        "from": f"{facts.issuer}{f' ({facts.nation})' if facts.nation else ''}",
        "allowed to hear it": ", ".join(told) or "the directory's readers",
        "withheld from": ", ".join(withheld),
        "issued": facts.issued_at,
        "recorded": facts.recorded_at,
        "content": facts.content,
    }
    for name, text in lines.items():
        if text:
            click.echo(f"  {name:<18}  {text}")


@evidence.command("show", cls=BusCommand, examples="""
bus evidence show 42.evidence
bus evidence show 42.evidence -o json
""")  # fmt: skip
@_FILES
@output_option("table", "json")
def show(files: Sequence[Path], output: str) -> None:
    """Show what evidence holds, without checking any of it."""
    from bus.evidence.contents import contents

    found: list[dict[str, Any]] = []
    for file in files:
        try:
            found.append({"file": str(file), **contents(_read(file))})
        except Malformed as error:
            raise BusError(
                f"{file} is not evidence, or was changed", hint="`bus evidence verify` checks it."
            ) from error
    if output == "json":
        print_json(found)
    else:
        for one in found:
            _show(one)
    say("Nothing of this has been checked: `bus evidence verify` does.")


def _show(one: dict[str, Any]) -> None:
    click.echo(one["file"])
    rows = [{"field": name, "value": one[name]} for name in ("origin", "size", "index", "signatures", "earlier")]
    header = (one["event"] or {}).get("header", {})
    rows += [{"field": name, "value": value} for name, value in header.items() if not isinstance(value, dict)]
    print_table(rows, ("field", "value"))
    for name in ("decision", "directory", "files"):
        if one[name]:
            click.echo(f"\n{name}")
            print_table(one[name], tuple(one[name][0]))
    click.echo()
