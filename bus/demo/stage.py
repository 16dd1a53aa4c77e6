"""Plays the story on a real hub: every organisation publishes with its own keys, as many events at once as it has."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bus.adapters import ncmec
from bus.adapters.drafts import Notice
from bus.adapters.intake import Intake
from bus.adapters.source import Source
from bus.demo.items import ASSESSOR, CLEARING, LIST_READERS, SERVICES, Items
from bus.demo.lines import Line, Row, Script
from bus.demo.story import MISTAKES
from bus.errors import BusError, SandboxError
from bus.events.clock import Clock, SystemClock
from bus.events.ids import parse_uuid
from bus.events.names import lane_of_topic
from bus.partner import Draft, Journal, Outcome, Profile, Publisher

PAGES = ("entries.xml", "entries2.xml", "entries3.xml", "entries4.xml", "entries-large-fingerprints.xml")

Heard = Callable[[str, bytes], Awaitable[None]]
Tick = Callable[[int], None]

LATELY = 5
SLACK = 10
"""A short clock is at least so many times what one of the last few rows took: a date must lie ahead when it arrives,
and a machine may be slow."""


class Said(Struct, frozen=True):
    """One event of a row, and what became of it."""

    line: Line
    outcome: Outcome


class Stage:
    """The organisations of a sandbox, ready to speak. An async context manager.

    Args:
        profiles: of every organisation that speaks.
        script: what its lines say.
        items: the forum's images.
        heard: waits until an organisation has heard an event: nobody answers what it has not heard.

    Attributes:
        tally: how many events had each outcome.
        owed: how many records each organisation's inbox must hold of what stands.
        refusals: the entries of what the hub refused.
        last: by lane, the highest index that was given.
    """

    def __init__(
        self, profiles: Mapping[str, Profile], script: Script, items: Items, heard: Heard, *, clock: Clock | None = None
    ) -> None:
        self._profiles, self._script, self._items, self._heard = profiles, script, items, heard
        self._clock = clock or SystemClock()
        self._publishers: dict[str, Publisher] = {}
        self._stack = AsyncExitStack()
        self._took: deque[float] = deque(maxlen=LATELY)
        self.tally: Counter[str] = Counter()
        self.owed: Counter[str] = Counter()
        self.refusals: list[int] = []
        self.last: dict[str, int] = {}
        self.left_out: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            made = await asyncio.gather(*(self._open(profile) for profile in self._profiles.values()))
            for org, publisher in zip(self._profiles, made, strict=True):
                stack.push_async_exit(publisher)
                self._publishers[org] = publisher
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _open(self, profile: Profile) -> Publisher:
        return await Publisher(profile, linger_ms=5).__aenter__()

    # -- rows ----------------------------------------------------------------------------------------------------

    async def play(self, row: Row) -> list[Said]:
        """Say the lines of a row, once their issuers have heard what they answer.

        Raises:
            BusError: the hub refused one that is no mistake, or took one that is.
        """
        await asyncio.gather(*(self._wait(line) for line in row.lines))
        begun = time.monotonic()
        speaking: dict[str, list[Line]] = {}
        for line in row.lines:
            speaking.setdefault(line.issuer, []).append(line)
        said = await asyncio.gather(*(self._say(org, lines) for org, lines in speaking.items()))
        self._took.append(time.monotonic() - begun)
        return [_expected(one) for some in said for one in some]

    async def _wait(self, line: Line) -> None:
        for name in filter(None, (line.about, *line.after, *line.causes)):
            subject = self._script.subjects[name]
            if subject.line.issuer != line.issuer:
                await self._heard(line.issuer, subject.event_id)

    async def _say(self, org: str, lines: Sequence[Line]) -> list[Said]:
        now_us, least_s = self._clock.now_us(), SLACK * max(self._took, default=0)
        by_id = {self._script.event_id(line.name): line for line in lines}
        drafts = (_draft(event_id, self._script.event(line.name, now_us, least_s)) for event_id, line in by_id.items())
        said: list[Said] = []
        async for outcome in self._publishers[org].publish_many(drafts):
            one = Said(by_id[outcome.event_id], outcome)
            self._note(outcome, (*one.line.to, *one.line.reaches))
            said.append(one)
            if not outcome.stands and outcome.index is not None:
                self.refusals.append(outcome.index)
        return sorted(said, key=lambda one: one.outcome.index or 0)

    # -- many ----------------------------------------------------------------------------------------------------

    async def hits(self, tick: Tick) -> None:
        """All services publish their hits, side by side."""
        await asyncio.gather(*(self._many(org, self._items.hits(org), (ASSESSOR, CLEARING), tick) for org in SERVICES))

    async def assessments(self, tick: Tick) -> None:
        """The analysts publish their verdicts."""
        await self._many(ASSESSOR, self._items.assessments(), None, tick)

    async def listings(self, tick: Tick) -> None:
        """What is criminal goes on the list."""
        await self._many(ASSESSOR, self._items.listings(), LIST_READERS, tick)

    async def _many(self, org: str, events: Iterable[dict[str, Any]], to: Sequence[str] | None, tick: Tick) -> None:
        """Publish many events, none of which is kept here."""
        drafts = (_draft(parse_uuid(event["header"]["event_id"]), event) for event in events)
        async for outcome in self._publishers[org].publish_many(drafts):
            if not outcome.stands:
                raise BusError(f"one of {org}'s events was not to be {', '.join(outcome.reasons) or outcome.outcome}")
            self._note(outcome, to or self._hearers(outcome.event_id))
            tick(1)

    def _hearers(self, event_id: bytes) -> Sequence[str]:
        """Who hears an assessment: its hit's service, and the clearing house."""
        place = self._items.edition.number(event_id)
        assert place is not None
        return (CLEARING, self._items.item(place[1]).service)

    def _note(self, outcome: Outcome, to: Sequence[str]) -> None:
        self.tally[outcome.outcome] += 1
        if outcome.stands:
            self.owed.update(to)
            lane = lane_of_topic(outcome.topic or "")
            self.last[lane] = max(self.last.get(lane, 0), outcome.place or 0)

    # -- real pages ----------------------------------------------------------------------------------------------

    async def read_pages(self, folder: Path) -> Counter[str]:
        """Publish the real pages of a hash-sharing API; what an earlier run published is answered ``repeated``."""
        tally: Counter[str] = Counter()
        for name in PAGES:
            async for outcome in self._page(folder / name):
                tally[outcome.outcome] += 1
        return tally

    async def _page(self, file: Path) -> AsyncIterator[Outcome]:
        issuer, publisher = self._profiles[CLEARING], self._publishers[CLEARING]
        readers = sorted({*LIST_READERS, ASSESSOR} - {CLEARING})
        with file.open("rb") as stream, Journal(issuer.journal_file) as journal:
            intake = Intake(issuer, journal, form=ncmec.FORMAT, to=readers, clock=self._clock, tell=self._leave_out)
            source = Source(stream, file.name)
            intake.check(source)
            async for outcome in publisher.publish_many(intake.ready(source)):
                self.tally[outcome.outcome] += 1
                yield outcome

    def _leave_out(self, notice: Notice) -> None:
        self.left_out[notice.kind] += 1


def _draft(event_id: bytes, event: dict[str, Any]) -> Draft:
    """An event whose content follows from its id: what an interrupted telling has kept is sent as it was."""
    return Draft(event, content=sha256(event_id).digest())


def _expected(said: Said) -> Said:
    """It came as the story has it.

    Raises:
        BusError: it did not.
    """
    line, outcome = said.line, said.outcome
    if outcome.stands == (line.name in MISTAKES):
        became = ", ".join(outcome.reasons) or outcome.outcome
        raise BusError(
            f"{line.issuer}'s {line.type} {line.step} was not to be {became}",
            hint="A sandbox of an earlier version? `bus sandbox up --fresh` begins anew.",
        )
    return said


def profile(home: Path, organisations: Mapping[str, Any], org: str) -> Profile:
    """An organisation's profile.

    Raises:
        SandboxError: the sandbox has no such organisation.
    """
    if org not in organisations:
        raise SandboxError(
            f"this sandbox has no organisation {org}", hint="The story wants those of `bus sandbox up --fresh`."
        )
    return Profile.load(home / "organisations" / org / "profile.toml")


HITS, ASSESSMENTS, LISTINGS = "hits", "assessments", "listings"


def player(stage: Stage, many: str) -> Callable[[Tick], Awaitable[None]]:
    """What publishes the many events of an act."""
    return {HITS: stage.hits, ASSESSMENTS: stage.assessments, LISTINGS: stage.listings}[many]
