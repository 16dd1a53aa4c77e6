"""The other end: inboxes read with their owners' own logins, and counted record by record."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from bus.errors import CheckFailed
from bus.events.codec import FRAME, decode, decode_plaintext
from bus.events.ids import parse_uuid
from bus.events.names import LANES, in_topic
from bus.kafka.reader import Reader
from bus.kafka.records import Record
from bus.partner.profile import Profile
from bus.trust.keys import KeyRing
from bus.trust.sealing import unseal

DELIVERY_TIMEOUT_S = 60.0


class Inboxes:
    """The inboxes of several organisations, from the moment of opening on. An async context manager."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = profiles
        self._readers: dict[str, Reader] = {}
        self._stack = AsyncExitStack()
        self._found: dict[str, Counter[bytes]] = {org: Counter() for org in profiles}
        self._values: dict[tuple[str, bytes], bytes] = {}

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        made = await asyncio.gather(*(self._open(profile) for profile in self._profiles.values()))
        for org, reader in zip(self._profiles, made, strict=True):
            self._stack.push_async_exit(reader)
            self._readers[org] = reader
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _open(self, profile: Profile) -> Reader:
        reader = Reader(profile.connection(), f"bus-demo-{profile.organisation}")
        await reader.__aenter__()
        await reader.assign({in_topic(profile.organisation, lane): "latest" for lane in LANES})
        return reader

    async def wait(self, expected: Mapping[str, Sequence[bytes]]) -> int:
        """Read until everybody has what was decided for them; how many records that are.

        Raises:
            CheckFailed: something did not come in time, or came twice.
        """
        deadline = time.monotonic() + DELIVERY_TIMEOUT_S
        await asyncio.gather(*(self._read(org, expected.get(org, ()), deadline) for org in self._readers))
        wanted = {(org, event_id) for org, ids in expected.items() for event_id in ids}
        counts = {(org, event_id): self._found[org][event_id] for org, event_id in wanted}
        wrong = {key for key, n in counts.items() if n != 1}
        if wrong:
            org, event_id = min(wrong)
            raise CheckFailed(
                f"{len(wrong)} deliveries are not there exactly once: event {event_id.hex()} stands"
                f" {counts[org, event_id]} times in the inbox of {org}",
                hint="`bus sandbox status` names the courier's log.",
            )
        return sum(counts.values())

    async def heard(self, org: str, event_id: bytes) -> None:
        """Wait until an organisation has an event in its inbox.

        Raises:
            CheckFailed: it does not come in time.
        """
        await self._read(org, [event_id], time.monotonic() + DELIVERY_TIMEOUT_S)
        if not self._found[org][event_id]:
            raise CheckFailed(f"event {event_id.hex()} has not come to {org}", hint="See the courier's log.")

    async def _read(self, org: str, expected: Sequence[bytes], deadline: float) -> None:
        missing = set(expected) - self._found[org].keys()
        while missing and time.monotonic() < deadline:
            for record in await self._readers[org].read():
                event_id = _event_id(record)
                self._found[org][event_id] += 1
                self._values[org, event_id] = record.value or b""
                missing.discard(event_id)

    def unsealed(self, org: str, event_id: bytes) -> Any:
        """What was sealed in an event, opened with a recipient's own key.

        Raises:
            Malformed: it is not sealed for this organisation.
        """
        value, profile = self._values[org, event_id], self._profiles[org]
        decoded = decode(value)
        assert decoded.sealed is not None
        key = KeyRing.load(profile.key_file).sealing_key(wrap.key_id for wrap in decoded.sealed.wraps)
        assert key is not None
        plain = unseal(
            decoded.sealed,
            key,
            origin=profile.origin,
            issuer=decoded.header.issuer,
            event_id=event_id,
            fp=decoded.info.fingerprint,
            header=value[FRAME : decoded.header_end],
        )
        return decode_plaintext(decoded.info, plain)


def _event_id(record: Record) -> bytes:
    """The event's id as Kafka tools see it."""
    return parse_uuid(dict(record.headers).get("ce_id", b"").decode())
