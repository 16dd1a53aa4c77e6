"""Ways through the lifecycles, found by search in the plain table: who says what, up to each step and beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bus.events.lifecycle import LIFECYCLES, START
from bus.events.registry import by_name
from tests.unit.events import naive

ROLE = {
    "hub": "hub",
    "fernpost": "platform",
    "tidewave": "platform",
    "mirage-models": "model-provider",
    "hotline-isles": "hotline",
    "hotline-north": "hotline",
    "clearing-house": "clearing-house",
    "police-isles": "police",
    "police-north": "police",
    "ministry-isles": "authority",
    "open-door": "survivor-agent",
    "audit-isles": "auditor",
}
ADDRESSEE = "fernpost"
TYPES = [name for name in LIFECYCLES if not by_name(name).directory]
DEPTH = 5


class Move(NamedTuple):
    """Somebody's step."""

    org: str
    type: str
    step: str


class Case(NamedTuple):
    """A step to take after others were taken, and what it is answered: () if accepted."""

    before: tuple[Move, ...]
    move: Move
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """As it is named in a test's output."""
        return f"{self.move.type}.{self.move.step} by {self.move.org}"


def opening(name: str) -> tuple[Move, ...]:
    """What must be there for a type's first step to be about."""
    if "TakedownNotice" in LIFECYCLES[name].subjects or name == "Overdue":
        return (Move("ministry-isles", "TakedownNotice", "issued"),)
    if LIFECYCLES[name].of or "about" in by_name(name).header_required:
        return (Move("fernpost", "HashHit", "detected"),)
    return ()


class _Where(NamedTuple):
    """Where a subject is: its owner, its last step, and each organisation's own."""

    owner: str
    addressee: str
    main: str
    own: tuple[tuple[str, str], ...]


def _start(name: str) -> _Where:
    before = opening(name)
    own = LIFECYCLES[name].of == "subject"
    addressee = ADDRESSEE if own and before[0].type == "TakedownNotice" else ""
    return _Where(before[0].org if own else "", addressee, START, ())


def _is_addressed(name: str) -> bool:
    """Whether the examples of a type name somebody who is to act: whoever stands first in the audience."""
    return name in {"TakedownNotice", "Preservation"}


def _speakers(name: str) -> list[str]:
    """Whoever may come into question; a notice is never said by the one whom it addresses."""
    return [org for org in ROLE if name != "TakedownNotice" or org != ADDRESSEE]


def _actor(name: str, org: str, where: _Where) -> set[str]:
    """Who an organisation is to a subject, in the words of the table."""
    words = {"any", ROLE[org]}
    begun = bool(where.owner)
    words |= {"owner"} if not begun or where.owner == org else set()
    words |= {"other"} if begun and where.owner != org else set()
    words |= {"addressee"} if where.addressee in {"", org} else set()
    words |= {"target"} if name == "Recall" and org == "fernpost" else set()
    words |= {"keeper"} if name == "HashListing" else set()
    return words


def _last(name: str, org: str, where: _Where) -> tuple[str, str]:
    line = ADDRESSEE if org == "hub" and LIFECYCLES[name].of == "event" else org
    return where.main, dict(where.own).get(line, where.main)


def _reason(name: str, step: str, org: str, where: _Where) -> str | None:
    """Why the table does not let this organisation take a step here, if it does not."""
    return naive.may(name, step, _actor(name, org, where), *_last(name, org, where))


def _refusal(name: str, step: str, org: str, where: _Where) -> tuple[str, ...]:
    """The reason, and the steps that would be allowed."""
    actor, last = _actor(name, org, where), _last(name, org, where)
    reason = naive.may(name, step, actor, *last)
    assert reason is not None
    found = [f"allowed.{one}" for one in naive.steps_of(name) if naive.may(name, one, actor, *last) is None]
    return (reason, *([*found[:6], "allowed.more"] if len(found) > 7 else found))


def _then(name: str, step: str, org: str, where: _Where) -> _Where:
    marks = next(line.marks for line in naive.LINES if (line.type, line.step) == (name, step))
    owner = where.owner or org
    addressee = where.addressee or (ADDRESSEE if _is_addressed(name) and not where.owner else "")
    if "keeps" in marks:
        return where._replace(owner=owner, addressee=addressee)
    if "each" in marks:
        line = ADDRESSEE if org == "hub" and LIFECYCLES[name].of == "event" else org
        return _Where(owner, addressee, where.main, tuple(sorted({**dict(where.own), line: step}.items())))
    return _Where(owner, addressee, step, where.own)


def _walks(name: str) -> Iterator[tuple[tuple[Move, ...], _Where]]:
    """All ways of a type that lead somewhere new, shortest first."""
    front = [(opening(name), _start(name))]
    seen = {front[0][1]}
    for _ in range(DEPTH):
        following: list[tuple[tuple[Move, ...], _Where]] = []
        for way, where in front:
            yield way, where
            for move in _open(name, where):
                after = _then(name, move.step, move.org, where)
                if after not in seen:
                    seen.add(after)
                    following.append(((*way, move), after))
        front = following


def _open(name: str, where: _Where) -> Iterator[Move]:
    """The steps that may be taken: a first one by anyone, later ones by the first who may."""
    for step in naive.steps_of(name):
        may = [org for org in _speakers(name) if _reason(name, step, org, where) is None]
        yield from (Move(org, name, step) for org in (may if not where.owner else may[:1]))


def cases() -> list[Case]:
    """Of every step: one that is accepted, one in the wrong order and one by whom it is not open to, where there are."""
    found: dict[tuple[str, str, str | None], Case] = {}
    for name in TYPES:
        for way, where in _walks(name):
            for step in naive.steps_of(name):
                for org in _speakers(name):
                    reason = _reason(name, step, org, where)
                    if (name, step, reason) not in found:
                        reasons = () if reason is None else _refusal(name, step, org, where)
                        found[name, step, reason] = Case(way, Move(org, name, step), reasons)
    return list(found.values())
