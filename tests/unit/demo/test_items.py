"""The forum's images, before anybody publishes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.demo.edition import ASSESSMENT, HIT, LISTING, MOST, Edition
from bus.demo.items import ASSESSOR, CLEARING, FIGURES, SERVICES, Items
from bus.demo.proportions import LARGEST_SCALE, SMALLEST_SCALE, counts_at
from bus.demo.tally import NUMBERS, Tally
from bus.events.ids import parse_uuid
from bus.events.jsonform import Fill, Parts, parse_event
from bus.events.lifecycle import LIFECYCLES, START, check
from bus.sandbox.world import WORLD, header_defaults

NOW_US = 1_800_000_000_000_000
SEEDS = st.integers(-(2**63), 2**63)
ORGANISATIONS = {organisation.id: organisation for organisation in WORLD}


def items(seed: int = 1, scale: float = 0.01) -> Items:
    """Those of an edition."""
    return Items(Edition(seed, scale, NOW_US), counts_at(scale))


def parsed(event: dict[str, Any], issuer: str) -> Parts:
    """An event as its issuer's publisher reads it."""
    organisation = ORGANISATIONS[issuer]
    fill = Fill("ledger.test/x", issuer, NOW_US, header_defaults(organisation), None, lambda _id: None)
    return parse_event(event, fill)


def said(found: Items) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every event of the items, with its issuer."""
    for service in SERVICES:
        for hit in found.hits(service):
            yield service, hit
    for event in (*found.assessments(), *found.listings()):
        yield ASSESSOR, event


@settings(deadline=None)
@given(SEEDS, st.floats(SMALLEST_SCALE, 0.05))
def test_there_are_exactly_as_many_of_each_kind_as_the_survey_says(seed: int, scale: float):
    """Chance decides which image is what, never how many are."""
    counts = counts_at(scale)
    kinds = Counter(item.kind for item in Items(Edition(seed, scale, NOW_US), counts))
    assert kinds == +Counter({
        "pca1978_pseudo": counts.pseudo, "cja2009_prohibited": counts.prohibited,
        "not_criminal": counts.not_criminal, "set_aside": counts.set_aside,
    })  # fmt: skip


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.floats(SMALLEST_SCALE, 0.01))
def test_every_event_keeps_the_rules_of_its_schema_and_lifecycle(seed: int, scale: float):
    """Each is complete for its publisher, and its step is its issuer's to take; what it is about was said to it."""
    found = items(seed, scale)
    hearers: dict[bytes, set[str]] = {}
    for issuer, event in said(found):
        parts = parsed(event, issuer)
        header, name = parts.header, parts.info.name
        actor = {"any", "owner", *ORGANISATIONS[issuer].roles}
        if name == "HashListing":
            assert parts.body.source_list
            actor.add("keeper")
        assert check(LIFECYCLES[name], header.step, actor, START, START) is None
        knowers = hearers.setdefault(header.event_id, {issuer, *header.audience})
        assert knowers <= ORGANISATIONS.keys()
        if header.about is not None:
            assert knowers <= hearers[header.about]


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_the_survey_can_be_counted_from_the_events(seed: int):
    """A tally that is fed the events finds the numbers that were planned."""
    found, tally = items(seed), Tally()
    for issuer, event in said(found):
        parts = parsed(event, issuer)
        tally.take(found.edition, parts.info.name, parts.header, parts.body)
    counts = found.counts
    assert [tally.numbers()[name] for name in NUMBERS] == [
        counts.found, counts.selected, counts.set_aside, counts.criminal, counts.pseudo, counts.prohibited,
    ]  # fmt: skip
    assert tally.listed == counts.criminal


def test_another_editions_events_are_not_counted():
    """Two tellings on one ledger are told apart."""
    found, tally = items(), Tally()
    other = Edition(1, 0.01, NOW_US + 1)
    for issuer, event in said(found):
        parts = parsed(event, issuer)
        tally.take(other, parts.info.name, parts.header, parts.body)
    assert tally == Tally()


def test_a_seed_tells_the_same_story_and_another_another():
    """Only the seed decides what an image is; ids are those of the edition."""
    one, again, other = items(7), Items(Edition(7, 0.01, NOW_US + 5), counts_at(0.01)), items(8)
    assert list(one) == list(again)
    assert list(one) != list(other)
    assert one.hit(one.item(0))["header"]["event_id"] != again.hit(again.item(0))["header"]["event_id"]


def test_all_kinds_of_likeness_and_of_overruling_are_there():
    """Some are synthetic, some show a known victim, some a public figure; people agree, raise and lower."""
    found = list(items(scale=0.05))
    assert {item.service for item in found} == set(SERVICES)
    assert {item.likeness for item in found} == {"none", "known_victim", "public_figure"}
    assert {item.agrees for item in found} == {"yes", "raised", "lowered"}
    assert {item.synthetic for item in found} == {"fully_synthetic", "partially_altered", "undetermined"}


def test_a_public_figure_is_named_only_where_it_is_sealed():
    """Names are in sealed parts, and nowhere else."""
    named = 0
    for _, event in said(items(scale=0.05)):
        sealed = json.dumps(event.pop("sealed", {}))
        rest = json.dumps(event)
        assert not any(name in rest for name in FIGURES)
        named += any(name in sealed for name in FIGURES)
    assert named


@given(st.integers(0, 3), st.integers(0, MOST - 1), SEEDS)
def test_an_id_says_which_event_of_which_edition_it_is(kind: int, number: int, seed: int):
    """And of no other edition."""
    edition = Edition(seed, 1.0, NOW_US)
    event_id = edition.event_id(kind, number)
    assert edition.number(event_id) == (kind, number)
    assert Edition(seed, 1.0, NOW_US + 1000).number(event_id) is None


def test_ids_are_all_different():
    """Of hits, verdicts and listings, at the largest scale too."""
    found = items()
    ids = [parse_uuid(event["header"]["event_id"]) for _, event in said(found)]
    assert len(set(ids)) == len(ids) == found.counts.found * 2 + found.counts.criminal
    assert round(20_254 * LARGEST_SCALE) < MOST
    assert {found.edition.number(one)[0] for one in ids if found.edition.number(one)} == {HIT, ASSESSMENT, LISTING}  # type: ignore[index]


def test_the_clearing_house_hears_all_of_it():
    """So its inbox alone can be counted."""
    assert all(CLEARING in event["header"]["audience"] for _, event in said(items()))
