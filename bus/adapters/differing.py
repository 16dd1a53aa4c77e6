"""Where an event says something else than what was published under its id: paths of fields, and never a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bus.events.codec import decode
from bus.events.jsonform import Parts, to_json

MOST_NAMED = 5


def differing(given: Mapping[str, Any], parts: Parts, published: bytes) -> list[str]:
    """The fields that an author gave and that were published otherwise, as paths; none if only sealed content may.

    Args:
        given: the event's JSON form as its author gave it.
        parts: the same, parsed.
        published: the value that was published under its id.
    """
    decoded = decode(published)
    now = to_json(parts.info, parts.header, parts.body, parts.plaintext)
    then = to_json(decoded.info, decoded.header, decoded.body, decoded.sealed)
    if now["type"] != then["type"]:
        return ["type"]
    return [
        f"{part}.{name}"
        for part in ("header", "body")
        for name in (given.get(part) or {})
        if now[part].get(name) != then[part].get(name)
    ]


def in_words(fields: list[str]) -> str:
    """Which fields differ, as the end of a sentence."""
    if not fields:
        return "what differs is sealed, or was left out"
    more = len(fields) - MOST_NAMED
    named = ", ".join(fields[:MOST_NAMED])
    return f"what differs is {named}" + (f" and {more} more" if more > 0 else "")
