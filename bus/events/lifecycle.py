"""Whether a step may be taken: a pure function of who takes it, where the subject is, and the table of lifecycles."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from msgspec import Struct

from bus.events.lifecycles import TABLE

START: Final = "start"
RELATIONS: Final = frozenset({"any", "owner", "other", "addressee", "target", "keeper", "hub"})
"""What the table says of who may take a step, beside the roles."""

MARKS: Final = ("keeps", "each", "passes", "unheard")


class Rule(Struct, frozen=True):
    """One way to a step: after any of these, by whoever is all of one of these."""

    after: frozenset[str]
    by: tuple[frozenset[str], ...]

    def is_open_to(self, actor: Collection[str]) -> bool:
        """Whether this actor may take it."""
        return any(one.issubset(actor) for one in self.by)


class Step(Struct, frozen=True):
    """A step of a type. ``keeps``, ``each``, ``passes`` and ``unheard`` are as the table says."""

    name: str
    rules: tuple[Rule, ...]
    keeps: bool
    each: bool
    passes: bool
    unheard: bool


class Lifecycle(Struct, frozen=True):
    """The steps of a type.

    Attributes:
        name: the type.
        of: ``event`` if its steps are about one event, ``subject`` if about a subject, else nothing.
        subjects: the types of subject that it may be about; empty for any.
        steps: by name, in the order of the table.
    """

    name: str
    of: str
    subjects: frozenset[str]
    steps: dict[str, Step]


class Denied(Struct, frozen=True):
    """Why a step may not be taken, and which ones this actor may take now, in the order of the table."""

    reason: str
    allowed: tuple[str, ...]


def check(life: Lifecycle, step: str, actor: Collection[str], main: str, own: str) -> Denied | None:
    """Whether a step may be taken.

    Args:
        life: the type's lifecycle.
        step: one of its steps.
        actor: roles of the organisation and its relations to the subject, in the words of the table.
        main: the subject's last step, ``start`` before the first.
        own: the same as the organisation's own way has it, for steps that each takes on its own.

    Returns:
        None if it may; else ``step-role`` if this actor can never take it, or ``step-order``.
    """
    wanted = life.steps[step]
    last = own if wanted.each else main
    role = False
    for rule in wanted.rules:
        if rule.is_open_to(actor):
            if last in rule.after:
                return None
            role = True
    return Denied("step-order" if role else "step-role", allowed(life, actor, main, own))


def allowed(life: Lifecycle, actor: Collection[str], main: str, own: str) -> tuple[str, ...]:
    """The steps that this actor may take now."""
    found: list[str] = []
    for step in life.steps.values():
        last = own if step.each else main
        if any(last in rule.after and rule.is_open_to(actor) for rule in step.rules):
            found.append(step.name)
    return tuple(found)


def read(table: str) -> dict[str, Lifecycle]:
    """Read lifecycles from their table.

    Raises:
        KeyError: a line names what is no step and no set of steps.
    """
    found: dict[str, Lifecycle] = {}
    for head, lines in _blocks(table):
        name, _, about = head.partition(" of ")
        of, _, subjects = about.partition(" ")
        found[name] = Lifecycle(name, of, frozenset(subjects.split()), _steps(lines))
    return found


def _blocks(table: str) -> Iterator[tuple[str, list[str]]]:
    head, lines = "", list[str]()
    for line in table.splitlines():
        if line[:1] not in {"", " "}:
            if head:
                yield head, lines
            head, lines = line, []
        elif line.strip():
            lines.append(line.strip())
    yield head, lines


def _steps(lines: list[str]) -> dict[str, Step]:
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("=")]
    sets: dict[str, list[str]] = {START: [START], **{row[0]: [row[0]] for row in rows}}
    sets["begun"] = [row[0] for row in rows]
    for line in lines:
        if line.startswith("="):
            name, _, members = line[1:].partition(":")
            sets[name] = [step for member in members.split() for step in sets[member]]
    found: dict[str, Step] = {}
    for name, after, by, *marks in rows:
        rule = Rule(
            frozenset(step for word in after.split() for step in sets[word]),
            tuple(frozenset(one.split("+")) for one in by.split()),
        )
        words = " ".join(marks).split()
        before = found[name].rules if name in found else ()
        found[name] = Step(name, (*before, rule), *(mark in words for mark in MARKS))
    return found


LIFECYCLES: Final = read(TABLE)
