"""Whose content may be gone: an Erasure names the event, once two organisations have agreed. Pure."""

from __future__ import annotations

from typing import Final

from bus.events import codec, registry

ERASURE: Final = "Erasure"
AGREED: Final = ("approved", "live_done", "copies_done")
"""The steps by which content may go, or has gone; a request alone lets nothing go."""


def schema_ids() -> list[int]:
    """Every release of the type."""
    return registry.ids_of({ERASURE})


def named_by(schema_id: int, step: str | None, header: bytes | None, body: bytes | None) -> bytes | None:
    """The id of the event whose content may be gone by the word of an accepted event.

    Args:
        schema_id: of the event that may be an Erasure.
        step: its step.
        header: its header; None if it is no longer there, and then it names nobody.
        body: its body, likewise.

    Raises:
        Malformed: header or body is not what the schema says.
    """
    info = registry.by_id(schema_id)
    if info is None or info.name != ERASURE or step not in AGREED or header is None or body is None:
        return None
    event: bytes = codec.decode(codec.assemble(info, header, body, codec.encode_sealed(None))).body.event
    return event
