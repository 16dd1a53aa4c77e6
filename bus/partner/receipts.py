"""Receipts: what the hub says it did with each record, believed only under its own signature."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from msgspec import Struct

from bus.errors import Malformed
from bus.events import registry
from bus.events.codec import FRAME, decode_receipt
from bus.events.names import HUB
from bus.events.types import Receipt, ReceiptItem
from bus.kafka.records import Record
from bus.partner.journal import Settled
from bus.partner.outbox import Ticket
from bus.partner.outcome import Outcome, OutcomeCode
from bus.trust.batch import BatchVerifier, BusSignature
from bus.trust.commitment import receipt_commitment
from bus.trust.keys import signing_key_id

MAX_EARLY = 65_536
_OUTCOMES: dict[int, OutcomeCode] = {1: "accepted", 2: "repeated", 3: "refused", 4: "refused"}


class ReceiptChecker:
    """Opens receipts of one organisation. Remembers batches it has verified; for one thread."""

    def __init__(self, *, origin: str, organisation: str, hub_key: bytes) -> None:
        self._origin = origin
        self._organisation = organisation
        self._keys = {signing_key_id(hub_key): hub_key}
        self._verifier = BatchVerifier()
        self._fingerprint = registry.by_name("Receipt").fingerprint

    def open(self, record: Record) -> Receipt:
        """The receipt of a record.

        Raises:
            Malformed: it is none, is not for this organisation, or was not signed by this log's hub.
        """
        value = record.value or b""
        found = [held for name, held in record.headers if name == "bus-signature"]
        if len(found) != 1:
            raise Malformed("signature-missing" if not found else "signature-duplicate")
        signature = BusSignature.decode(found[0])
        lengths = (signature.header_len, signature.body_len)
        if signature.fp != self._fingerprint or lengths != (0, len(value) - FRAME):
            raise Malformed("unknown-schema")
        if (signature.batch.origin, signature.batch.organisation) != (self._origin, HUB):
            raise Malformed("wrong-hub")
        problem = self._verifier.verify(signature, receipt_commitment(signature.fp, value[FRAME:]), self._keys.get)
        if problem is not None:
            raise Malformed(problem)
        receipt = decode_receipt(value)
        if (receipt.origin, receipt.organisation) != (self._origin, self._organisation):
            raise Malformed("wrong-hub")
        return receipt


class Answer(Struct, frozen=True):
    """A receipt's word on an event that is waited for."""

    ticket: Ticket
    settled: Settled
    outcome: Outcome


class Awaited:
    """Which record of which outbox is which event: brings tickets and receipts together, in either order.

    A receipt can overtake the broker's answer to the send; it waits here, and the oldest of these are dropped
    (most are those of this organisation's other processes).
    """

    def __init__(self) -> None:
        self._tickets: dict[tuple[str, int], Ticket] = {}
        self._early: OrderedDict[tuple[str, int], ReceiptItem] = OrderedDict()

    def expect(self, ticket: Ticket, topic: str, offset: int) -> Answer | None:
        """A ticket's record landed here; its answer, if it came before."""
        item = self._early.pop((topic, offset), None)
        if item is not None:
            return _answer(ticket, item, offset)
        self._tickets[topic, offset] = ticket
        return None

    def answer(self, item: ReceiptItem) -> Iterator[Answer]:
        """The events that an item answers; an item may cover a run of offsets."""
        if item.last_offset - item.offset > MAX_EARLY:
            covered = [o for t, o in self._tickets if t == item.topic and item.offset <= o <= item.last_offset]
        else:
            covered = range(item.offset, item.last_offset + 1)
        for offset in covered:
            ticket = self._tickets.pop((item.topic, offset), None)
            if ticket is not None:
                yield _answer(ticket, item, offset)
            else:
                self._early[item.topic, offset] = item
        while len(self._early) > MAX_EARLY:
            self._early.popitem(last=False)

    def forget(self, topic: str, offset: int) -> None:
        """Wait no longer for this record."""
        self._tickets.pop((topic, offset), None)


def _answer(ticket: Ticket, item: ReceiptItem, offset: int) -> Answer:
    code = _OUTCOMES[item.outcome]
    settled = Settled(ticket.event_id, code, item.index, item.first_index, item.reasons, item.time)
    outcome = Outcome(
        event_id=ticket.event_id,
        outcome=code,
        index=item.index,
        first_index=item.first_index,
        reasons=item.reasons,
        time_us=item.time,
        topic=item.topic,
        offset=offset,
    )
    return Answer(ticket, settled, outcome)
