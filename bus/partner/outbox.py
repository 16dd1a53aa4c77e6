"""One lane of an organisation's outbox: a batch is sealed, signed and journalled here, then it may be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bus.errors import IdConflict
from bus.events.codec import Decoded, assemble, decode, encode_sealed
from bus.events.ids import dashed
from bus.events.names import ce_headers
from bus.kafka.records import Outgoing, Sent
from bus.partner.compose import Composed
from bus.partner.journal import Journal, KeptEvent, NewEvent
from bus.partner.outcome import Outcome
from bus.trust.batch import Item as Signable
from bus.trust.commitment import commitment
from bus.trust.sealing import seal
from bus.trust.stream import Stream

SIGNATURE = "bus-signature"


class Ticket:
    """One event under way, from ``publish`` to its receipt."""

    __slots__ = ("composed", "event_id", "kept", "outcome", "outgoing", "recipients", "since", "where")

    def __init__(self, *, composed: Composed | None = None, kept: KeptEvent | None = None) -> None:
        known = kept or composed
        assert known is not None
        self.event_id = known.event_id
        self.composed = composed
        self.kept = kept
        self.recipients: Sequence[bytes] = ()
        self.outgoing: Outgoing | None = None
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.since: float | None = None
        self.where: Sent | None = None


class Outbox:
    """Prepares batches of one lane. Runs in a thread of its own; not for two at once."""

    def __init__(self, journal: Journal, stream: Stream) -> None:
        self._journal = journal
        self._stream = stream

    def prepare(self, tickets: Sequence[Ticket], now_us: int) -> list[tuple[Ticket, IdConflict]]:
        """Make each ticket ready to send: fresh events are durable in the journal when this returns.

        Returns:
            The tickets that cannot be sent, each with its reason; the others have ``outgoing``.
        """
        values = {id(t): self._value(t) for t in tickets if t.composed is not None and t.kept is None}
        refused: list[tuple[Ticket, IdConflict]] = []
        fresh: dict[bytes, Ticket] = {}
        twins: list[tuple[Ticket, Ticket]] = []
        with self._journal.batch():
            for ticket in tickets:
                try:
                    self._look_up(ticket, fresh, twins)
                except IdConflict as error:
                    refused.append((ticket, error))
            stream = self._keep(list(fresh.values()), values, now_us)
        self._stream = stream
        for ticket in tickets:
            if ticket.kept is not None:
                ticket.outgoing = again(ticket.kept)
        for ticket, first in twins:
            ticket.event_id, ticket.outgoing = first.event_id, first.outgoing
        return refused

    def _value(self, ticket: Ticket) -> tuple[bytes, Signable]:
        """The Kafka value of a fresh event and what is signed of it."""
        event = ticket.composed
        assert event is not None
        fp = event.info.fingerprint
        sealed = None
        if event.plaintext is not None:
            sealed = seal(
                event.plaintext,
                origin=event.header.hub,
                issuer=event.header.issuer,
                event_id=event.event_id,
                fp=fp,
                header=event.header_bytes,
                recipients=ticket.recipients,
            )
        last = encode_sealed(sealed)
        digest = commitment(fp, event.header_bytes, event.body_bytes, last)
        value = assemble(event.info, event.header_bytes, event.body_bytes, last)
        return value, (digest, len(event.header_bytes), len(event.body_bytes), fp)

    def _look_up(self, ticket: Ticket, fresh: dict[bytes, Ticket], twins: list[tuple[Ticket, Ticket]]) -> None:
        """Put a ticket with the known, with the fresh, or with its twin in this batch."""
        event = ticket.composed
        if ticket.kept is not None or event is None:
            return
        ticket.kept = known(self._journal, event)
        if ticket.kept is not None:
            ticket.event_id = ticket.kept.event_id
            return
        twin = fresh.setdefault(event.event_id, ticket)
        if twin is not ticket:
            assert twin.composed is not None
            if twin.composed.content != event.content:
                raise IdConflict(f"two events of different content have the id {dashed(event.event_id)}")
            twins.append((ticket, twin))

    def _keep(self, fresh: list[Ticket], values: dict[int, tuple[bytes, Signable]], now_us: int) -> Stream:
        """Sign fresh events and write them down; the stream after them."""
        if not fresh:
            return self._stream
        signed, stream = self._stream.sign([values[id(t)][1] for t in fresh], now_us=now_us)
        rows: list[NewEvent] = []
        for ticket, signature in zip(fresh, signed.signatures, strict=True):
            event, value = ticket.composed, values[id(ticket)][0]
            assert event is not None
            header = event.header
            rows.append(
                NewEvent(
                    event_id=event.event_id,
                    content=event.content,
                    topic=event.topic,
                    thread=header.thread,
                    lane=header.lane,
                    value=value,
                    signature=signature,
                    item=event.item,
                )
            )
            headers = [*ce_headers(event.info, header), (SIGNATURE, signature)]
            ticket.outgoing = Outgoing(event.topic, header.thread, value, headers)
        self._journal.keep(rows)
        return stream


def known(journal: Journal, event: Composed) -> KeptEvent | None:
    """The journal's event of this id, or of this item with the same content.

    Raises:
        IdConflict: the id is known with other content.
    """
    kept = journal.check(event.event_id, event.content)
    if kept is None and event.item is not None:
        state = journal.item(event.item)
        if state is not None and state.content == event.content:
            return journal.find(state.event_id)
    return kept


def again(kept: KeptEvent) -> Outgoing:
    """The record of an event that the journal has, byte for byte."""
    decoded: Decoded = decode(kept.value)
    headers = [*ce_headers(decoded.info, decoded.header), (SIGNATURE, kept.signature)]
    return Outgoing(kept.topic, kept.thread, kept.value, headers)
