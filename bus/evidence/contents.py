"""What evidence holds, as plain JSON values, with nothing checked."""

from __future__ import annotations

from typing import Any

from bus.errors import BusError
from bus.events import codec, registry
from bus.events.jsonform import to_json
from bus.events.jsonvalues import write_record
from bus.evidence.exhibit import Evidence, Exhibit
from bus.evidence.report import plain
from bus.tlog.checkpoint import Checkpoint


def contents(data: bytes) -> dict[str, Any]:
    """The contents of a file.

    Raises:
        Malformed: it is no evidence.
    """
    evidence = Evidence.decode(data)
    checkpoint = evidence.event.proof.checkpoint
    earlier = evidence.earlier
    return {
        "origin": plain(checkpoint.origin),
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "index": evidence.event.index,
        "signatures": [plain(line.name) for line in evidence.note.signatures],
        "earlier": None if earlier is None else Checkpoint.decode(earlier.note.text).size,
        "event": _event(evidence.event),
        "decision": _decision(evidence.event),
        "directory": [_line(exhibit) for exhibit in evidence.directory],
        "files": [{"name": name, "bytes": len(part)} for name, part in evidence.event.files().items()],
    }


def _event(exhibit: Exhibit) -> dict[str, Any] | None:
    """The event in its JSON form, or what is left of it; None if this program does not know its schema."""
    info = registry.by_fingerprint(exhibit.leaf.fingerprint)
    if info is None or info.kind != "event":
        return None
    try:
        if exhibit.body is not None and exhibit.sealed is not None:
            found = codec.decode(codec.assemble(info, exhibit.header, exhibit.body, exhibit.sealed))
            return to_json(info, found.header, found.body, found.sealed)
        header = codec.decode_header(info, exhibit.header)
        shape = registry.shape(info).header
        return None if shape is None else {"type": info.name, "header": write_record(shape, header)}
    except BusError:
        return None


def _decision(exhibit: Exhibit) -> list[dict[str, Any]]:
    try:
        recipients = codec.decode_decision(exhibit.decision).recipients
    except BusError:
        return []
    return [{"org": one.org, "allow": one.allow, "reason": one.reason, "seq": one.seq} for one in recipients]


def _line(exhibit: Exhibit) -> dict[str, Any]:
    event = _event(exhibit) or {}
    body = event.get("body", {})
    return {"index": exhibit.index, "type": event.get("type"), "org": body.get("org"), "use": body.get("use")}
