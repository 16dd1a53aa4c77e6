"""A valid, realistic event of each type and step, to learn from, to publish in a sandbox and to test with.

What is said stands in ``schemas/examples/<Type>.json``; names and hashes there are fictional and fillers. In its
strings, ``{issuer}``, ``{nation}`` (the first) and ``{recipient}`` (the first organisation of the audience) are
who is named, ``{uuid}`` a new id, ``{subject}`` and ``{subject_thread}`` an event that this one is about,
``{bytesN}`` N random bytes and ``{now-3h}`` a time. ``"header": "{about}"`` is a subject with its thread and lane.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, cast

from msgspec import Struct

from bus.errors import UsageError
from bus.events import registry
from bus.events.clock import format_us
from bus.events.ids import dashed, uuid7
from bus.events.names import HUB, is_agreement, lane_of
from bus.paths import schemas_dir

_HOUR_US = 3_600_000_000
_TOKEN = re.compile(r"\{([a-z_]+)(\d*)(?:([+-]\d+)h)?\}")
_HEADER: dict[str, Any] = {
    "handling": {"tlp": "AMBER", "onward": "none"},
    "purpose": "investigation",
    "compulsion": "voluntary",
    "source_kind": "industry",
    "legal_basis": "us-2258a@1",
    "compartment": "csam",
    "priority": "routine",
}


def example(
    type_name: str,
    *,
    issuer: str,
    audience: Sequence[str],
    nations: Sequence[str],
    now_us: int,
    step: str | None = None,
) -> dict[str, Any]:
    """The JSON form of an event of that type, for ``bus publish`` or ``parse_event``.

    Args:
        type_name: the type.
        issuer: who says it.
        audience: who may hear it; events of the directory go to the hub instead.
        nations: whose auditors may see it.
        now_us: the time, microseconds since 1970.
        step: one of the type's steps; the commonest one if it is not given.

    Raises:
        UsageError: no such event type or step.
    """
    info = registry.by_name(type_name)
    if info.kind != "event":
        raise UsageError(f"{info.name} is no event", hint="`bus schema list` names the event types.")
    source = _source(info.name)
    chosen = step or next((s for s, changes in source["steps"].items() if not changes), info.steps[0])
    if chosen not in info.steps:
        raise UsageError(f"no such step of {info.name}", hint=f"Its steps are {', '.join(info.steps)}.")
    audience = [HUB] if info.directory else sorted(audience)
    scene = _scene(issuer, audience, nations, now_us)
    changes = source["steps"][chosen]
    header = deepcopy(_HEADER) | _object(source.get("header", {}), scene) | _object(changes.get("header", {}), scene)
    if "about" in header:
        header = {"thread": scene.subject.hex(), "lane": lane_of(header["priority"])} | header
    header |= {"event_id": dashed(scene.new_id()), "step": chosen, "audience": audience}
    header["audit_nations"] = sorted(set(nations))
    event = {"type": info.name, "header": _without_nulls(header), "body": _changed("body", source, changes, scene)}
    sealed = _changed("sealed", source, changes, scene)
    return event if sealed is None else event | {"sealed": sealed}


class _Scene(Struct, frozen=True):
    words: Mapping[str, str]
    subject: bytes
    now_us: int

    def new_id(self) -> bytes:
        return uuid7(self.now_us, secrets.token_bytes(8))


def _scene(issuer: str, audience: Sequence[str], nations: Sequence[str], now_us: int) -> _Scene:
    subject = uuid7(now_us - 24 * _HOUR_US, secrets.token_bytes(8))
    words = {
        "issuer": issuer,
        "nation": nations[0],
        "recipient": next((x for x in audience if not is_agreement(x)), issuer),
        "subject": dashed(subject),
        "subject_thread": subject.hex(),
    }
    return _Scene(words, subject, now_us)


def _object(part: Any, scene: _Scene) -> dict[str, Any]:
    if part == "{about}":
        return {"about": dashed(scene.subject)}
    return cast("dict[str, Any]", _fill(part, scene))


def _changed(part: str, source: Mapping[str, Any], changes: Mapping[str, Any], scene: _Scene) -> Any:
    """The part as the type has it, with what the step changes."""
    if part not in source or changes.get(part, {}) is None:
        return None
    return _without_nulls(_fill(source[part] | changes.get(part, {}), scene))


def _without_nulls(part: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in part.items() if v is not None}


def _fill(value: Any, scene: _Scene) -> Any:
    match value:
        case str():
            return _TOKEN.sub(lambda found: _word(found, scene), value)
        case dict():
            return {k: _fill(v, scene) for k, v in cast("dict[str, Any]", value).items()}
        case list():
            return [_fill(v, scene) for v in cast("list[Any]", value)]
        case _:
            return value


def _word(found: re.Match[str], scene: _Scene) -> str:
    name, number, hours = found.groups()
    match name:
        case "now":
            return format_us(scene.now_us + int(hours or 0) * _HOUR_US)
        case "uuid":
            return dashed(scene.new_id())
        case "bytes":
            return secrets.token_hex(int(number))
        case _:
            return scene.words[name]


@cache
def _source(name: str) -> dict[str, Any]:
    path = schemas_dir() / "examples" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))
