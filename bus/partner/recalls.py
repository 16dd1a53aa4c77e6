"""What was recalled, as far as this organisation has heard, kept in its journal: what it gets of it is not used again.

A recall comes behind its target in the same lane. Where both were fetched before the target is handed out, or the
target comes once more, the target is handed out without its content; where it was handed out before, the recall says
so. Only a recall by the target's own issuer, or by a court or an authority, takes content away: the hub lets nobody
else through, and who could trick the hub shall not silence another's event here. Of what was passed on only the hub
knows the issuer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from bus.events.codec import Decoded
from bus.events.lifecycle import LIFECYCLES
from bus.partner.inbox import Checked
from bus.partner.journal import Journal
from bus.trust.directory import Directory

RECALL = "Recall"
WHO_MAY = frozenset({"court", "authority"})
"""Roles that may recall another's event."""

_COLUMNS = "event_id, recall_id, entry, issuer, reason, asked, handed_out"
_INSERT = f"INSERT OR IGNORE INTO recalled ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL)"  # noqa: S608
_DECIDE = "UPDATE recalled SET handed_out = ?1 WHERE event_id = ?2 AND handed_out IS NULL"


class Recalled(Struct, frozen=True, gc=False):
    """One recall of one event.

    Attributes:
        event_id: what was recalled.
        recall_id: the recall.
        index: the recall's place in the ledger.
        issuer: who recalls.
        reason: why, a code.
        do: what is asked of whoever has it, codes.
        handed_out: whether the event was handed out, or published, here before; None where that is not decided yet.
    """

    event_id: bytes
    recall_id: bytes
    index: int
    issuer: str
    reason: str
    do: tuple[str, ...]
    handed_out: bool | None = None


class Recalls:
    """The recalls that concern what is handed out. It reads and writes in the journal's thread, and knows the rest."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[bytes, tuple[Recalled, ...]] = {}

    def note(self, found: Sequence[Checked]) -> None:
        """Keep the recalls among these, and learn of those that concern the rest. In the journal's thread."""
        events = [(one.decoded, one.arrival.index) for one in found if one.decoded and one.arrival]
        told = [row for decoded, index in events if (row := _row(decoded, index)) is not None]
        if told:
            self._journal.change(_INSERT, told)
        named = {event_id for decoded, _ in events for event_id in _concerned(decoded)}
        self._learn(named - self._known.keys() | {row[0] for row in told})

    def _learn(self, event_ids: Collection[bytes]) -> None:
        if not event_ids:
            return
        marks = ", ".join("?" * len(event_ids))
        query = f"SELECT {_COLUMNS} FROM recalled WHERE event_id IN ({marks}) ORDER BY entry"  # noqa: S608
        for row in self._journal.rows(query, tuple(event_ids)):
            one = _recalled(row)
            self._known[one.event_id] = (
                *(other for other in self._known.get(one.event_id, ()) if other.recall_id != one.recall_id), one
            )  # fmt: skip

    def concern(self, decoded: Decoded) -> bool:
        """Whether an event is a recall, or there is a recall of it: only then is there more to ask."""
        return bool(self._known) and any(event_id in self._known for event_id in _concerned(decoded))

    def of(self, decoded: Decoded, directory: Directory) -> Recalled | None:
        """The recall that takes this event away, if there is one."""
        if decoded.info.name == RECALL:
            return None
        for event_id in _concerned(decoded):
            for one in self._known.get(event_id, ()):
                if one.issuer == decoded.header.issuer or event_id != decoded.header.event_id or _may(one, directory):
                    return one
        return None

    def told_by(self, decoded: Decoded) -> Recalled | None:
        """What a recall says, if this is one."""
        event_id = decoded.header.event_id
        found = self._known.get(decoded.header.about or b"", ())
        return next((one for one in found if one.recall_id == event_id), None) if decoded.info.name == RECALL else None

    def suppressed(self, recalled: Recalled) -> Recalled:
        """Its target is handed out without content: it was not handed out before. In the journal's thread."""
        return self._decide(recalled, handed_out=False)

    def reached(self, recalled: Recalled) -> Recalled:
        """The recall itself is handed out: say whether its target was before. In the journal's thread."""
        return self._decide(recalled, handed_out=self._journal.subject(recalled.event_id) is not None)

    def _decide(self, recalled: Recalled, *, handed_out: bool) -> Recalled:
        """Decided once, and kept: a later look at the same inbox says the same."""
        event_id = recalled.event_id
        if recalled.handed_out is None:
            self._journal.change(_DECIDE, [(handed_out, event_id)])
            self._learn([event_id])
        known = self._known.get(event_id, ())
        return next((one for one in known if one.recall_id == recalled.recall_id), recalled)


def named_by(decoded: Decoded) -> list[tuple[bytes, bytes, str]]:
    """The (event id, thread, lane) that an event makes known: its own, and that of a subject that it passes on."""
    header = decoded.header
    ids = (header.event_id,) if decoded.info.name == RECALL else _concerned(decoded)
    return [(event_id, header.thread, header.lane) for event_id in ids]


def _concerned(decoded: Decoded) -> tuple[bytes, ...]:
    """Whose recall concerns an event: its own, its subject's if it passes that on; of a recall, the target's."""
    header = decoded.header
    if header.about is None:
        return (header.event_id,)
    if decoded.info.name == RECALL:
        return (header.about,)
    life = LIFECYCLES.get(decoded.info.name)
    step = None if life is None else life.steps.get(header.step)
    return (header.event_id, header.about) if step is not None and step.passes else (header.event_id,)


def _may(one: Recalled, directory: Directory) -> bool:
    organisation = directory.organisation(one.issuer)
    return organisation is not None and not WHO_MAY.isdisjoint(organisation.roles)


def _row(decoded: Decoded, index: int) -> tuple[bytes, bytes, int, str, str, str] | None:
    header, body = decoded.header, decoded.body
    if decoded.info.name != RECALL or header.about is None:
        return None
    return (header.about, header.event_id, index, header.issuer, body.reason, " ".join(body.do))


def _recalled(row: Sequence[object]) -> Recalled:
    event_id, recall_id, index, issuer, reason, asked, handed_out = row
    return Recalled(
        event_id, recall_id, index, issuer, reason, tuple(str(asked).split()),  # type: ignore[arg-type]
        None if handed_out is None else bool(handed_out),
    )  # fmt: skip
