"""Every step of every type on a real hub: accepted where the lifecycle allows it, else refused with what is allowed."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import structs

from bus.events.examples import example
from bus.events.ids import dashed, parse_uuid
from bus.events.names import lane_of
from bus.events.registry import by_name
from bus.partner import Outcome, Profile, Publisher
from bus.sandbox.lifecycle import Sandbox
from tests.integration.course import ADDRESSEE, ROLE, TYPES, Case, Move, cases
from tests.integration.test_cli import Shell
from tests.unit.events import naive

ALL = cases()
VIEWED = {"by_provider": False, "exif": False, "public": False, "stated_by": ADDRESSEE}
TYPED = [one for one in ALL if all(move.org != "hub" for move in (*one.before, one.move))]
"""The hub has no inbox to fetch a subject from: its steps are the clerk's, which knows the ledger."""
GROUP = [ADDRESSEE, *(org for org in ROLE if org not in {"hub", ADDRESSEE})]


class Handle(NamedTuple):
    """What an event needs to be about another."""

    event_id: bytes
    thread: bytes
    lane: str


def audience_of(org: str) -> list[str]:
    """Everybody else: whoever hears an event has heard what it is about."""
    return [one for one in GROUP if one != org]


def make(move: Move, about: Handle | None) -> tuple[dict[str, Any], Handle]:
    """The example of a step, about what it is told to be about; and the handle of what later ones are about."""
    event = example(
        move.type, issuer=move.org, audience=audience_of(move.org), nations=["GB"], now_us=time.time_ns() // 1000,
        step=move.step,
    )  # fmt: skip
    header = event["header"]
    for key in ("about", "thread", "lane", "supersedes", "case"):
        header.pop(key, None)
    agree(event)
    event_id = parse_uuid(header["event_id"])
    if about is None:
        return event, Handle(event_id, event_id, lane_of(header["priority"]))
    header |= {"about": dashed(about.event_id), "thread": about.thread.hex(), "lane": about.lane}
    return event, Handle(event_id, about.thread, about.lane)


def agree(event: dict[str, Any]) -> None:
    """Along one way all name one addressee, and say the same of who viewed the file; each example has its own."""
    if "addressee" in event["header"]:
        event["header"]["addressee"] = ADDRESSEE
    if isinstance(event["body"].get("viewed"), dict):
        event["body"]["viewed"] = VIEWED


def as_stated(text: str) -> str:
    """An example as it was printed, agreeing with the others of its way."""
    event = json.loads(text)
    agree(event)
    return json.dumps(event)


class Told(NamedTuple):
    """A move with its event."""

    case: Case
    move: Move
    event: dict[str, Any]


def waves(wanted: Sequence[Case]) -> list[list[Told]]:
    """The events of all cases: first the first of each, then the second of each, the step itself at its end."""
    found: list[list[Told]] = []
    for case in wanted:
        about: Handle | None = None
        root_type = ""
        for number, move in enumerate((*case.before, case.move)):
            event, handle = make(move, about)
            if about is None or (root_type != move.type and not follows(move.type)):
                about, root_type = handle, move.type
            while len(found) <= number:
                found.append([])
            found[number].append(Told(case, move, event))
    return found


def follows(name: str) -> bool:
    """Whether all events of a type are about what the first is about, and not about the first."""
    from bus.events.lifecycle import LIFECYCLES

    return bool(LIFECYCLES[name].of)


class Speakers:
    """A publisher for each organisation, with journals of their own."""

    def __init__(self, sandbox: Sandbox, journals: Path) -> None:
        self._home, self._journals = sandbox.home.root, journals

    async def say(self, told: Sequence[Told]) -> dict[bytes, Outcome]:
        """Publish events, each as its issuer; outcomes by id."""
        by_org: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in told:
            by_org[one.move.org].append(one.event)
        found: dict[bytes, Outcome] = {}
        for outcomes in await asyncio.gather(*(self._as(org, events) for org, events in by_org.items())):
            found |= {outcome.event_id: outcome for outcome in outcomes}
        return found

    async def _as(self, org: str, events: list[dict[str, Any]]) -> list[Outcome]:
        profile = Profile.find(org, environ={"BUS_HOME": str(self._home)})
        async with Publisher(structs.replace(profile, journal_home=self._journals)) as publisher:
            return [outcome async for outcome in publisher.publish_many(events)]


def test_every_step_is_in_the_table() -> None:
    """No step is without a way that ends in it, and most have one that does not."""
    accepted = {(one.move.type, one.move.step) for one in ALL if not one.reasons}
    assert accepted == {(name, step) for name in TYPES for step in naive.steps_of(name)}
    assert accepted == {(name, step) for name in TYPES for step in by_name(name).steps}
    assert len(ALL) > 2 * len(accepted)


async def test_every_step_is_answered_as_the_table_says(trial: Sandbox, tmp_path: Path) -> None:
    """Each case is told from its beginning: what comes before is accepted, the step itself is answered as expected."""
    speakers = Speakers(trial, tmp_path)
    wrong: list[str] = []
    for wave in waves(ALL):
        outcomes = await speakers.say(wave)
        for case, move, event in wave:
            outcome = outcomes[parse_uuid(event["header"]["event_id"])]
            expected = case.reasons if move is case.move else ()
            if outcome.reasons != expected or (outcome.outcome == "accepted") != (not expected):
                wrong.append(f"{case}, {move}: {outcome.outcome} {outcome.reasons}, not {expected}")
    assert wrong == []


@pytest.mark.deep
@pytest.mark.parametrize("case", TYPED, ids=[f"{one}-{'no' if one.reasons else 'yes'}" for one in TYPED])
async def test_the_command_line_says_the_same(trial: Sandbox, case: Case) -> None:
    """`bus schema example … | bus publish -` of each case, about what the organisation fetched before."""
    shell, about, started = Shell(trial), "", ""
    for move in (*case.before, case.move):
        if about:
            await shell("consume", "--as", move.org, "--ack", "fetched")
        to = [part for org in audience_of(move.org) for part in ("--to", org)]
        made = await shell(
            "schema", "example", move.type, "--step", move.step, "--as", move.org, *to,
            *(["--about", about] if about else []),
        )  # fmt: skip
        assert made.code == 0, made.err
        said = await shell("publish", "-", "--as", move.org, "-o", "ndjson", stdin=as_stated(made.out))
        [row] = said.rows
        expected = case.reasons if move is case.move else ()
        assert (row["outcome"], tuple(row["reasons"])) == ("refused" if expected else "accepted", expected), move
        assert said.code == (1 if expected else 0)
        if not about or (started != move.type and not follows(move.type)):
            about, started = row["event_id"], move.type
