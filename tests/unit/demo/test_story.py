"""The story, before anybody tells it."""

from __future__ import annotations

import pytest

from bus.demo.story import CASE_GROUP, NOWHERE, Line, story
from bus.events import registry
from bus.sandbox.world import WORLD

ORGANISATIONS = {organisation.id: organisation for organisation in WORLD}


def lines(seed: int) -> list[Line]:
    """All lines of a story, in order."""
    return [line for act in story(seed) for line in act.lines]


@pytest.mark.parametrize("seed", range(20))
def test_everybody_in_it_is_of_the_sandbox(seed: int):
    """Issuers and recipients are made-up organisations, but for the one mistake."""
    for line in lines(seed):
        assert line.issuer in ORGANISATIONS
        assert line.issuer not in line.to
        assert set(line.to) - ORGANISATIONS.keys() <= ({NOWHERE} if line.name == "mistake" else set())


@pytest.mark.parametrize("seed", range(20))
def test_nobody_hears_an_answer_to_what_they_did_not_hear(seed: int):
    """What an event is about was said before, and is known to everybody who hears of it."""
    told: dict[str, Line] = {}
    for line in lines(seed):
        for name in filter(None, (line.about, line.after)):
            assert name in told
        if line.about:
            subject = told[line.about]
            knowers = {*subject.to, subject.issuer}
            assert {line.issuer, *line.to} - {NOWHERE} <= knowers
        if line.name:
            told[line.name] = line


def test_a_seed_tells_the_same_story_and_another_another():
    """Only the seed decides."""
    assert lines(7) == lines(7)
    assert lines(7) != lines(8)


def test_it_says_every_kind_of_thing_in_four_nations():
    """Hits, listings, assessments, reports, takedowns, identifications and answers; the case spans four nations."""
    kinds = {info.name for info in registry.all_schemas() if 20 <= info.id < 30}
    assert {line.type for line in lines(1)} >= kinds
    assert len({ORGANISATIONS[org].nation for org in CASE_GROUP}) >= 4
