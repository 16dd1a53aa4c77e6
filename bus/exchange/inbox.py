"""Reads an organisation's inbox for a matcher, in batches, from the place where the last batch ended.

The library calls from ordinary code, so the event loop lives in a thread of its own. Nothing is committed in Kafka: the
matcher keeps the place with its state, so both go forward together, and ``bus consume`` is not disturbed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog

from bus.errors import CheckFailed
from bus.exchange.facts import Fact, fact_of
from bus.partner import Delivery, Profile, Subscriber, Transport
from bus.partner.progress import Mark

log: Any = structlog.get_logger("bus.exchange")

BATCH = 1000
"""Deliveries in a batch, at most."""


@dataclass
class Batch:
    """New facts by thread, in order; the place of each lane behind them: offset to read next, and last number."""

    facts: dict[str, list[Fact]] = field(default_factory=dict[str, "list[Fact]"])
    places: dict[str, tuple[int, int]] = field(default_factory=dict[str, "tuple[int, int]"])


def batches(
    profile: Profile, places: Mapping[str, tuple[int, int]], transport: Transport | None = None
) -> Iterator[Batch]:
    """What an inbox says of hashes since some places, until its present end.

    Args:
        profile: whose inbox.
        places: lane to (offset to read next, last number before it); a lane that is not named is read from its start.
        transport: how to reach a broker; by default Kafka as the profile says.

    Raises:
        CheckFailed: numbers are missing, or a record does not hold: what is matched against would not be what was sent.
        NotAllowed, Unavailable: the inbox cannot be read.
    """
    since = {lane: Mark(offset, seq) for lane, (offset, seq) in places.items()}
    reading = _Reading(Subscriber(profile, since=since, follow=False, transport=transport), dict(places))
    with ThreadPoolExecutor(1, thread_name_prefix="bus-exchange") as thread:
        runner = thread.submit(asyncio.Runner).result()
        try:
            while batch := thread.submit(runner.run, reading.next()).result():
                yield batch
        finally:
            thread.submit(runner.run, reading.close()).result()
            thread.submit(runner.close).result()


class _Reading:
    """One subscriber, read in pieces."""

    def __init__(self, subscriber: Subscriber, places: dict[str, tuple[int, int]]) -> None:
        self._subscriber, self._places = subscriber, places
        self._deliveries: AsyncIterator[Delivery] | None = None

    async def next(self) -> Batch | None:
        """The next batch; None at the end."""
        if self._deliveries is None:
            await self._subscriber.__aenter__()
            self._deliveries = aiter(self._subscriber)
        batch, count = Batch(), 0
        while count < BATCH and (delivery := await anext(self._deliveries, None)) is not None:
            self._take(delivery, batch)
            await delivery.done()
            count += 1
        batch.places = dict(self._places)
        return batch if count else None

    def _take(self, delivery: Delivery, batch: Batch) -> None:
        lane, seq = delivery.lane, delivery.seq
        if delivery.missing:
            raise CheckFailed(
                f"{delivery.missing} deliveries are missing in the {lane} inbox before number {seq}",
                hint="Fetch more often than the inbox is kept for. To begin with what it still has, clear and fetch.",
            )
        if delivery.status == "invalid":
            raise CheckFailed(
                f"number {seq} of the {lane} inbox does not hold: {delivery.problem}",
                hint="`bus consume --from-start` shows it. Nothing more is matched against until it is cleared up.",
            )
        if delivery.status == "needs-upgrade":
            raise CheckFailed(
                f"number {seq} of the {lane} inbox needs a newer version of safeguard-bus",
                hint="Upgrade; what it says may be that something must no longer be matched.",
            )
        event = delivery.event if delivery.status == "ok" else None  # what was recalled meanwhile is not matched at all
        fact = None if event is None else fact_of(event, delivery.index)
        if delivery.status == "withheld":
            log.warning("exchange.withheld", lane=lane, seq=seq, reason=delivery.problem)
        if event is not None and fact is not None:
            batch.facts.setdefault(event["header"]["thread"], []).append(fact)
        last = self._places.get(lane, (0, -1))[1]
        self._places[lane] = (delivery.offset + 1, last if seq is None else max(last, seq))

    async def close(self) -> None:
        """End the subscriber."""
        if self._deliveries is not None:
            aclose: Any = getattr(self._deliveries, "aclose", None)
            if aclose is not None:
                await aclose()
            await self._subscriber.__aexit__(None, None, None)
