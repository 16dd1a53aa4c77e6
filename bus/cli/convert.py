"""``bus convert``: events of files as documents of another format."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bus.adapters.formats import WRITING, in_words
from bus.cli.base import argument, command, option, say, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bus.adapters.outlet import Outlet
    from bus.adapters.saying import Saying
    from bus.adapters.source import Source


@command(
    examples="""
bus convert events.ndjson --format FORMAT --out FOLDER/
bus consume --as ORG | bus convert - --format FORMAT --out FOLDER/
""",
    lists={"Formats": in_words(WRITING)},
)
@argument("files", metavar="FILE|-…", nargs=-1, required=True)
@option("--format", "form", type=click.Choice(WRITING), required=True, metavar="FORMAT",
        help="What to write, one of the formats below.")  # fmt: skip
@option("--out", required=True, metavar="PATH",
        help="Where documents go: a folder, with a slash at the end, or a new file.")  # fmt: skip
def convert(files: tuple[str, ...], form: str, out: str) -> None:
    """Write the events of files as documents of a format.

    The files are JSON of the bus, as 'bus consume' prints it: whole events. All of it is read and checked before
    anything is written. What the format cannot say is told of. Needs no hub and no keys.
    """
    from bus.adapters.outlet import open_outlet
    from bus.adapters.saying import Saying
    from bus.adapters.source import open_sources

    saying = Saying(form)
    with (
        open_sources(files, sys.stdin.buffer, settings().state / "tmp") as sources,
        open_outlet(form, out) as outlet,
    ):
        _hear(sources, saying)
        _write(sources, saying, outlet)
        outlet.finish()
    for sentence in saying.report():
        say(sentence, colour="yellow")
    say(f"{saying.written} events written to {out}")


def _hear(sources: Sequence[Source], saying: Saying) -> None:
    """Read all of it once: what is wrong is found, and what others are about is known."""
    from bus.adapters.given import read_events

    for source in sources:
        for _, event in read_events(source.again(), source.name):
            if event is not None:
                saying.hear(event)


def _write(sources: Sequence[Source], saying: Saying, outlet: Outlet) -> None:
    from bus.adapters.documents import Unsaid
    from bus.adapters.given import read_events

    for source in sources:
        for _, event in read_events(source.again(), source.name):
            if event is None:
                saying.skip("delivery", "it came without its content")
                continue
            said = saying.say(event)
            if not isinstance(said, Unsaid):
                outlet.put(event["header"]["event_id"], said.documents)
        source.check_unchanged()
