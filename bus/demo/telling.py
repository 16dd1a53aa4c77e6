"""How the demonstration looks: 80 columns, colours on a terminal, plain text elsewhere."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from bus.demo.ask import Answers
from bus.demo.inboxes import Statement
from bus.demo.lines import Act, Row
from bus.demo.proof import Proof
from bus.demo.stage import Said
from bus.demo.tally import NUMBERS, Tally

WIDTH = 80
SAYS = 34
"""How long the words of a row may be."""

FEW = 400
"""So many events need no progress."""

EVERY = 5_000
"""After so many events there is a line of progress where there is no bar."""

_COLOURS = {"accepted": "", "repeated": "cyan", "refused": "yellow", "unknown": "red"}


class Telling:
    """Tells what happens, on one stream."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._console = Console(
            file=stream, highlight=False, no_color=not colour, width=WIDTH, soft_wrap=True, emoji=False, markup=False
        )
        self._acts = 0

    def _print(self, text: str | Text = "", style: str = "") -> None:
        self._console.print(Text(text, style=style) if isinstance(text, str) else text)

    # -- the story -----------------------------------------------------------------------------------------------

    def act(self, act: Act) -> None:
        """An act of the story begins."""
        self._acts += 1
        self._heading(f"{self._acts}  {act.title}", act.why)

    def row(self, row: Row, said: Sequence[Said]) -> None:
        """A row and its receipts: where its first event stands."""
        self._row(row, min(one.outcome.place or 0 for one in said), row.says, _COLOURS[said[0].outcome.outcome])
        for one in said:
            if not one.outcome.stands:
                self._print(f"{'':25}refused: {_why(one.outcome.reasons)}", "yellow")

    def stated(self, row: Row, statement: Statement) -> None:
        """What the clerk has said of somebody's lateness."""
        self._row(row, statement.index, row.says.format(late_s=statement.late_s), "yellow")

    def _row(self, row: Row, place: int, says: str, style: str) -> None:
        line = Text(f"{f'#{place}':>8} ", style="dim")
        line.append(f"{row.who:<16}", style="bold")
        line.append(f"{row.type:<21}")
        line.append(says, style=style)
        self._print(line)

    @contextmanager
    def many(self, what: str, total: int) -> Generator[Callable[[int], None]]:
        """Progress of many events: a bar on a terminal, else a line now and then."""
        if total < FEW:
            yield lambda _n: None
        elif self._console.is_terminal:
            columns = (TextColumn(f"   {what}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(what, total=total)
                yield lambda n: bar.update(task, advance=n)
        else:
            yield self._lines(what, total)

    def _lines(self, what: str, total: int) -> Callable[[int], None]:
        done = 0

        def tick(n: int) -> None:
            nonlocal done
            before, done = done, done + n
            if before // EVERY < done // EVERY and done < total:
                self._print(f"   {done:,} of {total:,} {what}", "dim")

        return tick

    def note(self, text: str, style: str = "") -> None:
        """A remark, on as many lines as it takes."""
        for line in textwrap.wrap(text, WIDTH - 3, break_long_words=False, break_on_hyphens=False):
            self._print(f"   {line}", style)

    # -- the answers ---------------------------------------------------------------------------------------------

    def title(self, title: str, why: str) -> None:
        """A part that is no act."""
        self._heading(title, why)

    def _heading(self, title: str, why: str) -> None:
        self._print()
        line = Text(title if title.endswith("?") else f"{title}:", style="bold")
        line.append(" ")
        line.append(why, style="not bold")
        self._print(line)

    def answers(self, found: Answers) -> None:
        """The auditor's questions, with the ledger's answers."""
        self.question("How much did each nation say, and the hub itself?")
        self.note(", ".join(f"{one['nation']} {one['accepted']:,}" for one in found.nations))
        self.question("What was refused, and why?")
        for one in found.refused:
            self.note(f"#{one['index']} {one['issuer']}: {one['reason']}, {one['meaning']}")
        self.question("Who knew of the report of six pupils, and when?")
        self.table(("org", "nation", "sent", "delivered", "taken", "acted"), [_clock(row) for row in found.who])
        self.question("Who was late, by the clerk's own statements?")
        self.table(("who", "deadline", "due", "stated", "late_s"), [_clock(row) for row in found.late])
        recall = found.recall
        self.question("Did the recall reach everyone who had the report, and who complied?")
        self.note(f"{recall['recipients']} had it; {recall['complied']} complied, {recall['missing']} did not.")
        self.table(("org", "reason", "fetched", "complied"), [_clock(row) for row in recall["who"]])

    def survey(self, claim: Mapping[str, int], ledger: Tally, inboxes: Mapping[str, Tally]) -> None:
        """The survey's numbers beside what was counted."""
        self.question("Was the survey right? Counted again from what was recorded and received:")
        rows = [
            {"": name, "survey": claim[name], "ledger": ledger.numbers()[name]}
            | {org: tally.numbers()[name] for org, tally in inboxes.items()}
            for name in NUMBERS
        ]
        self.table(("", "survey", "ledger", *inboxes), rows)

    def question(self, text: str) -> None:
        """What the auditor wants to know."""
        self._print()
        self._print(f"   {text}", "cyan")

    def table(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Plain columns; numbers to the right."""
        cells = [[_cell(row.get(name)) for name in columns] for row in rows]
        right = [all(isinstance(row.get(name), int) for row in rows) for name in columns]
        widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(columns)]
        self._print(_line(columns, widths, right), "dim")
        for line in cells:
            self._print(_line(line, widths, right))

    def proof(self, proof: Proof) -> None:
        """What was proved, and how it was checked."""
        self.note(f"Checked {proof.jail}; broker and database, tried from there:")
        self.note(f"{', '.join(proof.probed)}.")
        rows = [
            {"file": file.name, **{name: report["event"][name] for name in ("type", "step", "issuer", "recorded_at")}}
            for file, report in zip(proof.files, proof.reports, strict=True)
        ]
        self.table(("file", "type", "step", "issuer", "recorded_at"), [_clock(row) for row in rows])
        for text in _found(proof):
            self.note(text)
        self.note("To take along, with the policy that says whom to believe:")
        self._print(f"   {proof.folder}")

    def last(self, counts: Mapping[str, Any]) -> None:
        """The last lines: the counts."""
        self._print()
        outcomes = f"{counts['accepted']:,} accepted, {counts['repeated']:,} repeated, {counts['refused']:,} refused"
        self._print(f"{counts['published']:,} events published: {outcomes};", "bold")
        self._print(
            f"{counts['delivered']:,} delivered; the ledger has {counts['ledger_size']:,} entries;"
            f" {counts['seconds']:.1f} s", "bold",
        )  # fmt: skip


def _why(reasons: Sequence[str]) -> str:
    """A refusal's reason, and how many steps its sender might take instead."""
    instead = sum(reason.startswith("allowed.") for reason in reasons)
    return f"{reasons[0]}; {instead} other steps would be allowed" if instead else reasons[0]


def _found(proof: Proof) -> list[str]:
    """What came of the checks, in words."""
    checks = [check for report in proof.reports for check in report["checks"]]
    holds = sum(check["outcome"] == "holds" for check in checks)
    other = sorted({check["name"] for check in checks if check["outcome"] == "not shown"})
    bounds = [report["event"]["before"] for report in proof.reports]
    size = max(bound["size"] for bound in bounds)
    witnesses = min(len(bound["cosigned"]) for bound in bounds)
    found = [
        f"{holds} checks hold, none is false; not shown, and said so: {', '.join(other) or 'nothing'}.",
        f"They stand under checkpoints of {size:,} entries or fewer, each cosigned by {witnesses} witnesses.",
    ]
    if proof.second:
        found.append("A second verifier, which shares no code with the bus, agrees.")
    return found


def _clock(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times without their day, which is today."""
    times = ("sent", "delivered", "fetched", "taken", "acted", "complied", "due", "recorded_at")
    return {name: str(value)[11:21] if name in times and value else value for name, value in row.items()}


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    places = zip(cells, widths, right, strict=True)
    return "   " + "  ".join(text.rjust(w) if r else text.ljust(w) for text, w, r in places).rstrip()


def stdout(*, colour: bool) -> Telling:
    """Tells on stdout."""
    return Telling(sys.stdout, colour=colour)


def stderr(*, colour: bool) -> Telling:
    """Tells on stderr, where stdout is for a program."""
    return Telling(sys.stderr, colour=colour)
