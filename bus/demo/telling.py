"""How the demonstration looks: colours on a terminal, plain text elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bus.demo.ask import Answers
from bus.demo.stage import Said
from bus.demo.story import Act

PLAIN_WIDTH = 150
_COLOURS = {"accepted": "green", "repeated": "cyan", "refused": "yellow", "unknown": "red"}


class Telling:
    """Tells what happens, on one stream."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        width = None if stream.isatty() else PLAIN_WIDTH
        self._console = Console(file=stream, highlight=False, no_color=not colour, width=width, soft_wrap=False)

    def title(self, text: str, why: str) -> None:
        """An act begins."""
        self._console.print()
        self._console.print(Text(text, style="bold"), Text(f"  {why}", style="dim"), sep="")

    def act(self, act: Act) -> None:
        """An act of the story begins."""
        self.title(act.title, act.why)

    def said(self, said: Said) -> None:
        """One event and its receipt."""
        outcome = said.outcome
        place = outcome.first_index if outcome.outcome == "repeated" else outcome.index
        line = Text("  ")
        line.append(f"{said.issuer:<16}", style="bold")
        line.append(f"{said.type} {said.step}".ljust(34))
        line.append(f"#{place}".rjust(6) + " ", style="dim")
        line.append(f"{outcome.outcome:<9}", style=_COLOURS[outcome.outcome])
        line.append(f"{said.milliseconds:5.0f} ms  ", style="dim")
        line.append(": ".join([*outcome.reasons, said.says]), style="italic")
        line.truncate(self._console.width, overflow="ellipsis")
        self._console.print(line)

    def page(self, name: str, said: Sequence[Said], lost: str) -> None:
        """A real page and what became of its entries."""
        counts = Counter(one.outcome.outcome for one in said)
        told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "nothing to say"
        line = Text(f"  {name:<34}")
        line.append(told, style="green")
        line.append(f"  {lost}" if lost else "", style="dim")
        self._console.print(line)

    def note(self, text: str) -> None:
        """A remark."""
        self._console.print(Text(f"  {text}", style="dim"))

    def answers(self, asker: str, found: Answers) -> None:
        """The auditor's questions, with the ledger's answers."""
        self.title(f"{asker} asks the ledger", "Three questions, answered from what was committed before anyone heard.")
        self._question("1  Who knew of this report, and when?")
        columns = ("org", "nation", "sent", "delivered", "fetched", "taken", "acted", "decision")
        self._table(columns, [_shortened(row) for row in found.who])
        self._question("2  What was refused, and why?")
        self._table(("index", "issuer", "type", "reason", "meaning", "remedy"), found.refused)
        self._question("3  How much did each nation say?")
        self._table(("nation", "accepted", "repeated", "refused"), [n for n in found.nations if n["nation"] != "hub"])

    def _question(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(f"  {text}", style="bold cyan"))

    def _table(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        table = Table(box=SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
        for name in columns:
            table.add_column(name, justify="right" if rows and isinstance(rows[0].get(name), int) else "left")
        for row in rows:
            table.add_row(*("" if row.get(name) is None else str(row[name]) for name in columns))
        self._console.print(table if rows else Text("  nothing", style="dim"))

    def last(self, counts: Mapping[str, Any]) -> None:
        """The last line: the counts."""
        line = Text()
        line.append(f"{counts['published']} events published: ", style="bold")
        line.append(f"{counts['accepted']} accepted, {counts['repeated']} repeated, {counts['refused']} refused; ")
        line.append(f"{counts['delivered']} delivered; ", style="bold")
        line.append(f"the ledger has {counts['ledger_size']} entries, root {counts['root'][:16]}…; ")
        line.append(f"{counts['seconds']:.1f} s")
        self._console.print()
        self._console.print(line)


def _shortened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times without their day, which is today."""
    times = ("sent", "delivered", "fetched", "taken", "acted")
    return {name: str(value)[11:23] if name in times and value else value for name, value in row.items()}


def stdout(*, colour: bool) -> Telling:
    """Tells on stdout."""
    return Telling(sys.stdout, colour=colour)


def stderr(*, colour: bool) -> Telling:
    """Tells on stderr, where stdout is for a program."""
    return Telling(sys.stderr, colour=colour)
