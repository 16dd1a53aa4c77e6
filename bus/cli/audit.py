"""``bus audit``: what the ledger holds, straight from Postgres with the desk's read-only login."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bus.cli.base import BusCommand, as_option, group, option, output_option, say, settings
from bus.cli.complete import refusals
from bus.cli.output import RowWriter, print_json, print_table
from bus.cli.sandboxed import state
from bus.errors import NO_SANDBOX, NotAllowed, Unavailable, UsageError

F = TypeVar("F", bound=Callable[..., Any])

OUTCOME_NAMES = ("accepted", "repeated", "refused", "gap")
TABLE_LIMIT = 100
SPARE = ("event_id", "outcome")
"""What a list of entries goes without on a narrow terminal: the index names an entry as well as its event's id."""


@group(examples="""
bus audit search --type HashListing --since 2h
bus audit show 42
bus audit trace 0199f3c0-0000-7000-8000-000000000000
bus audit stats -o json
bus audit prove 42 -o 42.evidence
bus audit verify
""", lazy={
    "prove": ("bus.cli.prove:prove", "Make evidence that verifies with no network and no database."),
    "verify": ("bus.cli.verify:verify", "Verify the whole log, or keep and verify a mirror of it."),
})  # fmt: skip
def audit() -> None:
    """Ask the ledger: what was said, who knew, what was refused.

    Every command is asked on behalf of an auditor, --as ORG; in a sandbox that is its first auditor
    unless said otherwise. The ledger is the one of the sandbox, or that of BUS_LEDGER_DSN.
    """


_auditor = as_option(
    required=False, text="The auditor who asks.  [default: the sandbox's first auditor]", role="auditor"
)
_dsn = option("--dsn", metavar="URL", envvar="BUS_LEDGER_DSN", help="The ledger's database.  [default: the sandbox's]")


def asks(function: F) -> F:
    """The options of every audit command."""
    return _auditor(_dsn(function))


@audit.command("search", cls=BusCommand, examples="""
bus audit search
bus audit search --outcome refused --reason signature-missing
bus audit search --type Report --issuer ORG --since 2026-01-01 --until 2026-02-01 -o csv
bus audit search -o ndjson
""")  # fmt: skip
@asks
@option("--type", metavar="TYPE", help="Events of this type, of any release.")
@option("--step", metavar="STEP", help="At this step.")
@option("--issuer", metavar="ORG", help="By this organisation.")
@option("--since", metavar="TIME", help="From this time on: RFC 3339, a date, or how long ago (90m, 2d).")
@option("--until", metavar="TIME", help="Before this time.")
@option("--thread", metavar="ID", help="Of this thread.")
@option("--outcome", type=click.Choice([*OUTCOME_NAMES, "any"]), multiple=True,
        help="With this outcome; may be given again.  [default: accepted]")  # fmt: skip
@option(
    "--reason",
    metavar="CODE",
    shell_complete=refusals,
    help="Refused for this reason; looks in refused entries unless --outcome is given.",
)
@option("--limit", type=click.IntRange(min=1), metavar="N",
        help=f"At most so many.  [default: {TABLE_LIMIT} for a table, else all]")  # fmt: skip
@option("--newest", is_flag=True, help="Newest first.")
@output_option("table", "json", "ndjson", "csv")
def search(as_org: str | None, dsn: str | None, output: str, outcome: tuple[str, ...], **wanted: Any) -> None:
    """List entries: event_id, index, outcome, type, step, issuer, time."""
    from bus.cli.runtime import run

    login = ledger_dsn(as_org, dsn)
    run(_search(login, output, _outcomes(outcome, wanted["reason"]), wanted))


def _outcomes(given: Sequence[str], reason: str | None) -> Sequence[str]:
    if "any" in given:
        return OUTCOME_NAMES
    return given or (("refused", "gap") if reason else ("accepted",))


async def _search(dsn: str, output: str, outcomes: Sequence[str], wanted: Mapping[str, Any]) -> None:
    from bus.audit.answers import ROW, row
    from bus.audit.doubts import doubts
    from bus.audit.ledger import open_ledger

    limit = wanted["limit"] or (TABLE_LIMIT if output == "table" else None)
    found = _filter(outcomes, wanted, None if limit is None else limit + 1)
    columns = ROW if set(outcomes) <= {"accepted", "repeated"} else (*ROW, "reasons")
    count = 0
    async with open_ledger(dsn) as ledger:
        with RowWriter(output, columns, spare=SPARE, below="reasons" if "reasons" in columns else "") as writer:
            async for entry in ledger.search(found):
                count += 1
                if limit is not None and count > limit:
                    break
                writer.write({**row(entry), "reasons": entry["reasons"] or []})
        doubtful = [] if count else await doubts(ledger, found)
    if output == "table" and limit is not None and count > limit and not wanted["limit"]:
        say(f"There are more than {limit}: --limit N or -o ndjson shows them, --newest begins at the end.")
    elif output == "table" and not count:
        say("Nothing was found.")
    for doubt in doubtful:
        say(doubt, colour="yellow")


def _filter(outcomes: Sequence[str], wanted: Mapping[str, Any], limit: int | None) -> Any:
    from bus.audit.answers import schema_ids
    from bus.audit.ledger import Filter
    from bus.audit.words import OUTCOME_CODES, time_us

    now = time.time_ns() // 1000
    since, until = wanted["since"], wanted["until"]
    return Filter(
        outcomes=[OUTCOME_CODES[name] for name in outcomes],
        schema_ids=schema_ids(wanted["type"]) if wanted["type"] else None,
        step=wanted["step"],
        issuer=wanted["issuer"],
        since_us=time_us(since, now_us=now) if since else None,
        until_us=time_us(until, now_us=now) if until else None,
        thread=_thread(wanted["thread"]),
        reason=wanted["reason"],
        limit=limit,
        newest_first=wanted["newest"],
    )


def _thread(text: str | None) -> Any:
    """A thread's id, dashed or as 32 hexadecimal digits, as headers have it."""
    from uuid import UUID

    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is no thread id") from None


@audit.command("show", cls=BusCommand, examples="""
bus audit show 0199f3c0-0000-7000-8000-000000000000
bus audit show 42 -o json
""")  # fmt: skip
@click.argument("event", metavar="EVENT|INDEX")
@asks
@output_option("table", "json")
def show(event: str, as_org: str | None, dsn: str | None, output: str) -> None:
    """Show one entry: its leaf, header, the decision for each recipient, and its delivery."""
    answer = _ask("show", event, ledger_dsn(as_org, dsn))
    if output == "json":
        print_json(answer)
        return
    from bus.audit.answers import flat

    lists = {name: answer.pop(name) for name in ("decision", "receipts", "entries")}
    print_table([{"field": name, "value": value} for name, value in flat(answer)], ("field", "value"))
    for name, rows in lists.items():
        _section(name, rows)


@audit.command("trace", cls=BusCommand, examples="""
bus audit trace 0199f3c0-0000-7000-8000-000000000000
bus audit trace 42 -o json
""")  # fmt: skip
@click.argument("event", metavar="EVENT|INDEX")
@asks
@output_option("table", "json", "ndjson", "csv")
def trace(event: str, as_org: str | None, dsn: str | None, output: str) -> None:
    """Say who knew of an event and when, what followed, and what was late.

    What followed is its thread in order, and who answered its recalls. NDJSON and CSV say who knew, and no more.
    """
    answer = _ask("trace", event, ledger_dsn(as_org, dsn))
    from bus.audit.answers import ROW, WHO
    from bus.audit.compliance import COLUMNS
    from bus.audit.lateness import COLUMNS as LATENESS
    from bus.cli.output import print_rows

    if output == "json":
        print_json(answer)
    elif output == "table":
        click.echo("who knew")
        print_rows(answer["who"], WHO, "table")
        click.echo("\nthread")
        print_rows(answer["thread"], (*ROW, "about"), "table", spare=("event_id", "about", "outcome"))
        for recall in answer["recalls"]:
            click.echo("\nrecall")
            print_rows(recall["who"], COLUMNS, "table")
        if answer["deadlines"]:
            click.echo("\ndeadlines")
            print_rows(answer["deadlines"], LATENESS, "table")
    else:
        print_rows(answer["who"], WHO, output)


@audit.command("stats", cls=BusCommand, examples="""
bus audit stats
bus audit stats -o json
""")  # fmt: skip
@asks
@output_option("table", "json")
def stats(as_org: str | None, dsn: str | None, output: str) -> None:
    """Count entries by outcome, type, nation and reason; the ledger's size and root."""
    answer = _ask("stats", None, ledger_dsn(as_org, dsn))
    if output == "json":
        print_json(answer)
        return
    heads = ("size", "root", "time", "receipted")
    print_table([{"field": name, "value": answer[name]} for name in heads], ("field", "value"))
    _section("outcomes", [answer["outcomes"]])
    for name in ("types", "nations", "reasons", "delivered"):
        _section(name, answer[name])


def _section(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        click.echo(f"\n{name}")
        print_table(rows, tuple(rows[0]))


def _ask(question: str, event: str | None, dsn: str) -> dict[str, Any]:
    """Ask one question of :mod:`bus.audit.answers`."""
    from bus.audit import answers
    from bus.audit.ledger import open_ledger
    from bus.audit.words import event_or_index
    from bus.cli.runtime import run

    async def ask() -> dict[str, Any]:
        async with open_ledger(dsn) as ledger:
            return await getattr(answers, question)(ledger, *wanted)

    wanted = () if event is None else (event_or_index(event),)
    return run(ask())


def ledger_dsn(as_org: str | None, dsn: str | None) -> str:
    """The database to ask, once it is clear who asks.

    Raises:
        UsageError: nobody is named, or there is no ledger to ask.
        NotAllowed: whoever asks is no auditor of the sandbox.
    """
    home = settings().state
    known = state(home)
    check_auditor(as_org, known.get("organisations", {}), dsn)
    found = dsn or known.get("postgres", {}).get("dsn")
    if found:
        return found
    if Path(home).is_dir() and known:
        raise Unavailable("the sandbox is not up", hint="Run `bus sandbox up`.")
    raise UsageError(f"there is no sandbox in {_short(home)}", hint=f"{NO_SANDBOX} Or set BUS_LEDGER_DSN.")


def check_auditor(org: str | None, organisations: Mapping[str, Any], dsn: str | None) -> None:
    """See that an auditor asks.

    Raises:
        UsageError: nobody is named, and there is no sandbox whose auditor could be meant.
        NotAllowed: whoever asks is no auditor of the sandbox.
    """
    auditors = [name for name, facts in organisations.items() if "auditor" in facts.get("roles", ())]
    if org is None and dsn and not auditors:
        raise UsageError("say which auditor asks", hint="Give --as ORG, or set BUS_AS.")
    if org is not None and organisations and org not in auditors:
        raise NotAllowed(f"{org} is no auditor of this sandbox", hint=f"Auditors are {', '.join(auditors)}.")


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
