"""``bus refer``: pass a report on to the police of each nation that it concerns."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, NamedTuple

import click

from bus.cli.act import (
    Manner,
    act_options,
    event_id_of,
    follow,
    inbox,
    organisation_of,
    say_events,
    subject_of,
)
from bus.cli.base import command, option, say
from bus.cli.complete import codes_of
from bus.cli.form import Form
from bus.cli.members import Members
from bus.cli.who import profile_of
from bus.errors import UsageError


class Referral(NamedTuple):
    """To whom, for which nation, and what ties the report to it."""

    org: str
    nation: str
    tie: str


@command(
    examples="""
bus refer 0199f3c0-0000-7000-8000-000000000000 --as ORG
bus refer 0199f3c0-0000-7000-8000-000000000000 --as ORG --to police-isles:GB:victim --to police-north:SE:suspect
bus refer 0199f3c0-0000-7000-8000-000000000000 --as ORG --to police-isles:GB:victim --dry-run
"""
)
@click.argument("report", metavar="REPORT")
@option("--to", multiple=True, metavar="ORG:NATION:TIE",
        help="Whom, for which nation, and what ties the report to it (a code of jurisdiction_tie); again for each "
             "jurisdiction.")  # fmt: skip
@option(
    "--priority",
    metavar="CODE",
    shell_complete=codes_of("priority"),
    help="How soon it must be seen.  [default: as the report]",
)
@act_options
def refer(
    report: str, to: tuple[str, ...], priority: str | None,
    as_org: str | None, dry_run: bool, yes: bool, timeout: float, output: str,
) -> int:  # fmt: skip
    """Refer a report of the inbox to police: one event for each jurisdiction, sealed for that recipient alone.

    What the report says is passed on as it is, with who viewed the file copied unchanged. A recall of the report
    will reach them too.
    """
    form, event_id = Form(), event_id_of("REPORT")(report)
    profile = profile_of(as_org)
    look, members = subject_of(form, partial(_report, profile, event_id)), Members(profile)
    referrals = [_referral(form, text) for text in to] or _asked(form, members)
    urgency = None if priority is None else form.one("--priority", priority, "priority", "How soon")
    delivery = look()
    _check(referrals, members)
    events = [_event(delivery, one, urgency) for one in referrals]
    header = delivery.decoded.header
    summary = [
        ("report", f"{header.step}, of {header.issuer}, {report}"),
        *(("refers to", f"{one.org}, for {one.nation} ({one.tie})") for one in referrals),
    ]
    manner = Manner(dry_run=dry_run, yes=yes, timeout=timeout, output=output)
    return say_events(form, profile, events, summary, manner, members)


def _report(profile: Any, event_id: bytes) -> Any:
    """The report, as it stands in the inbox.

    Raises:
        UsageError: it is not there, or no report.
    """
    delivery = inbox(profile, event_id, "REPORT")
    if delivery.decoded.info.name != "Report":
        raise UsageError(f"REPORT: that event is a {delivery.decoded.info.name}")
    return delivery


def _event(delivery: Any, referral: Referral, priority: str | None) -> dict[str, Any]:
    """The referral to one jurisdiction: the report anew, with a salt of its own."""
    given, header = delivery.event, delivery.decoded.header
    body = {key: value for key, value in given["body"].items() if key != "salt"}
    kept = {key: given["header"][key] for key in ("purpose", "compulsion", "compartment") if key in given["header"]}
    made: dict[str, Any] = {
        "type": "Report",
        "header": {**kept, "step": "referred", "audience": [referral.org], "priority": priority or header.priority},
        "body": {**body, "jurisdictions": [{"country": referral.nation, "tie": referral.tie}]},
    }
    follow(made["header"], header)
    if delivery.plaintext is not None:
        made["sealed"] = given["sealed"]
    return made


def _referral(form: Form, text: str) -> Referral:
    """Read ``ORG:NATION:TIE``.

    Raises:
        UsageError: it is not of this form.
    """
    parts = text.split(":")
    if len(parts) != 3:
        raise UsageError("--to: it is not ORG:NATION:TIE", hint="For instance police-isles:GB:victim.")
    org, nation, tie = parts
    return Referral(organisation_of("--to")(org), _nation(nation), form.one("--to", tie, "jurisdiction_tie", ""))


def _check(referrals: list[Referral], members: Members) -> None:
    """See that each is another jurisdiction, and goes to police: a report names children, and what they went through.

    Raises:
        UsageError: one is named twice, or is none of the police.
        Unavailable, NotAllowed: the directory cannot be read.
    """
    members.check([one.org for one in referrals])
    for number, one in enumerate(referrals):
        if any((one.org, one.nation) == (other.org, other.nation) for other in referrals[:number]):
            raise UsageError(f"--to: {one.org} is named twice for {one.nation}", hint="One referral, one jurisdiction.")
        found = members.organisation(one.org)
        roles = () if found is None else found.roles
        if "police" not in roles:
            raise UsageError(
                f"--to: {one.org} is no police: the directory has it as {', '.join(roles)}",
                hint="A report is referred to police, who alone can say that they received it.",
            )
        if found is not None and found.nation != one.nation:
            say(f"mind that {one.org} is of {found.nation}, and not of {one.nation}", colour="yellow")


def _asked(form: Form, members: Members) -> list[Referral]:
    """Ask for one jurisdiction after the other."""
    found: list[Referral] = []
    while not found or form.sure("Another jurisdiction?"):
        org = form.text("--to", None, "To whom", organisation_of("--to", members))
        own = members.organisation(org)
        nation = form.text(
            "--to", None, "For which nation (two capitals, such as GB)", _nation, own.nation if own else ""
        )
        found.append(Referral(org, nation, form.one("--to", None, "jurisdiction_tie", "What ties the report to it")))
    return found


def _nation(text: str) -> str:
    """The code of a nation, which must be one of the list: a person means a nation that there is.

    Raises:
        UsageError: it is none.
    """
    from bus.events.codes import codes

    nation = text.strip()
    if not re.fullmatch(r"[A-Z]{2}", nation):
        raise UsageError("--to: a nation is two capital letters", hint="ISO 3166-1 alpha-2, such as GB.")
    if nation not in codes("nation"):
        near = (
            "The United Kingdom is GB, Greece is GR." if nation in {"UK", "EL"} else "ISO 3166-1 alpha-2, such as GB."
        )
        raise UsageError("--to: no nation has that code", hint=near)
    return nation
