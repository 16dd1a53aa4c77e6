"""``bus notice``: ask exactly one addressee to take something down."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click
from msgspec import Struct

from bus.cli.act import (
    Manner,
    act_options,
    event_id_of,
    follow,
    new_id,
    organisation_of,
    organisations_of,
    published_header,
    received,
    say_events,
    unknown_event,
)
from bus.cli.base import command, option
from bus.cli.complete import codes_of, deadlines
from bus.cli.form import Form
from bus.cli.members import Members
from bus.cli.who import profile_of
from bus.errors import UsageError

MOST_LOCATORS = 16
STATED = "stated"
"""The row of ``ops/deadlines.toml`` for a date that the issuer sets itself."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AHEAD = re.compile(r"\+([1-9][0-9]{0,4})([hd])")
_COMPULSION = {"order": "order"}


class Preserved(Struct, frozen=True):
    """What secures the evidence: a request made with the notice, one made before, or why there is none."""

    body: Mapping[str, Any]
    request: Mapping[str, Any] | None = None
    words: str = ""


@command(
    examples="""
bus notice --as ORG
bus notice --as ORG --to fernpost --locators urls.txt --due +24h --preserve content --process preservation_order
bus notice --as ORG --to fernpost --locators urls.txt --why-not-preserved police_declined
bus notice --as ORG --to fernpost --form regulatory_notice --measure proactive --platform-wide --dry-run
"""
)
@option("--to", metavar="ORG", help="The addressee, exactly one.")
@option("--cc", multiple=True, metavar="ORG", help="Who else hears it; again for more.")
@option("--form", metavar="CODE", help="Order, notice or another: a code of notice_form.")
@option("--target", metavar="CODE", help="What the addressee is: a code of target_type.")
@option("--measure", multiple=True, metavar="CODE", help="What is asked: a code of measure; again for more.")
@option("--locators", metavar="FILE|-", help="A file with one item a line: KIND ADDRESS, or a URL alone. Sealed.")
@option("--platform-wide", is_flag=True, help="It is about the whole platform, and names no item.")
@option("--reasons", metavar="FILE|-", help="A file with the reasons, in words. Sealed.")
@option("--language", metavar="TAG", help="Language of the reasons (BCP 47); an order needs one.")
@option("--provision", multiple=True, metavar="REF", help="An article that it rests on; again for more.")
@option(
    "--deadline",
    metavar="ID",
    shell_complete=deadlines,
    help="A row of ops/deadlines.toml.  [default: 'stated' with --due]",
)
@option("--due", metavar="TIME", help="By when: RFC 3339, a date (to its end, UTC), or +24h, +5d from now.")
@option("--preserve", multiple=True, metavar="CODE", help="Ask to keep evidence too: a code of preservation_scope.")
@option("--preserve-until", metavar="DATE", help="Until when it is to be kept.")
@option("--process", metavar="CODE", help="Under which process it is kept: a code of legal_process.")
@option("--preservation", metavar="EVENT", help="The Preservation that was requested already.")
@option("--why-not-preserved", metavar="CODE", help="Why nothing is to be kept: a code of why_not_preserved.")
@option("--le-clearance", metavar="CODE", help="Whether police agree: a code of le_clearance.")
@option("--renotify-every", type=click.IntRange(1, 8760), metavar="HOURS", help="Send it again every so many hours.")
@option(
    "--priority",
    metavar="CODE",
    default="urgent",
    show_default=True,
    shell_complete=codes_of("priority"),
    help="How soon it must be seen.",
)
@option("--about", metavar="EVENT", help="The event that it follows from; everyone who hears the notice must have it.")
@act_options
def notice(as_org: str | None, dry_run: bool, yes: bool, timeout: float, output: str, **given: Any) -> int:
    """Serve a takedown notice on one addressee, with a deadline and what secures the evidence.

    Addresses and reasons are sealed: they come from a file or a prompt, never from the command line. With
    --preserve a Preservation is requested first, and the notice names it.
    """
    form, profile = Form(), profile_of(as_org)
    members = Members(profile)
    to = form.text("--to", given["to"], "To whom (one organisation)",
                   organisation_of("--to", members if given["to"] is None else None))  # fmt: skip
    kind = form.one("--form", given["form"], "notice_form", "What is it")
    target = form.one("--target", given["target"], "target_type", "What is the addressee")
    measures = form.many("--measure", given["measure"], "measure", "What is asked")
    locators = _items(form, given["locators"], platform_wide=given["platform_wide"])
    body: dict[str, Any] = {"form": kind, "target_type": target, "item_count": len(locators), "measures": measures}
    body |= _more(form, given, kind)
    header: dict[str, Any] = {
        "step": "issued", "addressee": to, "audience": sorted({to, *organisations_of("--cc", given["cc"])}),
        "purpose": "removal", "compulsion": _COMPULSION.get(kind, "request"),
        "priority": form.one("--priority", given["priority"], "priority", "How soon"),
        **_deadline(form, given["deadline"], given["due"]),
    }  # fmt: skip
    kept = _preserved(form, given, header, locators)
    sealed = {"locators": locators, "reasons": form.prose("--reasons", given["reasons"], "The reasons, sealed")}
    made = {"type": "TakedownNotice", "header": header, "body": {**body, **kept.body}}
    if any(sealed.values()):
        made["sealed"] = sealed
    if given["about"] is not None:
        _follow(profile, header, given["about"])
    summary = [
        ("to", ", ".join([to, *(org for org in header["audience"] if org != to)])), ("form", kind),
        ("asks for", ", ".join(measures)), ("items", f"{len(locators)}, sealed" if locators else "the whole platform"),
        ("due", f"{header.get('due_at', 'not stated')} ({header.get('deadline', 'no deadline')})"),
        ("evidence", kept.words),
    ]  # fmt: skip
    events = [one for one in (kept.request, made) if one is not None]
    manner = Manner(dry_run=dry_run, yes=yes, timeout=timeout, output=output)
    return say_events(form, profile, events, summary, manner, members)


def _more(form: Form, given: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The rest of the body, as far as it was given."""
    found: dict[str, Any] = {"provisions": list(given["provision"])}
    if given["language"] is not None or kind == "order":
        found["language"] = form.text("--language", given["language"], "Language of the reasons, such as en", _language)
    if given["le_clearance"] is not None:
        found["le_clearance"] = form.one("--le-clearance", given["le_clearance"], "le_clearance", "Do police agree")
    if given["renotify_every"] is not None:
        found["renotify_every_h"] = given["renotify_every"]
    return found


def _items(form: Form, path: str | None, *, platform_wide: bool) -> list[dict[str, str]]:
    """What the notice is about: items, or none where it is about the whole platform.

    Raises:
        UsageError: both are said, so one of them is a mistake; or neither.
    """
    if platform_wide and path is not None:
        hint = "With --locators it is about those items; with --platform-wide it names none."
        raise UsageError("--platform-wide and --locators are two ways: give one", hint=hint)
    return [] if platform_wide else _locators(form, path)


def _locators(form: Form, path: str | None) -> list[dict[str, str]]:
    """The items, each with its kind. An error names the line and never the address."""
    found = form.lines("--locators", path, "Address, or KIND ADDRESS", _locator)
    while not found and path is None and form.asks:
        if form.sure("No item: is the notice about the whole platform?"):
            return []
        found = form.lines("--locators", path, "Address, or KIND ADDRESS", _locator)
    if not found:
        raise UsageError("--locators is needed", hint="A notice about the whole platform is --platform-wide.")
    if len(found) > MOST_LOCATORS:
        raise UsageError(f"--locators: {MOST_LOCATORS} at most", hint="Serve several notices.")
    return found


def _locator(number: int, line: str) -> dict[str, str]:
    """One item: a URL, or a kind and an address."""
    from bus.events.codes import codes

    kind, _, value = line.partition(" ")
    if not value and re.match(r"https?://", line):
        kind, value = "url", line
    if kind not in codes("locator_kind") or not value.strip():
        raise UsageError(
            f"--locators, item {number}: it is no URL, and no kind with an address",
            hint=f"One item a line, such as 'url https://…'. Kinds: {', '.join(codes('locator_kind'))}.",
        )
    return {"kind": kind, "value": value.strip()}


def _deadline(form: Form, deadline: str | None, due: str | None) -> dict[str, str]:
    """Which deadline, and when it ends; without either the notice has none."""
    found: dict[str, str] = {}
    if due is not None or form.asks:
        due = form.text("--due", due, "By when (RFC 3339, a date, +24h, +5d; Enter for none)", _time_or_none)
    if due is not None:
        found["due_at"] = due
    if deadline is not None or due is not None:
        found["deadline"] = _row(deadline or STATED)
    return found


def _time_or_none(text: str) -> str | None:
    return _time(text.strip()) if text.strip() else None


def _time(text: str) -> str:
    """A time to come, in RFC 3339."""
    import time

    from bus.events.clock import format_us, parse_us

    now_us = time.time_ns() // 1000
    ahead = _AHEAD.fullmatch(text)
    if ahead is not None:
        return format_us(now_us + int(ahead[1]) * (3_600_000_000 if ahead[2] == "h" else 86_400_000_000))
    try:
        at_us = parse_us(f"{text}T23:59:59Z" if _DATE.fullmatch(text) else text)
    except ValueError:
        raise UsageError(
            "--due: it is no time",
            hint="RFC 3339 (2027-01-31T12:00:00Z), a date (to its end, UTC), or +24h, +5d.",
        ) from None
    if at_us <= now_us:
        raise UsageError("--due: that time has passed")
    return format_us(at_us)


def _row(deadline: str) -> str:
    """The id of a row of the shipped deadlines."""
    import tomllib

    from bus.paths import ops_dir

    known: Sequence[str] = list(tomllib.loads((ops_dir() / "deadlines.toml").read_text(encoding="utf-8"))["deadline"])
    if deadline not in known:
        raise UsageError("--deadline: no such row", hint=f"ops/deadlines.toml has {', '.join(known)}.")
    return deadline


def _language(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", text):
        raise UsageError("--language: it is no language tag", hint="BCP 47, such as en or pt-BR.")
    return text


def _preserved(
    form: Form, given: Mapping[str, Any], header: Mapping[str, Any], locators: list[dict[str, str]]
) -> Preserved:
    """What secures the evidence; exactly one of three ways.

    Raises:
        UsageError: none was chosen, or several.
    """
    named, why, scope = given["preservation"], given["why_not_preserved"], given["preserve"]
    if sum(map(bool, (named, why, scope))) > 1:
        raise UsageError("--preserve, --preservation and --why-not-preserved are three ways: give one")
    if named is not None:
        if named == "none":
            raise UsageError("--preservation: it is no event id", hint="Say why with --why-not-preserved CODE.")
        event_id_of("--preservation")(named)
        return Preserved({"preservation": named}, None, f"secured by {named}")
    if not scope and why is None and form.asks:
        scope = form.many("--preserve", (), "preservation_scope", "What is to be kept as evidence", optional=True)
    if not scope:
        code = form.one("--why-not-preserved", why, "why_not_preserved", "Why is nothing to be kept")
        return Preserved({"why_not_preserved": code}, None, f"not preserved: {code}")
    kept = form.many("--preserve", scope, "preservation_scope", "")
    process = form.one("--process", given["process"], "legal_process", "Under which process")
    until = form.text("--preserve-until", given["preserve_until"], "Until when (YYYY-MM-DD)", _date)
    event_id = new_id()
    request = {
        "type": "Preservation",
        "header": {
            "event_id": event_id, "step": "requested", "addressee": header["addressee"],
            "audience": [header["addressee"]], "priority": header["priority"], "purpose": "investigation",
            "compulsion": header["compulsion"], "preserve_until": until, "retain_until": until,
        },
        "body": {"scope": kept, "items": len(locators) or None, "process": process},
        **({"sealed": {"locators": locators}} if locators else {}),
    }  # fmt: skip
    return Preserved({"preservation": event_id}, request, f"{', '.join(kept)} until {until}, by {event_id}")


def _date(text: str) -> str:
    import datetime as dt

    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError("--preserve-until: it is no date", hint="YYYY-MM-DD.") from None
    if day <= dt.datetime.now(dt.UTC).date():
        raise UsageError("--preserve-until: that day has passed")
    return day.isoformat()


def _follow(profile: Any, header: dict[str, Any], about: str) -> None:
    """Put the notice behind the event that it follows from."""
    event_id = event_id_of("--about")(about)
    own = published_header(profile, event_id)
    if own is not None:
        follow(header, own[1])
        return
    delivery = received(profile, event_id)
    if delivery is None or delivery.decoded is None:
        raise unknown_event("--about", profile, event_id)
    follow(header, delivery.decoded.header)
