"""How the demonstration looks: 80 columns, colours on a terminal, plain text elsewhere."""

from __future__ import annotations

import sys
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
        self._print()
        self._print(f"{self._acts}  {act.title}", "bold")
        self._print(f"   {act.why}", "dim")

    def row(self, row: Row, said: Sequence[Said]) -> None:
        """A row and its receipts: where its first event stands."""
        self._row(row, min(map(_place, said)), row.says, _COLOURS[said[0].outcome.outcome])
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
        """Progress of many events: a bar on a terminal, else a line for each quarter."""
        if total < FEW:
            yield lambda _n: None
        elif self._console.is_terminal:
            columns = (TextColumn(f"   {what}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(what, total=total)
                yield lambda n: bar.update(task, advance=n)
        else:
            yield self._quarters(what, total)

    def _quarters(self, what: str, total: int) -> Callable[[int], None]:
        done = 0

        def tick(n: int) -> None:
            nonlocal done
            before, done = done, done + n
            quarter = done * 4 // total
            if before * 4 // total < quarter < 4:
                self._print(f"   {done:,} of {total:,} {what}", "dim")

        return tick

    def note(self, text: str, style: str = "") -> None:
        """A remark."""
        self._print(f"   {text}", style)

    # -- the answers ---------------------------------------------------------------------------------------------

    def title(self, title: str, why: str) -> None:
        """A part that is no act."""
        self._print()
        self._print(title, "bold")
        self._print(f"   {why}", "dim")

    def answers(self, found: Answers) -> None:
        """The auditor's first questions, with the ledger's answers."""
        self.question("How much did each nation say?")
        self.table(("nation", "accepted", "repeated", "refused"), found.nations)
        self.question("What was refused, why, and what should its sender do?")
        for one in found.refused:
            self.note(f"#{one['index']} {one['issuer']}, {one['type']} {one['step']}: {one['reason']}")
            self.note(f"  {one['meaning']}.")
        self.question("Who knew of the report of six pupils, and when?")
        self.table(("org", "nation", "sent", "delivered", "taken", "acted"), [_clock(row) for row in found.who])

    def survey(self, claim: Mapping[str, int], ledger: Tally, inboxes: Mapping[str, Tally]) -> None:
        """The survey's numbers beside what was counted."""
        self.question("Was the survey's number right? Counted again from what was recorded and received:")
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
        self.note(f"Checked {proof.jail}.")
        for line in proof.probed:
            self.note(f"  from there, {line}", "dim")
        for file, report in zip(proof.files, proof.reports, strict=True):
            self._report(file.name, report)
        if proof.second:
            self.note(f"A second verifier, which shares no code with the bus, agrees on all {len(proof.second)}.")
        self.note("To take along, with the policy that says whom to believe:")
        self.note(f"  {proof.folder}")

    def _report(self, name: str, report: Mapping[str, Any]) -> None:
        event, checks = report["event"], report["checks"]
        holds = sum(check["outcome"] == "holds" for check in checks)
        other = ", ".join(f"{check['name']} {check['outcome']}" for check in checks if check["outcome"] != "holds")
        self.note(f"{name}: {event['type']} {event['step']}, of {event['issuer']}")
        told = ", ".join(one["org"] for one in event["recipients"] if one["allowed"])
        self.note(f"  for {told}; recorded {str(event['recorded_at'])[11:19]}")
        after = f"after the checkpoint of {event['after']['size']:,} entries, " if event["after"] else ""
        before = event["before"]
        self.note(f"  {after}before that of {before['size']:,},")
        self.note(
            f"  which {len(before['cosigned'])} witnesses cosigned; {holds} checks hold{f'; {other}' if other else ''}"
        )

    def last(self, counts: Mapping[str, Any]) -> None:
        """The last lines: the counts."""
        self._print()
        outcomes = f"{counts['accepted']:,} accepted, {counts['repeated']:,} repeated, {counts['refused']:,} refused"
        self._print(f"{counts['published']:,} events published: {outcomes};", "bold")
        self._print(
            f"{counts['delivered']:,} delivered; the ledger has {counts['ledger_size']:,} entries;"
            f" {counts['seconds']:.1f} s", "bold",
        )  # fmt: skip


def _place(said: Said) -> int:
    """Where an event stands, or its refusal."""
    outcome = said.outcome
    return (outcome.first_index if outcome.outcome == "repeated" else outcome.index) or 0


def _why(reasons: Sequence[str]) -> str:
    """A refusal's reason, and how many steps its sender might take instead."""
    instead = sum(reason.startswith("allowed.") for reason in reasons)
    return f"{reasons[0]}; {instead} other steps would be allowed" if instead else reasons[0]


def _clock(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times without their day, which is today."""
    times = ("sent", "delivered", "taken", "acted")
    return {name: str(value)[11:23] if name in times and value else value for name, value in row.items()}


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
