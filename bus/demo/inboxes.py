"""The other end: inboxes read with their owners' own logins, and counted record by record as they fill."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bus.demo.edition import LINE, Edition
from bus.demo.tally import Tally
from bus.errors import BusError, CheckFailed
from bus.events.codec import FRAME, Decoded, decode, decode_plaintext
from bus.events.ids import parse_uuid
from bus.events.names import HUB, LANES, in_topic
from bus.kafka.reader import Reader
from bus.kafka.records import Record
from bus.partner.profile import Profile
from bus.trust.keys import KeyRing
from bus.trust.sealing import unseal

STILL_S = 180.0
"""An inbox that is owed something and gets nothing for so long will not get it."""


class Statement(Struct, frozen=True):
    """The clerk's word on somebody's lateness: where it stands, and the seconds."""

    index: int
    late_s: int


class Inbox:
    """What one organisation has got of an edition."""

    def __init__(self, edition: Edition) -> None:
        self.tally = Tally()
        self.others: Counter[bytes] = Counter()
        self.records = 0
        self.twice = 0
        self._edition = edition
        self.statements: dict[tuple[bytes, str, str], Statement] = {}
        self._lines: dict[bytes, bytes] = {}
        self._seen: dict[int, bytearray] = {}

    def take(self, record: Record) -> None:
        """Count one record; what is of no edition is only named."""
        event_id = parse_uuid((record.header("ce_id") or b"").decode())
        place = self._edition.number(event_id)
        if place is None or record.value is None:
            self._other(event_id, record)
            return
        self.records += 1
        self.twice += self._again(*place)
        if place[0] == LINE:
            self._lines[event_id] = record.value
        else:
            decoded = decode(record.value)
            self.tally.take(self._edition, decoded.info.name, decoded.header, decoded.body)

    def _other(self, event_id: bytes, record: Record) -> None:
        """Something that is no event of the edition; the clerk may speak about one that is."""
        self.others[event_id] += 1
        if record.value is None or not (record.header("ce_type") or b"").startswith(b"org.safeguard.Overdue."):
            return
        header, body = decode(record.value)[1:3]
        if header.issuer == HUB and header.about is not None and header.addressee is not None:
            index = int((record.header("bus-index") or b"0").decode())
            key = (header.about, header.step, header.addressee)
            self.statements.setdefault(key, Statement(index, body.late_s))

    def _again(self, kind: int, number: int) -> bool:
        """Whether it was there before: a byte for each event."""
        seen = self._seen.setdefault(kind, bytearray())
        if number >= len(seen):
            seen.extend(bytes(number + 4096 - len(seen)))
        seen[number] += 1
        return seen[number] > 1

    def has(self, event_id: bytes) -> bool:
        """Whether a line's event is there."""
        return event_id in self._lines

    def line(self, event_id: bytes) -> bytes:
        """The value of a line's event."""
        return self._lines[event_id]


class Inboxes:
    """The inboxes of several organisations, from where the edition began. An async context manager.

    Args:
        profiles: whose.
        edition: what is told; its ``offsets`` are where to begin, where it was begun before.

    Attributes:
        of: what each organisation has got.
        began: the offset of each topic at which reading began.
    """

    def __init__(self, profiles: Mapping[str, Profile], edition: Edition) -> None:
        self._profiles, self._edition = profiles, edition
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._came = asyncio.Condition()
        self._error: BusError | None = None
        self.began: dict[str, int] = {}
        self.of = {org: Inbox(edition) for org in profiles}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            readers = await asyncio.gather(*(_open(profile) for profile in self._profiles.values()))
            for reader in readers:
                stack.push_async_exit(reader)
            stack.push_async_callback(self._stop)
            for org, reader in zip(self._profiles, readers, strict=True):
                topics = [in_topic(org, lane) for lane in LANES]
                self.began |= await reader.assign(
                    {topic: self._edition.offsets.get(topic, "latest") for topic in topics}
                )
                self._tasks.append(asyncio.create_task(self._read(org, reader)))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, org: str, reader: Reader) -> None:
        inbox = self.of[org]
        try:
            while True:
                records = await reader.read(max_records=500)
                for record in records:
                    inbox.take(record)
                if records:
                    await self._tell()
        except Exception as error:
            self._error = error if isinstance(error, BusError) else BusError(f"{type(error).__name__} in an inbox")
            await self._tell()
            raise

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def until(self, holds: Callable[[], bool], what: Callable[[], str]) -> None:
        """Wait until something holds of the inboxes.

        Raises:
            CheckFailed: nothing came for long, and it does not hold; ``what`` says what is missing.
            BusError: an inbox cannot be read any more.
        """
        async with self._came:
            while not holds():
                if self._error is not None:
                    raise self._error
                try:
                    async with asyncio.timeout(STILL_S):
                        await self._came.wait()
                except TimeoutError:
                    raise CheckFailed(what(), hint="`bus sandbox status` names the courier's log.") from None

    async def heard(self, org: str, event_id: bytes) -> None:
        """Wait until an organisation has a line's event in its inbox."""
        inbox = self.of[org]
        await self.until(lambda: inbox.has(event_id), lambda: f"event {event_id.hex()} has not come to {org}")

    async def statement(self, hearer: str, about: bytes, step: str, who: str) -> Statement:
        """Wait until the clerk has stated something of somebody's lateness, and an organisation has heard it."""
        found = self.of[hearer].statements
        key = (about, step, who)
        await self.until(lambda: key in found, lambda: f"the clerk has not said that {who} is {step}")
        return found[key]

    async def all_of(self, owed: Mapping[str, int]) -> int:
        """Wait until everybody has exactly what was decided for them; how many records that are.

        Raises:
            CheckFailed: something did not come, or came twice.
        """
        await self.until(
            lambda: all(self.of[org].records >= n for org, n in owed.items()),
            lambda: "; ".join(f"{org} has {self.of[org].records} of {n}" for org, n in owed.items()),
        )
        for org, inbox in self.of.items():
            if inbox.records != owed.get(org, 0) or inbox.twice:
                raise CheckFailed(
                    f"{org} was owed {owed.get(org, 0)} records and got {inbox.records}, {inbox.twice} of them twice",
                    hint="`bus sandbox status` names the courier's log.",
                )
        return sum(owed.values())

    def event(self, org: str, event_id: bytes) -> Decoded:
        """An event of a line as a recipient has it."""
        return decode(self.of[org].line(event_id))

    def unsealed(self, org: str, event_id: bytes) -> Any:
        """What was sealed in an event, opened with a recipient's own key.

        Raises:
            Malformed: it is not sealed for this organisation.
        """
        value, profile = self.of[org].line(event_id), self._profiles[org]
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


async def _open(profile: Profile) -> Reader:
    return await Reader(profile.connection(), f"bus-demo-{profile.organisation}").__aenter__()
