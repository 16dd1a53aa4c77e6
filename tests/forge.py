"""Makes outbox records by hand, right or wrong: what a foreign program, or an attacker with credentials, would send."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bus.events.codec import assemble, encode_body, encode_header, encode_plaintext, encode_sealed
from bus.events.examples import example
from bus.events.jsonform import Fill, parse_event
from bus.events.names import ce_headers, out_topic
from bus.events.registry import SchemaInfo
from bus.events.types import Header, Sealed
from bus.kafka.records import Outgoing
from bus.trust.batch import NO_ROOT, sign_batch
from bus.trust.commitment import commitment
from bus.trust.keys import KeyRing
from bus.trust.sealing import seal

EVALUATED = {"source_eval": "B", "info_eval": "2"}
"""What police must say, and anybody may."""


def now_us() -> int:
    """The clock, microseconds since 1970."""
    return time.time_ns() // 1000


class Sections(NamedTuple):
    """An event's bytes, before it is signed."""

    info: SchemaInfo
    header: Header
    h: bytes
    b: bytes
    s: bytes

    @property
    def value(self) -> bytes:
        """The Kafka value."""
        return assemble(self.info, self.h, self.b, self.s)


class Forge:
    """Composes and signs events for a log, with whatever keys it is given."""

    def __init__(
        self,
        origin: str,
        rings: Mapping[str, KeyRing],
        subject: Callable[[bytes], tuple[bytes, str] | None] = lambda _: None,
        nations: Mapping[str, str] | None = None,
    ) -> None:
        self.origin = origin
        self.rings = rings
        self.subject = subject
        self.nations = nations or {}

    def event(
        self,
        issuer: str,
        audience: Sequence[str],
        type_name: str = "HashHit",
        *,
        step: str | None = None,
        **header: Any,
    ) -> dict[str, Any]:
        """An example event in its JSON form; keywords override header fields."""
        nations = (self.nations.get(issuer, "US"),)
        found = example(type_name, issuer=issuer, audience=audience, nations=nations, now_us=now_us(), step=step)
        found["header"].update({"hub": self.origin, **EVALUATED, **header})
        return found

    def compose(self, issuer: str, event: Mapping[str, Any], *, wrap_for: Sequence[str] | None = None) -> Sections:
        """An event's sections, sealed for its audience or for whom one likes."""
        named = event["header"].get("issuer", issuer)
        parts = parse_event(event, Fill(self.origin, named, now_us(), {}, None, self.subject))
        header_bytes = encode_header(parts.info, parts.header)
        sealed: Sealed | None = None
        if parts.plaintext is not None:
            orgs = parts.header.audience if wrap_for is None else wrap_for
            sealed = seal(
                encode_plaintext(parts.info, parts.plaintext),
                origin=self.origin,
                issuer=parts.header.issuer,
                event_id=parts.header.event_id,
                fp=parts.info.fingerprint,
                header=header_bytes,
                recipients=[self.rings[org].sealing[0].public_key for org in orgs if org in self.rings],
            )
        return Sections(
            parts.info, parts.header, header_bytes, encode_body(parts.info, parts.body), encode_sealed(sealed)
        )

    def sign(
        self,
        sender: str,
        sections: Sequence[Sections],
        *,
        ring: KeyRing | None = None,
        origin: str | None = None,
        organisation: str | None = None,
        values: Sequence[bytes] | None = None,
    ) -> list[Outgoing]:
        """Sign events as one batch and make the records of the sender's outbox."""
        signing = (ring or self.rings[sender]).signing
        batch = sign_batch(
            signing,
            origin=origin or self.origin,
            organisation=organisation or sender,
            stream=os.urandom(16),
            seq=0,
            prev_root=NO_ROOT,
            signed_at_us=now_us(),
            items=[
                (commitment(x.info.fingerprint, x.h, x.b, x.s), len(x.h), len(x.b), x.info.fingerprint)
                for x in sections
            ],
        )
        found: list[Outgoing] = []
        for number, (one, signature) in enumerate(zip(sections, batch.signatures, strict=True)):
            headers = (("bus-signature", signature), *ce_headers(one.info, one.header))
            value = one.value if values is None else values[number]
            found.append(Outgoing(out_topic(sender, one.header.lane), one.header.thread, value, headers))
        return found

    def record(self, sender: str, event: Mapping[str, Any], **how: Any) -> Outgoing:
        """One event, composed and signed."""
        wrap_for = how.pop("wrap_for", None)
        return self.sign(sender, [self.compose(sender, event, wrap_for=wrap_for)], **how)[0]


def changed(record: Outgoing, **fields: Any) -> Outgoing:
    """A record with some fields replaced."""
    known: dict[str, Any] = {
        "topic": record.topic,
        "key": record.key,
        "value": record.value,
        "headers": record.headers,
    }
    return Outgoing(**{**known, **fields})


def with_header(record: Outgoing, name: str, value: bytes | None) -> Outgoing:
    """A record with one header replaced, or taken away."""
    headers = [(n, v) for n, v in record.headers if n != name]
    if value is not None:
        headers.append((name, value))
    return changed(record, headers=tuple(headers))
