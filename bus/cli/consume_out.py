"""``bus consume --format``: an inbox as documents of another format."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from msgspec import structs

from bus.adapters.documents import Unsaid
from bus.adapters.outlet import Outlet, open_outlet
from bus.adapters.saying import Saying
from bus.cli.base import say
from bus.cli.consume import CHECK_FAILED, Acks, acknowledging, alarm, log_alarm
from bus.errors import UsageError

if TYPE_CHECKING:
    from bus.partner import Delivery, Profile


async def consume_out(
    profile: Profile, form: str | None, out: str | None, how: Mapping[str, Any], *, ack: str, limit: int | None
) -> int:
    """Write what an inbox has in a format; the exit code.

    Args:
        profile: whose inbox it is.
        form: the format.
        out: where documents go.
        how: what the subscriber is told beside that.
        ack: whether issuers are told.
        limit: after how many documents to stop.
    """
    from bus.partner import Subscriber

    if form is None or out is None:
        raise UsageError("--format and --out go together", hint="Give both, or neither for NDJSON on stdout.")
    outlet = open_outlet(form, out)
    if how["follow"] and not outlet.at_once:
        raise UsageError("one file has an end, and --follow has none", hint="Give --out a folder, with a slash.")
    saying, wrong = Saying(form), 0
    async with AsyncExitStack() as stack:
        stack.enter_context(outlet)
        keeping = _Keeping(outlet)
        stack.callback(_conclude, saying, keeping, out)
        acks = await stack.enter_async_context(acknowledging(profile, ack))
        subscriber = await stack.enter_async_context(Subscriber(profile, on_alarm=log_alarm, **how))
        async for delivery in subscriber:
            wrong += alarm(delivery, profile.organisation, fetched=ack == "fetched")
            await _take(delivery, saying, keeping, acks)
            if saying.written == limit:
                await subscriber.look_into_log()
                break
        await keeping.finish(acks)
    return CHECK_FAILED if wrong or subscriber.alarms else 0


async def _take(delivery: Delivery, saying: Saying, keeping: _Keeping, acks: Acks) -> None:
    """Write a delivery, or count why it was not."""
    event = delivery.event
    if event is None or delivery.status != "ok":
        saying.skip("delivery" if event is None else event["type"], f"it is {delivery.status}")
        return
    saying.hear(event)
    said = saying.say(event)
    if not isinstance(said, Unsaid):
        await keeping.put(delivery, event["header"]["event_id"], said.documents, acks)


class _Keeping:
    """Puts documents into an outlet; a delivery is handled when they are durable, and ``written`` counts it then."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._waiting: list[Delivery] = []
        self.written = 0

    async def put(self, delivery: Delivery, event_id: str, documents: Any, acks: Acks) -> None:
        """Put an event's documents."""
        await asyncio.to_thread(self._outlet.put, event_id, documents)
        if self._outlet.at_once:
            self.written += 1
            await acks.put(delivery)
        else:  # what a document was made of need not wait with it
            self._waiting.append(structs.replace(delivery, value=None, signature=None, plaintext=None))

    async def finish(self, acks: Acks) -> None:
        """Make all of it durable, and then handled, before the inbox is left."""
        await asyncio.to_thread(self._outlet.finish)
        self.written += len(self._waiting)
        for delivery in self._waiting:
            await acks.put(delivery)
        await acks.finish()


def _conclude(saying: Saying, keeping: _Keeping, out: str) -> None:
    """What was written, and what was not."""
    for sentence in saying.report():
        say(sentence, colour="yellow")
    left = saying.unsaid.total() + saying.written - keeping.written
    rest = f"; {left} left in the inbox" if left else ""
    say(f"{keeping.written} events written to {out}{rest}")
