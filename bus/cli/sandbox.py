"""``bus sandbox``: a whole hub on this machine."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from bus.cli.base import command, group, option, output_option, say, settings, use_colour

if TYPE_CHECKING:
    from bus.sandbox.lifecycle import Sandbox, Say

_LAZY = {
    "up": ("bus.cli.sandbox:up", "Start what is missing; say how to connect."),
    "down": ("bus.cli.sandbox:down", "Stop everything; the state stays."),
    "status": ("bus.cli.sandbox:status", "What runs, and how to connect."),
}


@group(lazy=_LAZY, examples="""
bus sandbox up
bus sandbox status -o json
bus sandbox down
""")  # fmt: skip
def sandbox() -> None:
    """A whole hub here: real Kafka, real PostgreSQL, made-up organisations.

    Its state is kept in ./.bus, or where --home says.
    """


@command("up", examples="""
bus sandbox up
bus sandbox up --fresh
bus --home /tmp/trial sandbox up -o json
""")  # fmt: skip
@option("--fresh", is_flag=True, help="Forget the old ledger, keys and ports first.")
@option(
    "--origin", metavar="NAME", help="The log's name, for a new sandbox.  [default: ledger.sandbox.example/safeguard]"
)
@output_option("table", "json")
def up(fresh: bool, origin: str | None, output: str) -> None:
    """Start what is missing, on the same ports as ever."""
    from bus.cli.runtime import run

    with _progress() as tell:
        hub = _sandbox(tell)
        run(hub.up(fresh=fresh, origin=origin))
        found = hub.status()
    _print(found, output)


@command("down", examples="""
bus sandbox down
bus sandbox down --hub
bus sandbox down --destroy
""")  # fmt: skip
@option("--destroy", is_flag=True, help="Remove the state folder's content too: ledger, keys, everything.")
@option(
    "--hub", "hub_only", is_flag=True, help="Stop the hub's roles alone: Kafka, PostgreSQL and the witnesses go on."
)
def down(destroy: bool, hub_only: bool) -> None:
    """Stop everything in order, and see that nothing is left running."""
    from bus.cli.runtime import run
    from bus.errors import UsageError

    if destroy and hub_only:
        raise UsageError("--destroy and --hub say two things")
    with _progress() as tell:
        run(_sandbox(tell).down(destroy=destroy, hub_only=hub_only))


@command("status", examples="""
bus sandbox status
bus sandbox status -o json
""")  # fmt: skip
@output_option("table", "json")
def status(output: str) -> None:
    """Say what runs, and how to connect."""
    from bus.sandbox.lifecycle import ALL_ROLES, running

    found = _sandbox(say).status()
    _print(found, output)
    alive = running(found)
    if missing := [role for role in ALL_ROLES if role not in alive]:
        say(f"not running: {', '.join(missing)}; `bus sandbox up` starts what is missing", colour="yellow")


def _sandbox(tell: Say) -> Sandbox:
    from bus.sandbox.lifecycle import Sandbox

    return Sandbox(settings().state, say=tell)


@contextmanager
def _progress() -> Generator[Say]:
    """Lines on stderr; on a terminal the last one turns while it is at work."""
    if not use_colour(sys.stderr):
        yield say
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    with console.status("starting") as spinner:

        def tell(line: str) -> None:
            spinner.update(escape(line))
            console.print(escape(line), highlight=False)

        yield tell


def _print(found: dict[str, Any], output: str) -> None:
    from bus.cli.output import print_json, print_table

    if output == "json":
        print_json(found)
        return
    kafka, postgres = found["kafka"], found["postgres"]
    click.echo(f"Kafka      {kafka['bootstrap']} ({kafka['security_protocol']}, {kafka['sasl_mechanism']})")
    click.echo(f"Postgres   {_without_password(postgres['dsn'])}")
    click.echo(f"Log        {found['log']['origin']}\n")
    if running := [*found["processes"], *(one for one in found["witnesses"] if one["pid"])]:
        print_table(running, ("role", "pid", "log"))
    else:
        click.echo("nothing runs; `bus sandbox up` starts it")
    click.echo()
    rows = [{"organisation": org, **facts} for org, facts in found["organisations"].items()]
    print_table(rows, ("organisation", "nation", "roles", "name"))
    click.echo(f"\nPasswords, keys and profiles: {settings().state / 'organisations'}/<organisation>/")


def _without_password(dsn: str) -> str:
    login, _, place = dsn.rpartition("@")
    return f"{login.rpartition(':')[0]}@{place}"
