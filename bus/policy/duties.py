"""What is owed by whom until when, and what the clerk must say of it: pure, from facts in the ledger's order.

A :class:`Duty` is one deadline of one organisation about one event. Facts are told to it as the ledger has them; then
:func:`statements` gives what falls due to be said up to an instant. The same facts give the same statements, to the
microsecond, whoever asks and whenever: that is why a clerk that was killed, or runs twice, says each thing once.

::

    due       = the instant at which the clock has run for its length, or what the notice states, if that is later
    late      = (instant - due) - the pauses since it was due
    warned    = at warn_per_mille of the length
    escalated = at escalate_per_mille of the length of lateness
    cured     = an answer that came late, or after somebody was told that it was late
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from bus.policy.clocks import ALWAYS, FOREVER, Calendar, Interval, after, measure, merged
from bus.policy.deadlines import Deadline, Table

SECOND_US: Final = 1_000_000
_FACTS: Final = ("issued", "delivered", "fetched", "taken")
"""What may start a clock, each implied by those behind it."""


class Statement(Struct, frozen=True):
    """Something that the clerk says.

    Attributes:
        step: ``delivered``, ``warned``, ``overdue``, ``escalated``, ``cured`` or ``renotified``.
        at_us: when it falls due to be said: the time of its id.
        effect_us: the instant that it speaks of.
        due_us: when the act was or is due, pauses counted in; 0 where nothing is.
        late_s: how late it is at ``effect_us``, in whole seconds.
        paused_s: for how many seconds the clock had stood still by then.
        number: which time, of what is said again and again.
    """

    step: str
    at_us: int
    effect_us: int
    due_us: int = 0
    late_s: int = 0
    paused_s: int = 0
    number: int = 0


class Duty(Struct):
    """One deadline of one organisation about one event.

    Attributes:
        row: the deadline, of the table that was in force when the event was recorded.
        obligor: who owes the act.
        stated_us: by when its issuer asks for the act, if it says so.
        facts: when each of the facts that may start a clock happened first.
        pauses: why and while the clock stands still; an open one ends at ``FOREVER``.
        seen_us: when the ledger heard that the act was done, if it did.
        claim_us: when it was done, by its doer's word.
        over: whether nothing is owed any more: withdrawn, expired or excused.
        said: what was said of it already.
    """

    row: Deadline
    obligor: str
    stated_us: int | None = None
    facts: dict[str, int] = field(default_factory=dict)
    pauses: list[tuple[str, int, int]] = field(default_factory=list)
    seen_us: int | None = None
    claim_us: int | None = None
    over: bool = False
    said: set[str] = field(default_factory=set)

    # --- facts, in the ledger's order ---------------------------------------------------------------------------

    def happened(self, fact: str, at_us: int) -> None:
        """One of the facts that may start a clock; the first time counts."""
        self.facts[fact] = min(at_us, self.facts.get(fact, at_us))

    def pause(self, reason: str, from_us: int, until_us: int = FOREVER) -> None:
        """The clock stands still from now on, if this row lets it for this reason."""
        if reason in self.row.pauses:
            self.pauses.append((reason, from_us, until_us))

    def resume(self, reason: str, at_us: int) -> None:
        """What stopped the clock is over; a pause that was to end sooner ends when it was to."""
        self.pauses = [
            (why, first, min(last, max(at_us, first)) if why == reason else last) for why, first, last in self.pauses
        ]

    def meet(self, seen_us: int, claim_us: int | None) -> None:
        """The act was done; the first time counts."""
        if self.seen_us is None and not self.over:
            self.seen_us, self.claim_us = seen_us, claim_us

    # --- what follows --------------------------------------------------------------------------------------------

    @property
    def started_us(self) -> int | None:
        """When the clock started: with the fact that the row names, or one that cannot be without it."""
        wanted = _FACTS[_FACTS.index(self.row.starts_on) :] if self.row.starts_on in _FACTS else ()
        return min((self.facts[fact] for fact in wanted if fact in self.facts), default=None)

    @property
    def met_us(self) -> int | None:
        """When the act was done: by its doer's word, if that lies between the start of the clock and the record."""
        if self.seen_us is None:
            return None
        begun = self.started_us
        claimed = self.claim_us
        believable = claimed is not None and begun is not None and begun <= claimed <= self.seen_us
        return claimed if believable else self.seen_us

    def stops(self) -> list[Interval]:
        """When the clock stood still, in order."""
        return merged((first, last) for _, first, last in self.pauses)


class Due(Struct, frozen=True):
    """The instants of a duty. ``escalate_us`` is None while a pause that nothing has ended began after it was due."""

    start_us: int
    warn_us: int
    due_us: int
    escalate_us: int | None
    stops: list[Interval]

    def late_us(self, at_us: int) -> int:
        """How late it is at an instant, pauses since it was due taken off; 0 if it is not."""
        return max(0, at_us - self.due_us - measure(self.stops, self.due_us, at_us))

    def paused_us(self, at_us: int) -> int:
        """For how long the clock has stood still by then."""
        return measure(self.stops, self.start_us, at_us)


def due(duty: Duty, table: Table, nation: str = "") -> Due | None:
    """When a duty is due; None while its clock has not started, has no length, or stands still without an end."""
    row, start = duty.row, duty.started_us
    length = _length_us(duty)
    if start is None or length is None:
        return None
    stops = duty.stops()
    calendar = calendar_of(row, table, nation)
    warn = after(start, length * table.warn_per_mille // 1000, stops, calendar)
    end = after(start, length, stops, calendar)
    if warn is None or end is None:
        return None
    if row.length_us is not None and duty.stated_us is not None:
        end = max(end, duty.stated_us)  # an issuer may give more time than the row, never less
    escalate = after(end, length * table.escalate_per_mille // 1000, stops)
    return Due(start, min(warn, end), end, escalate, stops)


def _length_us(duty: Duty) -> int | None:
    if not duty.row.stated:
        return duty.row.length_us
    if duty.stated_us is None or duty.started_us is None:
        return None
    return max(0, duty.stated_us - duty.started_us)


def calendar_of(row: Deadline, table: Table, nation: str) -> Calendar:
    """On which days a row's clock runs."""
    if row.calendar != "business":
        return ALWAYS
    return Calendar(business=True, holidays=table.holidays.get(row.country or nation, frozenset()))


def statements(duty: Duty, table: Table, now_us: int, nation: str = "") -> list[Statement]:
    """What falls due to be said of a duty up to now and was not said yet, in order.

    A warning that comes too late to warn is not given.
    """
    found = None if duty.over or "excused" in duty.said else due(duty, table, nation)
    if found is None or duty.row.on_lapse != "overdue":
        return []
    if duty.met_us is not None and duty.seen_us is not None:
        return _answered(duty, found, duty.met_us, duty.seen_us)
    wanted: list[tuple[str, int]] = []
    if now_us >= found.due_us:
        wanted.append(("overdue", found.due_us))
        if found.escalate_us is not None and now_us >= found.escalate_us:
            wanted.append(("escalated", found.escalate_us))
    elif now_us >= found.warn_us and "overdue" not in duty.said:
        wanted.append(("warned", found.warn_us))
    return [_said(found, step, at, at) for step, at in wanted if step not in duty.said]


def is_closed(duty: Duty, table: Table, nation: str = "") -> bool:
    """Whether nothing can be left to say: over, excused, cured, or answered in time."""
    if duty.over or duty.said & {"excused", "cured"}:
        return True
    return duty.seen_us is not None and not statements(duty, table, FOREVER, nation)


def _answered(duty: Duty, found: Due, met_us: int, seen_us: int) -> list[Statement]:
    """An answer in time ends it; one that is late, or came after it was called late, leaves a full account."""
    late = met_us > found.due_us
    if not late and "overdue" not in duty.said:
        return []
    wanted = [("overdue", found.due_us, found.due_us)]
    if late and found.escalate_us is not None and met_us >= found.escalate_us:
        wanted.append(("escalated", found.escalate_us, found.escalate_us))
    wanted.append(("cured", seen_us, met_us))
    return [_said(found, step, at, effect) for step, at, effect in wanted if step not in duty.said]


def _said(found: Due, step: str, at_us: int, effect_us: int) -> Statement:
    late_s, paused_s = found.late_us(effect_us) // SECOND_US, found.paused_us(effect_us) // SECOND_US
    return Statement(step, at_us, effect_us, found.due_us, late_s, paused_s)
