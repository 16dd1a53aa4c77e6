"""A publisher that is killed, again and again, and then publishes the same input: each event once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec import structs

from bus.events.examples import example
from bus.events.ids import dashed, parse_uuid, uuid7
from bus.partner import Journal, Profile, Subscriber
from bus.sandbox.lifecycle import Sandbox
from tests.patience import PATIENT_S

SENDER, RECEIVER = "glimmerchat", "hotline-lowlands"
COUNT = 1500
KILLS = 6

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from msgspec import structs
from bus.partner import Profile, Publisher

async def main(profile, home, source):
    profile = structs.replace(Profile.load(profile), journal_home=Path(home))
    async with Publisher(profile, linger_ms=1, batch_size=40, max_in_flight=200) as publisher:
        print("ready", flush=True)
        with open(source) as lines:
            async for outcome in publisher.publish_many(map(json.loads, lines)):
                print(outcome.outcome, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def events(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Events with ids, as a file would have them; one in ten is urgent."""
    organisations = sandbox.status()["organisations"]
    nations = [organisations[org]["nation"] for org in (SENDER, RECEIVER)]
    now_us = time.time_ns() // 1000
    made: list[dict[str, Any]] = []
    for number in range(COUNT):
        event = example("HashHit", issuer=SENDER, audience=[RECEIVER], nations=nations, now_us=now_us)
        event["header"]["event_id"] = dashed(uuid7(now_us + number, number.to_bytes(8, "big")))
        event["header"]["priority"] = "urgent" if number % 10 == 0 else "routine"
        made.append(event)
    return made


async def run(profile: str, home: Path, source: Path, *, kill_after: tuple[int, float] | None) -> Counter[str]:
    """Publish the file in a process of its own, killed so many outcomes and seconds in; what it printed before."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, profile, str(home), str(source), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    said: list[bytes] = []
    try:
        assert await child.stdout.readline() == b"ready\n"
        if kill_after is not None:
            outcomes, wait_s = kill_after
            said += [await child.stdout.readline() for _ in range(outcomes)]
            await asyncio.sleep(wait_s)
        else:
            said.append(await child.stdout.read())
            await child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have said its last word, and ended
            child.kill()
        rest, _ = await child.communicate()
    assert child.returncode == 0 or kill_after is not None
    return Counter(b"".join([*said, rest]).decode().split())


async def test_a_killed_publisher_loses_and_doubles_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """However often it is killed, in the end every event stands once, with the bytes of the journal."""
    rng = random.Random(11)
    profile = sandbox.status()["organisations"][SENDER]["profile"]
    said = events(sandbox)
    source = tmp_path / "events.ndjson"
    source.write_text("".join(json.dumps(event) + "\n" for event in said))
    for number in range(KILLS):
        before = await run(profile, tmp_path, source, kill_after=(number * COUNT // 10, rng.uniform(0.0, 0.1)))
        assert before.total() >= number * COUNT // 10
    last = await run(profile, tmp_path, source, kill_after=None)
    assert set(last) <= {"accepted", "repeated"}
    assert last.total() == COUNT
    ids = [parse_uuid(event["header"]["event_id"]) for event in said]
    heard = await everything(sandbox, set(ids), tmp_path)
    assert heard.keys() == set(ids)
    with Journal(tmp_path / "journal" / f"{SENDER}.db") as journal:
        assert sum(journal.counts().values()) == COUNT
        assert "unknown" not in journal.counts()
        for event_id, value in heard.items():
            kept = journal.find(event_id)
            assert kept is not None
            assert kept.value == value


async def everything(sandbox: Sandbox, ids: set[bytes], home: Path) -> dict[bytes, bytes | None]:
    """What came of these events, each once; numbers without a gap and every record sound."""
    theirs = Profile.load(sandbox.status()["organisations"][RECEIVER]["profile"])
    heard: dict[bytes, bytes | None] = {}
    async with (
        asyncio.timeout(PATIENT_S),
        Subscriber(structs.replace(theirs, journal_home=home), from_start=True) as subscriber,
    ):
        async for delivery in subscriber:
            assert delivery.missing == 0
            assert delivery.status == "ok" or (delivery.status == "recalled" and delivery.event_id not in ids)
            assert delivery.event_id is not None
            assert delivery.event_id not in heard
            heard[delivery.event_id] = delivery.value
            if ids <= heard.keys():
                break
    return {event_id: heard[event_id] for event_id in ids}
