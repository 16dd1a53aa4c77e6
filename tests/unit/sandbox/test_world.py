"""The made-up organisations are a world that the story can be told in."""

from __future__ import annotations

import re

from bus.sandbox.world import HUB, WORLD, header_defaults

ORG = re.compile(r"[a-z][a-z0-9-]{1,30}")
IDS = {member.id for member in WORLD}


def test_ids_are_well_formed_and_stand_once() -> None:
    """Each organisation has an id of its own that the formats allow; the hub is not among them."""
    assert len(IDS) == len(WORLD)
    assert all(ORG.fullmatch(org) for org in IDS)
    assert HUB not in IDS


def test_there_are_enough_of_each_role_in_enough_nations() -> None:
    """Platforms, hotlines and police in at least four nations, a maker of models, a ministry, two auditors."""
    count = {role: sum(role in member.roles for member in WORLD) for member in WORLD for role in member.roles}
    assert len({member.nation for member in WORLD}) >= 4
    assert min(count["platform"], count["hotline"], count["police"]) >= 3
    assert min(count["model-provider"], count["clearing-house"], count["authority"], count["survivor-agent"]) >= 1
    assert count["auditor"] >= 2


def test_default_audiences_are_sorted_known_and_never_oneself() -> None:
    """What an organisation says by default can be heard by others that are there."""
    for member in WORLD:
        assert list(member.audience) == sorted(set(member.audience))
        assert set(member.audience) <= IDS - {member.id}
        assert member.audience or member.roles == ("auditor",)


def test_a_platform_speaks_to_a_hotline_by_default() -> None:
    """A hash hit needs no audience in the file."""
    hotlines = {member.id for member in WORLD if "hotline" in member.roles}
    assert all(hotlines & set(member.audience) for member in WORLD if "platform" in member.roles)


def test_names_say_that_they_are_fictional_and_fit() -> None:
    """Nobody takes one for a real organisation; the admission has room for it."""
    assert all("fictional" in member.name and len(member.name) <= 64 for member in WORLD)


def test_police_evaluate_their_sources() -> None:
    """Domain §1 requires the evaluation of police, and of nobody else."""
    for member in WORLD:
        assert ("source_eval" in header_defaults(member)) == ("police" in member.roles)
