"""What the clerk says, as events whose every byte follows from the ledger and the clerk's secret (formats §3).

::

    fact  = type "." step ‖ 0x00 ‖ subject id16 ‖ addressee ‖ 0x00 ‖ deadline ‖ 0x00 ‖ u32 number
    id    = UUIDv7 of the due instant's milliseconds; other bits of H("safeguard/id/v1" ‖ 0x00 ‖ origin ‖ 0x00 ‖ fact)
    salt  = HMAC-SHA256(secret, "salt" ‖ 0x00 ‖ id);   nonce = HMAC-SHA256(secret, "nonce" ‖ 0x00 ‖ id)[:16]

So a clerk that was killed, or two at once, make the same bytes, and the notary answers the second ``repeated``. Should
they differ, because one of them had not read all yet, the id is the same and the second is refused ``id-conflict``:
each thing is said once either way.

Anybody who knows the event can compute such an id, and use it first so that the clerk's statement would be refused.
Where an event of somebody else has the id, the clerk takes one whose bits come from
HMAC-SHA256(secret, "id" ‖ 0x00 ‖ id).
"""

from __future__ import annotations

import hmac
from collections.abc import Container
from hashlib import sha256
from typing import Final

from msgspec import Struct, structs

from bus.events import registry
from bus.events.codec import assemble, encode_body, encode_header, encode_sealed
from bus.events.ids import uuid7_of
from bus.events.names import HUB, ce_headers, out_topic
from bus.events.registry import SchemaInfo
from bus.events.types import Header, OverdueBody, TakedownNoticeBody
from bus.hub.casebook import Owed
from bus.hub.cases import NOTICE, Case
from bus.kafka.records import Outgoing
from bus.policy.clocks import DAY_US
from bus.policy.duties import Duty, Statement
from bus.trust.batch import Item
from bus.trust.commitment import commitment

RETAIN_DAYS: Final = 36_500
"""As the hub's other events: lateness stays provable."""
OLDEST_DAYS: Final = 28
"""An id may not be older than 30 days: what fell due before is dated at the beginning of this many days ago."""
MAX_AUDIENCE: Final = 24


class Voice(Struct, frozen=True):
    """In whose name the clerk speaks: the log, its secret, and the basis that its statements rest on."""

    origin: str
    secret: bytes
    legal_basis: str

    def __repr__(self) -> str:
        return f"Voice({self.origin!r})"


class Said(Struct, frozen=True):
    """A statement as an event: everything but the signature."""

    info: SchemaInfo
    header: Header
    value: bytes
    item: Item

    def record(self, signature: bytes) -> Outgoing:
        """The record of the hub's outbox."""
        header = self.header
        headers = [*ce_headers(self.info, header), ("bus-signature", signature)]
        return Outgoing(out_topic(HUB, header.lane), header.thread, self.value, headers)


def statement_id(origin: str, fact: bytes, at_us: int) -> bytes:
    """The id of a fact that fell due at an instant."""
    digest = sha256(b"safeguard/id/v1\x00" + origin.encode() + b"\x00" + fact).digest()
    return uuid7_of((at_us // 1000).to_bytes(6, "big"), digest)


def fact_of(owed: Owed) -> bytes:
    """What is said, of what, about whom: the same for ever."""
    statement, case, duty = owed.statement, owed.case, owed.duty
    kind = NOTICE if duty is None else "Overdue"
    whose = (case.header.addressee or "", "") if duty is None else (duty.obligor, duty.row.id)
    words = b"\x00".join((f"{kind}.{statement.step}".encode(), case.header.event_id + whose[0].encode()))
    return b"\x00".join((words, whose[1].encode(), statement.number.to_bytes(4, "big")))


def dated(at_us: int, now_us: int) -> int:
    """When a statement is dated: at its due instant; after a long outage at the beginning of a day, UTC."""
    return max(at_us, (now_us // DAY_US - OLDEST_DAYS) * DAY_US)


def id_of(voice: Voice, owed: Owed, now_us: int, taken: Container[bytes] = ()) -> bytes:
    """The id of a statement's event; another, which only the clerk can know beforehand, where the id is taken."""
    event_id = statement_id(voice.origin, fact_of(owed), dated(owed.statement.at_us, now_us))
    return own_id(voice, event_id) if event_id in taken else event_id


def own_id(voice: Voice, event_id: bytes) -> bytes:
    """In place of an id that somebody else was first to use: the same instant, the rest made from the secret."""
    return uuid7_of(event_id[:6], _mac(voice, b"id", event_id))


def say(voice: Voice, owed: Owed, now_us: int, taken: Container[bytes] = ()) -> Said:
    """The event of a statement.

    Args:
        voice: in whose name.
        owed: what is to be said.
        now_us: the time, microseconds since 1970.
        taken: ids that events of others have.
    """
    at_us, event_id = dated(owed.statement.at_us, now_us), id_of(voice, owed, now_us, taken)
    info = registry.by_name(NOTICE if owed.duty is None else "Overdue")
    header = _header(voice, owed, event_id, at_us)
    salt = _mac(voice, b"salt", event_id)
    body = _repeated(owed.case, salt) if owed.duty is None else _overdue(owed.duty, owed.statement, salt)
    h, b, s = encode_header(info, header), encode_body(info, body), encode_sealed(None)
    digest = commitment(info.fingerprint, h, b, s)
    return Said(info, header, assemble(info, h, b, s), (digest, len(h), len(b), info.fingerprint))


def _mac(voice: Voice, what: bytes, event_id: bytes) -> bytes:
    return hmac.digest(voice.secret, what + b"\x00" + event_id, "sha256")


def _header(voice: Voice, owed: Owed, event_id: bytes, at_us: int) -> Header:
    case, duty, statement = owed.case, owed.duty, owed.statement
    about = case.header
    return Header(
        nonce=_mac(voice, b"nonce", event_id)[:16],
        event_id=event_id,
        hub=voice.origin,
        issuer=HUB,
        thread=about.thread,
        lane=about.lane,
        on_behalf_of=None,
        step=statement.step,
        about=about.event_id,
        supersedes=None,
        causes=(),
        case=None,
        issued_at=at_us,
        effect_at=statement.effect_us,
        addressee=about.addressee if duty is None else duty.obligor,
        deadline=about.deadline if duty is None else duty.row.id,
        due_at=about.due_at if duty is None else statement.due_us,
        audience=_audience(owed),
        audit_nations=about.audit_nations,
        handling=about.handling,
        source_eval=None,
        info_eval=None,
        purpose=about.purpose,
        compulsion="voluntary",
        source_kind="government",
        legal_basis=voice.legal_basis,
        compartment=about.compartment,
        priority=about.priority,
        retain_until=at_us // DAY_US + RETAIN_DAYS,
        preserve_until=None,
    )


def _audience(owed: Owed) -> tuple[str, ...]:
    """Who asked and who owes; when it is escalated, everyone whom the issuer had told of it."""
    case, duty = owed.case, owed.duty
    whom = {case.header.issuer, (case.header.addressee or "") if duty is None else duty.obligor} - {HUB, ""}
    wide = whom | {org for org in case.header.audience if org[0] != "@"}  # an agreement may have ended since
    if case.type == NOTICE and owed.statement.step == "escalated" and len(wide) <= MAX_AUDIENCE:
        whom = wide
    return tuple(sorted(whom))


def _overdue(duty: Duty, statement: Statement, salt: bytes) -> OverdueBody:
    return OverdueBody(
        salt=salt,
        deadline=duty.row.id,
        due_at=statement.due_us,
        late_s=statement.late_s,
        paused_s=statement.paused_s,
        excuse=None,
    )


def _repeated(case: Case, salt: bytes) -> TakedownNoticeBody:
    """The codes of the notice again; where the items are and why is sealed, and not ours to say."""
    body: TakedownNoticeBody = case.body
    return structs.replace(body, salt=salt)
