"""Answers about single events and about the whole ledger, as plain JSON values.

Headers, decisions and leaves are decoded; bodies are not shown: an auditor's mandate for them comes with the desk.
What Postgres says of delivery is advisory, and is marked so by its name: ``delivered``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from bus.audit.compliance import compliance
from bus.audit.lateness import lateness
from bus.audit.ledger import Ledger
from bus.audit.words import OUTCOMES, moment, when
from bus.errors import BusError, LedgerError, UsageError
from bus.events import codec, registry
from bus.events.erasures import named_by
from bus.events.ids import dashed
from bus.events.jsonvalues import write_record
from bus.events.names import in_topic
from bus.events.registry import SchemaInfo
from bus.events.types import Decision, OrganisationAdmittedBody
from bus.tlog.leaf import ZERO16, Leaf
from bus.trust.bus_signature import BusSignature

ROW = ("event_id", "index", "outcome", "type", "step", "issuer", "time")
"""The columns of a list of entries."""
WHO = ("org", "nation", "sent", "delivered", "fetched", "taken", "acted", "decision", "reason")
"""The columns of who knew of an event, and when."""

_ACKNOWLEDGEMENT = "Acknowledgement"
_OVERDUE = "Overdue"
_RECALL = "Recall"
_FACTS = ("fetched", "taken")

Row = Mapping[str, Any]


def row(entry: Any) -> dict[str, Any]:
    """An entry in a list."""
    return {
        "event_id": _text(entry["event_id"]),
        "index": entry["index"],
        "outcome": OUTCOMES[entry["outcome"]],
        "type": type_name(entry["schema_id"]),
        "step": entry["step"],
        "issuer": entry["issuer"],
        "time": when(entry["time_us"]),
    }


def type_name(schema_id: int | None) -> str | None:
    """The type of a schema; one that this version does not know is ``schema-<id>``."""
    if schema_id is None:
        return None
    info = registry.by_id(schema_id)
    return info.name if info is not None else f"schema-{schema_id}"


def schema_ids(name: str) -> list[int]:
    """Every release of a type.

    Raises:
        UsageError: there is no such type.
    """
    registry.by_name(name)
    return registry.ids_of({name})


async def show(ledger: Ledger, wanted: UUID | int) -> dict[str, Any]:
    """All that the ledger holds of one entry, content apart.

    Raises:
        UsageError: there is no such entry.
    """
    entry = await _entry(ledger, wanted)
    info = registry.by_id(entry["schema_id"]) if entry["schema_id"] is not None else None
    delivered = await _delivered(ledger, entry) if entry["outcome"] == 1 else None
    return {
        **row(entry),
        "reasons": entry["reasons"] or [],
        "first_index": entry["first_index"],
        "lane": entry["lane"],
        "thread": _text(entry["thread"]),
        "about": _text(entry["about"]),
        "topic": entry["topic"],
        "offset": entry["kafka_offset"],
        "last_offset": entry["last_offset"],
        "delivered": delivered,
        "decision": _recipients(entry["decision"]),
        "header": _header(info, entry["header"]),
        "content": await _content(ledger, entry),
        "signature": _signature(entry["bus_signature"]),
        "receipts": [_receipt(found) for found in await ledger.receipts_of(entry["index"])],
        "leaf": _leaf(entry["leaf"]),
        "leaf_hash": entry["leaf_hash"].hex(),
        "entries": await _others(ledger, entry["event_id"]),
    }


async def trace(ledger: Ledger, wanted: UUID | int) -> dict[str, Any]:
    """Who knew of an event and when, and the events of its thread in order.

    Raises:
        UsageError: there is no such entry, or it was not accepted.
    """
    entry = await _entry(ledger, wanted)
    if entry["outcome"] == 2:
        entry = await _entry(ledger, entry["first_index"])
    if entry["outcome"] != 1:
        raise UsageError(
            f"entry {entry['index']} was {OUTCOMES[entry['outcome']]}: nobody was told of it",
            hint=f"`bus audit show {entry['index']}` says why.",
        )
    thread = await ledger.thread(entry["thread"])
    nations = await issuer_nations(ledger)
    decision = _recipients(entry["decision"])
    delivered = await _delivered_to(ledger, entry, decision)
    issuer = {"org": entry["issuer"], "sent": when(entry["time_us"]), "decision": "issuer", "reason": None}
    who: list[dict[str, Any]] = [issuer, *(_heard(one, delivered[one["org"]], entry, thread) for one in decision)]
    return {
        **row(entry),
        "thread_id": _text(entry["thread"]),
        "who": [{name: line.get(name) for name in WHO} | {"nation": nations.get(line["org"])} for line in who],
        "thread": [row(found) | {"about": _text(found["about"])} for found in thread],
        "recalls": [await _recall(ledger, one, thread) for one in _recalls(entry, thread)],
        "deadlines": lateness(await ledger.overdue(entry["thread"], schema_ids(_OVERDUE))),
    }


def _recalls(entry: Any, thread: Sequence[Any]) -> list[Any]:
    """The recall itself, or every recall of the event."""
    if type_name(entry["schema_id"]) == _RECALL:
        return [entry]
    return [one for one in thread if one["about"] == entry["event_id"] and type_name(one["schema_id"]) == _RECALL]


async def _recall(ledger: Ledger, recall: Any, thread: Sequence[Any]) -> dict[str, Any]:
    """Who answered a recall, and who is missing."""
    entry = await _entry(ledger, recall["index"])
    acks = [
        one for one in thread if one["about"] == recall["event_id"] and type_name(one["schema_id"]) == _ACKNOWLEDGEMENT
    ]
    return compliance(entry, _recipients(entry["decision"]), acks)


def _heard(recipient: Row, delivered: str | None, event: Any, thread: Sequence[Any]) -> dict[str, Any]:
    """What one recipient knew: acknowledgements are facts, and any later event of the thread is an act."""
    line: dict[str, Any] = {"org": recipient["org"], "reason": recipient["reason"]}
    line["decision"] = "allowed" if recipient["allow"] else "withheld"
    line["delivered"] = delivered if recipient["allow"] else None
    for later in thread:
        if later["index"] <= event["index"] or later["issuer"] != recipient["org"]:
            continue
        if type_name(later["schema_id"]) != _ACKNOWLEDGEMENT:
            line.setdefault("acted", when(later["time_us"]))
        elif later["about"] == event["event_id"] and later["step"] in _FACTS:
            line.setdefault(later["step"], when(later["time_us"]))
    return line


async def stats(ledger: Ledger) -> dict[str, Any]:
    """Counts by outcome, type, nation and reason, and the head that they were counted at."""
    head = await ledger.head()
    counts = await ledger.counts(head.size)
    nations = await issuer_nations(ledger)
    by_nation: dict[str, Counter[str]] = {}
    types: Counter[tuple[str, str]] = Counter()
    outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES.values(), 0))
    for found in counts:
        outcome = OUTCOMES[found["outcome"]]
        outcomes[outcome] += found["n"]
        place = "hub" if found["issuer"] == "hub" else nations.get(found["issuer"], "unknown")
        by_nation.setdefault(place, Counter())[outcome] += found["n"]
        if outcome == "accepted":
            types[type_name(found["schema_id"]) or "", found["step"]] += found["n"]
    return {
        "size": head.size,
        "root": head.root.hex(),
        "time": when(head.time_us),
        "receipted": head.receipted,
        "outcomes": dict(outcomes),
        "types": [{"type": kind, "step": step, "n": n} for (kind, step), n in sorted(types.items())],
        "nations": [{"nation": place, **_all_outcomes(n)} for place, n in sorted(by_nation.items())],
        "reasons": [{"reason": found["reason"], "n": found["n"]} for found in await ledger.reasons(head.size)],
        "delivered": [
            {"lane": found["lane"], "last_index": found["last_index"], "time": moment(found["delivered_at"])}
            for found in await ledger.delivered()
        ],
    }


def _all_outcomes(counted: Mapping[str, int]) -> dict[str, int]:
    return {name: counted.get(name, 0) for name in OUTCOMES.values()}


async def issuer_nations(ledger: Ledger) -> dict[str, str]:
    """The nation of each organisation, from the events that admitted them."""
    found: dict[str, str] = {}
    for entry in await ledger.admissions(schema_ids("OrganisationAdmitted")):
        body = _admitted(registry.by_id(entry["schema_id"]), entry["header"], entry["body"])
        if body is not None:
            found[body.org] = body.nation
    return found


def _admitted(info: SchemaInfo | None, header: bytes, body: bytes | None) -> OrganisationAdmittedBody | None:
    if info is None or body is None:
        return None
    return codec.decode(codec.assemble(info, header, body, codec.encode_sealed(None))).body


async def _entry(ledger: Ledger, wanted: UUID | int) -> Any:
    index = await ledger.resolve(wanted)
    entry = await ledger.entry(index) if index is not None else None
    if entry is None:
        what = f"no entry {wanted}" if isinstance(wanted, int) else f"no entry of event {wanted}"
        raise UsageError(f"the ledger has {what}", hint="`bus audit search` lists what it has.")
    return entry


async def _delivered(ledger: Ledger, entry: Any) -> str | None:
    return moment(await ledger.delivered_at(entry["lane"], entry["index"]))


async def _delivered_to(ledger: Ledger, entry: Any, decision: Sequence[Row]) -> dict[str, str | None]:
    """When it stood in the inbox of each whom the decision names: one that refuses records has it later, or not yet."""
    inboxes = {one["org"]: in_topic(one["org"], entry["lane"]) for one in decision}
    found = await ledger.delivered_to(entry["lane"], entry["index"], list(inboxes.values()))
    return {org: moment(found[topic]) for org, topic in inboxes.items()}


async def _others(ledger: Ledger, event_id: UUID | None) -> list[Row]:
    """Every entry that covers a record of this id: the first, and the repeats and refusals."""
    if event_id is None:
        return []
    rows = await ledger.entries_of(event_id)
    return [{"index": found["index"], "outcome": OUTCOMES[found["outcome"]]} for found in rows]


async def _content(ledger: Ledger, entry: Any) -> str | None:
    """Whether the content is still there: of an accepted event its body, of a refused record its bytes.

    A refused record's bytes are kept for a while only; an event's are, unless an Erasure in the ledger names it.
    """
    if entry["outcome"] in {2, 4}:
        return None
    if entry["content_kept"] or entry["outcome"] == 3:
        return "kept" if entry["content_kept"] else "not kept"
    named = {named_by(*found) for found in await ledger.erasures(entry)}
    return "erased" if entry["event_id"].bytes in named else "missing"


def _recipients(decision: bytes | None) -> list[dict[str, Any]]:
    if decision is None:
        return []
    found: Decision = codec.decode_decision(decision)
    return [msgspec.structs.asdict(recipient) for recipient in found.recipients]


def _header(info: SchemaInfo | None, header: bytes | None) -> dict[str, Any] | None:
    """A header in its JSON form; of a type that this version does not know, nothing."""
    if info is None or header is None:
        return None
    shape = registry.shape(info).header
    assert shape is not None
    try:
        return write_record(shape, codec.decode_header(info, header))
    except BusError as error:
        raise LedgerError("a header in the ledger cannot be read", hint="Verify the ledger.") from error


def _signature(signature: bytes | None) -> dict[str, Any] | None:
    """Who signed the batch that an event came in, as far as it can be read."""
    if signature is None:
        return None
    found = BusSignature.decode(signature)
    batch = found.batch
    return {
        "organisation": batch.organisation,
        "key_id": batch.key_id.hex(),
        "stream": batch.stream.hex(),
        "seq": batch.seq,
        "size": batch.size,
        "position": found.position,
        "signed_at": when(batch.signed_at_us),
    }


def _receipt(flush: Any) -> Row:
    return {
        "first_index": flush["first_index"],
        "last_index": flush["last_index"],
        "number": flush["number"],
        "key_id": flush["key_id"].hex(),
    }


def _leaf(leaf: bytes) -> dict[str, Any]:
    """The leaf's fields: digests in hex, the time readable, an absent id null."""
    fields: dict[str, Any] = msgspec.structs.asdict(Leaf.decode(leaf))
    event_id: bytes = fields["event_id"]
    shown: dict[str, Any] = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
    shown["outcome"] = OUTCOMES[fields["outcome"]]
    shown["time"] = when(fields["time_us"])
    del shown["time_us"]
    shown["event_id"] = None if event_id == ZERO16 else dashed(event_id)
    return shown


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """A nested object as dotted names and plain values, for a table."""
    for name, inner in value.items():
        path = f"{prefix}{name}"
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{path}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield path, inner
