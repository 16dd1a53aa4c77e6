"""``bus schema check``: events of a file held against the schemas, without publishing anything."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from bus.cli.base import argument, as_option, command, output_option, say, settings
from bus.cli.output import print_rows
from bus.cli.warned import Warned, remedy, rule
from bus.errors import CheckFailed, InvalidEvent, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bus.events.jsonform import Fill, Parts
    from bus.events.unlisted import Unlisted

COLUMNS = ("place", "type", "field", "rule", "remedy", "level")
TABLE = COLUMNS[:-1]


@command("check", examples="""
bus schema check events.ndjson
bus schema example Report --as ORG --to ORG | bus schema check - -o json
""")  # fmt: skip
@argument("file", metavar="FILE|-")
@as_option(required=False, text="Whose profile fills what an event leaves out.  [default: that of BUS_PROFILE]")
@output_option("table", "json", "ndjson", "csv")
def check(file: str, as_org: str | None, output: str) -> None:
    """Check the events of a file; print field, rule and remedy of each that breaks one, and never a value.

    The file is JSON: one event, a list, or one a line. Nothing is published. Exit code 0 if every event holds,
    3 if one does not. A code that no list has breaks no rule, for lists are open: it is warned of on stderr,
    and in JSON and CSV with the level 'warning'.
    """
    from bus.adapters.bus_json import read_objects
    from bus.adapters.source import open_source

    count, warned = 0, Warned()
    rows: list[dict[str, Any]] = []
    with open_source(file, sys.stdin.buffer, settings().state / "tmp") as source:
        for line, event in read_objects(source.again(), source.name):
            count += 1
            place = f"line {line}"
            problem = _problem(event, as_org, partial(warned, source.name, place))
            if problem is not None:
                rows.append({"place": place, "type": _type(event), **problem, "level": "error"})
    warned.tell()
    if output != "table":
        print_rows([*rows, *map(_warning, warned.rows())], COLUMNS, output)
    elif rows:
        print_rows(rows, TABLE, output)
    if rows:
        raise CheckFailed(f"{len(rows)} of {count} events do not hold", hint="Mend the fields named and check again.")
    say(f"{count} events hold." if count != 1 else "The event holds.")


def _warning(row: dict[str, Any]) -> dict[str, Any]:
    """A code that no list has, as a row."""
    return {**row, "rule": rule(row), "remedy": remedy(row), "level": "warning"}


def _problem(event: dict[str, Any], as_org: str | None, odd: Callable[[Unlisted], None]) -> dict[str, str] | None:
    """The first rule that an event breaks; of one that holds, the codes that no list has are told."""
    from bus.events.codec import encode_body, encode_header, encode_plaintext
    from bus.events.jsonform import parse_event
    from bus.events.unlisted import unlisted

    try:
        parts = parse_event(event, _fill(event, as_org))
        _begins(parts)
        encode_header(parts.info, parts.header)
        encode_body(parts.info, parts.body)
        if parts.plaintext is not None:
            encode_plaintext(parts.info, parts.plaintext)
        for found in unlisted(parts):
            odd(found)
    except InvalidEvent as error:
        remedy = error.hint or f"`bus schema show {_type(event) or 'TYPE'}` gives the fields with their bounds."
        return {"field": error.path, "rule": error.rule, "remedy": remedy}
    return None


def _begins(parts: Parts) -> None:
    """A step that follows another must say what it is about.

    Raises:
        InvalidEvent: it does not.
    """
    from bus.events.lifecycle import LIFECYCLES, START

    steps = LIFECYCLES[parts.info.name].steps
    if parts.header.about is None and not any(START in rule.after for rule in steps[parts.header.step].rules):
        first = [step.name for step in steps.values() if any(START in rule.after for rule in step.rules)]
        raise InvalidEvent(
            "header.about",
            "must be given at this step, which follows from another",
            hint=f"Steps that follow from none: {', '.join(first)}.",
        )


def _fill(event: dict[str, Any], as_org: str | None) -> Fill:
    """What the profile and the moment add; without a profile, the event speaks for itself."""
    from bus.cli.who import profile_of
    from bus.events.jsonform import Fill
    from bus.partner.compose import fill

    given: Any = event.get("header")
    header: dict[str, Any] = given if isinstance(given, dict) else {}

    def subject(_: bytes) -> tuple[bytes, str] | None:
        return None if "thread" in header and "lane" in header else (bytes(16), "bulk")

    now_us = time.time_ns() // 1000
    try:
        return fill(profile_of(as_org), now_us=now_us, subjects=subject)
    except UsageError:
        if as_org is not None:
            raise
    hub, issuer = (_text(header.get(name)) for name in ("hub", "issuer"))
    return Fill(hub or "ledger.example/none", issuer or "somebody", now_us, {}, None, subject)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _type(event: dict[str, Any]) -> str:
    """The type's name, if it is one: what stands there otherwise is a value."""
    from bus.events.registry import all_schemas

    return next((info.name for info in all_schemas() if info.name == event.get("type")), "")
