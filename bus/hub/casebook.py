"""The clerk's casebook: what is owed about which event, read from the ledger in its order. Pure.

Nothing in it is kept anywhere else: a clerk that starts reads the ledger and has the same casebook. It holds the cases
about which something may still have to be said, and forgets the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from bus.errors import UsageError
from bus.hub.cases import NOTICE, Case, Seen, ends, sent_again, tell
from bus.policy import deadlines
from bus.policy.deadlines import Deadline, Table
from bus.policy.duties import Due, Duty, Statement, due, is_closed, statements
from bus.trust.adoptions import Adoptions

RECALL: Final = "Recall"
TELLING: Final = frozenset({
    "PolicyAdopted", "OrganisationAdmitted", "LogContinued",
    NOTICE, "TakedownAction", "Acknowledgement", RECALL, "Overdue",
})  # fmt: skip
"""Types of event that tell facts, or by themselves begin a case."""
REMARKS: Final = frozenset({"TakedownAction", "Acknowledgement"})
"""Those of them that say nothing unless a case is open that they are about."""
_HOUR_US: Final = 3_600_000_000


class Owed(Struct, frozen=True):
    """A statement that falls due, and what it is about; ``duty`` is None where it speaks of the case."""

    case: Case
    duty: Duty | None
    statement: Statement


class Casebook:
    """Open cases, by the id of the event that each is about."""

    def __init__(self) -> None:
        self.cases: dict[bytes, Case] = {}
        self.table: Table | None = None
        self._adoptions = Adoptions()
        self._nations: dict[str, str] = {}
        self._roots: dict[bytes, bytes] = {}
        self._touched: set[bytes] = set()
        self._awaiting: set[bytes] = set()
        self._alarms: list[tuple[int, bytes]] = []

    def owing(self) -> frozenset[str]:
        """The other types that may be owed something; only those of them that name an addressee need be read."""
        rows = () if self.table is None else self.table.rows.values()
        return frozenset[str]().union(*(row.applies_to for row in rows if row.enforce)) - TELLING

    def concerns(self, name: str, about: bytes | None, addressee: str | None) -> bool:
        """Whether an event need be read at all: most acknowledgements are about what nobody owes anything for."""
        return name not in REMARKS or addressee is not None or about in self._roots

    # --- reading -----------------------------------------------------------------------------------------------

    def add(self, seen: Seen) -> None:
        """Take in the next event of the ledger."""
        name = seen.info.name
        if name == "PolicyAdopted":
            self._adopt(seen)
        elif name == "OrganisationAdmitted" and seen.body is not None:
            self._nations[seen.body.org] = seen.body.nation
        elif not self._follow(seen):
            self._open(seen)

    def outage(self, from_us: int, until_us: int) -> None:
        """The hub was away: the clocks that allow for it stood still."""
        for case_id, case in self.cases.items():
            for duty in case.duties.values():
                duty.pause("hub_outage", max(from_us, case.issued_us), until_us)
            self._touched.add(case_id)

    def delivered(self, case: Case, org: str, at_us: int) -> None:
        """The courier had brought it to one of its recipients."""
        for duty in case.duties.values():
            if duty.obligor == org:
                duty.happened("delivered", at_us)
        self._touched.add(case.header.event_id)

    def undelivered(self) -> list[tuple[Case, str]]:
        """The cases whose clocks wait for their delivery, with whom each must be brought to."""
        waiting = [self.cases[one] for one in self._awaiting if one in self.cases]
        found = [(case, org) for case in waiting for org in sorted(case.awaits_delivery)]
        self._awaiting = {case.header.event_id for case, _ in found}
        return found

    def organisations(self) -> frozenset[str]:
        """All that were admitted: whose outboxes may hold an answer."""
        return frozenset(self._nations)

    def _adopt(self, seen: Seen) -> None:
        if seen.body is None:
            return
        self._adoptions = self._adoptions.with_part(seen.body, seen.index)
        adopted = self._adoptions.in_force.get("deadlines")
        if adopted is not None and adopted.index == seen.index:
            try:
                self.table = deadlines.parse(adopted.text)
            except UsageError:  # the notary refuses such a text; of an older log, nothing is enforced
                self.table = None

    # --- opening ------------------------------------------------------------------------------------------------

    def _open(self, seen: Seen) -> None:
        """A case of its own, if the event is owed something."""
        table, header = self.table, seen.header
        if table is None:
            return
        case = Case(seen.index, seen.info.name, header, None, seen.time_us, table)
        for row in _rows(table, seen):
            if row.on_lapse == "renotify":
                case.every_us = row.length_us or 0
                continue
            for org in _obligors(seen):
                duty = case.duties[org, row.id] = Duty(row, org, header.due_at)
                duty.happened("issued", seen.time_us)
        hours = getattr(seen.body, "renotify_every_h", None)
        case.every_us = hours * _HOUR_US if hours else case.every_us
        if not case.duties and not case.every_us:
            return
        case.body = seen.body if case.type == NOTICE else None
        self.cases[header.event_id] = case
        self._roots[header.event_id] = header.event_id
        self._touched.add(header.event_id)
        self._awaiting.add(header.event_id)

    # --- following ----------------------------------------------------------------------------------------------

    def _follow(self, seen: Seen) -> bool:
        """Tell the case that an event is about; False if it begins one, or is about nothing here."""
        root = self._roots.get(seen.header.about or b"")
        if root is None:
            return False
        case = self.cases[root]
        self._touched.add(root)
        if not tell(case, seen):
            return False
        if seen.header.event_id in case.events[-1:]:
            self._roots[seen.header.event_id] = root
        return True

    # --- what falls due ----------------------------------------------------------------------------------------

    def owed(self, now_us: int, most: int = 1_000_000) -> list[Owed]:
        """What falls due to be said up to now, in the ledger's order; about so many at most, the rest comes later.

        It falls due again until the ledger has it.
        """
        found: list[Owed] = []
        while self._alarms and self._alarms[0][0] <= now_us:
            self._touched.add(heapq.heappop(self._alarms)[1])
        for case_id in sorted(self._touched, key=lambda one: self.cases[one].index if one in self.cases else 0):
            if len(found) >= most:
                break
            case = self.cases.get(case_id)
            if case is None:
                self._touched.discard(case_id)
                continue
            said = list(self._of(case, now_us))
            found += said
            if said:
                continue  # still touched: until the ledger has it
            self._touched.discard(case_id)
            if self._is_closed(case):
                self._forget(case_id)
            elif (alarm := min(self._instants(case, now_us), default=None)) is not None:
                heapq.heappush(self._alarms, (alarm, case_id))
        return found

    def _of(self, case: Case, now_us: int) -> Iterator[Owed]:
        """What is to be said of one case."""
        brought_us = _brought_us(case)
        if brought_us is not None and brought_us <= now_us:
            yield Owed(case, None, Statement("delivered", brought_us, brought_us))
        again = sent_again(case, now_us)
        if again is not None:
            yield Owed(case, None, again)
        for duty in case.duties.values():
            for statement in statements(duty, case.table, now_us, self._nation(duty)):
                yield Owed(case, duty, statement)

    def _instants(self, case: Case, now_us: int) -> Iterator[int]:
        """The instants ahead at which something may have to be said."""
        brought_us = _brought_us(case)
        if brought_us is not None and brought_us > now_us:  # asked about a time before, while an outbox waits
            yield brought_us
        for duty in case.duties.values():
            found = None if duty.seen_us is not None else due(duty, case.table, self._nation(duty))
            if found is not None:
                yield from (at for at in _instants_of(found) if at > now_us)
        if case.every_us and not ends(case, now_us):
            yield now_us + case.every_us - (now_us - case.issued_us) % case.every_us

    def _is_closed(self, case: Case) -> bool:
        if (case.awaits_delivery and not case.over) or _brought_us(case) is not None:
            return False
        open_duties = (d for d in case.duties.values() if not is_closed(d, case.table, self._nation(d)))
        return next(open_duties, None) is None and (not case.every_us or case.answered or case.over)

    def _forget(self, case_id: bytes) -> None:
        for event_id in (case_id, *self.cases.pop(case_id).events):
            self._roots.pop(event_id, None)

    def _nation(self, duty: Duty) -> str:
        return self._nations.get(duty.obligor, "")


def _brought_us(case: Case) -> int | None:
    """When a notice was delivered, until that was said; None where it is not to be said."""
    if case.type != NOTICE or case.said_delivered or case.over:
        return None
    return next((d.facts.get("delivered") for d in case.duties.values() if d.row.starts_on == "delivered"), None)


def _rows(table: Table, seen: Seen) -> Iterable[Deadline]:
    """The enforced rows that an event is under: the one that it names, and those of every event of its type."""
    header, name = seen.header, seen.info.name
    named = table.rows.get(header.deadline or "")
    rows = {row.id: row for row in table.every(name)} if name == RECALL else {}
    if named is not None and named.enforce and name in named.applies_to:
        rows[named.id] = named
    return [row for row in rows.values() if row.in_force(seen.time_us)]


def _obligors(seen: Seen) -> list[str]:
    """Who owes the act: the addressee; of a recall, everybody. Nobody owes what it was not allowed to hear."""
    recipients = () if seen.decision is None else seen.decision.recipients
    told = [one.org for one in recipients if one.allow]
    if seen.info.name == RECALL:
        return told
    addressee = seen.header.addressee
    return [addressee] if addressee is not None and (addressee in told or seen.decision is None) else []


def _instants_of(found: Due) -> list[int]:
    return [at for at in (found.warn_us, found.due_us, found.escalate_us) if at is not None]
