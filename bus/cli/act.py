"""What the acts by hand share: flags, what is known of the event that they are about, and how they are said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bus.cli.base import as_option, option, output_option, say
from bus.cli.form import Form
from bus.errors import BusError, UsageError

if TYPE_CHECKING:
    from bus.cli.members import Members
    from bus.partner import Delivery
    from bus.partner.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

RECEIPT_TIMEOUT_S = 120.0


def act_options(function: F) -> F:
    """The flags of every act: who acts, whether to ask, how to print."""
    wrap = [
        as_option(required=False, text="The organisation that acts.  [default: that of BUS_PROFILE]"),
        option("--dry-run", is_flag=True, help="Print the event's JSON, and say nothing."),
        option("-y", "--yes", is_flag=True, help="Do not ask whether to say it."),
        option("--timeout", type=click.FloatRange(min=0, min_open=True), default=RECEIPT_TIMEOUT_S, show_default=True,
               metavar="SECONDS", help="How long to wait for a receipt."),
        output_option("table", "ndjson", "json", "csv"),
    ]  # fmt: skip
    for one in reversed(wrap):
        function = one(function)
    return function


class Manner:
    """How an act is said: asked for or not, tried or meant, how its receipt is printed, and which steps it offers."""

    def __init__(self, *, dry_run: bool, yes: bool, timeout: float, output: str, steps: Collection[str] = ()) -> None:
        self.steps = steps
        self.dry_run, self.sure, self.timeout, self.output = dry_run, yes, timeout, output


def event_id_of(flag: str) -> Callable[[str], bytes]:
    """The rule of an event id in its dashed form."""

    def rule(text: str) -> bytes:
        from bus.events.ids import parse_uuid

        try:
            return parse_uuid(text.strip().lower())
        except ValueError:
            hint = "Event ids are dashed UUIDs, as receipts and `bus consume --peek` have them."
            raise UsageError(f"{flag}: it is no event id", hint=hint) from None

    return rule


def organisations_of(flag: str, names: Sequence[str]) -> list[str]:
    """The rule of organisations or agreements: sorted, each once.

    Raises:
        UsageError: one is neither.
    """
    from bus.events.names import MEMBER_RE

    for name in names:
        if not MEMBER_RE.fullmatch(name):
            raise UsageError(f"{flag}: no organisation and no @agreement has such an id")
    return sorted(set(names))


def organisation_of(flag: str, members: Members | None = None) -> Callable[[str], str]:
    """The rule of one organisation; with ``members``, one that the directory has."""

    def rule(text: str) -> str:
        (name,) = organisations_of(flag, [text.strip()])
        if name.startswith("@"):
            raise UsageError(f"{flag}: an organisation, and not an agreement")
        if members is not None:
            members.check([name])
        return name

    return rule


def published_header(profile: Profile, event_id: bytes) -> tuple[str, Any] | None:
    """Type and header of an event that this organisation published, as far as its journal knows; else None."""
    from bus.events.codec import decode
    from bus.partner import Journal

    if not profile.journal_file.is_file():
        return None
    with Journal(profile.journal_file) as journal:
        kept = journal.find(event_id)
    if kept is None:
        return None
    decoded = decode(kept.value)
    return decoded.info.name, decoded.header


def received(profile: Profile, event_id: bytes) -> Delivery | None:
    """An event as it stands in the organisation's inbox, which is read from its start; None if it is not there."""
    from bus.cli.runtime import run

    return run(_received(profile, event_id))


def subject_of(form: Form, look: Callable[[], T]) -> Callable[[], T]:
    """How to look up the event that an act is about: once, and at once where a person is asked for the rest.

    Nobody answers five questions about an event that turns out not to be there; a script learns first which flag is
    missing, which takes no broker.
    """
    kept = cache(look)
    if form.asks:
        kept()
    return kept


async def _received(profile: Profile, event_id: bytes) -> Delivery | None:
    from msgspec import structs

    from bus.partner import Subscriber

    quiet = structs.replace(profile, log=None)  # it is looked at again; the log was looked into when it was consumed
    async with Subscriber(quiet, from_start=True, follow=False, show_recalled=True) as subscriber:
        async for delivery in subscriber:
            if delivery.event_id == event_id and delivery.decoded is not None:
                return delivery
    return None


def follow(header: dict[str, Any], subject: Any) -> None:
    """Make an event follow its subject: about it, in its thread and lane."""
    from bus.events.ids import dashed

    header |= {"about": dashed(subject.event_id), "thread": subject.thread.hex(), "lane": subject.lane}


def new_id() -> str:
    """A fresh event id."""
    import secrets

    from bus.events.clock import SystemClock
    from bus.events.ids import dashed, uuid7

    return dashed(uuid7(SystemClock().now_us(), secrets.token_bytes(8)))


def say_events(
    form: Form,
    profile: Profile,
    events: Sequence[Mapping[str, Any]],
    summary: Sequence[tuple[str, str]],
    manner: Manner,
    members: Members | None = None,
) -> int:
    """Check events, show what they say, and publish them if that is meant; print the receipts. The exit code.

    Raises:
        InvalidEvent: a field breaks a rule; the error has its path and never its value.
        UsageError: the directory does not have somebody who would hear it.
        click.Abort: it was not confirmed.
    """
    from bus.cli.members import Members

    if manner.dry_run:
        _print(profile, events)
        return 0
    parsed = _parse(profile, events)
    (members or Members(profile)).check(sorted({name for parts in parsed for name in parts.header.audience}))
    form.confirm(summary, f"Say it as {profile.organisation}?", sure=manner.sure)
    from bus.cli.publish import send
    from bus.partner import Draft

    return send(profile, [Draft(event) for event in events], manner.timeout, manner.output, manner.steps)


def _parse(profile: Profile, events: Sequence[Mapping[str, Any]]) -> list[Any]:
    from bus.events.clock import SystemClock
    from bus.events.jsonform import parse_event
    from bus.partner import Journal
    from bus.partner.compose import fill

    with Journal(profile.journal_file) as journal:
        filler = fill(profile, now_us=SystemClock().now_us(), subjects=journal.subject)
        return [parse_event(event, filler) for event in events]


def _print(profile: Profile, events: Sequence[Mapping[str, Any]]) -> None:
    from bus.cli.output import dumps
    from bus.events.jsonform import to_json

    for parts in _parse(profile, events):
        sys.stdout.write(dumps(to_json(parts.info, parts.header, parts.body, parts.plaintext)) + "\n")


def inbox(profile: Profile, event_id: bytes, flag: str) -> Any:
    """The delivery of an event that an act answers; a warning if it was recalled.

    Raises:
        UsageError: the inbox does not have it.
    """
    delivery = received(profile, event_id)
    if delivery is None or delivery.event is None:
        raise unknown_event(flag, profile, event_id)
    warn_recalled(delivery, profile.organisation)
    return delivery


def unknown_event(flag: str, profile: Profile, event_id: bytes) -> BusError:
    """The error of an event that the inbox does not have: it is one's own, or not known here at all."""
    own = published_header(profile, event_id)
    if own is not None:
        return UsageError(
            f"{flag}: this organisation published that {own[0]} itself, and only what others sent is answered",
            hint="`bus recall` takes one's own event back; a later step of it is published with `bus publish`.",
        )
    return UsageError(
        f"{flag}: this organisation neither published that event nor has it in its inbox",
        hint=f"`bus consume --as {profile.organisation} --from-start --peek` lists the inbox; what Kafka keeps no "
        "longer is in the ledger.",
    )


def warn_recalled(delivery: Delivery, organisation: str) -> None:
    """Say that an event was recalled, before anything is done with it, and that no answer to it answers the recall."""
    from bus.cli.duty import answer

    recalled = delivery.recalled
    if recalled is not None:
        say(f"It was recalled by {recalled.issuer} ({recalled.reason}). What is said of it does not answer the recall.",
            colour="red")  # fmt: skip
        say(answer(organisation, recalled.recall_id), colour="red")
