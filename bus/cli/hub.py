"""``bus hub``: runs the hub's roles from a configuration file."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from bus.cli.base import command, group, option
from bus.errors import NotAllowed

ROLES = ("notary", "courier", "publisher", "clerk")


_LAZY = {
    "run": ("bus.cli.hub:run_roles", "Run the hub's roles, all or some, until stopped."),
    "repair": ("bus.cli.repair:repair", "Find what a stopped hub has lost, and put it back."),
    "continue": ("bus.cli.repair:continue_log", "Print the event by which a new log continues a lost one."),
    "log-key": ("bus.cli.logkey:log_key", "Replace the key that signs the log's checkpoints."),
    "adopt": ("bus.cli.hub:adopt", "Check a table of deadlines or a policy; print the events that adopt it."),
}


@group(lazy=_LAZY, examples="""
bus hub run --config hub.toml
bus hub repair
bus hub adopt deadlines.toml | bus publish - --as hub
""")  # fmt: skip
def hub() -> None:
    """Run the hub's roles, and mend what they refuse to run on."""


@command(
    "run",
    examples="""
bus hub run --config hub.toml
bus hub run --config hub.toml --role notary --ready-file /run/bus/notary.ready
""",
)
@option("--config", type=click.Path(path_type=Path, dir_okay=False), required=True, envvar="BUS_HUB_CONFIG",
        help="The hub's configuration (TOML).")  # fmt: skip
@option("--role", type=click.Choice(ROLES), multiple=True,
        help="A role to run; may be given again.  [default: all that are configured]")  # fmt: skip
@option("--ready-file", type=click.Path(path_type=Path, dir_okay=False),
        help="Written when every role is ready; removed at the end.")  # fmt: skip
@option("--serve", is_flag=True, help="Let the publisher serve the log's files where the configuration says.")
def run_roles(config: Path, role: tuple[str, ...], ready_file: Path | None, serve: bool) -> None:
    """Run the hub's roles until SIGTERM or Ctrl-C.

    Beside a running sandbox's own roles it refuses, unless a --role is named: that one stands by, and takes over.
    """
    if not role:
        _check_no_second_hub(config.absolute())
    from bus.cli.runtime import run
    from bus.hub.service import run as serve_roles

    run(serve_roles(config, role, ready_file, serve=serve), level=logging.INFO)


def _check_no_second_hub(config: Path) -> None:
    """A whole second hub beside a sandbox's would take its work from it again and again, and lose it again.

    Raises:
        NotAllowed: the configuration is that of a sandbox whose roles run.
    """
    from bus.sandbox.lifecycle import Sandbox, running

    home = config.parent.parent
    if config != home / "hub" / "hub.toml" or not (home / "sandbox.json").is_file():
        return
    alive = [role for role in ROLES if role in running(Sandbox(home).status())]
    if alive:
        hint = "`bus sandbox down --hub` stops them first; with --role ROLE one more of a role stands by."
        raise NotAllowed(f"the sandbox runs with this configuration already: {', '.join(alive)}", hint=hint)


@command(
    "adopt",
    examples="""
bus hub adopt deadlines.toml | bus publish - --as hub
bus hub adopt policy.toml --kind policy | bus publish - --as hub
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@option("--kind", type=click.Choice(("deadlines", "policy")), default="deadlines", show_default=True,
        help="A table of deadlines, or the policy that the hub decides by.")  # fmt: skip
def adopt(file: Path, kind: str) -> None:
    """Check a text, and print the events that bring it into force.

    The hub goes on deciding by its policy file until it is started with the new one; it starts only with one
    that is in force.
    """
    from bus.cli.adoption import print_adoption
    from bus.policy.deadlines import parse
    from bus.policy.policy import Policy

    print_adoption(kind, kind, file, parse if kind == "deadlines" else lambda text: Policy.parse(text.encode()))
