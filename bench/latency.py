"""Latency: a real Publisher at a steady rate, from when an event was due to be published to its receipt.

The load is open: events are due by the clock, whether or not those before have been answered, and the wait counts
from then on. So a stall is felt by every event that falls into it. Events are given as parsed structs: reading JSON is
the caller's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from bench.ground import Ground
from bench.records import Stream
from bench.report import Latency, latency
from bench.rounds import make
from bench.watch import RoundError
from bus.events.jsonform import Parts
from bus.partner.profile import Profile
from bus.partner.publisher import Publisher
from bus.sandbox import outfit

HASHES = 25
"""Fingerprints in a sealed part: a value of about 3 KB."""
URGENT_PER_S = 25
WARM_S = 2.0


class Load(Struct, frozen=True):
    """How much, for how long, and how long the publisher waits for company in a batch."""

    per_s: float
    seconds: float
    linger_ms: float


class _Waits(Struct):
    """Seconds from when each event was due: to its receipt, and to the call that published it."""

    answered: list[float] = []
    late: list[float] = []


async def steady(ground: Ground, stream: Stream, load: Load) -> Latency:
    """One publisher at a steady rate, the hub otherwise idle."""
    await ground.start_hub()
    async with _publisher(ground, stream, load) as publisher:
        await _drive(publisher, stream, load.per_s, WARM_S)
        waits = await _drive(publisher, stream, load.per_s, load.seconds)
    return latency("sealed, 3 KB", load.per_s, waits.answered, waits.late)


async def under_flood(ground: Ground, streams: Sequence[Stream], urgent: Stream, load: Load, flood: int) -> Latency:
    """The urgent lane while the bulk lane is saturated; only what was answered before the flood ended counts.

    Raises:
        RoundError: the flood was over before anything could be measured.
    """
    await ground.stop_hub()
    await ground.fill(make(streams, "small", flood))
    await ground.settle()
    target = await ground.number("SELECT size FROM ledger.head") + flood
    async with _publisher(ground, urgent, load) as publisher:
        await ground.start_hub()
        tasks: list[asyncio.Task[None]] = []
        waits = _Waits()
        begun = asyncio.get_running_loop().time()
        number = 0
        while await ground.number("SELECT size FROM ledger.head") < target:
            due = begun + number / load.per_s
            event = urgent.parts(HASHES, priority="urgent")
            tasks.append(asyncio.create_task(_publish(publisher, event, due, waits)))
            number += 1
            await asyncio.sleep(max(0.0, begun + number / load.per_s - asyncio.get_running_loop().time()))
        during = len(waits.answered)
        await asyncio.gather(*tasks)
    if during == 0:
        raise RoundError("the flood ended before an urgent event was answered")
    return latency("urgent lane under a bulk flood", load.per_s, waits.answered[:during], waits.late[:during])


def _publisher(ground: Ground, stream: Stream, load: Load) -> Publisher:
    return Publisher(Profile.load(outfit.profile(ground.home, stream.issuer)), linger_ms=load.linger_ms)


async def _drive(publisher: Publisher, stream: Stream, per_s: float, seconds: float) -> _Waits:
    loop = asyncio.get_running_loop()
    waits = _Waits()
    events = [stream.parts(HASHES) for _ in range(int(per_s * seconds))]
    begun = loop.time() + 0.1
    tasks: list[asyncio.Task[None]] = []
    for number, event in enumerate(events):
        due = begun + number / per_s
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        tasks.append(asyncio.create_task(_publish(publisher, event, due, waits)))
    await asyncio.gather(*tasks)
    return waits


async def _publish(publisher: Publisher, event: Parts, due: float, waits: _Waits) -> None:
    loop = asyncio.get_running_loop()
    waits.late.append(max(0.0, loop.time() - due))
    outcome = await publisher.publish(event)
    if outcome.outcome != "accepted":
        raise RoundError(f"an event of the load was not accepted: {outcome.reasons or outcome.outcome}")
    waits.answered.append(loop.time() - due)
