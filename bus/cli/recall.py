"""``bus recall``: take an event back from everyone who got it."""

from __future__ import annotations

from functools import partial
from typing import Any

from bus.cli.act import (
    Manner,
    act_options,
    event_id_of,
    follow,
    new_id,
    organisations_of,
    published_header,
    received,
    say_events,
    subject_of,
    unknown_event,
)
from bus.cli.base import command, option, say
from bus.cli.duty import within
from bus.cli.form import Form
from bus.cli.who import profile_of

import click  # isort: skip


@command(
    examples="""
bus recall 0199f3c0-0000-7000-8000-000000000000 --as ORG
bus recall 0199f3c0-0000-7000-8000-000000000000 --as ORG --reason error --do stop_using --do delete --yes
bus recall 0199f3c0-0000-7000-8000-000000000000 --as ORG --reason adult --do reassess --explanation why.txt --dry-run
"""
)
@click.argument("event", metavar="EVENT")
@option("--reason", metavar="CODE", help="Why: a code of recall_reason.")
@option("--do", multiple=True, metavar="CODE", help="What is asked, a code of recall_do; again for more.")
@option("--to", multiple=True, metavar="ORG", help="Whom to name; everyone else who has the event hears it too.")
@option("--explanation", metavar="FILE|-", help="A file with words that are sealed for whom is named.")
@act_options
def recall(
    event: str, reason: str | None, do: tuple[str, ...], to: tuple[str, ...], explanation: str | None,
    as_org: str | None, dry_run: bool, yes: bool, timeout: float, output: str,
) -> int:  # fmt: skip
    """Recall an event: everyone who ever got it is told, whether named or not.

    Its issuer may do so, a court, or an authority. Without --to those are named whom the event named. Each recipient
    answers with `bus ack` and the recall's id, fetched and then complied; `bus audit trace` counts who did.
    """
    form, event_id = Form(), event_id_of("EVENT")(event)
    named = organisations_of("--to", to)
    profile = profile_of(as_org)
    look = subject_of(form, partial(_target, profile, event_id))
    why = form.one("--reason", reason, "recall_reason", "Why is it recalled")
    asked = form.many("--do", do, "recall_do", "What is asked of whoever has it")
    words = form.prose("--explanation", explanation, "In words, sealed for whom is named")
    kind, target = look()
    audience = named or sorted({*target.audience, target.issuer} - {profile.organisation})
    recall_id = new_id()
    header: dict[str, Any] = {
        "event_id": recall_id, "step": "called", "audience": audience, "priority": target.priority,
        "deadline": "recall-stop-use",
    }  # fmt: skip
    made: dict[str, Any] = {
        "type": "Recall",
        "header": header,
        "body": {"reason": why, "do": asked, "new_audience": []},
    }
    follow(header, target)
    if words is not None:
        made["sealed"] = {"explanation": words}
    summary = [
        ("recalls", f"{kind} {target.step} of {target.issuer}, {event}"), ("reason", why),
        ("asks for", ", ".join(asked)),
        ("names", ", ".join(audience)), ("reaches", "everyone who ever got it"),
        ("sealed", "an explanation" if words else "nothing"),
    ]  # fmt: skip
    code = say_events(form, profile, [made], summary, Manner(dry_run=dry_run, yes=yes, timeout=timeout, output=output))
    if code == 0 and not dry_run:
        say(f"Each recipient answers `bus ack {recall_id} --step fetched`, then `--step complied` (or cannot), "
            f"{within()}. `bus audit trace {recall_id}` counts them.")  # fmt: skip
    return code


def _target(profile: Any, event_id: bytes) -> tuple[str, Any]:
    """Type and header of what is recalled: published here, or in the inbox."""
    own = published_header(profile, event_id)
    if own is not None:
        return own
    delivery = received(profile, event_id)
    if delivery is None or delivery.decoded is None:
        raise unknown_event("EVENT", profile, event_id)
    return delivery.decoded.info.name, delivery.decoded.header
