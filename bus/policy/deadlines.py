"""The table of deadlines: what is due when, as data with its sources (``ops/deadlines.toml``).

A table comes into force by ``PolicyAdopted`` events; the notary and the clerk read it from the ledger, never from the
file. Reading is strict: what is not exactly a table is refused with the row and the rule, so that nothing half
understood is ever counted against anybody. A row that nobody has read at its source can be kept, and named by a
notice, but it is enforced only once somebody has put a name to it (``verified_by``).
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from bus.errors import UsageError
from bus.events import registry
from bus.events.lifecycle import LIFECYCLES

MAX_BYTES: Final = 256 * 1024
MAX_ROWS: Final = 512
MAX_LENGTH_S: Final = 10 * 366 * 86_400
STATED: Final = "stated"
"""The length of a row whose notices say themselves by when (``due_at`` in the header)."""
FOREIGN_MATTERS: Final = frozenset({"terrorist"})
"""Subject matters that no event here can have: every compartment of this bus is about child sexual abuse."""
CLOCK_STARTS: Final = frozenset({"issued", "delivered", "fetched", "taken"})
"""Facts that the ledger shows of any subject, so that a clock can start on them."""
UNREAD: Final = frozenset({"secondary", "partly", "unverified"})

_EPOCH: Final = dt.date(1970, 1, 1)
_LENGTH: Final = re.compile(r"([1-9][0-9]{0,3})(min|h|d)", re.ASCII)
_UNIT_S: Final = {"min": 60, "h": 3600, "d": 86_400}
_ID: Final = re.compile(r"[a-z][a-z0-9-]{1,39}", re.ASCII)
_NATION: Final = re.compile(r"[A-Z]{2}", re.ASCII)

Text = Annotated[str, Meta(min_length=1, max_length=300)]
Pause = Literal["le_hold", "unclear", "hub_outage", "force_majeure"]
Start = Literal["issued", "delivered", "fetched", "taken", "knowledge", "filed", "opened", "changed"]


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    instrument: Text
    article: Text
    subject_matter: Literal["any", "csam", "intimate_images", "terrorist"]
    applies_to: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    starts_on: Start
    calendar: Literal["elapsed", "business"]
    pauses: Annotated[tuple[Pause, ...], Meta(max_length=4)]
    on_lapse: Literal["overdue", "renotify", "none"]
    source: Text
    evidence: Literal["read", "secondary", "partly", "unverified", "ours"]
    enforce: bool
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")] | None = None
    length: Annotated[str, Meta(max_length=8)] | None = None
    met_by: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    verified_by: Text | None = None


class _Clerk(Struct, frozen=True, forbid_unknown_fields=True):
    warn_per_mille: Annotated[int, Meta(ge=1, le=999)]
    escalate_per_mille: Annotated[int, Meta(ge=1, le=10_000)]


class Benchmark(Struct, frozen=True, forbid_unknown_fields=True):
    """What others manage, in days: to compare with. Nobody is called late by it."""

    name: Text
    days: Annotated[float, Meta(gt=0, le=3660)]
    source: Text


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    clerk: _Clerk
    deadline: Annotated[dict[str, Any], Meta(min_length=1, max_length=MAX_ROWS)]
    holidays: dict[str, Annotated[tuple[dt.date, ...], Meta(max_length=2000)]] = {}
    benchmark: Annotated[tuple[Benchmark, ...], Meta(max_length=64)] = ()


class Deadline(Struct, frozen=True):
    """One row, ready to count by.

    Attributes:
        id: what a header's ``deadline`` names.
        length_us: microseconds; None where the row has no number, or each notice states its own date.
        stated: whether each notice states its own date.
        met_by: the steps of the addressee's answer that stop the clock.
        valid_from_us, valid_to_us: when it is in force: from the first instant of a day to the last of one, UTC.
        country: whose holidays count; without one, those of whoever owes the act.
    """

    id: str
    instrument: str
    article: str
    country: str | None
    subject_matter: str
    applies_to: frozenset[str]
    starts_on: str
    length_us: int | None
    stated: bool
    calendar: str
    pauses: frozenset[str]
    on_lapse: str
    met_by: frozenset[str]
    valid_from_us: int | None
    valid_to_us: int | None
    source: str
    evidence: str
    verified_by: str | None
    enforce: bool

    def in_force(self, at_us: int) -> bool:
        """Whether the row's dates hold this instant."""
        begun = self.valid_from_us is None or self.valid_from_us <= at_us
        return begun and (self.valid_to_us is None or at_us < self.valid_to_us)


class Table(Struct, frozen=True):
    """A whole table.

    Attributes:
        rows: by id.
        holidays: days since 1970 that business calendars leave out, by nation.
        warn_per_mille: of a length, when the clerk warns.
        escalate_per_mille: of a length, counted from when it was due, when it escalates.
        benchmarks: to compare with only.
    """

    rows: Mapping[str, Deadline]
    holidays: Mapping[str, frozenset[int]]
    warn_per_mille: int
    escalate_per_mille: int
    benchmarks: tuple[Benchmark, ...]

    def every(self, type_name: str) -> list[Deadline]:
        """The enforced rows of a type whose events need not name one: whoever hears a Recall owes it."""
        return [row for row in self.rows.values() if row.enforce and row.applies_to == frozenset((type_name,))]


@lru_cache(maxsize=8)
def parse(text: str) -> Table:
    """Read a table.

    Raises:
        UsageError: it is not one; the message names the row and the rule, never a value.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _invalid(f"it is larger than {MAX_BYTES} bytes")
    try:
        file = msgspec.convert(tomllib.loads(text), _File, strict=True)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"it is not TOML: {_where(error)}") from None
    except msgspec.ValidationError as error:
        raise _invalid(_rule(error)) from None
    except (RecursionError, ValueError, OverflowError):
        raise _invalid("it is not TOML that can be read") from None
    return Table(
        rows={name: _row(name, row) for name, row in file.deadline.items()},
        holidays={_nation(nation): frozenset(map(_day, days)) for nation, days in file.holidays.items()},
        warn_per_mille=file.clerk.warn_per_mille,
        escalate_per_mille=file.clerk.escalate_per_mille,
        benchmarks=file.benchmark,
    )


def _row(name: str, given: Any) -> Deadline:
    if _ID.fullmatch(name) is None:
        raise _invalid("a row's id is not of 2 to 40 lower-case letters, digits and dashes")
    try:
        row = msgspec.convert(given, _Row, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid(f"deadline.{name}.{_rule(error)}") from None
    length_us = None if row.length in {None, STATED} else _length_us(name, str(row.length))
    _check_types(name, row)
    _check_sense(name, row, length_us)
    return Deadline(
        id=name,
        instrument=row.instrument,
        article=row.article,
        country=row.country,
        subject_matter=row.subject_matter,
        applies_to=frozenset(row.applies_to),
        starts_on=row.starts_on,
        length_us=length_us,
        stated=row.length == STATED,
        calendar=row.calendar,
        pauses=frozenset(row.pauses),
        on_lapse=row.on_lapse,
        met_by=frozenset(row.met_by),
        valid_from_us=None if row.valid_from is None else _day(row.valid_from) * 86_400_000_000,
        valid_to_us=None if row.valid_to is None else (_day(row.valid_to) + 1) * 86_400_000_000,
        source=row.source,
        evidence=row.evidence,
        verified_by=row.verified_by,
        enforce=row.enforce,
    )


def _length_us(name: str, text: str) -> int:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise _invalid(f'deadline.{name}.length is not a whole number of "min", "h" or "d", nor "{STATED}"')
    seconds = int(found[1]) * _UNIT_S[found[2]]
    if seconds > MAX_LENGTH_S:
        raise _invalid(f"deadline.{name}.length is longer than ten years")
    return seconds * 1_000_000


def _check_types(name: str, row: _Row) -> None:
    """Types and steps must be those of the vocabulary: a misspelt one would never be met."""
    known = {info.name for info in registry.all_schemas() if info.kind == "event" and not info.directory}
    if not known.issuperset(row.applies_to):
        raise _invalid(f"deadline.{name}.applies_to names what is no type of event")
    steps = {step for answer in answers(row.applies_to) for step in LIFECYCLES[answer].steps}
    if not steps.issuperset(row.met_by):
        raise _invalid(f"deadline.{name}.met_by names what is no step of an answer")


def _check_sense(name: str, row: _Row, length_us: int | None) -> None:
    if row.valid_from is not None and row.valid_to is not None and row.valid_to < row.valid_from:
        raise _invalid(f"deadline.{name}.valid_to lies before valid_from")
    if not row.enforce:
        return
    if row.subject_matter in FOREIGN_MATTERS:
        raise _invalid(f"deadline.{name} is enforced, but is of a matter that is not carried here")
    if row.evidence in UNREAD and row.verified_by is None:
        raise _invalid(f"deadline.{name} is enforced, but nobody has verified it at its source (verified_by)")
    if row.starts_on not in CLOCK_STARTS or not row.met_by or (length_us is None and row.length != STATED):
        raise _invalid(f"deadline.{name} is enforced, but the clerk cannot count it: start, length or met_by")
    if row.length == STATED and row.calendar == "business":
        raise _invalid(f"deadline.{name} has a stated date, which no calendar moves")
    if row.on_lapse == "none" or (row.on_lapse == "renotify" and row.applies_to != ("TakedownNotice",)):
        raise _invalid(f"deadline.{name} is enforced, but on_lapse says nothing that could be done")


def answers(types: tuple[str, ...] | frozenset[str]) -> frozenset[str]:
    """The types of event that answer these: what an addressee does about a notice, or acknowledges of the rest."""
    own = {"TakedownNotice": "TakedownAction", "Preservation": "Preservation"}
    return frozenset(own.get(name, "Acknowledgement") for name in types) | {"Acknowledgement"}


def _nation(code: str) -> str:
    if _NATION.fullmatch(code) is None:
        raise _invalid("holidays has a name that is no nation of two letters")
    return code


def _day(day: dt.date) -> int:
    if isinstance(day, dt.datetime):
        raise _invalid("a date has a time of day")
    return (day - _EPOCH).days


def _where(error: tomllib.TOMLDecodeError) -> str:
    found = re.search(r"\(at (?:line \d+, column \d+|end of document)\)", str(error))
    return found[0].strip("()") if found else "somewhere"


def _rule(error: msgspec.ValidationError) -> str:
    """The place and the kind of a mistake; what msgspec quotes of the value is left out."""
    text = str(error)
    place = re.search(r" - at `\$\.?([^`]{0,200})`$", text)
    said = re.sub(r"'[^']*'|`[^`]*`", "…", text.removesuffix(place[0]) if place else text)
    return f"{place[1]}: {said[:120]}" if place else said[:120]


def _invalid(problem: str) -> UsageError:
    return UsageError(f"the table of deadlines is not valid: {problem}", hint="Compare it with ops/deadlines.toml.")
