"""``bus hub``: runs the hub's roles from a configuration file."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from bus.cli.base import command, group, option

ROLES = ("notary", "courier", "publisher", "clerk")


@group(lazy={"run": ("bus.cli.hub:run_roles", "Run the hub's roles, all or some, until stopped.")}, examples="""
bus hub run --config .bus/hub/hub.toml
""")  # fmt: skip
def hub() -> None:
    """Run the hub's roles."""


@command(
    "run",
    examples="""
bus hub run --config .bus/hub/hub.toml
bus hub run --config .bus/hub/hub.toml --role notary --ready-file /run/bus/notary.ready
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
    """Run the hub's roles until SIGTERM or Ctrl-C."""
    from bus.cli.runtime import run
    from bus.hub.service import run as serve_roles

    run(serve_roles(config, role, ready_file, serve=serve), level=logging.INFO)
