"""Lifecycles: the table says what domain.md says, and the function says what the table says."""

from __future__ import annotations

import csv
from itertools import chain, combinations

import pytest

from bus.events import lifecycle
from bus.events.lifecycle import LIFECYCLES, RELATIONS, START
from bus.paths import schemas_dir
from tests.unit.events import naive
from tests.unit.events.strategies import EVENT_TYPES

with (schemas_dir() / "codes" / "role.csv").open(encoding="utf-8", newline="") as file:
    ROLES = [row["value"] for row in csv.DictReader(file)]
RELATED = [set(some) for n in range(3) for some in combinations(["owner", "other", "addressee", "target", "keeper"], n)]
ACTORS = [{"any", role, *related} for role in [*ROLES, "hub"] for related in RELATED]


def test_every_type_and_step_has_a_lifecycle() -> None:
    """No step is missing from the table, and none is invented."""
    assert {info.name for info in EVENT_TYPES} == set(LIFECYCLES)
    for info in EVENT_TYPES:
        assert set(info.steps) == set(LIFECYCLES[info.name].steps), info.name


def test_the_table_names_nobody_and_nothing_unknown() -> None:
    """Roles are those of the list, steps those of the type; every step can be reached by somebody."""
    for life in LIFECYCLES.values():
        reached = {START}
        for _ in life.steps:
            reached |= {s.name for s in life.steps.values() if any(rule.after & reached for rule in s.rules)}
        assert reached == {START, *life.steps}, life.name
        for step in life.steps.values():
            for rule in step.rules:
                assert rule.after <= {START, *life.steps}
                assert set(chain(*rule.by)) <= {*ROLES, *RELATIONS}


@pytest.mark.parametrize("name", sorted(LIFECYCLES))
def test_every_pair_is_as_the_table_says(name: str) -> None:
    """For every actor, last step and step: allowed or not, with the reason, and with all that would be allowed."""
    life = LIFECYCLES[name]
    lasts = [START, *life.steps]
    pairs = [(last, START) for last in lasts] + [(START, last) for last in lasts] + [(last, last) for last in lasts]
    for actor in ACTORS:
        for main, own in pairs:
            open_ = tuple(s for s in naive.steps_of(name) if naive.may(name, s, actor, main, own) is None)
            for step in life.steps:
                denied = lifecycle.check(life, step, actor, main, own)
                expected = naive.may(name, step, actor, main, own)
                assert (None if denied is None else denied.reason) == expected, (actor, main, own, step)
                if denied is not None:
                    assert denied.allowed == open_


WAYS = {
    "HashHit": ["platform owner: detected inconclusive confirmed", "hotline owner: detected false_positive"],
    "HashListing": [
        "hotline owner: proposed verified listed",
        "keeper: listed; other: disputed; owner: listed reclassified listed; court: retracted",
        "keeper: listed; owner: withdrawn_by_survivor",
    ],
    "Assessment": ["any owner: proposed asserted superseded", "any owner: asserted withdrawn"],
    "Report": [
        ("platform owner: opened filed; any: supplemented; clearing-house: triaged escalated referred referred; "
        "police: received in_progress closed reopened closed feedback"),
        "platform: filed; hotline: triaged referred; police: returned_insufficient received",
    ],
    "TakedownNotice": ["authority owner: issued; hub: delivered; owner: corrected; hub: renotified expired"],
    "TakedownAction": [
        ("platform addressee: acknowledged; police: le_hold hold_lifted; addressee: removed; "
        "owner: verified_removed; any: reappeared"),
        "model-provider addressee: acknowledged weights_removed filter_updated",
        "addressee: refused", "addressee: impossible", "addressee: not_found", "addressee: geo_blocked disabled",
    ],
    "VictimIdentification": ["hotline: lead; police: claimed identified safeguarded reopened claimed closed_redepiction"],
    "Acknowledgement": ["hub: delivered; any: fetched taken complied", "any: fetched cannot", "any: taken rejected"],
    "Recall": ["target: called", "court: called"],
    "Preservation": ["police owner: requested; platform addressee: held; owner: extended released"],
    "Deconfliction": ["police owner: claimed; hub: answered contact_brokered; owner: released"],
    "Erasure": ["any: requested; hub: blocked_by_hold; other: approved; hub: live_done copies_done"],
    "Overdue": ["hub: warned overdue escalated cured", "hub: overdue; owner: excused"],
    "Commitment": ["any owner: signed progress evidenced; other: contested; owner: progress withdrawn"],
    "Appeal": ["any: opened; other: reassessed; police: police_decided; other: overturned; any: reinstated"],
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_the_ways_of_the_domain_can_be_gone(name: str) -> None:
    """Each arrow of the domain's machines, by whom it names."""
    life = LIFECYCLES[name]
    for way in WAYS[name]:
        last = START
        for part in way.split("; "):
            actor, _, steps = part.partition(": ")
            for step in steps.split():
                denied = lifecycle.check(life, step, {"any", *actor.split()}, last, last)
                assert denied is None, (way, step, denied)
                last = last if life.steps[step].keeps else step


NEVER = [
    ("HashHit", "confirmed", "other platform", "detected", "step-role"),
    ("HashHit", "detected", "police", START, "step-role"),
    ("HashListing", "listed", "owner", "proposed", "step-order"),
    ("HashListing", "listed", "owner", START, "step-order"),
    ("HashListing", "disputed", "owner", "listed", "step-role"),
    ("HashListing", "retracted", "hotline", "listed", "step-role"),
    ("Assessment", "asserted", "other hotline", "proposed", "step-role"),
    ("Report", "received", "hotline", "referred", "step-role"),
    ("Report", "closed", "police", "referred", "step-order"),
    ("TakedownNotice", "issued", "platform", START, "step-role"),
    ("TakedownNotice", "corrected", "owner authority", "withdrawn", "step-order"),
    ("TakedownAction", "acknowledged", "platform", START, "step-role"),
    ("TakedownAction", "removed", "platform addressee", "le_hold", "step-order"),
    ("TakedownAction", "verified_removed", "platform addressee", "removed", "step-role"),
    ("VictimIdentification", "safeguarded", "police", "claimed", "step-order"),
    ("Acknowledgement", "complied", "any", START, "step-order"),
    ("Acknowledgement", "fetched", "any", "taken", "step-order"),
    ("Acknowledgement", "delivered", "platform", START, "step-role"),
    ("Recall", "called", "platform", START, "step-role"),
    ("Erasure", "approved", "owner", "requested", "step-role"),
    ("Overdue", "excused", "platform addressee", "overdue", "step-role"),
]


@pytest.mark.parametrize(("name", "step", "actor", "last", "reason"), NEVER)
def test_what_the_domain_rules_out_is_refused(name: str, step: str, actor: str, last: str, reason: str) -> None:
    """Wrong hands and wrong order, each told apart."""
    denied = lifecycle.check(LIFECYCLES[name], step, {"any", *actor.split()}, last, last)
    assert denied is not None
    assert denied.reason == reason
