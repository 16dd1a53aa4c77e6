"""What an organisation knows of the others: the directory, learnt from ``hub.directory`` and checked on the way.

The topic is read from its start. A record counts only if its leaf and signature hold, the first opens the log with
the very hub key that the profile pins, and each fits what stands before it. One that does not is reported and
skipped: then its organisation or key is unknown here, and what rests on it is refused.

That a record stands in the published log it cannot see by itself. Whoever looks there (:mod:`bus.partner.logwatch`) is
given every record's leaf: an operator who shows one member an admission or a key that nobody else sees is found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog

from bus.errors import InvalidEvent
from bus.events.names import HUB, HUB_DIRECTORY
from bus.kafka.records import Record
from bus.nearest import did_you_mean, nearest
from bus.partner.inbox import Checker
from bus.partner.logmemory import Seen
from bus.partner.profile import Profile
from bus.partner.transport import KafkaTransport, Reads, Transport
from bus.tlog.tree import leaf_hash
from bus.trust.directory import Directory

log = structlog.get_logger("bus.partner")


class Known:
    """Folds directory records into a :class:`~bus.trust.directory.Directory`. Pure."""

    def __init__(self, origin: str, hub_key: bytes) -> None:
        self.directory = Directory()
        self._hub_key = hub_key
        self._checker = Checker(origin, hub_key)
        self._taken: set[int] = set()
        self._told: list[Seen] = []

    def take(self, records: Sequence[Record]) -> None:
        """Take records in the order of the topic."""
        for record in records:
            problem = self._take(record)
            if problem is not None:
                log.error("directory.invalid", offset=record.offset, problem=problem)

    def told(self) -> list[Seen]:
        """The leaves of all records since this was asked last: the log must have them, whether they count or not."""
        told, self._told = self._told, []
        return told

    def _take(self, record: Record) -> str | None:
        """Take one record; why it does not count, if it does not."""
        [checked] = self._checker.check([record], self.directory)
        if checked.arrival is not None:
            self._told.append(Seen(checked.arrival.index, leaf_hash(checked.arrival.leaf.encode())))
        if checked.problem is not None or checked.decoded is None or checked.arrival is None:
            return checked.problem or "withheld"
        info, header, body = checked.decoded.info, checked.decoded.header, checked.decoded.body
        index = checked.arrival.index
        if not info.directory or index in self._taken:
            return "directory-conflict"
        if info.name == "LogOpened" and body.hub_key != self._hub_key:
            return "hub-key-not-pinned"
        if header.issuer != HUB and (info.name, header.issuer) != ("KeyRegistered", body.org):
            return "not-governance"
        conflict = self.directory.conflict(info, body)
        if conflict is None:
            self.directory = self.directory.apply(info, header, body, index)
            self._taken.add(index)
        return conflict


class DirectoryReader:
    """Keeps a :class:`Known` up to date with the topic."""

    def __init__(self, profile: Profile, transport: Transport, client_id: str) -> None:
        self._known = Known(profile.origin, profile.hub_key)
        self._transport = transport
        self._client_id = client_id
        self._stack = AsyncExitStack()
        self._reader: Reads | None = None

    @property
    def directory(self) -> Directory:
        """The directory as far as it was read."""
        return self._known.directory

    def told(self) -> list[Seen]:
        """The leaves of what was read since this was asked last."""
        return self._known.told()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._reader = await stack.enter_async_context(self._transport.reader(self._client_id))
            await self._reader.assign({HUB_DIRECTORY: "earliest"})
            await self.refresh()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def refresh(self) -> Directory:
        """Read to the present end of the topic.

        Raises:
            NotAllowed, Unavailable: the topic cannot be read.
        """
        assert self._reader is not None
        end = (await self._reader.end_offsets([HUB_DIRECTORY]))[HUB_DIRECTORY]
        while await self._reader.position(HUB_DIRECTORY) < end:
            self._known.take(await self._reader.read())
        return self.directory


async def read_directory(profile: Profile, client_id: str) -> Directory:
    """The directory as it stands now.

    Raises:
        Unavailable, NotAllowed: it cannot be read.
    """
    async with DirectoryReader(profile, KafkaTransport(profile.connection()), client_id) as reader:
        return reader.directory


NOBODY = "Nobody of that id was admitted."
"""The hint where the directory has nobody of an id, and nobody of one like it."""


def strangers(directory: Directory, members: Sequence[str]) -> dict[str, list[str]]:
    """Who of these the directory does not have, each with the ids that are most like it."""
    known = {*directory.organisations, *directory.agreements, HUB}
    return {one: nearest(one, known) for one in members if one not in known}


def unsealable(directory: Directory, org: str) -> InvalidEvent:
    """Why nothing can be sealed for an organisation: nobody has that id, or whoever has it registered no key."""
    found = strangers(directory, [org])
    if org in found:
        return InvalidEvent("header.audience", f"the directory has no {org}", hint=did_you_mean(found[org]) or NOBODY)
    return InvalidEvent(
        "header.audience",
        f"{org} has no sealing key, so nothing can be sealed for it",
        hint="Ask it to register one, or leave it out of the audience.",
    )
