"""Names: organisations, topics, codes, and the CloudEvents headers of an event (formats §1 and §3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from bus.events.clock import format_us
from bus.events.ids import dashed
from bus.events.registry import SchemaInfo
from bus.events.table import PATTERNS as _TEXTS
from bus.events.types import Header

PATTERNS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {name: re.compile(text, re.ASCII) for name, text in _TEXTS.items()}
)
"""Every named pattern of the schemas, to be used with ``fullmatch``."""

ORG_RE = PATTERNS["org"]
MEMBER_RE = PATTERNS["member"]
ORIGIN_RE = PATTERNS["origin"]
CODE_RE = PATTERNS["code"]
NATION_RE = PATTERNS["nation"]
BASIS_RE = PATTERNS["basis"]

HUB = "hub"
LANES = ("bulk", "urgent")
HUB_DIRECTORY = "hub.directory"
HUB_CURSOR = "hub.cursor"
URGENT_PRIORITIES = frozenset({"immediate", "urgent"})

_SUFFIX = {"bulk": "", "urgent": ".urgent"}


def is_org(text: str) -> bool:
    """Whether it can be an organisation's id."""
    return ORG_RE.fullmatch(text) is not None


def is_agreement(member: str) -> bool:
    """Whether a member of an audience is an agreement, to be expanded by the hub."""
    return member.startswith("@")


def out_topic(org: str, lane: str = "bulk") -> str:
    """The outbox of an organisation."""
    return f"out.{org}{_SUFFIX[lane]}"


def in_topic(org: str, lane: str = "bulk") -> str:
    """The inbox of an organisation."""
    return f"in.{org}{_SUFFIX[lane]}"


def receipts_topic(org: str, lane: str = "bulk") -> str:
    """Where an organisation's receipts come."""
    return f"receipts.{org}{_SUFFIX[lane]}"


def parse_topic(topic: str) -> tuple[str, str, str] | None:
    """The (``out``, ``in`` or ``receipts``, organisation, lane) of a topic, or None if it is no such topic."""
    kind, _, rest = topic.partition(".")
    org, _, urgent = rest.partition(".")
    if kind not in {"out", "in", "receipts"} or not is_org(org) or rest not in {org, f"{org}.urgent"}:
        return None
    return kind, org, urgent or "bulk"


def lane_of_topic(topic: str) -> str:
    """The lane of any topic that has one."""
    return "urgent" if topic.endswith(".urgent") else "bulk"


def lane_of(priority: str) -> str:
    """The lane of an event that is about nothing."""
    return "urgent" if priority in URGENT_PRIORITIES else "bulk"


# --- CloudEvents, binary mode ---------------------------------------------------------------------------------------

_VERSION = ("ce_specversion", b"1.0")
_CONTENT = ("content-type", b"application/avro")
_MAX_CACHED = 4096
_sources: dict[str, tuple[str, bytes]] = {}
_kinds: dict[tuple[int, str], tuple[tuple[str, bytes], tuple[str, bytes]]] = {}

CE_NAMES = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "content-type")


def ce_headers(info: SchemaInfo, header: Header) -> list[tuple[str, bytes]]:
    """The seven headers that follow from a signed header and its schema, in the order of ``CE_NAMES``."""
    kind = _kinds.get((info.id, header.step)) or _kind(info, header.step)
    return [
        _VERSION,
        ("ce_id", dashed(header.event_id).encode()),
        _sources.get(header.issuer) or _source(header.issuer),
        kind[0],
        ("ce_time", format_us(header.issued_at).encode()),
        kind[1],
        _CONTENT,
    ]


def ce_type(info: SchemaInfo, step: str) -> str:
    """The type of an event as CloudEvents has it."""
    return f"org.safeguard.{info.name}.{step}"


def _source(issuer: str) -> tuple[str, bytes]:
    if len(_sources) >= _MAX_CACHED:
        _sources.clear()
    made = _sources[issuer] = ("ce_source", f"/organisations/{issuer}".encode())
    return made


def _kind(info: SchemaInfo, step: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    if len(_kinds) >= _MAX_CACHED:
        _kinds.clear()
    schema = f"urn:sha256:{info.fingerprint.hex()}".encode()
    made = _kinds[info.id, step] = (("ce_type", ce_type(info, step).encode()), ("ce_dataschema", schema))
    return made
