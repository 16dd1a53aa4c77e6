"""``bus hub log-key``: one key of the log follows another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bus.cli.base import F, command, group, option, say, settings

if TYPE_CHECKING:
    from bus.hub.config import HubConfig

_LAZY = {
    "new": ("bus.cli.logkey:new", "Make the next key; the publisher then signs with both."),
    "adopt": ("bus.cli.logkey:adopt", "Print the events that name the keys in the log itself."),
    "finish": ("bus.cli.logkey:finish", "Let the next key sign alone, once everyone knows it."),
}


@group(lazy=_LAZY, examples="""
bus hub log-key new
bus hub log-key adopt | bus publish - --as hub
bus hub log-key finish
""")  # fmt: skip
def log_key() -> None:
    """Replace the key that signs the log's checkpoints (docs/runbooks/log-key.md)."""


def config_option() -> Callable[[F], F]:
    """``--config FILE``, passed as ``config``."""
    return option(
        "--config", type=click.Path(path_type=Path, dir_okay=False), envvar="BUS_HUB_CONFIG",
        help="The hub's configuration (TOML).  [default: the sandbox's]",
    )  # fmt: skip


def _hub(config: Path | None) -> HubConfig:
    from bus.hub.config import HubConfig

    return HubConfig.load(config or settings().state / "hub" / "hub.toml")


@command("new", examples="""
bus hub log-key new
""")  # fmt: skip
@config_option()
def new(config: Path | None) -> None:
    """Make the next key, add it to the publisher's policy, and print its public half.

    Start the publisher again afterwards: it signs with both keys.
    """
    from bus.hub.rotation import begin

    click.echo(begin(_hub(config)).encode())


@command("adopt", examples="""
bus hub log-key adopt | bus publish - --as hub
""")  # fmt: skip
@config_option()
def adopt(config: Path | None) -> None:
    """Print the events that bring the publisher's policy, with all its keys, into force."""
    from bus.cli.adoption import print_adoption
    from bus.files import load_policy
    from bus.hub.rotation import KIND, publisher_of

    file = publisher_of(_hub(config)).folder / "policy"
    print_adoption(KIND, "log", file, lambda _: load_policy(file))


@command("finish", examples="""
bus hub log-key finish
""")  # fmt: skip
@config_option()
def finish(config: Path | None) -> None:
    """Let the next key sign alone, and print its public half.

    Refuses until the log names it, the public checkpoint carries both signatures, and every witness of
    the policy trusts it. Start the publisher again afterwards.
    """
    from bus.cli.runtime import run
    from bus.hub.rotation import finish as end

    verifier, kept = run(end(_hub(config)))
    click.echo(verifier.encode())
    say(f"The old secret is {kept}: destroy it once no backup of it is wanted. Its public half stays.")
