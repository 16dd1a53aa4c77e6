"""``bus audit verify``: everything that was published, against itself, signed checkpoints and the ledger."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bus.cli.audit import asks, ledger_dsn
from bus.cli.base import command, option, output_option, say, settings, use_colour
from bus.cli.evidence import policy_file, policy_option
from bus.errors import UsageError

if TYPE_CHECKING:
    from bus.tlog.policy import Policy
    from bus.verify.report import Report
    from bus.verify.subject import Progress, Tree

FALSE = 3
_EVERY_S = 5.0


@command("verify", examples="""
bus audit verify
bus audit verify --since monday.checkpoint
bus audit verify --mirror mirror/ --policy policy
bus audit verify --mirror mirror/ --from https://log.example.org/ --policy policy
""")  # fmt: skip
@asks
@option("--since", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
        help="An older checkpoint: the newest must continue it, and only what came since is read.")  # fmt: skip
@option("--mirror", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
        help="Keep a copy of your own here, fetch what it lacks, and verify it alone.")  # fmt: skip
@option("--from", "source", metavar="URL|DIR", envvar="BUS_LOG", help="What to mirror.  [default: the policy's URL]")
@option("--published", type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The publisher's folder.  [default: the sandbox's]")  # fmt: skip
@option("--files-only", is_flag=True, help="Do not ask the ledger's database.")
@option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one for each core]")
@policy_option("Whose checkpoints to believe (c2sp.org/tlog-policy).")
@output_option("table", "json")
def verify(
    as_org: str | None,
    dsn: str | None,
    since: Path | None,
    mirror: Path | None,
    source: str | None,
    published: Path | None,
    files_only: bool,
    jobs: int | None,
    policy: Path | None,
    output: str,
) -> int | None:
    """Verify the whole log: every entry, tile and checkpoint, and the ledger behind them.

    Ends with 3 at the first thing that is wrong, and says it in a sentence.
    """
    from bus.files import load_policy
    from bus.verify.crew import cores

    if source and not mirror:
        raise UsageError("--from is for --mirror", hint="Give --mirror DIR too.")
    believed = load_policy(policy_file(policy))
    older = None if since is None else _checkpoint(since)
    begun, count = time.monotonic(), jobs or cores()
    if mirror is not None:
        report = _mirror(mirror, source, believed, older, count)
    else:
        login = None if files_only else ledger_dsn(as_org, dsn)
        report = _published(published or settings().state / "publisher", believed, older, count, login)
    report.seconds = time.monotonic() - begun
    _print(report, output)
    return None if report.holds else FALSE


def _checkpoint(file: Path) -> bytes:
    """The bytes of an older checkpoint; whether it is to be believed is another matter.

    Raises:
        UsageError: the file holds none.
    """
    from bus.errors import Malformed
    from bus.files import read_upto
    from bus.tlog.checkpoint import Checkpoint
    from bus.tlog.note import MAX_NOTE, Note

    data = read_upto(file, MAX_NOTE)
    try:
        Checkpoint.decode(Note.decode(data).text)
    except Malformed:
        hint = "Give a copy of what the log served as `checkpoint`, or a file of a mirror's `checkpoints` folder."
        raise UsageError(f"--since {file}: is not a checkpoint", hint=hint) from None
    return data


def _published(folder: Path, policy: Policy, since: bytes | None, jobs: int, dsn: str | None) -> Report:
    from bus.verify.fault import Wrong
    from bus.verify.published import verify_files
    from bus.verify.report import Report
    from bus.verify.subject import Subject

    report, log = Report(), folder / "log"
    try:
        with _progress("entries") as progress:
            subject = Subject(log, folder / "checkpoints", policy, since)
            tree = verify_files(subject, report, jobs=jobs, progress=progress)
        if dsn is not None:
            _ledger(dsn, tree, log, policy, report)
    except Wrong as wrong:
        report.failed(wrong.fault)
    return report


def _ledger(dsn: str, tree: Tree, files: Path, policy: Policy, report: Report) -> None:
    from bus.cli.runtime import run
    from bus.verify.ledger import verify_ledger

    with _progress("rows") as progress:
        run(verify_ledger(dsn, tree, files, policy, report, progress=progress))


def _mirror(folder: Path, source: str | None, policy: Policy, since: bytes | None, jobs: int) -> Report:
    from bus.cli.runtime import run
    from bus.verify.aside import kept_proofs
    from bus.verify.fault import Wrong
    from bus.verify.mirror import alone, fetch, source_of, verify_mirror
    from bus.verify.report import Report

    report, where = Report(), source or source_of(policy)
    with alone(folder):
        before = kept_proofs(folder)
        try:
            with _progress("files") as progress:
                claim = run(fetch(where, folder, policy, progress=progress))
            with _progress("entries") as progress:
                verify_mirror(folder, claim, policy, report, since=since, jobs=jobs, progress=progress)
        except Wrong as wrong:
            report.failed(wrong.fault)
        if before is not None:
            report.failed(before)
    return report


def _print(report: Report, output: str) -> None:
    from bus.cli.output import print_json, print_table

    if output == "json":
        print_json(report.as_json())
    else:
        rows = [{"check": one.name, "": "holds" if one.holds else "FALSE", "what": one.detail} for one in report.checks]
        print_table(rows, ("check", "", "what"))
        _tell_policies(report)
    fault = report.fault
    if fault is None:
        say(f"Nothing is wrong: {report.size} entries, in {report.seconds:.1f} s.", colour="green")
        return
    where = "" if fault.index is None else f" (entry {fault.index})"
    say(f"FALSE{where}: {fault.sentence}", colour="red")


def _tell_policies(report: Report) -> None:
    from bus.cli.output import print_table

    if report.policies:
        click.echo("\nthe hub's policies, as the entries name them")
        rows = [{"first": one.first, "last": one.last, "sha256": one.digest.hex()} for one in report.policies]
        print_table(rows, ("first", "last", "sha256"))


@contextmanager
def _progress(what: str) -> Generator[Progress]:
    """A progress bar on a terminal; elsewhere a line now and then, and none for what is quick."""
    if not use_colour(sys.stderr):
        yield _lines(what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_S:
            last = time.monotonic()
            say(f"{what}: {done} of {total}")

    return tell
