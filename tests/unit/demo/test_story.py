"""The story, told to the hub's own code in memory."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bus.demo.edition import Edition
from bus.demo.inboxes import Statement
from bus.demo.lines import Row, Script
from bus.demo.proportions import counts_at
from bus.demo.stage import Said
from bus.demo.story import MISTAKES, NOWHERE, story
from bus.demo.telling import SAYS, WIDTH, Telling
from bus.events import registry
from bus.partner import Draft, Outcome, Publisher
from bus.sandbox.world import WORLD
from bus.testing import MemoryBus
from bus.testing.world import World
from bus.trust.adoptions import adoption

DEADLINES = Path(__file__).resolve().parents[3] / "ops" / "deadlines.toml"
COUNTS = counts_at(0.01)
MEMBERS = {organisation.id: (organisation.nation, organisation.roles) for organisation in WORLD}
NATIONS = {organisation.id: organisation.nation for organisation in WORLD}


def rows() -> list[Row]:
    """All rows, in order."""
    return [row for act in story(COUNTS) for row in act.rows]


async def told(tmp_path: Path) -> dict[str, Outcome]:
    """The outcome of each line, as the hub decides on it."""
    world = World(tmp_path, members=MEMBERS)
    bus = MemoryBus(world.hub.signing, origin=world.origin, clock=world.clock)
    await world.found(bus.transport("hub"))
    async with Publisher(
        world.profile("hub"), keys=world.hub, transport=bus.transport("hub"), clock=world.clock, linger_ms=0
    ) as hub:
        for body in adoption("deadlines", "deadlines", DEADLINES.read_text(encoding="utf-8")):
            await hub.publish(
                {"type": "PolicyAdopted", "header": {"step": "adopted", "audience": ["hub"]}, "body": body}
            )
    script = Script(Edition(1, 0.01, world.clock.now_us()), NATIONS, story(COUNTS))
    outcomes: dict[str, Outcome] = {}
    for row in rows():
        for line in row.lines:
            keys, transport = world.keys(line.issuer), bus.transport(line.issuer)
            async with Publisher(
                world.profile(line.issuer), keys=keys, transport=transport, clock=world.clock, linger_ms=0
            ) as publisher:
                draft = Draft(script.event(line.name, world.clock.now_us()))
                async for outcome in publisher.publish_many([draft]):
                    outcomes[line.name] = outcome
    return outcomes


async def test_the_hub_takes_every_line_but_the_mistakes(tmp_path: Path):
    """Schemas, lifecycles, audiences, deadlines hold; the two mistakes are refused for what they are."""
    outcomes = await told(tmp_path)
    assert {name for name, outcome in outcomes.items() if outcome.outcome != "accepted"} == MISTAKES
    assert outcomes["nowhere"].reasons == ("audience-unknown",)
    assert outcomes["itself"].reasons[0] == "step-role"


def test_everybody_in_it_is_of_the_sandbox():
    """Issuers and recipients are made-up organisations, but for the one mistake."""
    for row in rows():
        for line in row.lines:
            assert line.issuer in NATIONS
            assert line.issuer not in line.to
            assert set(line.to) - NATIONS.keys() <= ({NOWHERE} if line.name == "nowhere" else set())


def test_nobody_answers_what_they_did_not_hear():
    """What an event is about, or follows from, was said in an earlier row, and its issuer was told of it."""
    heard: dict[str, set[str]] = {}
    for row in rows():
        for line in row.lines:
            for name in filter(None, (line.about, *line.after, *line.causes)):
                assert line.issuer in heard[name]
        for line in row.lines:
            heard[line.name] = {line.issuer, *line.to, *line.reaches}


def test_a_notice_has_one_addressee_and_each_platform_one_notice():
    """Three platforms, three notices of the ministry."""
    served = [line for row in rows() for line in row.lines if line.name.startswith("notice-")]
    assert [list(line.to) for line in served] == [[line.header["addressee"]] for line in served]
    assert len({line.header["addressee"] for line in served}) == 3


def test_ten_children_are_found_and_made_safe():
    """Each goes from lead to safeguarded."""
    steps = [(line.step, line.name) for row in rows() for line in row.lines if line.type == "VictimIdentification"]
    assert sorted(step for step, _ in steps) == sorted(["lead", "claimed", "identified", "safeguarded"] * 10)


def test_the_survey_says_what_was_planned():
    """Its stages are the counts."""
    [line] = [line for row in rows() for line in row.lines if line.type == "Survey"]
    stages = {stage["name"]: stage["n"] for stage in line.body["stages"]}
    assert stages == {"found": COUNTS.found, "selected": COUNTS.selected, "criminal": COUNTS.criminal}


def test_the_clerk_speaks_of_who_owed_something():
    """Each statement that the story waits for is about an earlier line with a short clock, and reaches its hearer."""
    said = {}
    for row in rows():
        if row.awaits is not None:
            line = said[row.awaits.about]
            assert line.header["deadline"]
            assert line.due_s
            assert row.awaits.who in {*line.to, *line.reaches}
            assert row.awaits.hearer == line.issuer
        said |= {line.name: line for line in row.lines}


def test_a_recall_reaches_everyone_who_had_the_report():
    """Its hearers by name and by the hub's decision are those of the report, and to whom it was passed on."""
    named = {line.name: line for row in rows() for line in row.lines}
    recall = named["recall"]
    assert {*recall.to, *recall.reaches} == {*named["mistaken"].to, *named["passed"].to}
    complied = {line.issuer for line in named.values() if line.type == "Acknowledgement" and line.step == "complied"}
    assert len({*recall.to, *recall.reaches} - complied) == 1


def test_persons_stay_sealed():
    """No age, name or narrative of a person stands in a header or body."""
    for row in rows():
        for line in row.lines:
            clear = json.dumps([line.header, line.body])
            assert not any(word in clear for word in ('"age"', "persons", "narrative", "age_band", "note"))


def test_it_says_every_kind_of_thing():
    """Hits, listings, assessments, reports, takedowns, identifications and answers; pledges, surveys, advisories."""
    kinds = {info.name for info in registry.all_schemas() if 20 <= info.id < 28}
    assert {line.type for row in rows() for line in row.lines} >= kinds | {"Commitment", "Survey", "Advisory"}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.says)
def test_a_row_fits_into_80_columns(row: Row):
    """On a ledger of a million entries too."""
    assert len(row.says.format(late_s=10)) <= SAYS
    stream = io.StringIO()
    telling = Telling(stream, colour=False)
    if row.awaits is None:
        telling.row(row, [Said(line, Outcome(bytes(16), "accepted", index=1_234_567)) for line in row.lines])
    else:
        telling.stated(row, Statement(1_234_567, 100))
    assert max(map(len, stream.getvalue().splitlines())) <= WIDTH


def test_an_act_fits_into_80_columns():
    """Title and reason."""
    stream = io.StringIO()
    telling = Telling(stream, colour=False)
    for act in story(counts_at(10)):
        telling.act(act)
    assert max(map(len, stream.getvalue().splitlines())) <= WIDTH


def test_a_short_clock_is_longer_on_a_slow_machine():
    """Seconds by default; never nearer than the stage says; a day stays a day."""
    script = Script(Edition(1, 0.01, 1_000_000_000_000_000), NATIONS, story(COUNTS))

    def due(name: str, least_s: float) -> str:
        return script.event(name, 1_000_000_000_000_000, least_s)["header"]["due_at"]

    assert due("notice-tidewave", 0) == "2001-09-09T01:46:43.000000Z"
    assert due("notice-tidewave", 20) == "2001-09-09T01:47:00.000000Z"
    assert due("notice-fernpost", 20) == "2001-09-10T01:46:40.000000Z"
