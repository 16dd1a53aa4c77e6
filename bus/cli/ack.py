"""``bus ack``: tell an event's issuer what became of it here."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from bus.cli.act import (
    Manner,
    act_options,
    event_id_of,
    follow,
    inbox,
    say_events,
    subject_of,
)
from bus.cli.base import command, option, say
from bus.cli.complete import words
from bus.cli.duty import RECALL, answer, due_us
from bus.cli.form import Form
from bus.cli.who import profile_of

STEPS = {
    "fetched": "it came in",
    "taken": "a person or a system of record has it",
    "complied": "what it asks for was done",
    "cannot": "what it asks for cannot be done",
    "rejected": "it is not accepted",
    "returned": "it goes back: it does not suffice, or is for somebody else",
}
WITH_REASON = ("cannot", "rejected", "returned")


@command(
    examples="""
bus ack 0199f3c0-0000-7000-8000-000000000000 --as ORG
bus ack 0199f3c0-0000-7000-8000-000000000000 --as ORG --step fetched
bus ack 0199f3c0-0000-7000-8000-000000000000 --as ORG --step complied --actions-undone 3
bus ack 0199f3c0-0000-7000-8000-000000000000 --as ORG --step cannot --reason technical
"""
)
@click.argument("event", metavar="EVENT")
@option("--step", metavar="STEP", shell_complete=words(STEPS), help=f"What became of it: {', '.join(STEPS)}.")
@option("--reason", metavar="CODE", help="Why, a code of ack_reason: for cannot, rejected and returned.")
@option("--use", metavar="CODE", help="Of what use it was: a code of ack_use.")
@option("--actions-undone", type=click.IntRange(0, 2**31 - 1), metavar="N", help="How many acts were taken back.")
@act_options
def ack(
    event: str, step: str | None, reason: str | None, use: str | None, actions_undone: int | None,
    as_org: str | None, dry_run: bool, yes: bool, timeout: float, output: str,
) -> int:  # fmt: skip
    """Acknowledge an event of the inbox to its issuer; of a recall, say that it was complied with.

    Each step follows from the one before: fetched, then taken, then complied, cannot, rejected or returned. The
    hub refuses what does not follow, and names the steps that would.

    A recall is answered by its own id: fetched, then complied or cannot. What is said of the event that it recalls
    does not answer it.
    """
    form, event_id = Form(), event_id_of("EVENT")(event)
    profile = profile_of(as_org)
    look = subject_of(form, partial(inbox, profile, event_id, "EVENT"))
    taken = form.one("--step", step, "step", "What became of it", among=STEPS)
    body: dict[str, Any] = {}
    if taken in WITH_REASON or reason is not None:
        body["reason"] = form.one("--reason", reason, "ack_reason", "Why")
    if use is not None:
        body["use"] = form.one("--use", use, "ack_use", "Of what use was it")
    if actions_undone is not None:
        body["actions_undone"] = actions_undone
    delivery = look()
    info, header = delivery.decoded.info, delivery.decoded.header
    if info.name == "TakedownNotice" and taken not in {"fetched", "taken"}:
        say("This does not say what was done about the notice: `bus takedown` does.", colour="yellow")
    said: dict[str, Any] = {"step": taken, "audience": [header.issuer], "priority": header.priority}
    follow(said, header)
    made = {"type": "Acknowledgement", "header": said, "body": body}
    summary = [
        ("event", f"{info.name} {header.step} of {header.issuer}, {event}"), ("says", f"{taken}: {STEPS[taken]}"),
        *((name.replace("_", " "), str(value)) for name, value in body.items()), ("tells", header.issuer),
    ]  # fmt: skip
    manner = Manner(dry_run=dry_run, yes=yes, timeout=timeout, output=output, steps=STEPS)
    code = say_events(form, profile, [made], summary, manner)
    if info.name == RECALL and taken in {"fetched", "taken"} and code == 0 and not dry_run:
        say(answer(profile.organisation, event_id, due_us(delivery), fetched=True), colour="yellow")
    return code
