"""Receipts: what became of each record, told to the owner of its outbox, signed before the flush commits.

The receipts of a flush, sorted by organisation, lane and chunk, are signed in batches of up to 256 with the hub's
key. Everything in them follows from the ledger's entries, and the batch header and signature are kept in
``ledger.flush``: the same bytes can be sent again for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from bus.events import registry
from bus.events.codec import encode_receipt
from bus.events.names import receipts_topic
from bus.events.types import Receipt, ReceiptItem
from bus.kafka.records import Outgoing
from bus.tlog.tree import inclusion_paths, leaf_hashes
from bus.trust.batch import MAX_BATCH, NO_ROOT, Item, sign_batch
from bus.trust.batch_header import BatchHeader
from bus.trust.bus_signature import pack_signature
from bus.trust.commitment import receipt_commitment
from bus.trust.keys import SigningKey

MAX_RECEIPT = 64 * 1024
_ITEM_BYTES = 160
"""An upper bound of one encoded item beside its topic and reasons: five varints, three fixed fields, counts."""

FlushRow = tuple[int, int, int, bytes, bytes, bytes]

Items = Mapping[tuple[str, str], Sequence[ReceiptItem]]
"""Items by (organisation, lane), in ledger order."""


class _Chunk(Struct, frozen=True):
    """One receipt: its topic, its owner and its value."""

    topic: str
    organisation: str
    value: bytes


class SignedReceipts(Struct, frozen=True):
    """A flush's receipts, ready to be sent, and the rows of ``ledger.flush`` that keep them re-issuable."""

    records: list[Outgoing]
    rows: list[FlushRow]


def sign_receipts(
    key: SigningKey, origin: str, *, first_index: int, last_index: int, time_us: int, items: Items
) -> SignedReceipts:
    """Build and sign the receipts of one flush.

    Args:
        key: the hub's key.
        origin: the log.
        first_index: of the flush.
        last_index: of the flush.
        time_us: the time of the flush's last entry.
        items: what each organisation is told, per lane.
    """
    info = registry.by_name("Receipt")
    stream = stream_of(origin, first_index)
    prev_root = NO_ROOT
    signed = SignedReceipts([], [])
    chunks = _chunks(origin, items)
    for number in range((len(chunks) + MAX_BATCH - 1) // MAX_BATCH):
        members = chunks[number * MAX_BATCH : (number + 1) * MAX_BATCH]
        batch = sign_batch(
            key,
            origin=origin,
            organisation="hub",
            stream=stream,
            seq=number,
            prev_root=prev_root,
            signed_at_us=time_us,
            items=[_signable(chunk, info.fingerprint) for chunk in members],
        )
        prev_root = batch.root
        signed.rows.append((first_index, last_index, number, key.key_id, batch.batch_header, batch.signatures[0][-64:]))
        signed.records.extend(map(_outgoing, members, batch.signatures))
    return signed


def stream_of(origin: str, first_index: int) -> bytes:
    """The stream of the receipts of the flush that begins with an entry."""
    return sha256(origin.encode() + first_index.to_bytes(8, "big")).digest()[:16]


def _signable(chunk: _Chunk, fingerprint: bytes) -> Item:
    return receipt_commitment(fingerprint, chunk.value[5:]), 0, len(chunk.value) - 5, fingerprint


def reissue(origin: str, items: Items, rows: Sequence[FlushRow]) -> list[Outgoing]:
    """The same bytes again, from the ledger's entries and the kept batch headers and signatures.

    Args:
        origin: the log.
        items: what each organisation was told in one flush.
        rows: that flush's rows of ``ledger.flush``, by number.
    """
    info = registry.by_name("Receipt")
    chunks = _chunks(origin, items)
    records: list[Outgoing] = []
    for _, _, number, _, batch_header, signature in rows:
        members = chunks[number * MAX_BATCH : (number + 1) * MAX_BATCH]
        commitments = [receipt_commitment(info.fingerprint, chunk.value[5:]) for chunk in members]
        BatchHeader.decode(batch_header)
        _, paths = inclusion_paths(leaf_hashes(commitments))
        for position, (chunk, path) in enumerate(zip(members, paths, strict=True)):
            body_len = len(chunk.value) - 5
            raw = pack_signature(0, body_len, info.fingerprint, batch_header, position, path, signature)
            records.append(_outgoing(chunk, raw))
    return records


def _outgoing(chunk: _Chunk, signature: bytes) -> Outgoing:
    headers = (("bus-signature", signature), ("content-type", b"application/avro"))
    return Outgoing(chunk.topic, chunk.organisation.encode(), chunk.value, headers)


def _chunks(origin: str, items: Items) -> list[_Chunk]:
    """One receipt per organisation and lane, or more where one would be too large."""
    found: list[_Chunk] = []
    for organisation, lane in sorted(items):
        topic = receipts_topic(organisation, lane)
        for members in _fitting(items[organisation, lane]):
            receipt = Receipt(origin=origin, organisation=organisation, lane=lane, items=tuple(members))
            found.append(_Chunk(topic, organisation, encode_receipt(receipt)))
    return found


def _fitting(items: Sequence[ReceiptItem]) -> list[list[ReceiptItem]]:
    chunks: list[list[ReceiptItem]] = []
    room = 0
    for item in items:
        size = _ITEM_BYTES + len(item.topic) + sum(map(len, item.reasons)) + len(item.reasons)
        if size > room:
            chunks.append([])
            room = MAX_RECEIPT - 512
        chunks[-1].append(item)
        room -= size
    return chunks
