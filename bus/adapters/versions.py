"""What was published before under the number that another system gave it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from bus.adapters.drafts import Context, ItemKey, Seen


class Version(Struct, frozen=True):
    """One content of a numbered item: its event's id, and the versions before it that the hub did not refuse."""

    item: ItemKey
    event_id: bytes
    standing: Sequence[Seen]


def version(context: Context, form: str, key: str, digest: str) -> Version:
    """Find a content among what was published to an audience under a key, or put it at the end.

    The journal keeps ``key@1``, ``key@2`` and so on, with the digest of each as its note. A digest that is there comes
    again under its own id.
    """
    standing: list[Seen] = []
    number = 1
    while True:
        item = ItemKey(form, context.circle, f"{key}@{number}", digest)
        seen = context.memory.find(item)
        if seen is None:
            event_id = context.new_id()
            context.memory.put(item, event_id)
            return Version(item, event_id, standing)
        if seen.note == digest:
            return Version(item, seen.event_id, standing)
        if seen.outcome != "refused":
            standing.append(seen)
        number += 1


def first_of(context: Context, form: str, key: str) -> bytes | None:
    """The id of the first version under a key that the hub did not refuse."""
    number = 1
    while (seen := context.memory.find(ItemKey(form, context.circle, f"{key}@{number}"))) is not None:
        if seen.outcome != "refused":
            return seen.event_id
        number += 1
    return None


def digest_of(*said: Any) -> str:
    """A digest of a content in its JSON form."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
