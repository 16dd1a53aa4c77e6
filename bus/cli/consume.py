"""``bus consume``: an organisation's inbox, one event a line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from bus.adapters.formats import WRITING, in_words
from bus.cli.base import as_option, command, option, say
from bus.cli.output import print_json
from bus.cli.who import profile_of

if TYPE_CHECKING:
    from bus.partner import Delivery, LogAlarm, Profile, Publisher
    from bus.partner.recalls import Recalled

ACKS = ("none", "fetched")
CHECK_FAILED = 3
MOST_ACKS = 256


@command(
    examples="""
bus consume --as ORG
bus consume --as ORG --follow
bus consume --as ORG --peek
bus consume --as ORG --from-start | jq -r .type | sort | uniq -c
bus consume --as ORG --follow --ack fetched
bus consume --as ORG --format FORMAT --out FOLDER/
""",
    lists={"Formats": in_words(WRITING)},
)
@as_option(required=False, text="The organisation whose inbox it is.  [default: that of BUS_PROFILE]")
@option("--follow", is_flag=True, help="Wait for more, until Ctrl-C.")
@option("--from-start", is_flag=True, help="All that the inbox still has; what was consumed stays as it is.")
@option("--ack", type=click.Choice(ACKS), default=ACKS[0], show_default=True,
        help="Tell each issuer that its event was fetched.")  # fmt: skip
@option("--show-recalled", is_flag=True, help="Print the content of what was recalled too.")
@option("--peek", is_flag=True, help="List what there is in a table, without content, and consume none of it.")
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after so many.")
@option("--format", "form", type=click.Choice(WRITING), metavar="FORMAT",
        help="Write documents of a format instead, one of those below.")  # fmt: skip
@option("--out", metavar="PATH", help="Where documents go: a folder, with a slash at the end, or a new file.")
def consume(
    as_org: str | None,
    follow: bool,
    from_start: bool,
    ack: str,
    show_recalled: bool,
    peek: bool,
    limit: int | None,
    form: str | None,
    out: str | None,
) -> int:
    """Print what is addressed to an organisation, as NDJSON; the urgent lane first.

    What was printed does not come again, unless --from-start is given. Each record's signature, ledger entry and
    number are checked, and that the published log has it, where the profile says where that is: exit code 3 if one
    does not hold or a number is missing. What was recalled before it was printed comes without its content.

    With --format, what the format can say is written to --out, synced, and only then out of the inbox. The rest is
    told of, and left in the inbox for another format or a plain consume.
    """
    from bus.cli.runtime import run

    profile = profile_of(as_org)
    how = {"follow": follow, "from_start": from_start, "show_recalled": show_recalled}
    if peek:
        return _peek(profile, how, ack=ack, limit=limit, writes=form is not None or out is not None)
    if follow:
        tell_terminal(f"Waiting for what is addressed to {profile.organisation}. Ctrl-C ends it; nothing is lost.")
    if form is None and out is None:
        return run(_consume(profile, how, ack=ack, limit=limit))
    from bus.cli.consume_out import consume_out

    return run(consume_out(profile, form, out, how, ack=ack, limit=limit))


def _peek(profile: Profile, how: Mapping[str, Any], *, ack: str, limit: int | None, writes: bool) -> int:
    """Look, and take nothing.

    Raises:
        UsageError: something is asked for that is done with what is taken.
    """
    from bus.cli.peek import peek
    from bus.cli.runtime import run
    from bus.errors import UsageError

    if how["follow"] or ack != ACKS[0] or writes:
        raise UsageError("--peek consumes nothing", hint="Leave --follow, --ack, --format and --out away from it.")
    return run(peek(profile, how, limit=limit))


async def _consume(profile: Profile, how: Mapping[str, Any], *, ack: str, limit: int | None) -> int:
    from bus.partner import Subscriber

    count = wrong = 0
    async with AsyncExitStack() as stack:
        acks = await stack.enter_async_context(acknowledging(profile, ack))
        subscriber = await stack.enter_async_context(Subscriber(profile, on_alarm=log_alarm, **how))
        async for delivery in subscriber:
            print_json(line(delivery))
            sys.stdout.flush()
            wrong += alarm(delivery, profile.organisation, fetched=ack == "fetched")
            await acks.put(delivery)
            count += 1
            if count == limit:
                await subscriber.look_into_log()
                break
        if not count:
            tell_terminal(nothing(profile.organisation, from_start=how["from_start"]))
        await acks.finish()  # a delivery is handled once its issuer was told: before the inbox is left
    return CHECK_FAILED if wrong or subscriber.alarms else 0


def tell_terminal(words: str) -> None:
    """Talk to a person who waits at a terminal, and to no script."""
    if sys.stderr.isatty():
        say(words)


def nothing(organisation: str, *, from_start: bool) -> str:
    """What to say of an inbox that gave nothing."""
    if from_start:
        return f"The inbox of {organisation} is empty. --follow waits for more."
    return f"Nothing new for {organisation}. --follow waits for more, --from-start begins with what was consumed."


def line(delivery: Delivery) -> dict[str, Any]:
    """A delivery as it is printed: where it stands in ledger and inbox, then the event's own JSON form."""
    from bus.events.clock import format_us
    from bus.events.ids import dashed

    leaf, event_id = delivery.leaf, delivery.event_id
    return {
        "event_id": None if event_id is None else dashed(event_id),
        "index": delivery.index,
        "seq": delivery.seq,
        "lane": delivery.lane,
        "time": None if leaf is None else format_us(leaf.time_us),
        "status": delivery.status,
        "problem": delivery.problem,
        **({} if delivery.recalled is None else {"recalled": _recall(delivery.recalled)}),
        **({} if delivery.recalls is None else {"recalls": _recall(delivery.recalls)}),
        **(delivery.event or {}),
    }


def _recall(recalled: Recalled) -> dict[str, Any]:
    """A recall in short: what was recalled, by which event, why, what is asked, and whether it was handed out here."""
    from bus.events.ids import dashed

    return {
        "event_id": dashed(recalled.event_id),
        "recall_id": dashed(recalled.recall_id),
        "index": recalled.index,
        "issuer": recalled.issuer,
        "reason": recalled.reason,
        "do": list(recalled.do),
        "handed_out": recalled.handed_out,
    }


def alarm(delivery: Delivery, organisation: str, *, fetched: bool = False) -> bool:
    """Say loudly what does not hold, and what else a person must know of it; whether something does not hold.

    Args:
        delivery: what came.
        organisation: who got it.
        fetched: whether its issuer is told that it came in.
    """
    wrong, place = amiss(delivery), _place(delivery)
    _tell_recall(delivery, place, organisation, fetched=fetched)
    if delivery.status == "needs-upgrade":
        say(f"{place} needs a newer version of safeguard-bus", colour="yellow")
    return wrong


def amiss(delivery: Delivery) -> bool:
    """Say loudly what does not hold; whether there was something."""
    if delivery.missing:
        say(f"ALARM: {delivery.missing} deliveries are missing before {_place(delivery)}", colour="red")
    if delivery.status == "invalid":
        say(f"ALARM: {_place(delivery)} does not hold: {delivery.problem}", colour="red")
    return bool(delivery.missing) or delivery.status == "invalid"


def _place(delivery: Delivery) -> str:
    return f"{delivery.lane} inbox, number {delivery.seq}"


def _tell_recall(delivery: Delivery, place: str, organisation: str, *, fetched: bool) -> None:
    """Say what a recall asks for, loudly where its target was used, and how to answer it; what is left out for one."""
    from bus.cli.duty import answer, due_us

    if delivery.recalled is not None:
        say(f"{place} was recalled by {delivery.recalled.issuer} ({delivery.recalled.reason})", colour="yellow")
    told = delivery.recalls
    if told is not None:
        what = f"{told.issuer} recalls event {_dashed(told.event_id)} ({told.reason})"
        before = ", which was handed out here before" if told.handed_out else ""
        say(f"RECALL: {what}{before}: {', '.join(told.do)}. "
            f"{answer(organisation, told.recall_id, due_us(delivery), fetched=fetched)}",
            colour="red" if told.handed_out else "yellow")  # fmt: skip


def _dashed(event_id: bytes) -> str:
    from bus.events.ids import dashed

    return dashed(event_id)


def log_alarm(alarm: LogAlarm) -> None:
    """Say loudly what the published log does not bear out, when it is found."""
    say(f"ALARM: {alarm.kind}: {alarm.message}", colour="red")


class Acks:
    """Marks deliveries as handled, after telling their issuers where that is asked for."""

    def __init__(self, publisher: Publisher | None = None, group: asyncio.TaskGroup | None = None) -> None:
        self._publisher, self._group = publisher, group
        self._room = asyncio.Semaphore(MOST_ACKS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, delivery: Delivery) -> None:
        """Handle one delivery, now or soon."""
        if self._publisher is None or self._group is None or not _wants_ack(delivery):
            await delivery.done()
            return
        await self._room.acquire()
        task = self._group.create_task(self._acknowledge(self._publisher, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._room.release()
        self._tasks.discard(task)

    async def finish(self) -> None:
        """Wait for those under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _acknowledge(self, publisher: Publisher, delivery: Delivery) -> None:
        from bus.partner import Item

        decoded = delivery.decoded
        assert decoded is not None
        event_id = decoded.header.event_id
        event = acknowledgement(decoded.header, step="fetched")
        outcome = await publisher.publish(event, item=Item("acknowledgement", "fetched", event_id.hex(), "fetched"))
        if not outcome.stands:
            say(f"not acknowledged: {_dashed(event_id)} ({', '.join(outcome.reasons)})", colour="yellow")
        await delivery.done()


def acknowledgement(header: Any, *, step: str) -> dict[str, Any]:
    """The acknowledgement of an event to its issuer."""
    from bus.events.ids import dashed

    return {
        "type": "Acknowledgement",
        "header": {
            "step": step,
            "about": dashed(header.event_id),
            "thread": header.thread.hex(),
            "lane": header.lane,
            "audience": [header.issuer],
        },
        "body": {},
    }


def _wants_ack(delivery: Delivery) -> bool:
    """Acknowledgements are not acknowledged, nor is the hub, which knows."""
    decoded = delivery.decoded
    if delivery.status != "ok" or decoded is None:
        return False
    return decoded.info.name != "Acknowledgement" and decoded.header.issuer != "hub"


@asynccontextmanager
async def acknowledging(profile: Profile, ack: str) -> AsyncGenerator[Acks]:
    """What marks deliveries as handled, with a publisher of its own where their issuers are told.

    An acknowledgement without a receipt ends whoever is inside, who may wait for the next delivery for days.
    """
    if ack == "none":
        yield Acks()
        return
    from bus.partner import Publisher

    try:
        async with Publisher(profile) as publisher, asyncio.TaskGroup() as group:
            yield Acks(publisher, group)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
