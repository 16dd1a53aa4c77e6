"""The clerk over the notary's own code: what it says is accepted, is said once, and follows from the ledger alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import Unavailable, UsageError
from bus.events.clock import format_us
from bus.events.ids import dashed
from bus.hub.clock import check_clock
from bus.hub.config import ClerkConfig
from bus.hub.statements import dated, say, statement_id
from bus.hub.watermark import Watermark
from bus.trust.adoptions import adoption
from tests.unit.hub.hall import HOUR, SHIPPED, VERIFIED, Hall
from tests.unit.hub.support import ORIGIN

DAY = 24 * HOUR


@pytest.fixture
def hall() -> Hall:
    """An open log with the table adopted."""
    return Hall()


def _overdue(hall: Hall, step: str) -> tuple[int, int]:
    """How late and how long paused, as the newest statement of this step says."""
    found = [one for one in hall.seen() if one.info.name == "Overdue" and one.header.step == step]
    return found[-1].body.late_s, found[-1].body.paused_s


def test_a_notice_is_delivered_warned_overdue_escalated_cured(hall: Hall) -> None:
    """A day's deadline, looked at every hour: each thing once, accepted, and right to the second."""
    notice, clerk = hall.notice(), hall.clerk()
    delivered = hall.delivered[hall.accepted[notice].index]
    for hour in range(60):
        if hour == 55:
            assert hall.act(notice, "removed") is None
        assert all(outcome == (1, None) for outcome in clerk.work())
        hall.later(1)
    assert hall.said() == ["delivered", "warned", "overdue", "escalated", "cured"]
    removed = next(one for one in hall.seen() if one.header.step == "removed")
    assert _overdue(hall, "cured") == ((removed.time_us - delivered - DAY) // 1_000_000, 0)
    assert not clerk.book.cases
    assert not hall.refusals()


def test_a_new_clerk_after_every_round_says_nothing_twice(hall: Hall) -> None:
    """It keeps nothing: one that starts from the ledger goes on where the last one died."""
    notice = hall.notice()
    for hour in range(60):
        if hour == 50:
            hall.act(notice, "removed")
        hall.clerk().work()
        hall.later(1)
    assert hall.said() == ["delivered", "warned", "overdue", "escalated", "cured"]
    assert not hall.refusals()


def test_two_clerks_make_the_same_bytes(hall: Hall) -> None:
    """The second one's statement is answered `repeated`."""
    hall.notice()
    hall.later(30)
    one, other = hall.clerk(), hall.clerk()
    one.read()
    other.read()
    assert [said.value for said in one.owed()] == [said.value for said in other.owed()]
    assert {outcome for outcome, _ in one.speak()} == {1}
    assert {outcome for outcome, _ in other.speak()} == {2}
    assert hall.said() == ["delivered", "overdue"]


def test_a_clerk_that_has_not_read_all_cannot_say_it_a_second_time(hall: Hall) -> None:
    """Its words differ, its id does not: refused, so that each thing stands once."""
    notice = hall.notice()
    hall.later(40)
    behind, ahead = hall.clerk(), hall.clerk()
    behind.read()
    stale = behind.owed()
    hall.act(notice, "le_hold", "polder-police", body={"hold_until": format_us(hall.now_us + 30 * DAY)})
    ahead.work()
    assert {outcome for outcome, _ in behind.speak(stale)} <= {2, 3}
    assert hall.said() == ["delivered", "overdue"]


def test_a_police_hold_stops_the_clock(hall: Hall) -> None:
    """Ten hours on hold: due ten hours later, and `paused_s` says so to the second."""
    notice, clerk = hall.notice(), hall.clerk()
    for hour in range(45):
        if hour == 5:
            assert (
                hall.act(notice, "le_hold", "polder-police", body={"hold_until": format_us(hall.now_us + 30 * DAY)})
                is None
            )
        if hour == 15:
            assert hall.act(notice, "hold_lifted", "polder-police") is None
        if hour == 40:
            assert hall.act(notice, "removed") is None
        clerk.work()
        hall.later(1)
    times = {one.header.step: one.time_us for one in hall.seen()}
    paused = times["hold_lifted"] - times["le_hold"]
    delivered = hall.delivered[hall.accepted[notice].index]
    assert hall.said() == ["delivered", "warned", "overdue", "cured"]
    late = times["removed"] - delivered - DAY - paused
    assert _overdue(hall, "cured") == (late // 1_000_000, paused // 1_000_000)


def test_after_a_hold_that_ended_by_itself_the_addressee_can_answer(hall: Hall) -> None:
    """Nobody lifted it, and the clock runs on: a removal is recorded, in time; one while it is held is not."""
    notice, clerk = hall.notice(), hall.clerk()
    until = format_us(hall.now_us + 5 * HOUR)
    assert hall.act(notice, "le_hold", "polder-police", body={"hold_until": until}) is None
    hall.later(4)
    assert hall.act(notice, "removed") == "step-order"
    hall.later(2)
    assert hall.act(notice, "hold_lifted", "polder-police") is None
    until = format_us(hall.now_us + 5 * HOUR)
    assert hall.act(notice, "le_hold", "polder-police", body={"hold_until": until}) is None
    hall.later(6)
    assert hall.act(notice, "removed") is None
    for _ in range(60):
        hall.later(1)
        clerk.work()
    assert hall.said() == ["delivered"]


def test_a_hold_without_an_end_in_sight_is_refused(hall: Hall) -> None:
    """Thirty days ahead and no more; once it is over or lifted, another may follow."""
    notice = hall.notice()
    too_late, latest = format_us(hall.now_us + 30 * DAY + 60_000_000), format_us(hall.now_us + 30 * DAY)
    assert hall.act(notice, "le_hold", "polder-police", body={"hold_until": too_late}) == "hold-until"
    assert hall.act(notice, "le_hold", "polder-police", body={"hold_until": latest}) is None
    assert hall.act(notice, "hold_lifted", "polder-police") is None
    assert hall.act(notice, "le_hold", "polder-police", body={"hold_until": latest}) is None


def test_nobody_keeps_the_clerk_silent_by_taking_its_ids(hall: Hall) -> None:
    """The addressee computes the ids beforehand, and has events of its own under them: each thing is said, once."""
    notice = hall.notice()
    for hour in range(60):
        hall.later(1)
        if hour == 55:
            hall.act(notice, "removed")
        spy = hall.clerk()
        spy.read()
        for said in spy.owed():
            squat = {"event_id": dashed(said.header.event_id)}
            assert hall.tell("pixelpost", ("lighthouse",), "HashHit", "detected", **squat)[1] is None
        hall.clerk().work()
        hall.clerk().work()
    assert hall.said() == ["delivered", "warned", "overdue", "escalated", "cured"]
    assert not hall.refusals()


@pytest.mark.parametrize("who", ["chirpnest", "nobody-here"])
def test_nobody_owes_what_it_is_not_told(hall: Hall, who: str) -> None:
    """A deadline that names an addressee who does not hear of it is refused; later ones are late by nobody's word."""
    told = {"priority": "urgent", "deadline": "ack-urgent", "addressee": who}
    assert hall.tell("pixelpost", ("lighthouse",), "Report", "filed", **told)[1] == "deadline-addressee"
    hall.later(100)
    hall.clerk().work()
    assert hall.said() == []


def test_whoever_was_suspended_when_it_was_said_owes_nothing(hall: Hall) -> None:
    """It stands in the decision with allow = false: it never heard what it should have answered."""
    hall.send("OrganisationSuspended", {"org": "polder-police", "reason": "unreachable"})
    told = {"priority": "urgent", "deadline": "ack-urgent", "addressee": "polder-police"}
    report, reason = hall.tell("pixelpost", ("polder-police",), "Report", "filed", **told)
    assert reason is None
    hall.delivered[hall.accepted[report].index] = hall.state.time_us
    hall.later(100)
    hall.clerk().work()
    assert hall.said() == []


def test_a_recall_cannot_make_its_recipients_late_at_once(hall: Hall) -> None:
    """A date that has passed begins no clock."""
    event, reason = hall.tell("pixelpost", ("lighthouse",), "HashHit", "detected")
    assert reason is None
    for hours, expected in ((-1, "deadline-date"), (1, None)):
        due = {"due_at": hall.now_us + hours * HOUR, "deadline": "recall-stated"}
        assert hall.tell("pixelpost", ("lighthouse",), "Recall", "called", about=event, **due)[1] == expected


def test_an_unclear_notice_waits_for_its_correction(hall: Hall) -> None:
    """Returned as insufficient, the clock stands until the issuer corrects it."""
    notice, clerk = hall.notice(), hall.clerk()
    for step, body in (("fetched", {}), ("returned", {"reason": "insufficient"})):
        assert hall.tell("pixelpost", ("ministry",), "Acknowledgement", step, about=notice, body=body)[1] is None
    hall.later(100)
    clerk.work()
    assert hall.said() == ["delivered"]
    assert (
        hall.tell("ministry", ("pixelpost",), "TakedownNotice", "corrected", about=notice, addressee="pixelpost")[1]
        is None
    )
    hall.later(25)
    clerk.work()
    assert hall.said() == ["delivered", "overdue"]
    assert _overdue(hall, "overdue")[1] in {100 * 3600, 100 * 3600 - 1}


def test_an_excuse_ends_it_and_only_the_issuer_can_give_one(hall: Hall) -> None:
    """After the issuer's excuse the clerk is silent, whatever comes."""
    notice, clerk = hall.notice(), hall.clerk()
    hall.later(25)
    clerk.work()
    told = {
        "about": notice, "addressee": "pixelpost", "deadline": "au-class1", "due_at": hall.now_us,
        "body": {"excuse": "agreed", "late_s": 0, "deadline": "au-class1"},
    }  # fmt: skip
    assert hall.tell("pixelpost", ("ministry",), "Overdue", "excused", **dict(told))[1] == "step-role"
    assert hall.tell("ministry", ("pixelpost",), "Overdue", "excused", **dict(told))[1] is None
    hall.later(100)
    clerk.work()
    hall.act(notice, "removed")
    clerk.work()
    assert hall.said() == ["delivered", "overdue"]


def test_nobody_but_the_hub_says_that_somebody_is_late(hall: Hall) -> None:
    """A ministry that calls a platform overdue is refused."""
    notice = hall.notice()
    for step in ("warned", "overdue"):
        reason = hall.tell(
            "ministry", ("pixelpost",), "Overdue", step, about=notice, addressee="pixelpost", deadline="au-class1",
            due_at=hall.now_us, body={"deadline": "au-class1"},
        )[1]  # fmt: skip
        assert reason == "step-role"


def test_each_recipient_of_a_recall_owes_an_answer(hall: Hall) -> None:
    """Ten minutes each: who complies in time is not spoken of, who comes late is cured, who is silent escalated."""
    hit, _ = hall.tell(
        "lighthouse", ("chirpnest", "pixelpost", "polder-police"), "Advisory", "published", priority="urgent"
    )
    to = ("chirpnest", "pixelpost", "polder-police")
    recall, reason = hall.tell("lighthouse", to, "Recall", "called", about=hit)
    assert reason is None
    hall.delivered[hall.accepted[recall].index] = hall.state.time_us
    clerk = hall.clerk()
    clerk.work()
    for minute in range(25):
        if minute in {2, 15}:
            org = "chirpnest" if minute == 2 else "pixelpost"
            assert hall.tell(org, ("lighthouse",), "Acknowledgement", "fetched", about=recall)[1] is None
            assert hall.tell(org, ("lighthouse",), "Acknowledgement", "complied", about=recall)[1] is None
        assert all(outcome == (1, None) for outcome in clerk.work())
        hall.later(1 / 60)
    told = [(one.header.addressee, one.header.step) for one in hall.seen() if one.info.name == "Overdue"]
    assert sorted(told) == [
        ("pixelpost", "cured"), ("pixelpost", "overdue"), ("pixelpost", "warned"),
        ("polder-police", "escalated"), ("polder-police", "overdue"), ("polder-police", "warned"),
    ]  # fmt: skip


def test_a_notice_is_sent_again_until_it_is_removed_and_not_for_times_missed(hall: Hall) -> None:
    """Every 24 hours; after five days away, once; never after the removal."""
    notice, clerk = hall.notice("stated", due_at=hall.now_us + 900 * HOUR, body={"renotify_every_h": 24}), hall.clerk()
    for hours in (1, 24, 24, 120):
        hall.later(hours)
        assert all(outcome == (1, None) for outcome in clerk.work())
        clerk.work()
    assert hall.said() == ["renotified"] * 3
    hall.act(notice, "removed")
    hall.later(100)
    clerk.work()
    assert hall.said() == ["renotified"] * 3


def test_a_withdrawn_notice_is_no_longer_owed(hall: Hall) -> None:
    """Nobody is called late for what is not asked any more."""
    notice, clerk = hall.notice(), hall.clerk()
    clerk.work()
    assert (
        hall.tell("ministry", ("pixelpost",), "TakedownNotice", "withdrawn", about=notice, addressee="pixelpost")[1]
        is None
    )
    hall.later(100)
    clerk.work()
    assert hall.said() == ["delivered"]
    assert not clerk.book.cases


def test_a_clerk_that_was_away_for_fifty_days_still_says_it(hall: Hall) -> None:
    """Its statements are dated within what the log takes; what they say of time is true."""
    notice = hall.notice()
    hall.later(50 * 24)
    assert {outcome for outcome, _ in hall.clerk().work()} == {1}
    hall.later(24)
    hall.clerk().work()
    assert hall.said() == ["delivered", "overdue", "escalated"]
    told = next(one for one in hall.seen() if one.header.step == "overdue").header
    delivered = hall.delivered[hall.accepted[notice].index]
    assert (told.due_at, told.effect_at) == (delivered + DAY, delivered + DAY)
    assert told.issued_at > delivered + DAY


def test_what_is_not_enforced_is_counted_against_nobody() -> None:
    """The shipped table switches no law on: a notice under one is delivered, and late by nobody's word."""
    hall = Hall(SHIPPED)
    hall.notice("us-takeitdown")
    hall.later(500)
    clerk = hall.clerk()
    clerk.work()
    assert hall.said() == []
    assert not clerk.book.cases


def test_a_notice_keeps_the_table_of_its_time(hall: Hall) -> None:
    """A row that is switched off later still counts for what was issued before."""
    hall.notice()
    assert hall.adopt(SHIPPED) == [1, 1]
    hall.notice()
    hall.later(30)
    hall.clerk().work()
    assert hall.said() == ["delivered", "overdue"]


@pytest.mark.parametrize(
    ("deadline", "due_h", "reason"),
    [
        ("au-class1", None, None),
        ("eu-tco-remove", None, "deadline-matter"),
        ("recall-stop-use", None, "deadline-matter"),
        ("no-such-row", None, "deadline-unknown"),
        ("stated", None, "deadline-date"),
        ("stated", -1, "deadline-date"),
        ("stated", 1, None),
    ],
)
def test_a_notice_names_a_deadline_that_is_made_for_it(
    hall: Hall, deadline: str, due_h: int | None, reason: str | None
) -> None:
    """Terrorist content's hour, a recall's minutes, a row that is not there, a date that passed: refused with a reason."""
    due = {} if due_h is None else {"due_at": hall.now_us + due_h * HOUR}
    found = hall.tell(
        "ministry", ("pixelpost",), "TakedownNotice", "issued", addressee="pixelpost", deadline=deadline, **due
    )[1]
    assert found == reason


def test_a_deadline_without_somebody_who_owes_it_is_refused(hall: Hall) -> None:
    """It would be nobody's; only a recall is everybody's."""
    told = {"priority": "urgent", "deadline": "ack-urgent"}
    assert hall.tell("pixelpost", ("polder-police",), "Report", "filed", **told)[1] == "deadline-addressee"


def test_a_text_that_is_no_table_does_not_come_into_force(hall: Hall) -> None:
    """Refused when it is whole; the table before it stays."""
    assert hall.adopt("version = 1\n") == [3]
    assert hall.refusals() == {"policy-invalid": 1}
    hall.notice()


def test_parts_come_in_order_and_together(hall: Hall) -> None:
    """A part out of order, of another text or with a wrong digest brings nothing into force."""
    bodies = [dict(body) for body in _parts(SHIPPED)]
    send = lambda body: hall.outcome(hall.directory_event("PolicyAdopted", body), hall.now_us)  # noqa: E731
    assert send(bodies[1]) == (3, "directory-conflict")
    assert send(bodies[0]) == (1, None)
    assert send({**bodies[1], "text": bodies[1]["text"] + "# more\n"}) == (3, "directory-conflict")
    assert send({**bodies[1], "name": "others"}) == (3, "directory-conflict")
    assert send(bodies[1]) == (1, None)
    assert hall.state.directory.adoptions.in_force["deadlines"].text == SHIPPED


def _parts(text: str) -> list[dict[str, Any]]:
    return adoption("deadlines", "deadlines", text)


def test_what_somebody_could_not_do_for_now_is_waited_for(hall: Hall) -> None:
    """Impossible by force majeure stops the clock; the removal that comes after all is in time by as much."""
    notice, clerk = hall.notice(), hall.clerk()
    hall.later(10)
    assert hall.act(notice, "impossible", body={"reason": "force_majeure"}) is None
    hall.later(500)
    clerk.work()
    assert hall.act(notice, "removed") is None
    clerk.work()
    assert hall.said() == ["delivered"]
    assert not clerk.book.cases


def test_a_late_answer_that_is_read_before_its_delivery_is_not_forgotten(hall: Hall) -> None:
    """Until it is known when a notice was delivered, nothing can be said of it, and it stays open."""
    notice = hall.notice()
    delivered = hall.delivered.pop(hall.accepted[notice].index)
    hall.later(30)
    hall.act(notice, "removed")
    clerk = hall.clerk()
    clerk.work()
    assert hall.said() == []
    hall.delivered[hall.accepted[notice].index] = delivered
    clerk.work()
    assert hall.said() == ["delivered", "overdue", "cured"]


def test_a_round_is_bounded_and_the_next_goes_on(hall: Hall) -> None:
    """After a long absence the oldest come first; what is left comes when those stand."""
    for _ in range(3):
        hall.notice()
    hall.later(30)
    clerk = hall.clerk()
    for _ in range(3):
        clerk.read()
        owed = clerk.book.owed(hall.now_us, 2)
        assert [one.statement.step for one in owed] == ["delivered", "overdue"]
        clerk.speak([say(clerk.voice, one, hall.now_us) for one in owed])
    clerk.read()
    assert clerk.owed() == []
    assert hall.said() == ["delivered", "overdue"] * 3


def test_a_delivery_that_may_not_be_stated_yet_is_stated_next_time(hall: Hall) -> None:
    """As long as an outbox waits to be read, the clerk asks what fell due before the delivery: that forgets nothing."""
    notice, clerk = hall.notice(), hall.clerk()
    clerk.read()
    brought_us = hall.delivered[hall.accepted[notice].index]
    for answered in (False, True):
        if answered:
            assert hall.act(notice, "removed") is None
            clerk.read()
        for until_us, steps in ((hall.now_us, ["delivered"]), (brought_us - 1, []), (hall.now_us, ["delivered"])):
            assert [one.statement.step for one in clerk.book.owed(until_us)] == steps
    clerk.work()
    assert hall.said() == ["delivered"]


def test_an_outage_of_the_hub_counts_against_nobody(hall: Hall) -> None:
    """The time between the last entry before a continued log and its first is paused."""
    hall.notice()
    clerk = hall.clerk()
    clerk.work()
    gone = hall.now_us
    hall.later(100)
    clerk.read()
    clerk.book.outage(gone, hall.now_us)
    assert clerk.owed() == []
    hall.later(25)
    assert [said.header.step for said in clerk.owed()] == ["overdue"]


@pytest.mark.parametrize(("start", "late"), [("fetched", True), ("taken", False)])
def test_a_clock_starts_on_the_fact_that_its_row_names(start: str, late: bool) -> None:
    """Fetched starts one that waits for that; one that waits for `taken` goes on waiting."""
    row = VERIFIED[VERIFIED.index("[deadline.au-class1]") : VERIFIED.index("[deadline.arachnid")]
    hall = Hall(VERIFIED.replace(row, row.replace('starts_on = "delivered"', f'starts_on = "{start}"')))
    notice, clerk = hall.notice(), hall.clerk()
    hall.later(100)
    clerk.work()
    assert hall.said() == []
    assert hall.tell("pixelpost", ("ministry",), "Acknowledgement", "fetched", about=notice)[1] is None
    hall.later(25)
    clerk.work()
    assert hall.said() == (["overdue"] if late else [])


def test_what_nobody_owes_anything_for_need_not_be_read(hall: Hall) -> None:
    """An acknowledgement of a hit is passed over; one of a notice, and of what was done about it, is read."""
    hit, _ = hall.tell("pixelpost", ("lighthouse",), "HashHit", "detected")
    notice, clerk = hall.notice(), hall.clerk()
    assert hall.act(notice, "acknowledged") is None
    action = hall.seen()[-1].header.event_id
    clerk.read()
    concerned = [clerk.book.concerns("Acknowledgement", one, None) for one in (hit, notice, action, b"?" * 16)]
    assert concerned == [False, True, True, False]
    assert clerk.book.concerns("Acknowledgement", hit, "lighthouse")
    assert clerk.book.concerns("Overdue", hit, None)


def test_an_acknowledgement_by_agreement_is_owed_by_whom_it_is_addressed_to(hall: Hall) -> None:
    """A day for an urgent report: taken up in time says nothing, never taken up is late; the others owe nothing."""
    for taken in (True, False):
        report, reason = hall.tell(
            "pixelpost", ("lighthouse", "polder-police"), "Report", "filed", priority="urgent",
            addressee="polder-police", deadline="ack-urgent",
        )  # fmt: skip
        assert reason is None
        hall.delivered[hall.accepted[report].index] = hall.state.time_us
        hall.later(20)
        if taken:
            assert hall.tell("polder-police", ("pixelpost",), "Acknowledgement", "taken", about=report)[1] is None
    hall.later(5)
    hall.clerk().work()
    told = [
        (one.header.step, one.header.about, one.header.addressee) for one in hall.seen() if one.info.name == "Overdue"
    ]
    assert told == [("overdue", report, "polder-police")]


def test_nobody_is_heard_out_before_all_that_waited_is_recorded() -> None:
    """Every outbox as far as it reached at the note; what comes behind it, or is recorded besides, changes nothing."""
    mark = Watermark()
    assert not mark.passed({})
    assert mark.reached_us == 0
    mark.note(100, {"out.one": 5, "out.two": 0, "out.three": 2})
    assert not mark.passed({"out.one": 5})
    assert not mark.passed({"out.one": 4, "out.three": 9})
    assert (mark.reached_us, mark.noted_us) == (0, 100)
    assert mark.passed({"out.one": 5, "out.three": 2, "out.four": 1})
    assert (mark.reached_us, mark.noted_us) == (100, None)
    assert not mark.passed({"out.one": 9, "out.three": 9})


def test_an_answer_that_was_recorded_late_counts_from_when_it_was_said(hall: Hall) -> None:
    """The hub was away for hours: the answer stood in the outbox in time, and says so by its date; nobody was late."""
    notice, clerk = hall.notice(), hall.clerk()
    clerk.work()
    hall.later(23.9)
    said_us = hall.now_us
    hall.later(10)
    assert hall.act(notice, "removed", issued_at=said_us) is None
    clerk.work()
    assert hall.said() == ["delivered"]
    assert not clerk.book.cases


@pytest.mark.parametrize("hours", [-1, 100])
def test_a_date_that_cannot_be_is_not_taken(hall: Hall, hours: int) -> None:
    """Said before the clock started, or after it was recorded: the record counts."""
    begun = hall.now_us
    notice, clerk = hall.notice(), hall.clerk()
    hall.later(30)
    assert hall.act(notice, "removed", issued_at=begun + hours * HOUR) is None
    clerk.work()
    assert hall.said() == ["delivered", "overdue", "cured"]


def test_who_could_not_receive_owes_nothing_yet(hall: Hall) -> None:
    """Three hear of a recall, one inbox refuses records: its clock waits until it takes them, the others' run."""
    to = ("chirpnest", "pixelpost", "polder-police")
    hit, _ = hall.tell("lighthouse", to, "Advisory", "published", priority="urgent")
    recall, _ = hall.tell("lighthouse", to, "Recall", "called", about=hit)
    hall.delivered[hall.accepted[recall].index] = hall.state.time_us
    hall.parked = {"pixelpost"}
    clerk = hall.clerk()
    hall.later(1)
    clerk.work()
    late = {one.header.addressee for one in hall.seen() if one.header.step == "overdue"}
    assert late == {"chirpnest", "polder-police"}
    hall.parked, hall.delivered[hall.accepted[recall].index] = set(), hall.now_us
    clerk.work()
    assert {one.header.addressee for one in hall.seen() if one.header.step == "overdue"} == late
    hall.later(1)
    clerk.work()
    assert {one.header.addressee for one in hall.seen() if one.header.step == "overdue"} == set(to)


@pytest.mark.parametrize("off_s", [-3600, -5.1, 5.1, 3600])
def test_a_clerk_whose_clock_is_wrong_says_nothing(off_s: float) -> None:
    """It stops, rather than call somebody late by a clock of its own; a few seconds are let pass."""
    check_clock("clerk", 1_000_000_000, 1000 - 4.9)
    with pytest.raises(Unavailable, match="differs"):
        check_clock("clerk", 1_000_000_000, 1000 + off_s)


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31, "ab" * 33, "AB" * 32, "\u0665" * 64])
def test_a_wrong_secret_is_refused(tmp_path: Path, text: str) -> None:
    """The secret is 64 lower-case hex digits that only its owner reads; the error does not show it."""
    file = tmp_path / "clerk.secret"
    file.write_text("ab" * 32 + "\n", encoding="ascii")
    file.chmod(0o600)
    config = ClerkConfig("dsn", file, "hub-agreement@2024")
    assert config.secret() == b"\xab" * 32
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        config.secret()
    assert not text or text not in str(caught.value)
    file.chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        config.secret()


def test_an_id_is_what_the_format_says() -> None:
    """Computed here from the format's own words, with nothing of ours."""
    fact = b"Overdue.overdue\x00" + b"\x11" * 16 + b"fernpost\x00au-class1\x00\x00\x00\x00\x00"
    digest = hashlib.sha256(b"safeguard/id/v1\x00ledger.example/log\x00" + fact).hexdigest()
    number = int("018bcfe56800" + digest[12:32], 16)
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    assert statement_id("ledger.example/log", fact, 0x018BCFE56800 * 1000).hex() == f"{number:032x}"


def test_an_escalation_goes_to_everybody_who_was_named_in_the_notice(hall: Hall) -> None:
    """The others hear of it then, and not before; what is owed for a recall goes to nobody else at all."""
    hall.notice(audience=["chirpnest", "lighthouse", "pixelpost"])
    hall.later(60)
    hall.clerk().work()
    heard = {one.header.step: one.header.audience for one in hall.seen() if one.header.issuer == "hub"}
    assert heard["overdue"] == ("ministry", "pixelpost")
    assert heard["escalated"] == ("chirpnest", "lighthouse", "ministry", "pixelpost")


@given(st.binary(max_size=60), st.integers(0, 4_000_000_000_000_000))
def test_an_id_is_a_uuid_of_its_instant(fact: bytes, at_us: int) -> None:
    """Version 7, variant 2, the milliseconds of the instant; the rest is the fact's alone."""
    event_id = statement_id(ORIGIN, fact, at_us)
    assert (event_id[6] >> 4, event_id[8] >> 6, int.from_bytes(event_id[:6])) == (7, 2, at_us // 1000)
    assert event_id[8:] == statement_id(ORIGIN, fact, 0)[8:]
    assert event_id[8:] != statement_id(ORIGIN + "x", fact, at_us)[8:]


@given(st.integers(0, 60 * DAY), st.integers(100 * DAY, 200 * DAY))
def test_a_date_lies_within_what_the_log_takes(ago: int, now_us: int) -> None:
    """Never older than 29 days, never ahead, and true where it can be."""
    at = dated(now_us - ago, now_us)
    assert now_us - 29 * DAY <= at <= now_us
    assert ago > 28 * DAY - 1 or at == now_us - ago


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["wait", "hold", "lift", "remove", "crash", "twin"]), st.integers(1, 30)), max_size=12
    )
)
def test_whatever_happens_each_thing_is_said_once(story: list[tuple[str, int]]) -> None:
    """Holds, answers, crashes and twins in any order: no statement stands twice, none out of order."""
    hall = Hall()
    notice, clerk = hall.notice(), hall.clerk()
    acts = {
        "hold": lambda: hall.act(notice, "le_hold", "polder-police", body={"hold_until": format_us(hall.now_us + 30 * DAY)}),
        "lift": lambda: hall.act(notice, "hold_lifted", "polder-police"),
        "remove": lambda: hall.act(notice, "removed"),
    }  # fmt: skip
    for act, hours in story:
        if act in acts:
            acts[act]()
        elif act == "crash":
            clerk = hall.clerk()
        elif act == "twin":
            hall.clerk().work()
        hall.later(hours)
        clerk.work()
    said = hall.said()
    assert len(said) == len(set(said))
    assert said == [step for step in ("delivered", "warned", "overdue", "escalated", "cured") if step in said]
    assert set(hall.refusals()) <= {"step-order"}
