"""``bus takedown``: say what was done about a takedown notice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from bus.cli.act import Manner, act_options, event_id_of, follow, inbox, say_events, subject_of
from bus.cli.base import command, option
from bus.cli.complete import words
from bus.cli.form import Form
from bus.cli.who import profile_of
from bus.errors import UsageError

STEPS = {
    "acknowledged": "somebody looks into it",
    "removed": "it is gone for everyone",
    "disabled": "nobody can reach it any more",
    "geo_blocked": "it cannot be reached from some territory",
    "filter_updated": "a model no longer makes it",
    "weights_removed": "the model itself is no longer given out",
    "not_found": "there is nothing of it here",
    "refused": "it will not be done",
    "impossible": "it cannot be done",
}
DONE = ("removed", "disabled", "geo_blocked", "filter_updated", "weights_removed")
WITH_REASON = ("refused", "impossible")
_COUNT = click.IntRange(0, 2**31 - 1)


@command(
    examples="""
bus takedown 0199f3c0-0000-7000-8000-000000000000 --as ORG
bus takedown 0199f3c0-0000-7000-8000-000000000000 --as ORG --step removed --done 3 --preserved
bus takedown 0199f3c0-0000-7000-8000-000000000000 --as ORG --step refused --reason adult --dry-run
"""
)
@click.argument("notice", metavar="NOTICE")
@option("--step", metavar="STEP", shell_complete=words(STEPS), help=f"What was done: {', '.join(STEPS)}.")
@option("--reason", metavar="CODE", help="Why, a code of action_reason: for refused and impossible.")
@option("--done", type=_COUNT, metavar="N", help="Of how many items.  [default: asked for; all in a script]")
@option("--copies", type=_COUNT, metavar="N", help="How many identical copies went with them.")
@option("--visibility", metavar="CODE", help="What became of the content: a code of visibility.")
@option("--account", metavar="CODE", help="What became of the account: a code of account_action.")
@option("--preserved/--not-preserved", default=None, help="Whether evidence was kept.  [default: nothing is said]")
@option("--at", metavar="TIME", help="When it was done, in RFC 3339.  [default: now]")
@act_options
def takedown(
    notice: str, as_org: str | None, dry_run: bool, yes: bool, timeout: float, output: str, **given: Any
) -> int:
    """Answer a takedown notice of the inbox: done, not found, refused or impossible.

    It is this that can meet the notice's deadline; `bus ack` says only that the notice came in. Whoever heard the
    notice beside the addressee is not told; the issuer is.
    """
    form, event_id = Form(), event_id_of("NOTICE")(notice)
    profile = profile_of(as_org)
    look = subject_of(form, partial(_notice, profile, event_id))
    step = form.one("--step", given["step"], "step", "What was done", among=STEPS)
    chosen = _codes(form, given, step)
    at = None if given["at"] is None else _time(given["at"])
    header, asked = look()
    body = chosen | _counts(form, given, step, asked.item_count)
    said: dict[str, Any] = {
        "step": step, "audience": [header.issuer], "priority": header.priority, "purpose": "removal",
        "compulsion": header.compulsion, "effect_at": at or _now(),
    }  # fmt: skip
    follow(said, header)
    summary = [
        ("notice", f"{asked.form} of {header.issuer}, {notice}"), ("says", f"{step}: {STEPS[step]}"),
        *((name.replace("_", " "), _shown(value)) for name, value in body.items()), ("tells", header.issuer),
    ]  # fmt: skip
    manner = Manner(dry_run=dry_run, yes=yes, timeout=timeout, output=output, steps=STEPS)
    return say_events(form, profile, [{"type": "TakedownAction", "header": said, "body": body}], summary, manner)


def _notice(profile: Any, event_id: bytes) -> tuple[Any, Any]:
    """Header and body of the notice.

    Raises:
        UsageError: the inbox does not have it, or it is no notice to this organisation.
    """
    delivery = inbox(profile, event_id, "NOTICE")
    decoded = delivery.decoded
    if decoded.info.name != "TakedownNotice":
        raise UsageError(f"NOTICE: that event is a {decoded.info.name}")
    if decoded.header.addressee != profile.organisation:
        raise UsageError(f"NOTICE: it is addressed to {decoded.header.addressee}, who alone answers it")
    return decoded.header, decoded.body


def _codes(form: Form, given: Mapping[str, Any], step: str) -> dict[str, Any]:
    """What is chosen from lists."""
    found: dict[str, Any] = {}
    if step in WITH_REASON or given["reason"] is not None:
        found["reason"] = form.one("--reason", given["reason"], "action_reason", "Why")
    if given["visibility"] is not None:
        found["visibility"] = form.one("--visibility", given["visibility"], "visibility", "What became of the content")
    if given["account"] is not None:
        found["account"] = form.one("--account", given["account"], "account_action", "What became of the account")
    return found


def _counts(form: Form, given: Mapping[str, Any], step: str, items: int) -> dict[str, Any]:
    """How much was done, of how much was asked for; of what was not done nothing is counted.

    Raises:
        UsageError: more was done than was asked for.
    """
    found: dict[str, Any] = {}
    if step in DONE and (items or given["done"] is not None):
        done = given["done"]
        done = form.text(
            "--done", None if done is None else str(done), f"How many of the items ({items} in all)", _whole, str(items)
        )
        if done > items:
            raise UsageError(f"--done: the notice has {items} in all", hint="Copies beyond them are --copies.")
        found |= {"items_done": done, "items_total": items}
    for name, key in (("copies", "copies_removed"), ("preserved", "preserved")):
        if given[name] is not None:
            found[key] = given[name]
    return found


def _whole(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 10):
        raise UsageError("--done: it is no whole number")
    return int(text)


def _time(text: str) -> str:
    """A time that is past, in RFC 3339."""
    from bus.events.clock import SystemClock, format_us, parse_us

    try:
        at_us = parse_us(text.strip())
    except ValueError:
        raise UsageError("--at: it is no time", hint="RFC 3339, such as 2026-01-31T12:00:00Z.") from None
    if at_us > SystemClock().now_us():
        raise UsageError("--at: that time is yet to come", hint="Say what was done when it is done.")
    return format_us(at_us)


def _now() -> str:
    from bus.events.clock import SystemClock, format_us

    return format_us(SystemClock().now_us())


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
