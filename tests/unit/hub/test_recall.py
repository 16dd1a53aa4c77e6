"""A recall reaches everyone who ever got the target, and nobody else; what is named must be known to who hears it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.events.codec import decode_decision
from bus.events.ids import dashed, parse_uuid
from bus.kafka.records import Outgoing
from bus.tlog import Outcome
from bus.trust.keys import KeyRing
from tests.unit.hub.support import World
from tests.unit.hub.tables import Tables, flush
from tests.unit.hub.test_lifecycles import MEMBERS, make

POLICE = ("fjord-police", "polder-police")
REFERRERS = ("beacon", "clearing-desk", "lighthouse")


@pytest.fixture
def world() -> World:
    """An open log with one organisation of each role, and two of some."""
    return World(MEMBERS).open()


def recipients(built: Any, index: int = -1) -> dict[str, tuple[bool, str]]:
    """The decision of an accepted entry of a flush, by default its last."""
    return {r.org: (r.allow, r.reason) for r in decode_decision(built.rows.record[index][3]).recipients}


def say(
    world: World, org: str, name: str, step: str, to: tuple[str, ...], about: bytes | None = None, **header: Any
) -> tuple[Any, bytes]:
    """Sequence one event in a flush of its own: the flush, and the event's id."""
    event = make(world, org, name, step, about, to, **header)
    return world.sequence([world.forge.record(org, event)]), parse_uuid(event["header"]["event_id"])


def reasons(built: Any) -> tuple[str, ...]:
    """Why the last record of a flush was refused."""
    return tuple(built.rows.entry[-1][18] or ())


def test_a_recall_goes_to_whom_it_does_not_name(world: World) -> None:
    """Everyone who was allowed the target hears of its recall, with the reason; the issuer names one at least."""
    _, hit = say(world, "pixelpost", "HashHit", "detected", ("beacon", "chirpnest", "lighthouse"))
    built, _ = say(world, "pixelpost", "Recall", "called", ("lighthouse",), hit)
    past = (True, "past-recipient")
    assert recipients(built) == {"beacon": past, "chirpnest": past, "lighthouse": (True, "audience")}
    assert [r.seq is not None for r in decode_decision(built.rows.record[-1][3]).recipients] == [True] * 3


def test_a_recall_follows_a_report_to_whom_it_was_referred(world: World) -> None:
    """Who got a report by referral got it all the same; and the referral's own recall reaches only those."""
    _, report = say(world, "pixelpost", "Report", "filed", ("clearing-desk",))
    _, first = say(world, "clearing-desk", "Report", "referred", ("polder-police",), report)
    _, second = say(world, "clearing-desk", "Report", "referred", ("fjord-police",), first)
    past = (True, "past-recipient")
    built, _ = say(world, "clearing-desk", "Recall", "called", ("fjord-police",), second)
    assert recipients(built) == {"fjord-police": (True, "audience")}
    built, _ = say(world, "clearing-desk", "Recall", "called", ("polder-police",), first)
    assert recipients(built) == {"fjord-police": past, "polder-police": (True, "audience")}
    built, _ = say(world, "pixelpost", "Recall", "called", ("clearing-desk",), report)
    assert recipients(built) == {"clearing-desk": (True, "audience"), "fjord-police": past, "polder-police": past}


def test_a_courts_recall_reaches_the_issuer_of_the_target_too(world: World) -> None:
    """Whoever recalls another's event tells its issuer as well as those who heard it."""
    _, hit = say(world, "pixelpost", "HashHit", "detected", ("beacon", "lighthouse"))
    built, _ = say(world, "high-court", "Recall", "called", ("lighthouse",), hit)
    assert recipients(built) == {
        "beacon": (True, "past-recipient"), "lighthouse": (True, "audience"), "pixelpost": (True, "target-issuer"),
    }  # fmt: skip


def test_only_the_issuer_a_court_or_an_authority_recalls(world: World) -> None:
    """A recipient who wants it recalled has no say, and learns which steps it has: none."""
    _, hit = say(world, "pixelpost", "HashHit", "detected", ("lighthouse",))
    built, _ = say(world, "lighthouse", "Recall", "called", ("pixelpost",), hit)
    assert reasons(built) == ("step-role",)


def test_whom_nobody_told_the_target_is_not_told_of_its_recall(world: World) -> None:
    """A recall that names somebody who never had the target is refused: it would tell them that there was one."""
    _, hit = say(world, "pixelpost", "HashHit", "detected", ("lighthouse",))
    built, _ = say(world, "pixelpost", "Recall", "called", ("beacon", "lighthouse"), hit)
    assert reasons(built) == ("about-unseen",)


def test_who_was_suspended_when_it_was_said_never_had_it(world: World) -> None:
    """What a decision withheld is not recalled from there; whoever is suspended now is in the decision, and not told."""
    world.send("OrganisationSuspended", {"org": "beacon", "reason": "unreachable"})
    _, hit = say(world, "pixelpost", "HashHit", "detected", ("beacon", "chirpnest", "lighthouse"))
    world.send("OrganisationSuspended", {"org": "chirpnest", "reason": "unreachable"})
    built, _ = say(world, "pixelpost", "Recall", "called", ("lighthouse",), hit)
    assert recipients(built) == {"chirpnest": (False, "suspended"), "lighthouse": (True, "audience")}


def test_what_was_recalled_is_passed_on_no_more(world: World) -> None:
    """A referral after the recall would reach somebody whom the recall has not; other words about it still go."""
    _, report = say(world, "pixelpost", "Report", "filed", ("clearing-desk",))
    _, referred = say(world, "clearing-desk", "Report", "referred", ("polder-police",), report)
    say(world, "pixelpost", "Recall", "called", ("clearing-desk",), report)
    for about in (report, referred):
        built, _ = say(world, "clearing-desk", "Report", "referred", ("fjord-police",), about)
        assert reasons(built) == ("recalled",)
    assert reasons(say(world, "polder-police", "Report", "received", ("clearing-desk",), referred)[0]) == ()
    assert reasons(say(world, "pixelpost", "Recall", "called", ("clearing-desk",), report)[0]) == ()


def test_what_is_named_must_be_known_to_everyone_who_hears_it(world: World) -> None:
    """An event about one that somebody named has not got is refused, and so are causes and what it supersedes."""
    _, hit = say(world, "pixelpost", "HashHit", "detected", ("lighthouse",))
    wide = ("beacon", "lighthouse")
    assert reasons(say(world, "pixelpost", "HashHit", "confirmed", wide, hit)[0]) == ("about-unseen",)
    assert reasons(say(world, "pixelpost", "HashHit", "detected", wide, causes=[dashed(hit)])[0]) == ("about-unseen",)
    assert reasons(say(world, "pixelpost", "HashHit", "detected", wide, supersedes=dashed(hit))[0]) == ("about-unseen",)
    assert reasons(say(world, "pixelpost", "HashHit", "detected", ("lighthouse",), causes=[dashed(hit)])[0]) == ()
    assert reasons(say(world, "lighthouse", "Acknowledgement", "fetched", ("pixelpost",), hit)[0]) == ()
    assert reasons(say(world, "pixelpost", "HashHit", "confirmed", ("lighthouse",), hit)[0]) == ()


def test_nobody_passes_on_what_it_has_not_got(world: World) -> None:
    """A clearing house that guessed an id cannot refer the report that it was never sent."""
    _, report = say(world, "pixelpost", "Report", "filed", ("lighthouse",))
    built, _ = say(world, "clearing-desk", "Report", "referred", ("polder-police",), report)
    assert reasons(built) == ("about-unseen",)
    assert reasons(say(world, "lighthouse", "Report", "referred", ("polder-police",), report)[0]) == ()


def test_members_of_an_agreement_who_never_had_the_subject_are_left_out(world: World) -> None:
    """Nobody can know who is a member at that index: who has not got the subject is not told, and the rest is."""
    circle = {"agreement": "@harbour", "onward": "none", "valid_from": "2020-01-01T00:00:00.000000Z"}
    world.send("AgreementConcluded", {**circle, "members": ["beacon", "pixelpost"]})
    event = make(world, "pixelpost", "Advisory", "published", None, ("@harbour",))
    event["sealed"] = None
    world.sequence([world.forge.record("pixelpost", event)])
    advisory = parse_uuid(event["header"]["event_id"])
    world.send("AgreementConcluded", {**circle, "members": ["beacon", "lighthouse", "pixelpost"]})
    event = make(world, "pixelpost", "Advisory", "withdrawn", advisory, ("@harbour",))
    event["sealed"] = None
    built = world.sequence([world.forge.record("pixelpost", event)])
    assert recipients(built) == {"beacon": (True, "agreement"), "lighthouse": (False, "unseen")}
    event = make(world, "pixelpost", "Recall", "called", advisory, ("@harbour",))
    event["sealed"] = None
    built = world.sequence([world.forge.record("pixelpost", event)])
    assert recipients(built) == {"beacon": (True, "agreement"), "lighthouse": (False, "unseen")}


def test_the_hubs_word_stands_and_reaches_who_has_the_subject(world: World) -> None:
    """Lateness is recorded whoever may hear of it: the clerk's event is never refused for its audience."""
    _, notice = say(world, "ministry", "TakedownNotice", "issued", ("lighthouse", "pixelpost"), addressee="pixelpost")
    event = make(world, "hub", "Overdue", "overdue", notice, ("beacon", "ministry", "pixelpost"))
    event["header"]["addressee"] = "pixelpost"
    built = world.sequence([world.forge.record("hub", event)])
    audience = (True, "audience")
    assert recipients(built) == {"beacon": (False, "unseen"), "ministry": audience, "pixelpost": audience}


Script = list[tuple[str, Any]]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """A report, what becomes of it, and its recall at some point: in what order, and in how many flushes, is open."""
    first = draw(st.sets(st.sampled_from(["beacon", "chirpnest", "clearing-desk", "lighthouse"]), min_size=1))
    script: Script = [("file", tuple(sorted(first)))]
    acts = st.one_of(
        st.tuples(st.just("refer"), st.tuples(st.sampled_from(REFERRERS), st.sampled_from(POLICE), st.booleans())),
        st.tuples(st.just("recall"), st.just(min(first))),
        st.tuples(st.just("suspend"), st.sampled_from([*POLICE, *REFERRERS])),
        st.tuples(st.just("reinstate"), st.sampled_from([*POLICE, *REFERRERS])),
        st.tuples(st.just("cut"), st.none()),
    )
    return [*script, *draw(st.lists(acts, max_size=10)), ("recall", min(first))]


@pytest.fixture(scope="module")
def shared_recall() -> World:
    """One log for all scripts: each has a report of its own, and leaves everybody admitted."""
    return World(MEMBERS).open()


@settings(max_examples=60, deadline=None)
@given(script=scripts())
def test_every_past_recipient_is_reached_whatever_the_order(script: Script, shared_recall: World) -> None:
    """Whatever is said in between, in one flush or in many: a recall reaches whom a list of names says it must.

    The notary knows nothing but its tables between two flushes, as after a crash.
    """
    run = _Run(shared_recall)
    for act, what in script:
        getattr(run, act)(what)
    run.cut(None)
    run.check()


class _Run:
    """A script at work, and beside it the plain list of who has the report."""

    def __init__(self, world: World) -> None:
        self.world, self.tables = world, Tables()
        self.waiting: list[Outgoing] = []
        self.have: set[str] = set()
        self.allowed: dict[bytes, set[str]] = {}
        self.suspended: set[str] = set()
        self.recalls: dict[bytes, set[str]] = {}
        self.recalled = False
        self.report = self.last = b""

    def _put(self, org: str, event: dict[str, Any]) -> bytes:
        self.waiting.append(self.world.forge.record(org, event))
        return parse_uuid(event["header"]["event_id"])

    def _about(self, about: bytes) -> dict[str, Any]:
        return {"about": dashed(about), "thread": self.report.hex(), "lane": "urgent"}

    def file(self, audience: tuple[str, ...]) -> None:
        """A platform's report."""
        self.report = self.last = self._put(
            "pixelpost", make(self.world, "pixelpost", "Report", "filed", None, audience)
        )
        self.have = {"pixelpost", *audience}
        self.allowed[self.report] = set(self.have)

    def refer(self, what: tuple[str, str, bool]) -> None:
        """Somebody passes on the report, or the referral before; whoever has it not is refused."""
        org, to, chain = what
        about = self.last if chain else self.report
        event = make(self.world, org, "Report", "referred", None, (to,))
        event["header"] |= self._about(about)
        event_id = self._put(org, event)
        knows = org in self.allowed[about] | (self.have if about == self.report else set())
        if org in self.suspended or self.recalled or not knows:
            return
        self.allowed[event_id] = {org, *({to} - self.suspended)}
        self.allowed[about] |= {to} - self.suspended
        self.have |= {to} - self.suspended
        self.last = event_id

    def recall(self, named: str) -> None:
        """The platform recalls its report, naming one recipient only."""
        event = make(self.world, "pixelpost", "Recall", "called", None, (named,))
        event["header"] |= self._about(self.report)
        event_id = self._put("pixelpost", event)
        if named in self.have:
            self.recalls[event_id] = self.have - {"pixelpost"} - self.suspended
            self.recalled = True

    def suspend(self, org: str) -> None:
        """An organisation hears and says nothing for a while."""
        self.waiting.append(self.world.directory_event("OrganisationSuspended", {"org": org, "reason": "own_request"}))
        self.suspended.add(org)

    def reinstate(self, org: str) -> None:
        """And is back."""
        event = self.world.forge.event("hub", ("hub",), "OrganisationSuspended", step="reinstated")
        self.waiting.append(self.world.forge.record("hub", {**event, "body": {"org": org}}))
        self.suspended.discard(org)

    def cut(self, _: None) -> None:
        """The flush ends here, and the notary forgets."""
        if self.waiting:
            flush(self.world, self.tables, self.waiting, self.world.look)
            self.waiting = []

    def check(self) -> None:
        """Each recall went to exactly whom it must."""
        decisions = {row["index"]: row["decision"] for row in self.tables.rows["record"]}
        found = {
            row["event_id"].bytes: {r.org for r in decode_decision(decisions[row["index"]]).recipients if r.allow}
            for row in self.tables.rows["accepted"]
            if row["event_id"].bytes in self.recalls
        }
        assert found == self.recalls
        for org in list(self.suspended):
            self.reinstate(org)
        self.cut(None)


def test_a_recall_under_a_key_registered_in_the_same_flush_reaches_all(world: World) -> None:
    """What a record names is looked up also where its key is not known yet, when the flush begins."""
    tables = Tables()
    hit = make(world, "pixelpost", "HashHit", "detected", None, ("beacon", "lighthouse"))
    flush(world, tables, [world.forge.record("pixelpost", hit)], world.look)
    fresh = KeyRing(KeyRing.generate().signing, world.rings["pixelpost"].sealing)
    registration = world.directory_event("KeyRegistered", world.key_body("pixelpost", "signing", fresh))
    about = parse_uuid(hit["header"]["event_id"])
    recall = make(world, "pixelpost", "Recall", "called", None, ("lighthouse",))
    lane = "urgent" if hit["header"]["priority"] in {"urgent", "immediate"} else "bulk"
    recall["header"] |= {"about": dashed(about), "thread": about.hex(), "lane": lane}
    built = flush(world, tables, [registration, world.forge.record("pixelpost", recall, ring=fresh)], world.look)
    assert [row[3] for row in built.rows.entry] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert set(recipients(built)) == {"beacon", "lighthouse"}
