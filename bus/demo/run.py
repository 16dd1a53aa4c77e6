"""Running the demonstration on a sandbox: tell the story, count what it did, let an auditor ask, and prove it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import structs

from bus.demo import edition as editions
from bus.demo.ask import Answers, Questions, ask, head, recount
from bus.demo.edition import Edition
from bus.demo.inboxes import Inboxes
from bus.demo.items import ASSESSOR, CLEARING, SERVICES, Items
from bus.demo.lines import Act, Awaits, Row, Script
from bus.demo.notices import LATE, MINISTRY
from bus.demo.proof import check, prove
from bus.demo.proportions import counts_at
from bus.demo.stage import Stage, player, profile
from bus.demo.story import story
from bus.demo.tally import Tally, claimed
from bus.demo.telling import Telling
from bus.errors import BusError, SandboxError, Unavailable
from bus.events.clock import SystemClock

PROVED = (f"notice-{LATE}", f"removed-{LATE}")
"""The lines whose events are proved at the end, with the clerk's word on them: what was asked, and when answered."""

_LEFT_OUT = {
    "left-out": "fingerprints of the wrong length left out",
    "unknown-tombstone": "deletions of what was never listed",
}


class Run:
    """One telling on one sandbox.

    Args:
        home: the sandbox's state folder.
        facts: its status.
        seed: of the story.
        scale: 1 is the survey's own numbers.
        auditor: who asks at the end.
        telling: where to.
    """

    def __init__(
        self, home: Path, facts: Mapping[str, Any], *, seed: int, scale: float, auditor: str, telling: Telling
    ) -> None:
        self._home, self._facts, self._auditor, self._telling = home, facts, auditor, telling
        self._nations = {org: found["nation"] for org, found in facts["organisations"].items()}
        self._profiles = {org: profile(home, self._nations, org) for org in self._nations}
        self._dsn: str = facts["postgres"]["dsn"]
        self._file = home / "demo" / "edition.json"
        self._counts = counts_at(scale)
        self._acts = story(self._counts)
        now_us = SystemClock().now_us()
        self._kept = editions.unfinished(self._file, seed, scale, now_us)
        self._edition = self._kept or Edition(seed, scale, now_us)
        self.published = 0

    async def tell(self) -> dict[str, Any]:
        """Tell the story; the counts, as ``bus demo -o json`` prints them.

        Raises:
            BusError: the survey's numbers, the ledger and the inboxes do not agree.
            CheckFailed: something was not delivered, or evidence does not hold.
            Unavailable: a service went away; called again, it goes on.
        """
        try:
            return await self._tell()
        except BusError as error:
            if not isinstance(error, Unavailable):
                editions.forget(self._file)  # what is wrong stays wrong: the next call begins anew
            raise

    async def _tell(self) -> dict[str, Any]:
        begun = time.monotonic()
        async with AsyncExitStack() as stack:
            inboxes = await stack.enter_async_context(Inboxes(self._profiles, self._edition))
            await self._begin(inboxes)
            script = Script(self._edition, self._nations, self._acts)
            items = Items(self._edition, self._counts)
            stage = await stack.enter_async_context(Stage(self._profiles, script, items, inboxes.heard))
            try:
                await self._play(stage, inboxes, script)
                delivered = await inboxes.all_of(stage.owed)
            finally:
                self.published = stage.tally.total()
            report = script.event_id("report-fernpost")
            self._opened(inboxes, report)
            asked = Questions(self._edition, report, script.event_id("recall"), stage.refusals)
            found = await ask(self._dsn, asked, stage.last)
        self._telling.title(f"{self._auditor} asks", "the ledger answers from what it held before anyone heard.")
        self._telling.answers(found)
        numbers = await self._survey(script.event_id("survey"), inboxes)
        evidence = await self._prove(script, inboxes)
        editions.forget(self._file)
        counts = self._summary(stage, found, delivered, time.monotonic() - begun)
        self._telling.last(counts)
        return counts | {"survey": numbers, "evidence": str(evidence)}

    async def _begin(self, inboxes: Inboxes) -> None:
        """Write down where this edition begins, unless it goes on."""
        if self._kept is not None:
            self._telling.note("This telling was interrupted before; it goes on, and says nothing twice.")
            return
        size = (await head(self._dsn)).size
        self._edition = structs.replace(self._edition, offsets=inboxes.began, first_index=size)
        editions.remember(self._file, self._edition)

    # -- the acts ------------------------------------------------------------------------------------------------

    async def _play(self, stage: Stage, inboxes: Inboxes, script: Script) -> None:
        pages = await stage.read_pages(pages_dir())
        told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(pages.items()))
        lost = "; ".join(f"{n} {_LEFT_OUT[kind]}" for kind, n in stage.left_out.items() if kind in _LEFT_OUT)
        self._telling.title("First, real input", f"pages of a hash-sharing API, read by {CLEARING}.")
        self._telling.note(f"{told}; {lost}")
        for act in self._acts:
            self._telling.act(act)
            if act.many:
                await self._many(act, stage, inboxes)
            for row in act.rows:
                if row.awaits is None:
                    self._telling.row(row, await stage.play(row))
                else:
                    await self._await(row, row.awaits, script, inboxes)

    async def _await(self, row: Row, awaits: Awaits, script: Script, inboxes: Inboxes) -> None:
        """Wait for the clerk's own statement."""
        about = script.event_id(awaits.about)
        found = await inboxes.statement(awaits.hearer, about, awaits.step, awaits.who)
        self._telling.stated(row, found)

    async def _many(self, act: Act, stage: Stage, inboxes: Inboxes) -> None:
        """The hits, verdicts or listings of an act, until they have arrived."""
        total = {"hits": self._counts.found, "assessments": self._counts.found}.get(act.many, self._counts.criminal)
        begun = time.monotonic()
        with self._telling.many(act.many, total) as tick:
            await player(stage, act.many)(tick)
        seconds = time.monotonic() - begun
        inbox = inboxes.of[CLEARING].tally
        held = {"hits": lambda: inbox.found, "assessments": lambda: inbox.selected + inbox.set_aside}
        count = held.get(act.many, lambda: inbox.listed)
        await inboxes.until(lambda: count() >= total, lambda: f"{CLEARING} has {count()} of {total} {act.many}")
        self._telling.note(f"{_summed(act.many, inbox)} ({seconds:.1f} s, {total / seconds:,.0f} a second)")

    def _opened(self, inboxes: Inboxes, report: bytes) -> None:
        """Show that a recipient can read what the hub cannot."""
        plain = inboxes.unsealed("police-isles", report)
        self._telling.title("Who can read it?", "the hub holds ciphertext, recipients have the keys.")
        self._telling.note(
            f"police-isles opens fernpost's report: {len(plain.persons)} persons, {len(plain.accounts)} account,"
            f" {len(plain.ip_events)} address."
        )

    # -- the answers ---------------------------------------------------------------------------------------------

    async def _survey(self, survey: bytes, inboxes: Inboxes) -> dict[str, int]:
        """Compare the survey's numbers with what the ledger and the inboxes hold."""
        ledger, body = await recount(self._dsn, self._edition, survey)
        claim = claimed(body)
        services = _together([inboxes.of[org].tally for org in SERVICES])
        services.found = inboxes.of[ASSESSOR].tally.found
        held = {"clearing house": inboxes.of[CLEARING].tally, "services": services}
        self._telling.survey(claim, ledger, held)
        compare(claim, {"the ledger": ledger, "the inbox of the clearing house": held["clearing house"],
                        "the inboxes of the services": services})  # fmt: skip
        self._telling.note("All agree. Services: hits from the hotline's inbox, verdicts from theirs.", "dim")
        return claim

    async def _prove(self, script: Script, inboxes: Inboxes) -> Path:
        """Prove answers and have them checked where nothing can be reached."""
        self._telling.title("The proof", "nobody needs to believe the ledger; files alone are checked.")
        folder = self._home / "demo" / self._edition.version
        events: list[UUID | int] = [UUID(bytes=script.event_id(name)) for name in PROVED]
        events.append(inboxes.of[MINISTRY].statements[script.event_id(PROVED[0]), "cured", LATE].index)
        files = await prove(self._facts, self._home / "publisher", folder, events)
        broker = int(self._facts["kafka"]["bootstrap"].rpartition(":")[2])
        database = urlsplit(self._dsn).port or 5432
        proof = await check(folder, files, [broker, database])
        self._telling.proof(proof)
        return folder

    def _summary(self, stage: Stage, found: Answers, delivered: int, seconds: float) -> dict[str, Any]:
        tally = stage.tally
        return {
            "published": tally.total(),
            "accepted": tally["accepted"],
            "repeated": tally["repeated"],
            "refused": tally["refused"],
            "delivered": delivered,
            "ledger_size": found.head.size,
            "root": found.head.root.hex(),
            "seconds": round(seconds, 3),
            "seed": self._edition.seed,
            "scale": self._edition.scale,
        }


def _summed(many: str, inbox: Tally) -> str:
    """What the clearing house has got, in words."""
    if many == "hits":
        return (
            f"{inbox.found:,} hits: {inbox.synthetic:,} fully synthetic, says a machine;"
            f" {inbox.known_victim:,} likenesses of a known victim, {inbox.public_figure:,} de-aged public figures"
        )
    if many == "assessments":
        return (
            f"{inbox.set_aside:,} set aside, {inbox.selected:,} held against the law: {inbox.criminal:,} criminal."
            f" People raised the machine's rank {inbox.raised:,} times, lowered it {inbox.lowered:,}"
        )
    return f"{inbox.listed:,} entries, each for seven readers"


def _together(tallies: list[Tally]) -> Tally:
    """Counts of several inboxes, none of which shares an event with another."""
    whole = Tally()
    for name in whole.__struct_fields__:
        setattr(whole, name, sum(getattr(tally, name) for tally in tallies))
    whole.listed = min(tally.listed for tally in tallies)  # all of them hear every listing
    return whole


def compare(claim: Mapping[str, int], counted: Mapping[str, Tally]) -> None:
    """See that everything counted is what the survey claims.

    Raises:
        BusError: a number differs; it is named.
    """
    for where, tally in counted.items():
        for name, n in tally.numbers().items():
            if n != claim[name]:
                raise BusError(
                    f"the survey says {claim[name]:,} {name.replace('_', ' ')}, {where} holds {n:,}",
                    hint="`bus audit verify` looks whether the ledger is whole.",
                )
        if tally.listed != claim["criminal"]:
            raise BusError(f"the survey says {claim['criminal']:,} criminal, {where} holds {tally.listed:,} listings")


def pages_dir() -> Path:
    """Where the sample pages are: in the checkout, or in the wheel.

    Raises:
        SandboxError: they are in neither.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "tests" / "data" / "ncmec-hashsharing", package / "_data" / "ncmec-hashsharing"):
        if folder.is_dir():
            return folder
    raise SandboxError("the sample pages are not here", hint="Run the demonstration from a checkout.")
