"""The ``bus`` command. Nothing heavy is imported here: ``bus --help`` answers in under 0.3 s."""

from __future__ import annotations


def main() -> None:
    """Run the command line; never returns."""
    from bus.cli.app import cli

    cli.main(prog_name="bus")
