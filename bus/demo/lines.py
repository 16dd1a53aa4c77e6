"""What one event of the story says, and how it becomes an event that can be published. Pure.

Ids, threads and lanes follow from the edition and the names of lines, so a line can be about another before either is
said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from bus.demo.edition import LINE, Edition
from bus.events.clock import format_us
from bus.events.examples import example
from bus.events.ids import dashed
from bus.events.names import HUB, lane_of


class Line(Struct, frozen=True, kw_only=True):
    """One event of the story.

    Attributes:
        issuer: who says it.
        type: the event's type.
        step: its step.
        to: who may hear it.
        name: what other lines call it.
        about: the line that it is about.
        after: lines that its issuer must have heard before, beside ``about``.
        causes: lines that led to it; all who hear it have heard them.
        case: the name of the case that it belongs to.
        links: fields of the body that name lines.
        due_s: seconds after it is said by which the addressee must act.
        reaches: who hears it beside its audience, because the hub says so.
        header, body, sealed: what differs from the example of that type and step; None takes a field away.
    """

    issuer: str
    type: str
    step: str
    to: Sequence[str]
    name: str
    about: str = ""
    after: Sequence[str] = ()
    causes: Sequence[str] = ()
    case: str = ""
    links: Mapping[str, Sequence[str]] = {}
    due_s: float | None = None
    reaches: Sequence[str] = ()
    header: Mapping[str, Any] = {}
    body: Mapping[str, Any] = {}
    sealed: Mapping[str, Any] = {}


class Awaits(Struct, frozen=True, kw_only=True):
    """What the clerk must state of a line: which step of lateness, of whom; who hears it too."""

    about: str
    step: str
    who: str
    hearer: str


class Row(Struct, frozen=True, kw_only=True):
    """Lines that are said at one time and told in one row; none is about another of the same row.

    A row without lines awaits a statement of the clerk; ``says`` may name its ``late_s``.
    """

    says: str
    lines: Sequence[Line] = ()
    awaits: Awaits | None = None

    @property
    def who(self) -> str:
        """Who speaks."""
        if not self.lines:
            return HUB
        issuers = list(dict.fromkeys(line.issuer for line in self.lines))
        return issuers[0] if len(issuers) == 1 else f"{len(issuers)} organisations"

    @property
    def type(self) -> str:
        """What kind of event it is; of several kinds the first."""
        return self.lines[0].type if self.lines else "Overdue"


class Act(Struct, frozen=True, kw_only=True):
    """A part of the story, and why it matters. ``many`` comes before the rows: hits, assessments or listings."""

    title: str
    why: str
    many: str = ""
    rows: Sequence[Row] = ()


class Subject(Struct, frozen=True):
    """What is known of a line's event before it is said."""

    line: Line
    event_id: bytes
    thread: bytes
    lane: str


class Script:
    """All lines of an edition.

    Args:
        edition: whose ids they bear.
        nations: organisation → nation.
        acts: the story.
    """

    def __init__(self, edition: Edition, nations: Mapping[str, str], acts: Sequence[Act]) -> None:
        self.edition, self._nations = edition, nations
        self.subjects: dict[str, Subject] = {}
        for number, line in enumerate(line for act in acts for row in act.rows for line in row.lines):
            assert line.name not in self.subjects
            self.subjects[line.name] = self._subject(line, edition.event_id(LINE, number))

    def _subject(self, line: Line, event_id: bytes) -> Subject:
        if line.about:
            about = self.subjects[line.about]
            return Subject(line, event_id, about.thread, about.lane)
        lane = lane_of(self._example(line)["header"]["priority"])
        return Subject(line, event_id, self._case(line.case) if line.case else event_id, lane)

    def _case(self, name: str) -> bytes:
        """An alias that tells nothing but that its events belong together."""
        return sha256(f"{self.edition.tag}/{name}".encode()).digest()[:16]

    def event_id(self, name: str) -> bytes:
        """The id of a line's event."""
        return self.subjects[name].event_id

    def event(self, name: str, now_us: int, least_s: float = 0) -> dict[str, Any]:
        """A line as an event: the example of its type and step, with what the line changes.

        Args:
            name: the line's.
            now_us: the time, microseconds since 1970: what is due is due so long after it.
            least_s: no due time is nearer than so many seconds.
        """
        subject = self.subjects[name]
        line, event = subject.line, self._example(subject.line)
        header: dict[str, Any] = event["header"] | {"event_id": dashed(subject.event_id)}
        header |= {"thread": subject.thread.hex(), "lane": subject.lane}
        if line.about:
            header["about"] = dashed(self.event_id(line.about))
        if line.case:
            header["case"] = subject.thread.hex()
        if line.causes:
            header["causes"] = self._ids(line.causes)
        if line.due_s is not None:
            header["due_at"] = format_us(now_us + int(max(line.due_s, least_s) * 1_000_000))
        body = event["body"] | {field: self._ids(names) for field, names in line.links.items()}
        if "subject" in body and line.about:
            body["subject"] = {"event": header["about"]}
        return event | {"header": header, "body": body}

    def _example(self, line: Line) -> dict[str, Any]:
        """The example with the line's changes, but without what other lines give it."""
        concerned = (line.issuer, line.header.get("addressee"))
        nations = sorted({self._nations[org] for org in concerned if org is not None})
        event = example(
            line.type, step=line.step, issuer=line.issuer, audience=line.to, nations=nations,
            now_us=self.edition.started_us,
        )  # fmt: skip
        event["header"] = {k: v for k, v in event["header"].items() if k not in _GIVEN}
        for part, changes in (("header", line.header), ("body", line.body), ("sealed", line.sealed)):
            if changes:
                event[part] = {k: v for k, v in (event.get(part, {}) | changes).items() if v is not None}
        return event

    def _ids(self, names: Sequence[str]) -> list[str]:
        return sorted(dashed(self.event_id(name)) for name in names)


_GIVEN = frozenset({"about", "thread", "lane", "causes", "case"})
"""What an example makes up, and a line says itself."""
