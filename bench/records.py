"""The records that are timed: made, sealed and signed before any clock starts.

They are ordinary ``HashHit`` events, as a platform's Publisher would make them: sealed for one hotline with
HPKE, signed in batches of 256, with every header. Small ones carry no sealed part.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from bus.events.codec import assemble, encode_body, encode_header, encode_plaintext, encode_sealed
from bus.events.examples import example
from bus.events.ids import uuid7
from bus.events.jsonform import Parts, parse_event
from bus.events.names import ce_headers, out_topic
from bus.kafka.records import Outgoing
from bus.partner.compose import fill
from bus.partner.profile import Profile
from bus.sandbox import outfit
from bus.sandbox.home import Home
from bus.trust.batch import MAX_BATCH, NO_ROOT, sign_batch
from bus.trust.commitment import commitment
from bus.trust.keys import KeyRing
from bus.trust.sealing import seal

Kind = Literal["full", "small"]

STREAMS = (("fernpost", "hotline-isles"), ("glimmerchat", "hotline-lowlands"), ("tidewave", "hotline-north"))
"""Who speaks to whom: three outboxes, three inboxes, one recipient an event."""

FEWEST_HASHES, MOST_HASHES = 3, 52
"""Fingerprints in a sealed part: values of 1.9 to 4 KB, 3 KB in the mean."""


class Template(Struct, frozen=True):
    """An event of which all is fixed but its id, nonce, time and salt."""

    parts: Parts
    plaintext: bytes | None


class Sections(Struct, frozen=True):
    """One event's bytes before it is signed."""

    parts: Parts
    header: bytes
    body: bytes
    sealed: bytes

    @property
    def value(self) -> bytes:
        """The Kafka value."""
        return assemble(self.parts.info, self.header, self.body, self.sealed)


class Stream:
    """One platform that speaks to one hotline."""

    def __init__(self, home: Home, issuer: str, recipient: str) -> None:
        self.issuer = issuer
        self.recipient = recipient
        self._profile = Profile.load(outfit.profile(home, issuer))
        self._keys = KeyRing.load(home.organisation(issuer) / "keys.json")
        self._recipient_key = KeyRing.load(home.organisation(recipient) / "keys.json").sealing[0].public_key
        self._stream = os.urandom(16)
        self._seq = 0
        self._root = NO_ROOT
        self._templates: dict[tuple[Kind, int], Template] = {}

    def event(self, kind: Kind, hashes: int = FEWEST_HASHES, *, priority: str = "routine") -> dict[str, Any]:
        """An event in its JSON form, for a Publisher."""
        found = example(
            "HashHit", issuer=self.issuer, audience=[self.recipient], nations=[self._profile.nation], now_us=_now_us()
        )
        found["header"]["priority"] = priority
        if kind == "small":
            del found["sealed"]
            _fill_up(found["body"])
        else:
            one = {"algorithm": "PDQ", "value": secrets.token_hex(32), "quality": 92}
            found["sealed"]["hashes"] = [one] * hashes
        return found

    def parts(self, hashes: int, *, priority: str = "routine") -> Parts:
        """A new event as a program that has no JSON gives it to a Publisher."""
        filler = fill(self._profile, now_us=_now_us(), subjects=lambda _: None)
        return parse_event(self.event("full", hashes, priority=priority), filler)

    def make(self, kind: Kind, count: int) -> list[Outgoing]:
        """That many records of this platform's outbox, new ones each time."""
        span = MOST_HASHES - FEWEST_HASHES + 1
        sections = [self._sections(kind, FEWEST_HASHES + number * 7 % span) for number in range(count)]
        return [record for some in _chunks(sections) for record in self._sign(some)]

    def _template(self, kind: Kind, hashes: int) -> Template:
        known = self._templates.get((kind, hashes))
        if known is None:
            filler = fill(self._profile, now_us=_now_us(), subjects=lambda _: None)
            parts = parse_event(self.event(kind, hashes), filler)
            plaintext = None if parts.plaintext is None else encode_plaintext(parts.info, parts.plaintext)
            known = self._templates[kind, hashes] = Template(parts, plaintext)
        return known

    def _sections(self, kind: Kind, hashes: int) -> Sections:
        template = self._template(kind, hashes if kind == "full" else 0)
        now_us = _now_us()
        event_id = uuid7(now_us, os.urandom(8))
        parts = template.parts
        header = replace(parts.header, event_id=event_id, thread=event_id, nonce=os.urandom(16), issued_at=now_us)
        header_bytes = encode_header(parts.info, header)
        sealed = None
        if template.plaintext is not None:
            sealed = seal(
                template.plaintext, origin=header.hub, issuer=self.issuer, event_id=event_id,
                fp=parts.info.fingerprint, header=header_bytes, recipients=[self._recipient_key],
            )  # fmt: skip
        body = encode_body(parts.info, replace(parts.body, salt=os.urandom(32)))
        return Sections(replace(parts, header=header), header_bytes, body, encode_sealed(sealed))

    def _sign(self, sections: Sequence[Sections]) -> list[Outgoing]:
        items = [
            (commitment(fp, one.header, one.body, one.sealed), len(one.header), len(one.body), fp)
            for one in sections
            for fp in [one.parts.info.fingerprint]
        ]
        batch = sign_batch(
            self._keys.signing, origin=self._profile.origin, organisation=self.issuer, stream=self._stream,
            seq=self._seq, prev_root=self._root, signed_at_us=_now_us(), items=items,
        )  # fmt: skip
        self._seq, self._root = self._seq + 1, batch.root
        return [
            Outgoing(
                out_topic(self.issuer, one.parts.header.lane),
                one.parts.header.thread,
                one.value,
                (*ce_headers(one.parts.info, one.parts.header), ("bus-signature", signature)),
            )
            for one, signature in zip(sections, batch.signatures, strict=True)
        ]


def streams(home: Home) -> list[Stream]:
    """The streams of the benchmark, with the sandbox's own keys."""
    return [Stream(home, issuer, recipient) for issuer, recipient in STREAMS]


def shares(count: int, parts: int) -> list[int]:
    """A count divided as evenly as can be."""
    return [count // parts + (number < count % parts) for number in range(parts)]


def value_size(record: Outgoing) -> int:
    """Bytes of a record's value."""
    return len(record.value or b"")


def whole_size(record: Outgoing) -> int:
    """Bytes of a record's key, value and headers."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + value_size(record) + headers


def _fill_up(body: dict[str, Any]) -> None:
    """A body as large as an unsealed event of 600 to 700 bytes has it."""
    body["source"]["list_id"] = "lantern-line-images-and-keyframes-of-videos-of-all-members"
    body["source"]["list_entry"] = "ll-0048213-" + "f" * 50
    body["source"]["source_member"] = "lantern-line-northern-desk-for-images-and-video"
    body["match"]["index_version"] = "pdq-2026.11.1-rebuilt-weekly"
    body["platform_action"] = ["removed", "account_suspended", "reported", "preserved"]
    body["review"] = {"human_reviewed": True, "reviewers": 2}


def _chunks(sections: Sequence[Sections]) -> Iterator[Sequence[Sections]]:
    return (sections[at : at + MAX_BATCH] for at in range(0, len(sections), MAX_BATCH))


def _now_us() -> int:
    return time.time_ns() // 1000
