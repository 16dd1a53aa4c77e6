"""Whole events of files: as ``bus consume`` prints them, or as they would be published with every field given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from bus.adapters.bus_json import read_objects
from bus.adapters.documents import Event
from bus.errors import InvalidEvent, InvalidFile
from bus.events.jsonform import Fill, parse_event, to_json

_PRINTED = ("event_id", "index", "seq", "lane", "time", "status", "problem", "recalled", "recalls")
"""What ``bus consume`` prints beside an event."""
_NEEDED = ("event_id", "hub", "issuer", "issued_at", "nonce")
"""What nobody may make up for an event that was said."""


def read_events(stream: BinaryIO, name: str) -> Iterator[tuple[str, Event | None]]:
    """The events of a file, each with its place; None for a delivery whose content is not there or does not hold.

    Raises:
        InvalidFile: the file is not JSON, or an event in it breaks a rule or is not whole.
    """
    for line, value in read_objects(stream, name):
        place = f"line {line}"
        given = {key: value[key] for key in value if key not in _PRINTED}
        if value.get("status", "ok") != "ok" or _unopened(given.get("sealed")):
            yield place, None
            continue
        try:
            yield place, whole(given)
        except InvalidEvent as error:
            raise InvalidFile(name, place, f"{error.path}: {error.rule}", hint=error.hint) from None
        except UnicodeEncodeError:
            raise InvalidFile(name, place, "a text is not Unicode") from None


def _unopened(sealed: Any) -> bool:
    """Whether a sealed part is shown by what anyone sees of it."""
    return isinstance(sealed, dict) and "unopened" in sealed


def whole(given: Event) -> Event:
    """An event in the one JSON form that a delivery has.

    Raises:
        InvalidEvent: it breaks a rule, or leaves out what only its issuer can say.
    """
    header: Any = given.get("header")
    if not isinstance(header, dict):
        raise InvalidEvent("header", "must be an object")
    for field in _NEEDED:
        if not isinstance(header.get(field), str):
            raise InvalidEvent(f"header.{field}", "must be given: the event must be whole, as bus consume prints it")
    fill = Fill(header["hub"], header["issuer"], 0, {}, None, lambda _: None)
    parts = parse_event(given, fill)
    return to_json(parts.info, parts.header, parts.body, parts.plaintext)
