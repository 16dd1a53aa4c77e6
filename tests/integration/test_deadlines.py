"""The clerk of a real sandbox: a notice with a clock of its own, answered late within seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
from msgspec import structs

from bus.events.clock import format_us
from bus.events.examples import example
from bus.events.ids import dashed, parse_uuid
from bus.hub.statements import statement_id
from bus.partner import Profile, Publisher
from bus.sandbox.lifecycle import Sandbox
from tests.patience import until_true

SECOND = 1_000_000


def _now_us() -> int:
    return time.time_ns() // 1000


async def _publish(sandbox: Sandbox, org: str, event: dict[str, Any], journals: Path) -> tuple[str, tuple[str, ...]]:
    profile = Profile.load(sandbox.home.organisation(org) / "profile.toml")
    async with Publisher(structs.replace(profile, journal_home=journals), linger_ms=2) as publisher:
        outcome = await publisher.publish(event)
    return outcome.outcome, outcome.reasons


def _notice(deadline: str, due_us: int | None) -> dict[str, Any]:
    event = example(
        "TakedownNotice",
        issuer="ministry-isles",
        audience=["fernpost", "police-isles"],
        nations=["GB"],
        now_us=_now_us(),
        step="issued",
    )
    event["header"] |= {"deadline": deadline, "due_at": None if due_us is None else format_us(due_us)}
    event["body"]["renotify_every_h"] = None
    return event


async def _until(sandbox: Sandbox, notice: str, step: str) -> None:
    """Wait until the hub has said this about a notice."""
    connection = await asyncpg.connect(sandbox.status()["postgres"]["admin_dsn"])
    query = "SELECT count(*) FROM ledger.entry WHERE about = $1 AND step = $2 AND issuer = 'hub' AND outcome = 1"
    try:

        async def is_said() -> bool:
            return bool(await connection.fetchval(query, notice, step))

        await until_true(is_said, f"the clerk says {step}")
    finally:
        await connection.close()


async def test_a_notice_that_is_answered_late_is_called_late_and_cured(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its issuer's own date is some seconds ahead; the trace shows what was owed, and how late it came."""
    for seconds in (4, 16, 64):  # a machine under load may take longer than the shortest of clocks
        notice = _notice("stated", _now_us() + seconds * SECOND)
        told = await _publish(sandbox, "ministry-isles", notice, tmp_path)
        if told == ("accepted", ()):
            break
        assert told == ("refused", ("deadline-date",))
    else:
        raise AssertionError("no notice was recorded within a minute")
    event_id = notice["header"]["event_id"]
    await _until(sandbox, event_id, "overdue")
    answer = example(
        "TakedownAction",
        issuer="fernpost",
        audience=["ministry-isles"],
        nations=["GB"],
        now_us=_now_us(),
        step="removed",
    )
    thread = parse_uuid(event_id).hex()
    answer["header"] |= {"about": event_id, "thread": thread, "lane": "urgent", "effect_at": None, "case": None}
    assert await _publish(sandbox, "fernpost", answer, tmp_path) == ("accepted", ())
    await _until(sandbox, event_id, "cured")

    command = [sys.executable, "-m", "bus", "--home", str(sandbox.home.root), "audit", "trace", event_id, "-o", "json"]
    traced = subprocess.run(command, env=dict(os.environ), capture_output=True, check=True)  # noqa: ASYNC221 - at the end
    found = json.loads(traced.stdout)["deadlines"]
    assert {line["step"] for line in found} <= {"warned", "overdue", "escalated", "cured"}
    assert {line["deadline"] for line in found} == {"stated"}
    by_step = {line["step"]: line for line in found}
    assert by_step["overdue"]["due"] == by_step["overdue"]["at"] == notice["header"]["due_at"]
    assert by_step["cured"]["after_due_s"] >= 0


async def test_a_deadline_that_is_not_made_for_it_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """Terrorist content's hour on a notice about child sexual abuse, a row that nobody adopted, a date gone by."""
    for deadline, due_us, reason in (
        ("eu-tco-remove", None, "deadline-matter"),
        ("no-such-row", None, "deadline-unknown"),
        ("stated", _now_us() - SECOND, "deadline-date"),
    ):
        found = await _publish(sandbox, "ministry-isles", _notice(deadline, due_us), tmp_path)
        assert found == ("refused", (reason,))


async def test_who_takes_the_ids_of_statements_is_called_late_all_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    """The addressee computes the id of `overdue` from the published form, and has an event under it before it is due."""
    for seconds in (8, 32, 128):  # a machine under load may take longer than the shortest of clocks
        due_us = _now_us() + seconds * SECOND
        notice = _notice("stated", due_us)
        assert (await _publish(sandbox, "ministry-isles", notice, tmp_path))[0] in {"accepted", "refused"}
        event_id = notice["header"]["event_id"]
        fact = b"Overdue.overdue\x00" + parse_uuid(event_id) + b"fernpost\x00stated\x00" + bytes(4)
        origin = Profile.load(sandbox.home.organisation("fernpost") / "profile.toml").origin
        hit = example("HashHit", issuer="fernpost", audience=["hotline-isles"], nations=["GB"], now_us=_now_us())
        hit["header"]["event_id"] = dashed(statement_id(origin, fact, due_us))
        told = await _publish(sandbox, "fernpost", hit, tmp_path)
        if told == ("accepted", ()) and _now_us() < due_us:
            break
    else:
        raise AssertionError("no event was recorded within two minutes")
    await _until(sandbox, event_id, "overdue")


async def test_after_a_hold_that_is_over_the_addressee_can_answer(sandbox: Sandbox, tmp_path: Path) -> None:
    """Nobody lifts it: until its own end a removal is refused, and from then on recorded."""
    notice = _notice("stated", _now_us() + 3600 * SECOND)
    assert await _publish(sandbox, "ministry-isles", notice, tmp_path) == ("accepted", ())
    about = {"about": notice["header"]["event_id"], "thread": parse_uuid(notice["header"]["event_id"]).hex()}
    about |= {"lane": "urgent", "effect_at": None, "case": None}

    async def act(issuer: str, step: str, **body: Any) -> tuple[str, tuple[str, ...]]:
        said = example(
            "TakedownAction", issuer=issuer, audience=["ministry-isles"], nations=["GB"], now_us=_now_us(), step=step
        )
        said["header"] |= about
        said["body"] |= body
        return await _publish(sandbox, issuer, said, tmp_path)

    for seconds in (4, 16, 64):  # a machine under load may take longer than the shortest of holds
        until_us = _now_us() + seconds * SECOND
        told = await act("police-isles", "le_hold", hold_until=format_us(until_us))
        if told == ("accepted", ()):
            break
        assert _now_us() > until_us, told
    else:
        raise AssertionError("no hold was recorded within a minute")
    told = ("refused", ())
    while told[0] == "refused":
        sent_us = _now_us()
        told = await act("fernpost", "removed")
        assert told[0] == "accepted" or sent_us < until_us, told
    assert _now_us() > until_us
