"""What senders were told last, against the ledger: a receipt is signed, and cannot be taken back.

A receipt is sent once its entries are committed. So a signed one that speaks of an entry that the ledger has not, or of
another one there, means that the database is older than what was told, or has gone on another way since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from bus.errors import Malformed, StartRefused
from bus.events import registry
from bus.events.codec import decode_receipt
from bus.events.names import HUB, parse_topic
from bus.events.types import ReceiptItem
from bus.hub.intake import SIGNATURE
from bus.kafka.admin import Admin
from bus.kafka.connection import Connection
from bus.kafka.reader import Reader
from bus.kafka.records import Record
from bus.kafka.tails import tails
from bus.ledger.store import Head, Store
from bus.trust.batch import BatchVerifier
from bus.trust.bus_signature import BusSignature
from bus.trust.commitment import receipt_commitment
from bus.trust.directory import Directory

KeyOf = Callable[[bytes], bytes | None]


class Told(Struct, frozen=True):
    """A receipt of this log's hub: what it says, and the stream that its batch is of."""

    items: tuple[ReceiptItem, ...]
    stream: bytes


async def last_receipts(connection: Connection, client_id: str) -> list[Record]:
    """The last receipt of each topic of receipts."""
    names = [name for name in await Admin(connection).topics() if (parse_topic(name) or ("",))[0] == "receipts"]
    async with Reader(connection, client_id, isolation="read_uncommitted", max_wait_ms=50) as reader:
        ends = await tails(reader, sorted(names), lambda record: record.value is not None)
    return [tail.record for tail in ends.values() if tail.record is not None]


async def check_told(store: Store, head: Head, directory: Directory, receipts: Sequence[Record]) -> None:
    """The ledger must have what the last receipts speak of. What the hub has not signed counts for nothing.

    Raises:
        StartRefused: it is older, or has another entry there.
    """
    if directory.origin is None:
        return
    verifier, key_of = BatchVerifier(), hub_keys(directory)
    told = (read_receipt(record, directory.origin, verifier, key_of) for record in receipts)
    last = [max(one.items, key=lambda item: item.index) for one in told if one is not None and one.items]
    for item in sorted(last, key=lambda item: item.index, reverse=True):
        if item.index >= head.size:
            raise StartRefused(
                f"a signed receipt speaks of entry {item.index}, but the ledger does not reach that far: the database "
                "is older than what senders were told"
            )
        (row,) = await store.fetch("leaf_hash_at", item.index)
        if row["leaf_hash"] != item.leaf_hash:
            raise StartRefused(f"entry {item.index} of the ledger is not the one that a signed receipt speaks of")


def hub_keys(directory: Directory) -> KeyOf:
    """The keys that the directory has for the hub, revoked or not: what they signed was said."""

    def key_of(key_id: bytes) -> bytes | None:
        found = directory.signing_key(key_id)
        return None if found is None or found.org != HUB else found.public_key

    return key_of


def read_receipt(record: Record, origin: str, verifier: BatchVerifier, key_of: KeyOf) -> Told | None:
    """What a receipt says; None if it is none, or not signed by this log's hub."""
    raw = record.header(SIGNATURE)
    if record.value is None or raw is None:
        return None
    try:
        receipt, signature = decode_receipt(record.value), BusSignature.decode(raw)
    except Malformed:
        return None
    if (signature.batch.organisation, signature.batch.origin, receipt.origin) != (HUB, origin, origin):
        return None
    commitment = receipt_commitment(registry.by_name("Receipt").fingerprint, record.value[5:])
    if verifier.verify_many([(signature, commitment)], key_of) != [None]:
        return None
    return Told(tuple(receipt.items), signature.batch.stream)
