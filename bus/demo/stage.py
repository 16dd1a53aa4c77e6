"""Plays the story on a real hub: every organisation publishes with its own keys, and hears with its own login."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bus.adapters import ncmec
from bus.adapters.drafts import Notice
from bus.adapters.intake import Intake
from bus.adapters.source import Source
from bus.demo.story import LIST_READERS, Act, Line
from bus.errors import SandboxError
from bus.events.clock import SystemClock
from bus.events.examples import example
from bus.events.ids import dashed
from bus.events.names import lane_of
from bus.partner import Journal, Outcome, Profile, Publisher

PAGES = ("entries.xml", "entries2.xml", "entries3.xml", "entries4.xml", "entries-large-fingerprints.xml")
PAGES_ISSUER = "clearing-house"


class Said(Struct, frozen=True):
    """One event, and what became of it."""

    issuer: str
    type: str
    step: str
    to: Sequence[str]
    outcome: Outcome
    milliseconds: float
    says: str = ""
    name: str = ""


class Subject(Struct, frozen=True):
    """What later events say of one that they are about."""

    issuer: str
    event_id: bytes
    index: int
    thread: bytes
    lane: str


Heard = Callable[[str, Subject], Awaitable[None]]


class Stage:
    """The organisations of a sandbox, ready to speak. An async context manager.

    Args:
        home: the sandbox's state folder.
        organisations: id → nation.
        heard: waits until an organisation has heard something: nobody answers what it has not heard.
    """

    def __init__(self, home: Path, organisations: Mapping[str, str], heard: Heard) -> None:
        self._home = home
        self._heard = heard
        self._nations = dict(organisations)
        self._publishers: dict[str, Publisher] = {}
        self._stack = AsyncExitStack()
        self._case = secrets.token_bytes(16)
        self.subjects: dict[str, Subject] = {}
        self.said: list[Said] = []
        self.notices: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def open(self, organisations: Sequence[str]) -> None:
        """Let these organisations speak."""
        profiles = [profile(self._home, self._nations, org) for org in organisations]
        made = await asyncio.gather(*(Publisher(p, linger_ms=2).__aenter__() for p in profiles))
        for org, publisher in zip(organisations, made, strict=True):
            self._stack.push_async_exit(publisher)
            self._publishers[org] = publisher

    async def read_page(self, folder: Path, name: str) -> AsyncIterator[Said]:
        """Publish one of the real pages; what was published by an earlier run is answered ``repeated``."""
        issuer, publisher = profile(self._home, self._nations, PAGES_ISSUER), self._publishers[PAGES_ISSUER]
        with (folder / name).open("rb") as stream, Journal(issuer.journal_file) as journal:
            intake = Intake(issuer, journal, form=ncmec.FORMAT, to=LIST_READERS, clock=SystemClock(), tell=self._note)
            source = Source(stream, name)
            intake.check(source)
            begun = time.perf_counter()
            async for outcome in publisher.publish_many(intake.ready(source)):
                yield self._keep(Said(PAGES_ISSUER, "HashListing", "", LIST_READERS, outcome, _since(begun), says=name))

    def _note(self, notice: Notice) -> None:
        self.notices[notice.kind] += 1

    async def play(self, act: Act, tell: Callable[[Said], None]) -> None:
        """Say an act's lines; one that is about another waits for it."""
        waiting: list[asyncio.Task[Said]] = []
        for line in act.lines:
            if line.about or line.after or line.name:
                await self._tell(waiting, tell)
                tell(await self._say(line))
            else:
                waiting.append(asyncio.create_task(self._say(line)))
        await self._tell(waiting, tell)

    async def _tell(self, waiting: list[asyncio.Task[Said]], tell: Callable[[Said], None]) -> None:
        said = await asyncio.gather(*waiting)
        waiting.clear()
        for one in said:
            tell(one)

    async def _say(self, line: Line) -> Said:
        heard = line.about or line.after
        if heard and self.subjects[heard].issuer != line.issuer:
            await self._heard(line.issuer, self.subjects[heard])
        event = self._event(line)
        begun = time.perf_counter()
        outcome = await self._publishers[line.issuer].publish(event)
        if line.name and outcome.stands:
            self.subjects[line.name] = self._subject(line, event, outcome)
        return self._keep(
            Said(line.issuer, line.type, line.step, line.to, outcome, _since(begun), line.says, line.name)
        )

    def _event(self, line: Line) -> dict[str, Any]:
        """The example of its type and step, with what the line changes."""
        nations = sorted({self._nations[org] for org in (line.issuer, *line.to[:1]) if org in self._nations})
        event = example(
            line.type, step=line.step, issuer=line.issuer, audience=line.to, nations=nations, now_us=_now_us()
        )
        header: dict[str, Any] = event["header"]
        for name in ("about", "thread", "lane", "causes"):
            header.pop(name, None)
        if line.in_case:
            header["case"] = self._case.hex()
        if line.about:
            subject = self.subjects[line.about]
            header |= {"about": dashed(subject.event_id), "thread": subject.thread.hex(), "lane": subject.lane}
            event["body"] = _pointing(event["body"], subject.event_id)
        for part, changes in (("header", line.header), ("body", line.body), ("sealed", line.sealed)):
            if changes:
                event[part] = {k: v for k, v in (event.get(part, {}) | changes).items() if v is not None}
        return event

    def _subject(self, line: Line, event: Mapping[str, Any], outcome: Outcome) -> Subject:
        """What later lines need to be about this one."""
        thread, lane = outcome.event_id, lane_of(event["header"]["priority"])
        if line.about:
            thread, lane = self.subjects[line.about].thread, self.subjects[line.about].lane
        elif line.in_case:
            thread = self._case
        return Subject(line.issuer, outcome.event_id, outcome.index or 0, thread, lane)

    def _keep(self, said: Said) -> Said:
        self.said.append(said)
        return said


def profile(home: Path, organisations: Mapping[str, str], org: str) -> Profile:
    """An organisation's profile.

    Raises:
        SandboxError: the sandbox has no such organisation.
    """
    if org not in organisations:
        raise SandboxError(
            f"this sandbox has no organisation {org}", hint="The story wants those of `bus sandbox up --fresh`."
        )
    return Profile.load(home / "organisations" / org / "profile.toml")


def _pointing(body: dict[str, Any], subject: bytes) -> dict[str, Any]:
    """An assessment's body names its subject too."""
    return body | {"subject": {"event": dashed(subject)}} if "subject" in body else body


def _now_us() -> int:
    return time.time_ns() // 1000


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
