"""Prints data on stdout as a table, JSON, NDJSON or CSV.

JSON is one value on one line; an empty list is ``[]``. JSON, NDJSON and CSV are written as the rows
come, so that a list of any length takes bounded memory; a table is kept until its widths are known.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from bus.cli.base import use_colour

Row = Mapping[str, Any]

FORMS = ("table", "json", "ndjson", "csv")


def dumps(value: Any) -> str:
    """JSON on one line, in the order of its keys."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    sys.stdout.write(dumps(value) + "\n")


class RowWriter:
    """Writes rows of given columns in one of :data:`FORMS`; a context manager.

    ``envelope`` is for JSON only: a name under which the rows stand in an object, whose other
    members are given to :meth:`finish`. ``spare`` and ``below`` are for a table, as :func:`print_table` has them.
    """

    def __init__(
        self, form: str, columns: Sequence[str], *, envelope: str = "", spare: Sequence[str] = (), below: str = ""
    ) -> None:
        self._form = form
        self._spare, self._below = spare, below
        self._columns = columns
        self._envelope = envelope
        self._kept: list[Row] = []
        self._tail: Row = {}
        self._count = 0

    def __enter__(self) -> Self:
        if self._form == "json":
            sys.stdout.write(f"{{{dumps(self._envelope)}:[" if self._envelope else "[")
        if self._form == "csv":
            sys.stdout.write(_csv_line(self._columns))
        return self

    def write(self, row: Row) -> None:
        """Write one row, or keep it for the table."""
        if self._form == "table":
            self._kept.append(row)
        elif self._form == "csv":
            sys.stdout.write(_csv_line([cell(row.get(name)) for name in self._columns]))
        else:
            text = dumps({name: row.get(name) for name in self._columns})
            lead = "," if self._form == "json" and self._count else ""
            sys.stdout.write(lead + text + ("\n" if self._form == "ndjson" else ""))
        self._count += 1

    def flush(self) -> None:
        """Hand what was written to the reader now."""
        sys.stdout.flush()

    def finish(self, **members: Any) -> None:
        """Give the members that stand beside the rows in an enveloped JSON object."""
        self._tail = members

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._form == "table" and self._kept:
            print_table(self._kept, self._columns, spare=self._spare, below=self._below)
        if self._form == "json":
            tail = "".join(f",{dumps(name)}:{dumps(value)}" for name, value in self._tail.items())
            sys.stdout.write(("]" + tail + "}" if self._envelope else "]") + "\n")
        sys.stdout.flush()


def print_rows(
    rows: Iterable[Row], columns: Sequence[str], form: str, *, spare: Sequence[str] = (), below: str = ""
) -> None:
    """Print rows that are all here."""
    with RowWriter(form, columns, spare=spare, below=below) as writer:
        for row in rows:
            writer.write(row)


def cell(value: Any) -> str:
    """One cell of a table or CSV: empty for nothing, words with spaces between for a list."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(cell(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


def print_table(
    rows: Sequence[Row], columns: Sequence[str], *, width: int | None = None, spare: Sequence[str] = (), below: str = ""
) -> None:
    """Print a table: plain columns, with a bold head on a terminal.

    What does not fit into the terminal is made to fit: its last column is wrapped, times lose their fractions, columns
    that can be spared are left out, and one may stand on lines of its own. Where even that is too wide, each row is
    printed as a block of lines. Elsewhere lines are as long as they need to be.

    Args:
        rows: by column.
        columns: in their order.
        width: of the line, in characters; by default the terminal's, and no limit where there is none.
        spare: columns that a narrow terminal may go without, the first of them first.
        below: the column that may stand below the others; the last one.
    """
    limit = width or _terminal_width()
    for layout in _layouts(rows, columns, spare, below):
        if not limit or layout.fits(limit):
            _print_layout(layout, limit)
            return
    _print_blocks([[cell(row.get(name)) for name in columns] for row in rows], columns)


class _Layout(NamedTuple):
    """One way to lay out a table. ``notes`` are the cells that stand below their row."""

    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    widths: Sequence[int]
    numeric: Sequence[bool]
    notes: Sequence[str] = ()

    def fits(self, limit: int) -> bool:
        """Whether it fits, when its last column is wrapped; a number or a time is not."""
        room, last = self.room(limit), self.widths[-1]
        rigid = self.numeric[-1] or self.notes or any(_FRACTION.search(line[-1]) for line in self.cells)
        return room >= (last if rigid else min(last, _NARROWEST))

    def room(self, limit: int) -> int:
        """What the columns before it leave to the last."""
        return limit - sum(self.widths[:-1]) - len(_GAP) * (len(self.columns) - 1) if limit else self.widths[-1]


def _layouts(rows: Sequence[Row], columns: Sequence[str], spare: Sequence[str], below: str) -> Iterator[_Layout]:
    """From the widest to the narrowest."""
    yield _layout(rows, columns, cell)
    yield _layout(rows, columns, _short_cell)
    for last in range(1, len(spare) + 1):
        yield _layout(rows, _without(columns, spare[:last]), _short_cell)
    if below:
        words = [_short_cell(row.get(below)) for row in rows]
        notes = [f"{below}: {text}" if text else "" for text in words]
        for last in range(len(spare) + 1):
            yield _layout(rows, _without(columns, (*spare[:last], below)), _short_cell)._replace(notes=notes)


def _without(columns: Sequence[str], gone: Sequence[str]) -> Sequence[str]:
    return [name for name in columns if name not in gone]


def _layout(rows: Sequence[Row], columns: Sequence[str], shown: Callable[[Any], str]) -> _Layout:
    cells = [[shown(row.get(name)) for name in columns] for row in rows]
    numeric = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in columns]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(columns)]
    return _Layout(columns, cells, widths, numeric)


def _short_cell(value: Any) -> str:
    """One cell, with a time to the second."""
    return _FRACTION.sub("Z", cell(value))


def _print_layout(layout: _Layout, limit: int) -> None:
    columns, cells, _, numeric, notes = layout
    widths = [*layout.widths[:-1], min(layout.widths[-1], layout.room(limit))]
    head = _table_line(columns, widths, numeric)
    sys.stdout.write((f"\x1b[1m{head}\x1b[0m" if use_colour(sys.stdout) else head) + "\n")
    for number, line in enumerate(cells):
        for part in _wrapped(line, widths[-1]):
            sys.stdout.write(_table_line(part, widths, numeric) + "\n")
        if notes and notes[number]:
            sys.stdout.write(textwrap.fill(notes[number], limit, initial_indent=_INDENT, subsequent_indent=_INDENT,
                                           break_long_words=False, break_on_hyphens=False) + "\n")  # fmt: skip


_FRACTION = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d{1,6}Z$", re.ASCII)
_INDENT = "    "
_GAP = "  "
_NARROWEST = 24
"""Words in a column narrower than this are no pleasure to read."""


def _terminal_width() -> int:
    """The terminal's width; 0 where output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _wrapped(line: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    """A row, and below it what its last cell has more than fits. Words longer than the column stay whole."""
    *first, last = line
    parts = textwrap.wrap(last, width, break_long_words=False, break_on_hyphens=False) or [""]
    yield [*first, parts[0]]
    for part in parts[1:]:
        yield [*([""] * len(first)), part]


def _print_blocks(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Each row as lines of name and value, with an empty line between rows."""
    indent = max(map(len, columns))
    for number, line in enumerate(cells):
        if number:
            sys.stdout.write("\n")
        for name, text in zip(columns, line, strict=True):
            if text:
                sys.stdout.write(f"{name.ljust(indent)}{_GAP}{text}\n")


def _table_line(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    places = zip(line, widths, numeric, strict=True)
    return _GAP.join(text.rjust(w) if right else text.ljust(w) for text, w, right in places).rstrip()


def _csv_line(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
