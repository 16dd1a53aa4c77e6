"""``bus completion``: what a shell needs to complete ``bus`` commands."""

from __future__ import annotations

import click

from bus.cli.base import command


@command(
    examples="""
eval "$(bus completion bash)"
bus completion zsh > "${fpath[1]}/_bus"
bus completion fish > ~/.config/fish/completions/bus.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a shell's completion script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "bus", "_BUS_COMPLETE").source())
