"""Lifecycles as the notary applies them: over all steps and roles, walked at random, in one flush and in many."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bus.events.codec import decode, encode_body
from bus.events.ids import dashed, parse_uuid
from bus.events.lifecycle import LIFECYCLES, START
from bus.events.registry import by_name
from bus.hub import subjects
from bus.kafka.records import Outgoing
from bus.tlog import Outcome
from tests.unit.events import naive
from tests.unit.hub.support import World

MEMBERS = {
    "pixelpost": ("US", "platform"),
    "chirpnest": ("IN", "platform"),
    "dreamforge": ("US", "model-provider"),
    "lighthouse": ("DE", "hotline"),
    "beacon": ("FR", "hotline"),
    "clearing-desk": ("US", "clearing-house"),
    "polder-police": ("NL", "police"),
    "fjord-police": ("NO", "police"),
    "ministry": ("GB", "authority"),
    "high-court": ("GB", "court"),
    "open-door": ("IE", "survivor-agent"),
    "audit-office": ("GB", "auditor"),
}
ORGS = ["hub", *MEMBERS]
ROLE = {"hub": "hub", **{org: role for org, (_, role) in MEMBERS.items()}}
TYPES = [name for name in LIFECYCLES if not by_name(name).directory]


@pytest.fixture(scope="module")
def shared() -> World:
    """An open log with one organisation of each role, and two of some."""
    return World(MEMBERS).open()


AUDIENCE = ("chirpnest", "lighthouse", "pixelpost")


def make(
    world: World,
    org: str,
    name: str,
    step: str,
    about: bytes | None = None,
    to: tuple[str, ...] = AUDIENCE,
    **header: Any,
) -> dict[str, Any]:
    """An example event, about what it is told to be about, or about nothing."""
    audience = [x for x in to if x != org]
    event = world.forge.event(org, audience, name, step=step)
    for key in ("thread", "lane", "supersedes", "case") if about is not None else ("supersedes", "case"):
        event["header"].pop(key, None)
    if about is not None:
        event["header"]["about"] = dashed(about)
    elif "about" not in by_name(name).header_required and "about" in event["header"]:
        for key in ("about", "thread", "lane"):
            del event["header"][key]
    event["header"].update(header)
    return event


def send(world: World, org: str, event: dict[str, Any]) -> tuple[int, tuple[str, ...], bytes]:
    """Sequence one event: outcome, reasons, id."""
    return sequence(world, [(org, event)])[0]


def sequence(world: World, events: list[tuple[str, dict[str, Any]]]) -> list[tuple[int, tuple[str, ...], bytes]]:
    """Sequence events in one flush."""
    records: list[Outgoing] = [world.forge.record(org, event) for org, event in events]
    built = world.sequence(records)
    ids = [parse_uuid(event["header"]["event_id"]) for _, event in events]
    found = {item.event_id: item for items in built.items.values() for item in items}
    return [(found[one].outcome, found[one].reasons, one) for one in ids]


def opening_actor(org: str, event: dict[str, Any]) -> set[str]:
    """Who somebody is to a subject that is not there yet."""
    keeper = {"keeper"} if event["body"].get("source_list") else set[str]()
    return {"any", "owner", "addressee", "target", ROLE[org], *keeper}


PAIRS = [(name, step) for name in TYPES for step in LIFECYCLES[name].steps]


@pytest.mark.parametrize(("name", "step"), PAIRS, ids=[f"{name}.{step}" for name, step in PAIRS])
def test_whoever_begins_with_a_step_is_told_what_would_do(shared: World, name: str, step: str) -> None:
    """By each role: accepted where the table begins with it, else refused with the steps that would be allowed."""
    for org in ORGS:
        event = make(shared, org, name, step)
        actor = opening_actor(org, event)
        expected = naive.may(name, step, actor, START, START)
        outcome, reasons, _ = send(shared, org, event)
        if expected is None:
            assert (outcome, reasons) == (Outcome.ACCEPTED, ()), org
        else:
            open_ = [s for s in naive.steps_of(name) if naive.may(name, s, actor, START, START) is None]
            named = [f"allowed.{s}" for s in open_]
            named = [*named[:6], "allowed.more"] if len(named) > 7 else named
            assert (outcome, list(reasons)) == (Outcome.REFUSED, [expected, *named]), org


def marks_of(name: str, step: str) -> set[str]:
    """The marks of a step's lines."""
    return {mark for line in naive.LINES if (line.type, line.step) == (name, step) for mark in line.marks}


class Walk(RuleBasedStateMachine):
    """Anyone tries anything about anything; the notary and a naive model agree on every outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(MEMBERS).open()
        self.events: list[tuple[str, str, bytes]] = []  # type, issuer, id
        self.root: dict[bytes, bytes] = {}
        self.first: dict[bytes, tuple[str, str, str | None, str]] = {}  # root -> type, owner, addressee, step
        self.last: dict[tuple[bytes, str, str], str] = {}
        self.recalled: set[bytes] = set()

    @rule(
        tries=st.lists(
            st.tuples(
                st.sampled_from(ORGS),
                st.sampled_from(["HashHit", "HashListing", "Report", "TakedownNotice", "TakedownAction", "Acknowledgement",
                                 "Recall", "Overdue", "Assessment", "VictimIdentification", "Preservation"]),
                st.integers(0, 99),
                st.integers(-1, 30),
                st.booleans(),
            ),
            min_size=1, max_size=6,
        )
    )  # fmt: skip
    def flush(self, tries: list[tuple[str, str, int, int, bool]]) -> None:
        """Some events in one flush; each is about the newest few, or about nothing."""
        wanted: list[tuple[str, str, str, dict[str, Any], bytes | None]] = []
        for org, name, number, back, same in tries:
            steps = list(LIFECYCLES[name].steps)
            about = self._about(name, back, same=same)
            step = steps[number % len(steps)]
            if about is None and not by_name(name).header_required:
                step = steps[0]
            event = make(self.world, org, name, step, about)
            event["body"].pop("viewed", None)
            wanted.append((org, name, step, event, about))
        outcomes = sequence(self.world, [(org, event) for org, _, _, event, _ in wanted])
        for (org, name, step, event, about), (outcome, reasons, event_id) in zip(wanted, outcomes, strict=True):
            expected = (
                self._unheard(org, name, step, about)
                or self._expect(org, name, step, event, about)
                or self._passing(org, name, step, about)
            )
            assert (reasons[0] if reasons else None) == expected, (org, name, step)
            if outcome == Outcome.ACCEPTED:
                self._accepted(org, name, step, event, about, event_id)

    def _about(self, name: str, back: int, *, same: bool) -> bytes | None:
        if back < 0:
            return None
        of = LIFECYCLES[name].subjects if not same else {name}
        found = [one for type_, _, one in self.events if not of or type_ in of]
        return found[-1 - back] if back < len(found) else None

    def _runs_on(self, name: str, about: bytes | None) -> bytes | None:
        if about is None:
            return None
        type_ = next(t for t, _, one in self.events if one == about)
        of = LIFECYCLES[name].of
        if type_ == name or of == "subject":
            return self.root[about]
        return about if of == "event" else None

    def _line(self, org: str, name: str, event: dict[str, Any], *, each: bool) -> str:
        header = event["header"]
        if name == "Overdue":
            return f"{header['addressee']}/{header['deadline']}"
        if not each:
            return ""
        return header.get("addressee", "hub") if org == "hub" else org

    def _expect(self, org: str, name: str, step: str, event: dict[str, Any], about: bytes | None) -> str | None:
        if about is None:
            return naive.may(name, step, opening_actor(org, event), START, START)
        key = self._runs_on(name, about)
        issuer = next(i for _, i, one in self.events if one == about)
        actor = {"any", ROLE[org], *({"target"} if issuer == org else ())}
        if name == "HashListing":
            actor.add("keeper")
        if key is None:
            return naive.may(name, step, {*actor, "owner", "addressee"}, START, START)
        type_, owner, addressee, first = self.first[key]
        addressee_now = event["header"].get("addressee")
        if name == "TakedownNotice" and addressee not in {None, addressee_now}:
            return "one-addressee"
        actor |= {"owner" if owner == org else "other", *({"addressee"} if addressee in {None, org} else ())}
        start = first if type_ == name else START
        main = self.last.get((key, name, self._line(org, name, event, each=False)), start)
        own = self.last.get((key, name, self._line(org, name, event, each=True)), main)
        if LIFECYCLES[name].subjects and type_ not in LIFECYCLES[name].subjects:
            main = own = ""
        return naive.may(name, step, actor, main, own)

    def _unheard(self, org: str, name: str, step: str, about: bytes | None) -> str | None:
        """Nobody speaks of what it has not got, unless the table lets it; everybody of the audience has all."""
        if about is None or org == "hub" or "unheard" in marks_of(name, step):
            return None
        issuer = next(i for _, i, one in self.events if one == about)
        return None if org in {issuer, *AUDIENCE} else "about-unseen"

    def _passing(self, org: str, name: str, step: str, about: bytes | None) -> str | None:
        """Nobody passes on what was recalled; everybody hears whatever is said here."""
        key = self._runs_on(name, about)
        if about is None or key is None or org == "hub" or "passes" not in marks_of(name, step):
            return None
        return "recalled" if {about, self.root[about]} & self.recalled else None

    def _accepted(
        self, org: str, name: str, step: str, event: dict[str, Any], about: bytes | None, event_id: bytes
    ) -> None:
        key = self._runs_on(name, about)
        if name == "Recall" and about is not None:
            self.recalled.add(about)
        self.root[event_id] = key or event_id
        self.events.append((name, org, event_id))
        if key is None:
            self.first[event_id] = (name, org, event["header"].get("addressee"), step)
            return
        [line] = [x for x in naive.LINES if (x.type, x.step) == (name, step)][:1]
        if "keeps" not in line.marks:
            self.last[key, name, self._line(org, name, event, each="each" in line.marks)] = step

    def teardown(self) -> None:
        """The rows that were written can be told again from the events alone."""
        told, written, reach = [], [], []
        for built in self.world.built:
            bodies = {row[0]: row[1] for row in built.rows.content}
            written += built.rows.step
            reach += built.rows.reach
            for index, schema_id, header, decision, _ in built.rows.record:
                found = decode(b"\x00" + schema_id.to_bytes(4, "big") + header + bodies[index] + b"\x00")
                told.append((index, found, decision))
        assert subjects.replay(told) == (written, reach)


Walk.TestCase.settings = settings(
    max_examples=10, stateful_step_count=10, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.target],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
TestWalk = Walk.TestCase


def test_a_notice_goes_its_way_in_one_flush(shared: World) -> None:
    """The order of two events in one flush counts: what follows is decided as of the entry before it."""
    hearers = ("chirpnest", "pixelpost", "polder-police")
    notice = make(shared, "ministry", "TakedownNotice", "issued", to=hearers, addressee="pixelpost")
    about = parse_uuid(notice["header"]["event_id"])
    follow = {"about": dashed(about), "thread": about.hex(), "lane": "urgent"}

    def action(org: str, step: str) -> tuple[str, dict[str, Any]]:
        event = make(shared, org, "TakedownAction", step, None, ("ministry",) if org != "ministry" else hearers)
        event["header"].update(follow)
        return org, event

    outcomes = sequence(shared, [
        ("ministry", notice),
        action("pixelpost", "acknowledged"),
        action("chirpnest", "removed"),
        action("polder-police", "le_hold"),
        action("pixelpost", "removed"),
        action("polder-police", "hold_lifted"),
        action("pixelpost", "removed"),
        action("ministry", "verified_removed"),
    ])  # fmt: skip
    assert [reasons[:2] for _, reasons, _ in outcomes] == [
        (), (), ("step-role",), (), ("step-order",), (), (), (),
    ]  # fmt: skip


@pytest.mark.parametrize(("items", "expected"), [(3, ("sealed-missing",)), (0, ())])
def test_a_notice_says_what_to_take_down(shared: World, items: int, expected: tuple[str, ...]) -> None:
    """Without a sealed part it can only be about a whole platform; its later steps need none."""
    event = make(shared, "ministry", "TakedownNotice", "issued", addressee="pixelpost")
    event["body"]["item_count"] = 0
    event["sealed"] = None
    sections = shared.forge.compose("ministry", event)
    body = msgspec.structs.replace(decode(sections.value).body, item_count=items)
    record = shared.forge.sign("ministry", [sections._replace(b=encode_body(sections.info, body))])[0]
    assert [row[18] for row in shared.sequence([record]).rows.entry] == [list(expected) or None]


def test_an_order_keeps_its_one_addressee(shared: World) -> None:
    """Who is asked hears it, and a later word about the notice cannot name somebody else."""
    unheard = make(shared, "ministry", "TakedownNotice", "issued", addressee="dreamforge")
    assert send(shared, "ministry", unheard)[1] == ("one-addressee",)
    _, _, about = send(shared, "ministry", make(shared, "ministry", "TakedownNotice", "issued", addressee="pixelpost"))
    other = make(shared, "ministry", "TakedownNotice", "corrected", about, addressee="chirpnest")
    assert send(shared, "ministry", other)[1] == ("one-addressee",)


def test_a_verdict_is_its_makers_own(shared: World) -> None:
    """Nobody supersedes, withdraws or asserts another's assessment; one's own beside it is welcome."""
    two = ("beacon", "lighthouse")
    _, _, hit = send(shared, "pixelpost", make(shared, "pixelpost", "HashHit", "detected", to=two))
    same = {"by_provider": False, "exif": False, "public": False, "stated_by": "pixelpost"}

    def verdict(org: str, step: str, about: bytes, **header: Any) -> tuple[int, tuple[str, ...], bytes]:
        event = make(shared, org, "Assessment", step, about, two, **header)
        event["body"]["viewed"] = same
        return send(shared, org, event)

    outcome, _, first = verdict("lighthouse", "asserted", hit)
    assert outcome == Outcome.ACCEPTED
    for step in ("asserted", "superseded", "withdrawn"):
        assert verdict("beacon", step, first)[1][0] == "step-role"
    assert verdict("beacon", "asserted", hit, supersedes=dashed(first))[1] == ("supersedes-foreign",)
    assert verdict("beacon", "asserted", hit)[0] == Outcome.ACCEPTED
    assert verdict("lighthouse", "superseded", first, supersedes=dashed(first))[0] == Outcome.ACCEPTED


def test_who_viewed_the_file_is_copied_unchanged(shared: World) -> None:
    """A report's statement goes downstream as it is, or not at all; the first to state it fixes it."""
    report = make(shared, "pixelpost", "Report", "filed", to=("clearing-desk", "lighthouse"))
    report["body"]["viewed"] = None
    _, _, about = send(shared, "pixelpost", report)
    stated = {"by_provider": True, "exif": None, "public": False, "stated_by": "pixelpost"}

    def refer(viewed: dict[str, Any] | None) -> tuple[str, ...]:
        event = make(shared, "clearing-desk", "Report", "referred", about)
        event["body"]["viewed"] = viewed
        return send(shared, "clearing-desk", event)[1]

    assert refer(None) == ()
    assert refer(stated) == ()
    assert refer({**stated, "by_provider": False}) == ("viewed-changed",)
    assert refer({**stated, "exif": False}) == ("viewed-changed",)
    assert refer({**stated, "stated_by": "clearing-desk"}) == ("viewed-changed",)
    assert refer(stated) == ()
    assert refer(None) == ()


def test_who_viewed_the_file_holds_from_subject_to_subject(shared: World) -> None:
    """A hit states it, a report about the hit leaves it out, a notice about that report lies between: still no change."""
    stated = {"by_provider": True, "exif": None, "public": False, "stated_by": "pixelpost"}

    def say(org: str, name: str, step: str, about: bytes | None, viewed: Any) -> tuple[int, tuple[str, ...], bytes]:
        to = tuple(sorted({"clearing-desk", "lighthouse", "pixelpost"} - {org}))
        extra = {"addressee": "pixelpost"} if name == "TakedownNotice" else {}
        event = make(shared, org, name, step, about, to, **extra)
        if name != "TakedownNotice":
            event["body"]["viewed"] = viewed
        return send(shared, org, event)

    _, _, hit = say("pixelpost", "HashHit", "detected", None, stated)
    _, _, report = say("pixelpost", "Report", "filed", hit, None)
    _, reasons, notice = say("lighthouse", "TakedownNotice", "issued", report, None)
    assert reasons == ()
    _, _, second = say("clearing-desk", "Report", "filed", notice, None)
    for about in (report, second):
        changed = {**stated, "public": True}
        assert say("clearing-desk", "Report", "supplemented", about, changed)[1] == ("viewed-changed",)
        assert say("clearing-desk", "Report", "supplemented", about, stated)[1] == ()
        assert say("lighthouse", "Assessment", "proposed", about, changed)[1] == ("viewed-changed",)


def test_nobody_speaks_of_what_it_was_never_sent(shared: World) -> None:
    """Police who merely know a notice's id hold nothing up, and nobody tells them where it stands; a court may order."""
    _, _, about = send(shared, "ministry", make(shared, "ministry", "TakedownNotice", "issued", addressee="pixelpost"))
    to = ("ministry",)
    for org, name, step in (
        ("polder-police", "TakedownAction", "le_hold"),
        ("polder-police", "TakedownAction", "hold_lifted"),
        ("dreamforge", "Acknowledgement", "taken"),
        ("dreamforge", "Assessment", "proposed"),
    ):
        assert send(shared, org, make(shared, org, name, step, about, to))[1] == ("about-unseen",)
    for org, name, step in (("polder-police", "Preservation", "requested"), ("high-court", "Recall", "called")):
        assert send(shared, org, make(shared, org, name, step, about, to))[1] == ()


def test_each_police_force_goes_its_own_way_with_a_report(shared: World) -> None:
    """One force closes its case; another still receives the same report."""
    everyone = ("chirpnest", "clearing-desk", "fjord-police", "lighthouse", "polder-police")
    _, _, about = send(shared, "pixelpost", make(shared, "pixelpost", "Report", "filed", to=everyone))
    ways = [
        ("clearing-desk", "referred"), ("polder-police", "received"), ("polder-police", "closed"),
        ("fjord-police", "closed"), ("clearing-desk", "referred"), ("fjord-police", "received"),
        ("polder-police", "reopened"),
    ]  # fmt: skip
    reasons = [send(shared, org, make(shared, org, "Report", step, about))[1] for org, step in ways]
    assert [r[:1] for r in reasons] == [(), (), (), ("step-order",), (), (), ()]
    open_ = ("supplemented", "triaged", "escalated", "received", "returned_insufficient")
    assert reasons[3][1:] == tuple(f"allowed.{step}" for step in open_)


@pytest.mark.parametrize("platform", ["pixelpost", "chirpnest"])
@pytest.mark.parametrize("hotline", ["lighthouse", "beacon"])
def test_a_hash_hit_from_any_platform_to_any_hotline_is_allowed(shared: World, platform: str, hotline: str) -> None:
    """As `bus schema example HashHit` prints it."""
    event = shared.forge.event(platform, (hotline,))
    assert send(shared, platform, event)[0] == Outcome.ACCEPTED
