"""``bus publish``: events from a file or standard input, and a receipt for each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from bus.adapters.formats import READING, in_words
from bus.cli.base import ReaderGone, argument, as_option, command, option, output_option, say, settings, use_colour
from bus.cli.output import RowWriter
from bus.cli.warned import Warned
from bus.cli.who import check_members, profile_of
from bus.errors import InvalidEvent, ReceiptTimeout, Unavailable
from bus.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bus.adapters.drafts import Notice
    from bus.adapters.intake import Intake
    from bus.adapters.source import Source
    from bus.partner import Draft, Outcome
    from bus.partner.profile import Profile

COLUMNS = ("event_id", "outcome", "index", "reasons")
OUTCOMES = ("accepted", "repeated", "refused", "unknown")
RECEIPT_TIMEOUT_S = 120.0
MOST_NAMED = 6
OF_STEPS = frozenset({"step-order", "step-role"})
"""Refusals beside which receipts name the steps that are allowed."""


@command(
    examples="""
bus publish events.ndjson --as ORG
bus publish tests/data/ncmec-hashsharing/entries.xml --format ncmec-hashes --as ORG
bus schema example HashHit --as ORG --to OTHER | bus publish - --as ORG -o ndjson
bus publish events.json --as ORG --to OTHER --to THIRD
""",
    lists={"Formats": in_words(READING)},
)
@argument("files", metavar="FILE|-…", nargs=-1, required=True)
@as_option(required=False, text="The organisation that publishes.  [default: that of BUS_PROFILE]")
@option("--to", multiple=True, metavar="ORG", help="Who may hear it, whatever file and profile say; again for more.")
@option("--format", "form", type=click.Choice(READING), default=READING[0], show_default=True, envvar="BUS_FORMAT",
        metavar="FORMAT", help="The files' format, one of those below.")  # fmt: skip
@option("--timeout", type=click.FloatRange(min=0, min_open=True), default=RECEIPT_TIMEOUT_S, show_default=True,
        metavar="SECONDS", help="How long to wait for a receipt.")  # fmt: skip
@option("--check", is_flag=True, help="Check the whole input and who is named, and publish nothing.")
@output_option("table", "ndjson", "json", "csv")
def publish(
    files: tuple[str, ...], as_org: str | None, to: tuple[str, ...], form: str, timeout: float, check: bool, output: str
) -> int:
    """Publish the events of files; print event_id, outcome, index and reasons of each.

    All files are read and checked before anything is sent. Events that were published before are sent again
    as they were, and answered 'repeated': their index is where they stand. Exit code 0 if all stand in the
    ledger, 1 if one was refused, 5 if a receipt did not come in time.
    """
    from bus.adapters.intake import Intake
    from bus.adapters.source import open_sources
    from bus.events.clock import SystemClock
    from bus.partner.journal import Journal

    profile, audience = profile_of(as_org), check_members(to)
    notices, warned = _Notices(), Warned()
    with (
        open_sources(files, sys.stdin.buffer, settings().state / "tmp") as sources,
        Journal(profile.journal_file) as journal,
    ):
        intake = Intake(profile, journal, form=form, to=audience, clock=SystemClock(), tell=notices, odd=warned)
        with _checking():
            count = intake.check(*sources)
        notices.sum_up()
        warned.tell()
        if check:
            _checked(intake, count, output, warned.rows())
            return 0
        return _send(profile, intake, sources, _Printed(count, output, intake.audience, warned.rows()), timeout)


def _checked(intake: Intake, count: int, output: str, warnings: list[dict[str, Any]]) -> None:
    """Say that an input could be published, if its audience is known too; nothing of it was.

    Raises:
        InvalidFile: the directory does not have somebody, or no key for whom something is sealed.
        NotAllowed: the directory may not be read.
    """
    from bus.cli.runtime import run

    looked = bool(intake.audience)
    try:
        if looked:
            run(intake.check_named())
    except Unavailable as error:
        looked = False
        say(f"{error.message}: whether the directory has all who are named was not looked up", colour="yellow")
    if output == "json":
        with RowWriter(output, COLUMNS, envelope="events") as writer:
            writer.finish(**_counted(Counter()), checked=count, audience=intake.audience, looked_up=looked,
                          warnings=warnings)  # fmt: skip
    say(f"{plural(count)} could be published{_to(intake.audience)}.")


@contextmanager
def _checking() -> Generator[None]:
    """Say on a terminal that an input is being checked, and of a check broken off that nothing was published."""
    try:
        if not use_colour(sys.stderr):
            yield
            return
        from rich.console import Console

        with Console(stderr=True).status("checking"):
            yield
    except KeyboardInterrupt:
        raise click.Abort("Nothing was published.") from None


class _Notices:
    """Says what is left out, as it is met, and counts the rest."""

    MOST = 50

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, notice: Notice) -> None:
        self._counts[notice.kind] += 1
        if notice.kind == "left-out" and self._counts[notice.kind] <= self.MOST:
            say(f"{notice.file}, {notice.place}: {notice.text}: left out", colour="yellow")

    def sum_up(self) -> None:
        """Say how many there were of each kind."""
        more = self._counts["left-out"] - self.MOST
        if more > 0:
            say(f"… and {more} more left out", colour="yellow")
        if self._counts["unknown-tombstone"]:
            count = self._counts["unknown-tombstone"]
            were = "deleted entry was" if count == 1 else "deleted entries were"
            say(f"{count:,} {were} never published here: nothing to retract")
        if self._counts["unchanged"]:
            count = self._counts["unchanged"]
            say(f"{count:,} {'entry has' if count == 1 else 'entries have'} nothing new")


def _send(profile: Profile, intake: Intake, sources: Sequence[Source], printed: _Printed, wait_s: float) -> int:
    """Publish a checked input; the exit code."""
    from bus.cli.runtime import run

    if printed.count:
        run(_publish(profile, intake, intake.ready(*sources), wait_s, printed))
    else:
        with printed.opened():
            pass
    return 1 if printed.tally["refused"] else 0


def send(profile: Profile, drafts: Sequence[Draft], wait_s: float, output: str, steps: Collection[str] = ()) -> int:
    """Publish events that are all here, and print their receipts as ``bus publish`` does; the exit code.

    ``steps`` are those that the command offers, if not all: of a refusal it names these first.
    """
    from bus.cli.runtime import run

    printed = _Printed(len(drafts), output, steps=steps)
    run(_publish_drafts(profile, iter(drafts), wait_s, printed))
    return 1 if printed.tally["refused"] else 0


async def _publish(profile: Profile, intake: Intake, drafts: Iterator[Draft], wait_s: float, printed: _Printed) -> None:
    await intake.check_reach()
    await _publish_drafts(profile, drafts, wait_s, printed)
    if "audience-unknown" in printed.reasons:
        from bus.partner.known import NOBODY

        for name, near in (await intake.strangers()).items():
            say(f"the directory has no {name}. {did_you_mean(near) or NOBODY}", colour="yellow")


async def _publish_drafts(profile: Profile, drafts: Iterator[Draft], wait_s: float, printed: _Printed) -> None:
    from bus.partner import Publisher

    async with Publisher(profile, receipt_timeout_s=wait_s) as publisher:
        with printed.opened() as got:
            async for outcome in publisher.publish_many(drafts):
                got(outcome)


class _Printed:
    """Outcomes as they are printed and counted. Nothing is printed before the first event can be sent."""

    def __init__(
        self, count: int, output: str, audience: Sequence[str] = (), warnings: Sequence[dict[str, Any]] = (),
        *, steps: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._steps = steps
        self.count, self._output, self._audience, self._warnings = count, output, audience, list(warnings)
        self.tally: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._broken = False

    @contextmanager
    def opened(self) -> Generator[Callable[[Outcome], None]]:
        """Take outcomes; at the end, however it comes, say what became of all events."""
        try:
            with RowWriter(self._output, COLUMNS, envelope="events") as writer, _progress(self.count) as tell:

                def got(outcome: Outcome) -> None:
                    self.tally[outcome.outcome] += 1
                    self.reasons.update(outcome.reasons)
                    writer.write(row(outcome))
                    tell(sum(self.tally.values()))

                try:
                    yield got
                finally:
                    writer.finish(**_counted(self.tally), warnings=self._warnings)
        except InvalidEvent:
            self._broken = True  # the same again would end the same
            raise
        except BrokenPipeError:  # a reader that left early does not make a missing receipt a success
            raise ReaderGone(ReceiptTimeout.exit_code if self.count > self.tally.total() else 1) from None
        finally:
            _conclude(self.tally, self.count, self._audience, broken=self._broken)
            explain(self.reasons, self._steps)


def row(outcome: Outcome) -> dict[str, Any]:
    """One outcome as it is printed; the index is where the event stands, for a repeat too."""
    from bus.events.ids import dashed

    return {
        "event_id": dashed(outcome.event_id),
        "outcome": outcome.outcome,
        "index": outcome.place,
        "reasons": list(outcome.reasons),
    }


def plural(count: int) -> str:
    """How many events, in words that fit."""
    return f"{count:,} event{'' if count == 1 else 's'}"


def _counted(tally: Counter[str]) -> dict[str, int]:
    return {"published": sum(tally.values()), **{name: tally[name] for name in OUTCOMES}}


def _conclude(tally: Counter[str], count: int, audience: Sequence[str], *, broken: bool) -> None:
    """The last line: what became of all of them, and whom they name."""
    told = ", ".join(f"{tally[name]} {name}" for name in OUTCOMES if tally[name] or name == "accepted")
    missing = count - sum(tally.values())
    if broken and not tally:
        say("Nothing was published.", colour="yellow")
        return
    again = "" if broken else ": publish the same again for them"
    rest = f", {missing} without a receipt{again}" if missing else ""
    bad = tally["refused"] or tally["unknown"] or missing
    say(f"{plural(count)}{_to(audience)}: {told}{rest}", colour="yellow" if bad else "green")


def _to(audience: Sequence[str]) -> str:
    """Whom events name, as the end of a phrase; how many, where they are too many to list."""
    named = ", ".join(audience) if len(audience) <= MOST_NAMED else f"{len(audience)} organisations"
    return f" to {named}" if audience else ""


def explain(reasons: Counter[str], steps: Collection[str] = ()) -> None:
    """What each reason of a refusal means, and what to do about it.

    Args:
        reasons: how often each was told; ``allowed.<step>`` for each step that its issuer may take now.
        steps: those that the command offers; without any, all.
    """
    if not reasons:
        return
    from bus.events.refusals import refusals

    allowed = sorted(code.removeprefix("allowed.") for code in reasons if code.startswith("allowed."))
    for code, count in sorted(reasons.items()):
        meaning, remedy = refusals().get(code, ("", ""))
        if code in OF_STEPS:  # the lines below say it; its remedy is for whoever reads receipts
            remedy = "" if allowed else "No step is open to its issuer now."
        if meaning:
            say(f"{code} ({count}): {meaning}. {remedy}".rstrip(), colour="yellow")
    offered = [step for step in allowed if not steps or step in steps]
    if offered:
        say(f"allowed now: {', '.join(offered)}", colour="yellow")
    if others := [step for step in allowed if step not in offered]:
        say(f"allowed now, but with `bus publish` alone: {', '.join(others)}", colour="yellow")


@contextmanager
def _progress(count: int) -> Generator[Callable[[int], None]]:
    """A progress bar on a terminal; silence elsewhere, and for a few."""
    if count < 100 or not use_colour(sys.stderr):
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("receipts"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("receipts", total=count)
        yield lambda done: bar.update(task, completed=done)
