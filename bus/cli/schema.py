"""``bus schema``: the vocabulary, as it was released."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from bus.cli.base import argument, as_option, command, group, option, output_option
from bus.cli.output import print_json, print_rows
from bus.cli.who import check_members
from bus.errors import UsageError
from bus.nearest import did_you_mean, nearest

if TYPE_CHECKING:
    from bus.events.registry import SchemaInfo
    from bus.events.shapes import Field, Shape

_LAZY = {
    "list": ("bus.cli.schema:list_schemas", "Every released type, with its steps."),
    "show": ("bus.cli.schema:show", "A type's fields, its Avro schema, or a list of codes."),
    "example": ("bus.cli.schema:example", "One valid event of a type, as JSON."),
    "check": ("bus.cli.schema_check:check", "Whether the events of a file hold."),
}


@group(lazy=_LAZY, examples="""
bus schema list
bus schema show HashHit
bus schema example HashHit --as ORG --to ORG
""")  # fmt: skip
def schema() -> None:
    """The vocabulary: list it, show a type, print an example, check a file."""


@command("list", examples="""
bus schema list
bus schema list -o json
""")  # fmt: skip
@output_option("table", "json", "ndjson", "csv")
def list_schemas(output: str) -> None:
    """List every released schema: id, type, its steps and its fingerprint."""
    from bus.events.registry import all_schemas

    rows = [
        {
            "id": info.id,
            "type": info.name,
            "kind": "directory" if info.directory else info.kind,
            "sealed": info.sealed,
            "steps": list(info.steps),
            "fingerprint": info.fingerprint.hex()[:16] if output == "table" else info.fingerprint.hex(),
        }
        for info in all_schemas()
    ]
    print_rows(rows, tuple(rows[0]), output, spare=("fingerprint",))


@command("show", examples="""
bus schema show HashHit
bus schema show 20 -o json
bus schema show priority
""")  # fmt: skip
@argument("schema_type", metavar="TYPE|ID|LIST")
@output_option("table", "json", "ndjson", "csv")
def show(schema_type: str, output: str) -> None:
    """Show a type's fields with their bounds, or a list of codes; with -o json, a type's released Avro schema.

    A field of the type 'code (LIST)' takes a code of that list. Lists are open: what none has is carried too.
    """
    from bus.cli.codelist import names, print_list
    from bus.events.registry import avro_schema

    if schema_type in names():
        print_list(schema_type, output)
        return
    info = _find(schema_type)
    if output == "json":
        print_json({
            "id": info.id, "type": info.name, "fingerprint": info.fingerprint.hex(), "steps": list(info.steps),
            "schema": avro_schema(info),
        })  # fmt: skip
        return
    if output == "table":
        click.echo(f"{info.name}, schema {info.id}; steps: {', '.join(info.steps) or 'none'}\n")
    print_rows(_fields(info), ("field", "type", "required", "says"), output, below="says")


@command("example", examples="""
bus schema example HashHit --as ORG --to ORG
bus schema example TakedownAction --step removed --as ORG --to ORG --about EVENT
bus schema example HashHit --as ORG --to ORG | bus publish - --as ORG
""")  # fmt: skip
@argument("schema_type", metavar="TYPE")
@as_option(required=False, text="The organisation that would say it.  [default: that of BUS_PROFILE]")
@option(
    "--to",
    multiple=True,
    metavar="ORG",
    help="Who would hear it; again for more.  [default: with --about its issuer, else as the profile]",
)
@option("--step", metavar="STEP", help="At this step of its lifecycle.  [default: the commonest]")
@option("--about", metavar="EVENT", help="What it is about: the id of an event that ORG published or consumed.")
@option("--nation", metavar="CC", help="The issuer's nation, where there is no profile to say it.")
@output_option("pretty", "json", "ndjson", default="pretty")
def example(
    schema_type: str,
    as_org: str | None,
    to: tuple[str, ...],
    step: str | None,
    about: str | None,
    nation: str | None,
    output: str,
) -> None:
    """Print one valid, realistic event of a type, with a fresh event_id; names in it are made up."""
    from bus.events.examples import example as make

    issuer, own_nation, usual = _issuer(as_org, nation)
    subject = {} if about is None else _subject(as_org, about)
    audience = check_members(to) or (_concerned(as_org, about) if about is not None else usual)
    if not audience:
        raise UsageError("nobody is named to hear it", hint="Give --to ORG.")
    now_us = time.time_ns() // 1000
    event = make(schema_type, issuer=issuer, audience=audience, nations=[own_nation], now_us=now_us, step=step)
    event["header"] |= subject
    if output == "pretty" and sys.stdout.isatty():
        click.echo(json.dumps(event, indent=2, ensure_ascii=False))
    else:
        print_json(event)


def _concerned(as_org: str | None, about: str) -> Sequence[str]:
    """Who hears what is said about an event: whoever issued it, or, of one's own, whom it named.

    The hub refuses what is said about an event to somebody who never got that event.

    Raises:
        UsageError: it is no longer in the inbox.
        Unavailable: the inbox cannot be read.
    """
    from bus.cli.act import published_header, received
    from bus.cli.who import profile_of
    from bus.errors import Unavailable
    from bus.events.ids import parse_uuid

    profile, event_id = profile_of(as_org), parse_uuid(about)
    own = published_header(profile, event_id)
    if own is not None:
        return own[1].audience
    try:
        delivery = received(profile, event_id)
    except Unavailable as error:
        raise Unavailable(error.message, hint="Give --to ORG, and nothing need be looked up.") from None
    if delivery is None or delivery.decoded is None:
        raise UsageError("the event of --about is no longer in the inbox", hint="Give --to ORG.")
    return (delivery.decoded.header.issuer,)


def _subject(as_org: str | None, about: str) -> dict[str, str]:
    """The header's fields about a subject, as the journal knows it.

    Raises:
        UsageError: it is no id, or nobody here published or consumed that event.
    """
    from bus.cli.who import profile_of
    from bus.events.ids import dashed, parse_uuid
    from bus.partner.journal import Journal

    profile = profile_of(as_org)
    try:
        event_id = parse_uuid(about)
    except ValueError:
        hint = "An id looks like 0192f0c1-7e2a-7b3c-8d4e-5f6a7b8c9d0e, as `bus publish` prints it."
        raise UsageError("--about is no event id", hint=hint) from None
    with Journal(profile.journal_file) as journal:
        found = journal.subject(event_id)
    if found is None:
        raise UsageError(
            f"{profile.organisation} has neither published nor consumed {dashed(event_id)}",
            hint=f"If it is in the inbox, `bus consume --as {profile.organisation}` makes it known.",
        )
    thread, lane = found
    return {"about": dashed(event_id), "thread": thread.hex(), "lane": lane}


def _issuer(as_org: str | None, nation: str | None) -> tuple[str, str, tuple[str, ...]]:
    """Who would say it, of which nation, and whom it speaks to."""
    from bus.cli.who import profile_of

    try:
        profile = profile_of(as_org)
    except UsageError:
        if as_org is None or nation is None:
            raise
        return as_org, nation, ()
    return profile.organisation, nation or profile.nation, profile.audience or ()


def _find(text: str) -> SchemaInfo:
    """A schema by its type or id."""
    from bus.cli.codelist import names
    from bus.events.registry import all_schemas, by_id, by_name

    try:
        found = by_id(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else by_name(text)
    except UsageError as error:
        meant = did_you_mean(nearest(text, [*(info.name for info in all_schemas()), *names()], 3))
        raise UsageError("no such event type or code list", hint=meant or error.hint) from None
    if found is None:
        raise UsageError(f"there is no schema {text}", hint="`bus schema list` lists them.")
    return found


def _fields(info: SchemaInfo) -> list[dict[str, Any]]:
    """The fields of a type, part by part, inner records dotted."""
    from bus.events.registry import shape

    found = shape(info)
    parts = {"header": found.header, "body": found.body, "sealed": found.plaintext}
    return [row for part, record in parts.items() if record is not None for row in _rows(record.fields, part)]


def _rows(fields: tuple[Field, ...], path: str) -> Iterator[dict[str, Any]]:
    from bus.events.shapes import Many, Optional, Record

    for field in fields:
        name = f"{path}.{field.name}"
        yield {"field": name, "type": _type(field.shape), "required": _required(field), "says": field.doc}
        inner: Shape = field.shape
        while isinstance(inner, Optional | Many):
            name += "[]" if isinstance(inner, Many) else ""
            inner = inner.inner if isinstance(inner, Optional) else inner.item
        if isinstance(inner, Record):
            yield from _rows(inner.fields, name)


def _required(field: Field) -> str:
    """Whether a field must be there, in a word or two."""
    from bus.events.shapes import Many, Optional

    if field.required_at:
        return f"at {', '.join(field.required_at)}"
    if field.required_with:
        return f"with {field.required_with}"
    if field.required_if:
        return "; ".join(f"if {name} is {' or '.join(values)}" for name, values in field.required_if)
    if isinstance(field.shape, Optional):
        return "no"
    return "yes" if not isinstance(field.shape, Many) or field.shape.min else "no"


def _type(shape: Shape) -> str:
    """A type with its bounds."""
    from bus.events import shapes

    match shape:
        case shapes.Optional():
            return f"{_type(shape.inner)}?"
        case shapes.Many():
            order = " sorted" if shape.sorted else ""
            return f"{_type(shape.item)}[{shape.min}..{shape.max}{order}]"
        case shapes.Text():
            return f"code ({shape.codes})" if shape.codes else f"{shape.pattern} ≤ {shape.max}"
        case shapes.Raw():
            return f"bytes {shape.min}..{shape.max}"
        case shapes.Fixed():
            return "uuid" if shape.name == "Uuid" else f"{shape.size} bytes"
        case shapes.Number():
            names = {"timestamp-micros": "time", "date": "date"}
            return names.get(shape.logical, f"{shape.min}..{shape.max}")
        case shapes.Flag():
            return "boolean"
        case shapes.Record():
            return shape.name
