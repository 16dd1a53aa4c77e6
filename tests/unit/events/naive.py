"""The table of lifecycles read a second time, as plainly as can be, for tests to compare with."""

from __future__ import annotations

import re
from typing import NamedTuple

from bus.events.lifecycles import TABLE


class Line(NamedTuple):
    """One line of the table."""

    type: str
    step: str
    after: set[str]
    by: list[set[str]]
    marks: set[str]


def lines() -> list[Line]:
    """The lines of the table, sets of steps written out."""
    found: list[Line] = []
    type_, sets = "", dict[str, str]()
    for text in TABLE.splitlines():
        if re.match(r"\w", text):
            type_, sets = text.split()[0], {}
        elif match := re.match(r"  =(\w+): (.*)", text):
            sets[match[1]] = match[2]
        elif "|" in text:
            step, after, by, *marks = (cell.strip() for cell in text.split("|"))
            for _ in range(3):
                after = " ".join(sets.get(word, word) for word in after.split())
            found.append(
                Line(
                    type_, step, set(after.split()), [set(x.split("+")) for x in by.split()], {*" ".join(marks).split()}
                )
            )
    return found


LINES = lines()
LINES_OF = {one.type: [line for line in LINES if line.type == one.type] for one in LINES}


def steps_of(type_name: str) -> list[str]:
    """The steps of a type, in the order of the table."""
    return list(dict.fromkeys(line.step for line in LINES_OF[type_name]))


def may(type_name: str, step: str, actor: set[str], main: str, own: str) -> str | None:
    """None if a step may be taken, else the reason why not."""
    reason = "step-role"
    for line in LINES_OF[type_name]:
        if line.step != step or not any(one <= actor for one in line.by):
            continue
        last = own if "each" in line.marks else main
        if last in line.after or (line.after == {"begun"} and last in steps_of(type_name)):
            return None
        reason = "step-order"
    return reason
