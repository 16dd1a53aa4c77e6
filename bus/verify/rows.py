"""One entry of the ledger, with all that Postgres keeps of it, against its leaf. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NoReturn

import orjson

from bus.errors import BusError, Malformed
from bus.events import registry
from bus.events.codec import assemble, decode, decode_header
from bus.events.names import lane_of_topic
from bus.events.types import Header
from bus.tlog.leaf import ZERO16, ZERO32, Leaf, Outcome
from bus.trust.commitment import commitment_of_digests
from bus.verify.fault import Fault

Row = Mapping[str, Any]

_FOUND_BY: Final = ("issuer", "step", "thread", "about", "addressee", "due_us")
_EMPTY: Final = sha256(b"").digest()


def check_row(row: Row) -> Leaf:
    """See that an entry's columns, record and content are those of its leaf.

    Returns:
        The leaf.

    Raises:
        Wrong: the first thing that is not.
    """
    index: int = row["index"]
    try:
        leaf = Leaf.decode(row["leaf"])
    except Malformed:
        fail("leaf-malformed", index, f"Entry {index} is no leaf: its bytes are not what the format says", "entry")
    if sha256(b"\x00" + row["leaf"]).digest() != row["leaf_hash"]:
        fail("hash-column", index, f"Entry {index}: the stored leaf hash is not that of the leaf", "entry")
    _columns(row, leaf)
    if leaf.outcome == Outcome.ACCEPTED:
        _accepted(row, leaf)
    else:
        _not_accepted(row, leaf)
    return leaf


def fail(check: str, index: int | None, sentence: str, table: str) -> NoReturn:
    """Raise what was found in a table."""
    raise Fault(check, f"{sentence}.", index, f"ledger.{table}").raised()


def value_of(row: Row) -> bytes | None:
    """The Kafka value of an accepted event; None where a part of it is gone."""
    info = registry.by_id(row["schema_id"] or 0)
    if info is None or row["header"] is None or row["body"] is None or row["sealed"] is None:
        return None
    return assemble(info, row["header"], row["body"], row["sealed"])


# --- columns ---------------------------------------------------------------------------------------------------------


def _columns(row: Row, leaf: Leaf) -> None:
    """The columns that repeat what the leaf says."""
    index: int = row["index"]
    event_id = ZERO16 if row["event_id"] is None else row["event_id"].bytes
    said = (
        ("outcome", row["outcome"], leaf.outcome),
        ("time_us", row["time_us"], leaf.time_us),
        ("topic", _topic_digest(row["topic"]), leaf.topic_d),
        ("lane", row["lane"], lane_of_topic(row["topic"])),
        ("kafka_offset", row["kafka_offset"], leaf.offset),
        ("last_offset", row["last_offset"], leaf.last_offset),
        ("first_index", row["first_index"], leaf.first_index),
        ("event_id", event_id, leaf.event_id),
        ("schema_id", _fingerprint(row["schema_id"]), leaf.fingerprint),
    )
    for name, column, wanted in said:
        if column != wanted:
            fail("column-changed", index, f"Entry {index}: the column {name} does not say what the leaf says", "entry")
    if leaf.outcome != Outcome.REPEATED and leaf.first_index != index:
        fail("leaf-contradicts", index, f"Entry {index} says that it stands at another index", "entry")


def _same_columns(row: Row, header: Header | None) -> None:
    """The columns that repeat what the signed header says; none of them where there is no header."""
    index: int = row["index"]
    for name in _FOUND_BY:
        column = row[name]
        wanted = None if header is None else getattr(header, "due_at" if name == "due_us" else name)
        if (column.bytes if name in {"thread", "about"} and column is not None else column) != wanted:
            sentence = f"Entry {index}: the column {name} does not say what the signed header says"
            fail("column-changed", index, sentence, "entry")


@lru_cache(maxsize=4096)
def _topic_digest(topic: str) -> bytes:
    return sha256(topic.encode()).digest()


def _fingerprint(schema_id: int | None) -> bytes:
    info = None if schema_id is None else registry.by_id(schema_id)
    return ZERO32 if info is None else info.fingerprint


# --- accepted --------------------------------------------------------------------------------------------------------


def _accepted(row: Row, leaf: Leaf) -> None:
    index: int = row["index"]
    if commitment_of_digests(leaf.fingerprint, leaf.header_d, leaf.body_d, leaf.sealed_d) != leaf.commitment:
        fail("leaf-contradicts", index, f"Entry {index}: its commitment is not that of its parts", "entry")
    if row["record_index"] is not None:
        _record(row, leaf)
    if row["content_index"] is not None:
        _content(row, leaf)
    value = value_of(row)
    if value is not None and sha256(value).digest() != leaf.value_d:
        fail("value-changed", index, f"Entry {index}: header, body and sealed part are not the value sent", "content")
    _accepted_id(row, leaf, index)
    if (row["accepted_thread"], row["accepted_lane"]) != (row["thread"], row["lane"]):
        sentence = f"The accepted id of entry {index} has another thread or lane than the entry"
        fail("accepted-id", index, sentence, "accepted_id")


def _record(row: Row, leaf: Leaf) -> None:
    index: int = row["index"]
    parts = (("header", leaf.header_d), ("decision", leaf.decision_d), ("bus_signature", leaf.signature_d))
    for name, digest in parts:
        if sha256(row[name]).digest() != digest:
            what = name.replace("_", " ")
            fail(f"{what.replace(' ', '-')}-changed", index, f"Entry {index}: its {what} was changed", "record")
    info = registry.by_id(row["record_schema_id"])
    if info is None or row["record_schema_id"] != row["schema_id"]:
        fail("column-changed", index, f"Entry {index}: its record names another schema than the entry", "record")
    try:
        header = decode_header(info, row["header"])
    except BusError:
        fail("header-malformed", index, f"Entry {index}: its header cannot be read, and was accepted", "record")
    if header.event_id != leaf.event_id:
        fail("leaf-contradicts", index, f"Entry {index}: its leaf has another event id than its header", "record")
    _same_columns(row, header)


def _content(row: Row, leaf: Leaf) -> None:
    index: int = row["index"]
    for name, digest in (("body", leaf.body_d), ("sealed", leaf.sealed_d)):
        part = row[name]
        if part is None or sha256(part).digest() != digest:
            what = "body" if name == "body" else "sealed part"
            fail(f"{name}-changed", index, f"Entry {index}: its {what} was changed", "content")
    if row["raw"] is not None or row["raw_headers"] is not None:
        fail("content-strays", index, f"Entry {index} was accepted, and content is kept as if refused", "content")


def _accepted_id(row: Row, leaf: Leaf, stands_at: int) -> None:
    index: int = row["index"]
    if row["accepted_index"] is None:
        fail("accepted-id", index, f"The event of entry {index} is missing among the accepted ids", "accepted_id")
    if row["accepted_index"] != stands_at:
        sentence = f"The event of entry {index} is said to be accepted at {row['accepted_index']}, not at {stands_at}"
        fail("accepted-id", index, sentence, "accepted_id")
    if row["accepted_commitment"] != leaf.commitment:
        sentence = f"The accepted id of entry {index} stands for another content than the entry"
        fail("accepted-id", index, sentence, "accepted_id")


# --- repeated, refused, gaps -----------------------------------------------------------------------------------------


def _not_accepted(row: Row, leaf: Leaf) -> None:
    index: int = row["index"]
    if row["record_index"] is not None:
        fail("content-strays", index, f"Entry {index} was not accepted, and has a record as if it was", "record")
    if leaf.outcome == Outcome.REPEATED:
        _accepted_id(row, leaf, leaf.first_index)
        for name in ("schema_id", *_FOUND_BY):
            if row[name] != row[f"origin_{name}"]:
                sentence = f"Entry {index}: the column {name} is not that of entry {leaf.first_index}, which it repeats"
                fail("column-changed", index, sentence, "entry")
    elif leaf.event_id == ZERO16:
        _same_columns(row, None)
    if row["content_index"] is None:
        return
    if leaf.outcome != Outcome.REFUSED or row["body"] is not None or row["sealed"] is not None:
        fail("content-strays", index, f"Entry {index} was not accepted, and has content as if it was", "content")
    _refused(row, leaf)


def _refused(row: Row, leaf: Leaf) -> None:
    """What is kept of a refused record for a while."""
    index: int = row["index"]
    raw = row["raw"]
    if (ZERO32 if raw is None else sha256(raw).digest()) != leaf.value_d:
        fail("value-changed", index, f"Entry {index}: the refused value was changed", "content")
    if _signature_digest(row["raw_headers"]) != leaf.signature_d:
        fail("bus-signature-changed", index, f"Entry {index}: the refused bus signature was changed", "content")
    if raw is None or leaf.event_id == ZERO16:
        return
    try:
        header = decode(raw).header
    except BusError:
        fail("leaf-contradicts", index, f"Entry {index} has an event id, and its value cannot be read", "content")
    _same_columns(row, header)


def _signature_digest(raw_headers: bytes | None) -> bytes:
    """Digest of the one bus signature among a refused record's headers; zeros without one, or where it is null."""
    try:
        found = [value for name, value in orjson.loads(raw_headers or b"[]") if name == "bus-signature"]
        return sha256(bytes.fromhex(found[0])).digest() if len(found) == 1 and found[0] is not None else ZERO32
    except (ValueError, TypeError):
        return _EMPTY
