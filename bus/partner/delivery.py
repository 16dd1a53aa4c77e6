"""What a subscriber hands out: one entry of the ledger that was addressed to it, checked and opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct, structs

from bus.errors import Malformed
from bus.events.codec import Decoded, decode_plaintext
from bus.events.jsonform import to_json
from bus.partner.inbox import FRAMING, UNKNOWN_SCHEMA, Checked
from bus.partner.recalls import RECALL, Recalled
from bus.tlog.leaf import Leaf
from bus.trust.keys import KeyRing
from bus.trust.sealing import unseal

Status = Literal["ok", "recalled", "withheld", "needs-upgrade", "invalid"]

NOT_SEALED_TO_US = "not-sealed-to-us"


class Opened(Struct, frozen=True, gc=False):
    """What is inside a record; ``problem`` is a code, None where all is well."""

    status: Status
    decoded: Decoded | None = None
    plaintext: Any = None
    problem: str | None = None


class Delivery(Struct, frozen=True):
    """One delivery.

    Attributes:
        index: its place in the ledger; -1 if the record is too broken to say.
        seq: its gapless number in this inbox, from 0; None if the record is too broken to say.
        lane: bulk or urgent.
        status: ``ok``: signed, recorded, opened and well-formed. ``recalled``: it was recalled before it was handed
            out; ``problem`` is the recall's reason, and its content is left out unless the subscriber shows it.
            ``withheld``: the hub no longer gives the content; ``problem`` is its reason. ``needs-upgrade``: signed and
            recorded, of a schema that this version does not know; ``value`` keeps it. ``invalid``: something does not
            hold; ``problem`` is a code.
        missing: how many numbers before this one did not come: more than 0 is an alarm.
        leaf: what the ledger's tree holds of it.
        value: the Kafka value, as signed.
        signature: the ``bus-signature`` header.
        decoded: header and body, where they could be read.
        plaintext: what was sealed, as a struct. Of a recall that does not name this organisation there is none:
            ``problem`` is ``not-sealed-to-us``, and what is asked stands in the body.
        recalled: the recall, where the status is ``recalled``.
        recalls: of a recall: what it says, and whether its target was handed out here before.
        offset: where it stands in the inbox's topic; for programs that keep their place themselves.
    """

    index: int
    seq: int | None
    lane: str
    status: Status
    problem: str | None
    missing: int
    leaf: Leaf | None
    value: bytes | None
    signature: bytes | None
    decoded: Decoded | None
    plaintext: Any
    offset: int
    mark: Callable[[], Awaitable[None]]
    recalled: Recalled | None = None
    recalls: Recalled | None = None

    @property
    def event_id(self) -> bytes | None:
        """The event's id, also where its content is gone."""
        return None if self.leaf is None else self.leaf.event_id

    @property
    def event(self) -> dict[str, Any] | None:
        """The event in its JSON form, where it could be read."""
        if self.decoded is None:
            return None
        info, header, body, sealed, *_ = self.decoded
        return to_json(info, header, body, sealed if self.plaintext is None else self.plaintext)

    async def done(self) -> None:
        """Say that it is handled: it will not come again.

        What is not done comes again after a restart. Deliveries may be done in any order.
        """
        await self.mark()


def withdrawn(delivery: Delivery, recalled: Recalled, *, show: bool) -> Delivery:
    """A delivery that was recalled before it was handed out: without its content, unless that is to be shown."""
    if show:
        return structs.replace(delivery, status="recalled", problem=recalled.reason, recalled=recalled)
    return structs.replace(
        delivery, status="recalled", problem=recalled.reason, recalled=recalled,
        value=None, signature=None, decoded=None, plaintext=None,
    )  # fmt: skip


def open_checked(checked: Checked, keys: KeyRing, origin: str, organisation: str = "") -> Opened:
    """Open what was checked with one's own keys. Never raises: what does not fit is a problem of that record."""
    if checked.problem == UNKNOWN_SCHEMA:
        return Opened("needs-upgrade", problem=UNKNOWN_SCHEMA)
    if checked.problem is not None:
        return Opened("invalid", problem=checked.problem)
    if checked.decoded is None:
        assert checked.arrival is not None
        return Opened("withheld", problem=checked.arrival.withheld)
    decoded = checked.decoded
    if decoded.sealed is None:
        return Opened("ok", decoded)
    try:
        plaintext = _plaintext(checked, decoded, keys, origin)
    except Malformed as error:
        unnamed = decoded.info.name == RECALL and organisation not in decoded.header.audience
        status = "ok" if unnamed and error.reason == NOT_SEALED_TO_US else "invalid"
        return Opened(status, decoded, problem=error.reason)
    return Opened("ok", decoded, plaintext)


def _plaintext(checked: Checked, decoded: Decoded, keys: KeyRing, origin: str) -> Any:
    assert checked.arrival is not None
    assert checked.arrival.value is not None
    assert decoded.sealed is not None
    key = keys.sealing_key(wrap.key_id for wrap in decoded.sealed.wraps)
    if key is None:
        raise Malformed(NOT_SEALED_TO_US)
    plain = unseal(
        decoded.sealed,
        key,
        origin=origin,
        issuer=decoded.header.issuer,
        event_id=decoded.header.event_id,
        fp=decoded.info.fingerprint,
        header=checked.arrival.value[FRAMING : decoded.header_end],
    )
    return decode_plaintext(decoded.info, plain)
