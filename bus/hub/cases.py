"""One case of the clerk: an event about which something is owed, and the facts that its thread tells of it. Pure."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

from bus.events.registry import SchemaInfo
from bus.events.types import Decision, Header
from bus.policy.clocks import DAY_US, FOREVER, measure, merged
from bus.policy.deadlines import Table, answers
from bus.policy.duties import Duty, Statement

NOTICE: Final = "TakedownNotice"
REMOVED: Final = frozenset({"removed", "disabled", "geo_blocked", "filter_updated", "weights_removed", "not_found"})
"""Answers after which a notice is not sent again."""


class Seen(Struct, frozen=True):
    """An accepted event as the ledger has it; ``body`` and ``decision`` are None where they are gone, or not needed."""

    index: int
    time_us: int
    info: SchemaInfo
    header: Header
    body: Any
    decision: Decision | None


class Case(Struct):
    """An event about which something is owed.

    Attributes:
        index: its entry.
        type: its type.
        header: as it was signed.
        body: of a notice: the clerk repeats its codes.
        issued_us: when it was recorded.
        table: the deadlines that were in force then.
        duties: by who owes, and which deadline.
        every_us: how often the notice is sent again; 0 for never.
        sent_again: which time was the last.
        answered: whether it need not be sent again.
        holds: while police asked to wait.
        over: withdrawn or expired.
        said_delivered: whether its delivery was stated.
        events: the ids of its thread's events that later ones may be about.
    """

    index: int
    type: str
    header: Header
    body: Any
    issued_us: int
    table: Table
    duties: dict[tuple[str, str], Duty] = field(default_factory=dict)
    every_us: int = 0
    sent_again: int = 0
    answered: bool = False
    holds: list[tuple[int, int]] = field(default_factory=list)
    over: bool = False
    said_delivered: bool = False
    events: list[bytes] = field(default_factory=list)

    @property
    def awaits_delivery(self) -> set[str]:
        """For whom a clock waits to hear that it was delivered."""
        waiting = (duty for duty in self.duties.values() if duty.row.starts_on == "delivered")
        return {duty.obligor for duty in waiting if "delivered" not in duty.facts}


def _noticed(case: Case, seen: Seen) -> None:
    """A later step of the notice itself."""
    header = seen.header
    match header.step:
        case "corrected":
            for duty in case.duties.values():
                duty.resume("unclear", seen.time_us)
                if header.due_at is not None:
                    duty.stated_us = max(header.due_at, duty.stated_us or 0)
        case "withdrawn" | "expired":
            case.over = True
            for duty in case.duties.values():
                duty.over = True
        case "delivered":
            case.said_delivered = True
            for duty in case.duties.values():
                duty.happened("delivered", header.effect_at or seen.time_us)
        case "renotified" if case.every_us:
            at_us = header.effect_at or seen.time_us
            case.sent_again = max(case.sent_again, (at_us - case.issued_us) // case.every_us)
        case _:
            pass


def _called(case: Case, seen: Seen) -> None:
    """A statement of the clerk's own, or the issuer's excuse."""
    duty = case.duties.get((seen.header.addressee or "", seen.header.deadline or ""))
    if duty is not None:
        duty.said.add(seen.header.step)


def _acted(case: Case, seen: Seen) -> None:
    """What an addressee did about a notice, or the police asked for."""
    step, at_us = seen.header.step, seen.time_us
    if step == "le_hold":
        until_us = getattr(seen.body, "hold_until", None) or FOREVER
        case.holds.append((at_us, until_us))
        for duty in case.duties.values():
            duty.pause("le_hold", at_us, until_us)
    elif step == "hold_lifted":
        case.holds = [(first, min(last, max(at_us, first))) for first, last in case.holds]
        for duty in case.duties.values():
            duty.resume("le_hold", at_us)
    else:
        answered(case, seen)


def _acknowledged(case: Case, seen: Seen) -> None:
    """What became of it at one of its recipients."""
    for duty in case.duties.values():
        if duty.obligor != seen.header.issuer:
            continue
        if seen.header.step in {"fetched", "taken"}:
            duty.happened(seen.header.step, seen.time_us)
        if seen.header.step == "returned" and getattr(seen.body, "reason", None) == "insufficient":
            duty.pause("unclear", seen.time_us)
    answered(case, seen)


def answered(case: Case, seen: Seen) -> None:
    """Whether it is what somebody owed. Who could not have, for now, is waited for where the row says so."""
    header, step, name = seen.header, seen.header.step, seen.info.name
    if header.issuer == case.header.addressee and name == "TakedownAction" and step in REMOVED:
        case.answered = True
    forced = step == "impossible" and getattr(seen.body, "reason", None) == "force_majeure"
    for duty in case.duties.values():
        if duty.obligor != header.issuer or name not in answers(duty.row.applies_to):
            continue
        if forced and "force_majeure" in duty.row.pauses:
            duty.pause("force_majeure", seen.time_us)
            continue
        if step not in duty.row.met_by:
            continue
        for reason in ("unclear", "force_majeure"):
            duty.resume(reason, seen.time_us)
        duty.meet(seen.time_us, header.issued_at if header.effect_at is None else header.effect_at)


TELL: Final = {"Overdue": _called, "TakedownAction": _acted, "Acknowledgement": _acknowledged}


def tell(case: Case, seen: Seen) -> bool:
    """Tell a case what its thread says next; False if that is an event of its own, whatever it answers here."""
    name = seen.info.name
    if name == case.type == NOTICE:
        _noticed(case, seen)
    elif name in TELL:
        TELL[name](case, seen)
    else:
        answered(case, seen)
        return False
    if name in {NOTICE, "TakedownAction"}:
        case.events.append(seen.header.event_id)
    return True


# --- sending again ------------------------------------------------------------------------------------------


def ends(case: Case, at_us: int) -> bool:
    """Whether the notice is not sent again: answered, over, or past the day that it is kept until."""
    return case.answered or case.over or at_us >= case.header.retain_until * DAY_US


def sent_again(case: Case, now_us: int) -> Statement | None:
    """The newest time that fell due, if it was not said, nor lies in a hold; those that were missed stay missed."""
    if not case.every_us or ends(case, now_us):
        return None
    number = (now_us - case.issued_us) // case.every_us
    at_us = case.issued_us + number * case.every_us
    held = measure(merged(case.holds), at_us, at_us + 1)
    if number <= case.sent_again or held:
        return None
    return Statement("renotified", at_us, at_us, number=number)
