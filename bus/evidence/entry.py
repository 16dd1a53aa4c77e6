"""One exhibit looked at by itself: do its parts belong together, and what do they say.

Everything here hangs on the leaf, and the leaf on the checkpoint. Who signed the checkpoint, and whose the signing
key is, is looked at elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from bus.errors import Malformed
from bus.events import codec, registry
from bus.events.names import out_topic
from bus.events.registry import SchemaInfo
from bus.events.types import Decision, Header
from bus.evidence.audience import check_audience
from bus.evidence.exhibit import Exhibit
from bus.evidence.report import Check, listed, plain
from bus.tlog.ed25519 import verify
from bus.tlog.leaf import Leaf, Outcome
from bus.tlog.tree import leaf_hash, root_from_inclusion
from bus.trust.batch import signed_message
from bus.trust.bus_signature import BusSignature
from bus.trust.commitment import commitment_of_digests


class Entry(msgspec.Struct):
    """What an exhibit says, as far as it could be read. Filled in by :func:`examine`."""

    exhibit: Exhibit
    leaf: Leaf
    info: SchemaInfo | None = None
    header: Header | None = None
    body: Any = None
    decision: Decision | None = None
    signature: BusSignature | None = None

    @property
    def erased(self) -> list[str]:
        """Which of the parts that can be erased are not here."""
        parts = {"body": self.exhibit.body, "sealed content": self.exhibit.sealed}
        return [name for name, data in parts.items() if data is None]

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the sender's signature holds under this key."""
        signature = self.signature
        if signature is None:
            return False
        path = [signature.path[at : at + 32] for at in range(0, len(signature.path), 32)]
        node = leaf_hash(self.leaf.commitment)
        root = root_from_inclusion(signature.position, signature.batch.size, node, path)
        if root is None:
            return False
        return verify(public_key, signed_message(signature.batch_bytes, root), signature.signature)


def examine(exhibit: Exhibit, schema: bytes | None, origin: str) -> tuple[Entry, list[Check]]:
    """Check an exhibit's parts against its leaf, and the leaf against the checkpoint.

    Args:
        exhibit: what the evidence holds of one entry.
        schema: the schema that goes with it.
        origin: the log's.

    Returns:
        What could be read, and each check in order.
    """
    entry = Entry(exhibit, exhibit.leaf)
    checks = [check for part in _PARTS for check in part(entry, schema, origin)]
    return entry, checks


def _stands(entry: Entry, _schema: bytes | None, origin: str) -> Iterator[Check]:
    exhibit, checkpoint = entry.exhibit, entry.exhibit.proof.checkpoint
    proven = exhibit.proof.proves(leaf_hash(exhibit.leaf_bytes))
    yield _check(
        "inclusion",
        proven,
        f"Entry {exhibit.index} stands in the log of {plain(origin)}, among its first {checkpoint.size} entries.",
        f"The entry does not stand at index {exhibit.index} of the log that the checkpoint is of.",
    )
    leaf = entry.leaf
    accepted = leaf.outcome == Outcome.ACCEPTED and leaf.first_index == exhibit.index
    yield _check(
        "outcome",
        accepted,
        "The entry records that the event was accepted.",
        "The entry does not record an event that was accepted there.",
    )


def _schema_fits(entry: Entry, schema: bytes | None, _origin: str) -> Iterator[Check]:
    same = schema is not None and sha256(schema).digest() == entry.leaf.fingerprint
    entry.info = registry.by_fingerprint(entry.leaf.fingerprint) if same else None
    known = entry.info is not None and entry.info.kind == "event"
    wrong = (
        "This program does not know the schema: a newer one may. Upgrade, and verify again."
        if same
        else "The schema is not the one that the entry names."
    )
    yield _check("schema", known, f"The schema is that of {entry.info.name if entry.info else ''} events.", wrong)


def _header_fits(entry: Entry, _schema: bytes | None, origin: str) -> Iterator[Check]:
    leaf, info = entry.leaf, entry.info
    if sha256(entry.exhibit.header).digest() == leaf.header_d and info is not None and info.kind == "event":
        entry.header = _or_none(codec.decode_header, info, entry.exhibit.header)
    header = entry.header
    fits = (
        header is not None
        and info is not None
        and header.event_id == leaf.event_id
        and header.hub == origin
        and header.step in info.steps
        and leaf.topic_d == sha256(out_topic(header.issuer, header.lane).encode()).digest()
    )
    yield _check(
        "header",
        fits,
        f"The header is the one recorded, and names {header.issuer if header else ''} as the issuer.",
        "The header is not the one recorded for this entry.",
    )
    if not fits:
        entry.header = None


def _content_fits(entry: Entry, _schema: bytes | None, _origin: str) -> Iterator[Check]:
    exhibit, leaf = entry.exhibit, entry.leaf
    parts = ((exhibit.body, leaf.body_d), (exhibit.sealed, leaf.sealed_d))
    fits = all(data is None or sha256(data).digest() == digest for data, digest in parts)
    if fits and exhibit.body is not None and exhibit.sealed is not None and entry.info is not None:
        value = codec.assemble(entry.info, exhibit.header, exhibit.body, exhibit.sealed)
        decoded = _or_none(codec.decode, value)
        fits = decoded is not None and sha256(value).digest() == leaf.value_d
        entry.body = None if decoded is None else decoded.body
    if not fits:
        yield Check("content", "false", "Body or sealed content is not what was recorded.")
    elif entry.erased:
        erased = " and ".join(entry.erased)
        text = f"The {erased} cannot be shown: erased, or left out. The digests recorded are what was signed."
        yield Check("content", "not shown", text)
    else:
        yield Check("content", "holds", "Body and sealed content are what was recorded, byte for byte.")


def _decision_fits(entry: Entry, _schema: bytes | None, _origin: str) -> Iterator[Check]:
    exhibit = entry.exhibit
    if sha256(exhibit.decision).digest() == entry.leaf.decision_d:
        entry.decision = _or_none(codec.decode_decision, exhibit.decision)
    wrong = "The decision on who may hear the event is not the one recorded."
    yield _check("decision", entry.decision is not None, _told(entry.decision), wrong)
    if entry.decision is not None and entry.header is not None and entry.info is not None:
        yield check_audience(entry.info, entry.header, entry.decision, lambda _: None)


def _told(decision: Decision | None) -> str:
    if decision is None or not decision.recipients:
        return "The decision recorded is that it goes to the directory, which all read."
    allowed = [one.org for one in decision.recipients if one.allow]
    withheld = [f"{one.org} ({one.reason})" for one in decision.recipients if not one.allow]
    text = f"The decision recorded allows {listed(allowed) or 'nobody'} to hear it"
    return f"{text}, and withholds it from {listed(withheld)}." if withheld else f"{text}."


def _signature_fits(entry: Entry, _schema: bytes | None, origin: str) -> Iterator[Check]:
    exhibit, leaf, header = entry.exhibit, entry.leaf, entry.header
    if sha256(exhibit.signature).digest() == leaf.signature_d:
        entry.signature = _or_none(BusSignature.decode, exhibit.signature)
    signature = entry.signature
    committed = commitment_of_digests(leaf.fingerprint, leaf.header_d, leaf.body_d, leaf.sealed_d)
    fits = (
        signature is not None
        and header is not None
        and signature.fp == leaf.fingerprint
        and signature.header_len == len(exhibit.header)
        and (exhibit.body is None or signature.body_len == len(exhibit.body))
        and signature.batch.origin == origin
        and signature.batch.organisation == header.issuer
        and leaf.commitment == committed
    )
    yield _check(
        "commitment",
        fits,
        f"The sender's signature is the one recorded, and names {header.issuer if header else ''}, this log and event.",
        "The sender's signature is not the one recorded, or is not for this event.",
    )
    if not fits:
        entry.signature = None


_PARTS = (_stands, _schema_fits, _header_fits, _content_fits, _decision_fits, _signature_fits)


def _check(name: str, holds: bool, right: str, wrong: str) -> Check:
    return Check(name, "holds" if holds else "false", right if holds else wrong)


def _or_none(read: Any, *args: Any) -> Any:
    try:
        return read(*args)
    except Malformed:
        return None
