"""``bus consume --peek``: what an inbox has, without content, and left where it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from bus.cli.consume import CHECK_FAILED, amiss, nothing, tell_terminal
from bus.cli.output import RowWriter

if TYPE_CHECKING:
    from bus.partner import Delivery, Profile

COLUMNS = ("index", "event_id", "issuer", "type", "step", "status", "due")


async def peek(profile: Profile, how: Mapping[str, Any], *, limit: int | None) -> int:
    """List an inbox in a table; nothing of it is consumed. The exit code."""
    from msgspec import structs

    from bus.partner import Subscriber

    quiet = structs.replace(profile, log=None)  # looked into when it is consumed
    count = wrong = 0
    with RowWriter("table", COLUMNS, spare=("status", "step"), below="due") as writer:
        async with AsyncExitStack() as stack:
            async for delivery in await stack.enter_async_context(Subscriber(quiet, **how)):
                wrong += amiss(delivery)
                writer.write(row(delivery))
                count += 1
                if count == limit:
                    break
    if not count:
        tell_terminal(nothing(profile.organisation, from_start=how["from_start"]))
    return CHECK_FAILED if wrong else 0


def row(delivery: Delivery) -> dict[str, Any]:
    """A delivery in short: what it is, of whom, and by when something is due; nothing of its content."""
    from bus.cli.duty import due_us
    from bus.events.clock import format_us
    from bus.events.ids import dashed

    decoded, event_id = delivery.decoded, delivery.event_id
    header = None if decoded is None else decoded.header
    due = due_us(delivery)
    return {
        "index": delivery.index,
        "event_id": None if event_id is None else dashed(event_id),
        "issuer": None if header is None else header.issuer,
        "type": None if decoded is None else decoded.info.name,
        "step": None if header is None else header.step,
        "status": delivery.status,
        "due": None if due is None else format_us(due),
    }
