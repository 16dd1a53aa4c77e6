"""What an inbox says of a hash: listings, disputes, ends and recalls, in whatever pieces they come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.exchange.facts import NEGATIVE, POSITIVE, SEED, Fact, Kind, Signal, Thread, added, fact_of

ROOT, UPDATE, DISPUTE = ("00000000-0000-7000-8000-00000000000" + n for n in "123")


def listing(step: str = "listed", *, event_id: str = ROOT, about: str | None = None, **body: Any) -> dict[str, Any]:
    """A listing, as a delivery has it."""
    return {
        "type": "HashListing",
        "header": {"event_id": event_id, "step": step, "about": about, "issuer": "hotline-east", "thread": "t"},
        "body": {"list_id": "list", "entry": "one", "media": "image", "classifications": [], "flags": [], **body},
        "sealed": {"hashes": [{"algorithm": "PDQ", "value": "ab" * 32, "quality": None}]},
    }


def rated(scheme: str, code: str) -> dict[str, Any]:
    """One classification."""
    return {"scheme": scheme, "code": code, "scheme_version": "1"}


def recall(about: str, thread: str = "t") -> dict[str, Any]:
    """A recall of an event."""
    header = {"event_id": ROOT[:-1] + "9", "step": "called", "about": about, "issuer": "hotline-east", "thread": thread}
    return {"type": "Recall", "header": header, "body": {"reason": "error", "do": ["stop_using"]}}


def thread(*events: dict[str, Any]) -> Thread | None:
    """The sum of what events say."""
    found: Thread | None = None
    for index, event in enumerate(events):
        fact = fact_of(event, index)
        found = added(found, [] if fact is None else [fact])
    return found


def disputed(issuer: str = "platform-one", *, event_id: str = DISPUTE) -> dict[str, Any]:
    """Another organisation's dispute of the listing."""
    event = listing("disputed", event_id=event_id, about=ROOT, reason="not_csam")
    event["header"]["issuer"] = issuer
    return event


OTHER = "00000000-0000-7000-8000-000000000004"


@pytest.mark.parametrize("seen", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("end", ["retracted", "recall"])
def test_an_end_reaches_what_was_listed_about_a_later_step(seen: tuple[bool, bool], end: str):
    """Proposed, verified about that, listed about the verification: the end is about the first, whatever came here."""
    proposed, verified = listing("proposed"), listing("verified", event_id=UPDATE, about=ROOT)
    events = [one for one, came in zip((proposed, verified), seen, strict=True) if came]
    events.append(listing(event_id=OTHER, about=UPDATE))
    assert thread(*events) is not None
    over = recall(ROOT) if end == "recall" else listing("retracted", event_id=DISPUTE, about=ROOT, reason="error")
    assert thread(*events, over) is None


def test_a_dispute_of_a_later_step_is_one_of_the_listing():
    """Whoever disputes the newest word of a listing disputes the listing."""
    dispute = listing("disputed", event_id=DISPUTE, about=UPDATE, reason="not_csam")
    found = thread(listing(), listing("reclassified", event_id=UPDATE, about=ROOT), dispute)
    assert found is not None
    assert [one.event_id for one in found.about(ROOT)[1]] == [DISPUTE]


@pytest.mark.parametrize(
    ("ratings", "category"),
    [
        ([rated("ncmec-esp", "A1")], POSITIVE),
        ([rated("uk-sc-2014", "C")], POSITIVE),
        ([rated("iccam", "not_illegal")], NEGATIVE),
        ([rated("iccam", "not_illegal"), rated("iccam", "baseline")], POSITIVE),
        ([rated("vics", "1")], SEED),
        ([rated("caid", "1")], SEED),
        ([rated("stopncii", "Active")], SEED),
        ([], SEED),
    ],
)
def test_a_classification_is_an_opinion(ratings, category: int):
    """A known code of abuse is positive, one that says it is none negative, and what nobody can read is a seed."""
    fact = fact_of(listing(classifications=ratings, flags=["viral"]), 7)
    assert fact is not None
    assert (fact.category, fact.index, fact.kind) == (category, 7, Kind.LISTED)
    assert fact.tags == (*(f"{one['scheme']}:{one['code']}" for one in ratings), "flag:viral")
    assert fact.signals == (Signal("PDQ", "ab" * 32),)


def test_a_proposal_is_a_seed_whatever_it_says():
    """Nobody has verified it yet."""
    fact = fact_of(listing("proposed", classifications=[rated("ncmec-esp", "A1")]), 0)
    assert fact is not None
    assert fact.category == SEED


def test_an_update_replaces_the_listing_and_keeps_the_disputes():
    """The last word of the owner counts; another's opinion stands beside it."""
    found = thread(listing(), disputed(), listing("reclassified", event_id=UPDATE, about=ROOT, entry="two"))
    assert found is not None
    listed, disputes = found.about(ROOT)
    assert (listed.event_id, listed.entry) == (UPDATE, "two")
    assert [(one.issuer, one.category) for one in disputes] == [("platform-one", NEGATIVE)]
    assert disputes[0].tags == ("disputed", "reason:not_csam")


def test_each_organisation_has_one_dispute():
    """A second one of the same organisation replaces its first, and no other's."""
    found = thread(
        listing(), disputed(), disputed(event_id=UPDATE), disputed("police-south", event_id=DISPUTE[:-1] + "8")
    )
    assert found is not None
    assert {one.issuer: one.event_id for one in found.about(ROOT)[1]} == {
        "platform-one": UPDATE,
        "police-south": DISPUTE[:-1] + "8",
    }


@pytest.mark.parametrize("step", ["retracted", "withdrawn_by_survivor"])
def test_an_end_leaves_nothing(step: str):
    """Neither the hash nor a dispute of it."""
    assert thread(listing(), disputed(), listing(step, event_id=UPDATE, about=ROOT)) is None


@pytest.mark.parametrize("about", [ROOT, UPDATE, "00000000-0000-7000-8000-00000000000f"])
def test_a_recall_of_any_of_a_listings_events_stops_it(about: str):
    """Of the first, of the update, or of one that is not known here: nothing of the thread is matched any longer."""
    assert thread(listing(), listing("reclassified", event_id=UPDATE, about=ROOT), recall(about)) is None


def test_a_recall_of_an_earlier_version_stops_the_listing_too():
    """What replaced a recalled event rests on it."""
    middle = listing(event_id=UPDATE, about=ROOT)
    assert thread(listing(), middle, listing(event_id=DISPUTE, about=ROOT), recall(UPDATE)) is None


def test_a_recalled_dispute_leaves_the_listing():
    """An opinion that was wrong goes alone."""
    found = thread(listing(), disputed(), recall(DISPUTE))
    assert found is not None
    assert found.about(ROOT)[1] == []


def test_two_listings_of_one_thread_are_apart():
    """A case may hold several: one's end is not the other's."""
    found = thread(listing(), listing(event_id=UPDATE), listing("retracted", event_id=DISPUTE, about=ROOT))
    assert found is not None
    assert found.roots() == [UPDATE]


@pytest.mark.parametrize("event", [{"type": "HashHit"}, {"type": "HashListing", "step": "novel"}, {"type": "Recall"}])
def test_what_says_nothing_of_a_hash_is_no_fact(event):
    """Other types, unknown steps, and a recall of nothing are passed over."""
    header = {"event_id": ROOT, "step": event.get("step", "detected"), "about": None, "issuer": "x", "thread": "t"}
    assert fact_of({"type": event["type"], "header": header, "body": {}}, 0) is None


IDS = st.sampled_from([ROOT, UPDATE, DISPUTE])
FACTS = st.builds(Fact, st.sampled_from(Kind), IDS, IDS, st.sampled_from(["a", "b"]), st.integers(0, 9))


@given(st.lists(FACTS, max_size=12), st.integers(0, 12))
def test_it_does_not_matter_in_how_many_pieces_facts_come(facts: list[Fact], cut: int):
    """A fetch that stopped in the middle comes to the same sum as one that did not."""
    whole, pieces = added(None, facts), added(added(None, facts[:cut]), facts[cut:])
    assert (whole.facts if whole else []) == (pieces.facts if pieces else [])


@given(st.lists(FACTS, max_size=12), IDS)
def test_nothing_that_was_recalled_last_is_matched(facts: list[Fact], target: str):
    """Whatever came before, after the recall of a listing there is no listing with that root."""
    found = added(None, [*facts, Fact(Kind.ENDED, "x", target, "a", 10)])
    assert found is None or target not in found.roots()
