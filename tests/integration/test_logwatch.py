"""The check of the published log on a real hub: its publisher's files, over HTTP, against what Kafka delivers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bus.errors import CheckFailed
from bus.kafka.records import Record
from bus.partner import Delivery, Journal, KafkaTransport, Profile, Subscriber
from bus.partner.logmemory import LogMemory
from bus.partner.transport import GroupReads, Reads, Writes
from bus.sandbox.lifecycle import Sandbox
from tests.integration.test_partner import SandboxPlace
from tests.patience import PATIENT_S, until_true


@pytest.fixture
async def place(sandbox: Sandbox, tmp_path: Path) -> SandboxPlace:
    """The sandbox, with the receiver at the end of its inboxes."""
    made = SandboxPlace(sandbox, tmp_path)
    async with made.subscriber(made.receiver, follow=False) as subscriber:
        async for delivery in subscriber:
            await delivery.done()
    return made


async def publish(place: SandboxPlace) -> int:
    """Publish one event to the receiver; its index."""
    async with place.publisher(place.sender) as publisher:
        outcome = await publisher.publish(place.event(issuer=place.sender, to=place.receiver))
    assert outcome.outcome == "accepted"
    assert outcome.index is not None
    return outcome.index


def quick(profile: Profile, within_s: float) -> Profile:
    """The profile, with less patience."""
    assert profile.log is not None
    return structs.replace(profile, log=structs.replace(profile.log, within_s=within_s))


async def first_at(subscriber: Subscriber, index: int) -> Delivery:
    """The delivery of an entry; all up to it are done."""
    async with asyncio.timeout(PATIENT_S):
        async for delivery in subscriber:
            await delivery.done()
            if delivery.index == index:
                return delivery
    raise AssertionError


def waiting(profile: Profile) -> int:
    """How many leaves are still looked for."""
    with Journal(profile.journal_file) as journal:
        return LogMemory(journal, profile.origin).waiting()


async def test_what_an_honest_hub_delivers_is_found_in_its_log(place: SandboxPlace) -> None:
    """Every delivery turns up under a checkpoint within the time, and nothing is an alarm."""
    profile = quick(place.profile(place.receiver), PATIENT_S)
    async with Subscriber(profile, strict=True) as subscriber:
        for _ in range(3):
            assert (await first_at(subscriber, await publish(place))).status == "ok"

        async def found() -> bool:
            await subscriber.look_into_log()
            return waiting(profile) == 0

        await until_true(found, "the log has what was delivered")
        assert subscriber.alarms == ()


def test_consume_is_content_with_an_honest_hub(sandbox: Sandbox) -> None:
    """Everything an inbox still has is in the log, but for the newest, and the exit code says so."""
    command = [sys.executable, "-m", "bus", "consume", "--as", SandboxPlace.receiver, "--from-start"]
    env = {**os.environ, "BUS_HOME": str(sandbox.home.root)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ALARM" not in done.stderr


async def test_a_log_that_stands_still_is_told_and_heard_again(place: SandboxPlace, sandbox: Sandbox) -> None:
    """While the publisher is down nothing that comes is found; that is an alarm after the time, and passes."""
    profile = quick(place.profile(place.receiver), 2)
    await sandbox.stop("publisher")
    try:
        async with Subscriber(profile) as subscriber:
            await first_at(subscriber, await publish(place))

            async def alarmed() -> bool:
                return bool(subscriber.alarms)

            await until_true(alarmed, "the log is away for too long")
            assert {alarm.problem for alarm in subscriber.alarms} == {"unavailable"}
            assert waiting(profile) > 0
            await sandbox.start("publisher")

            async def found() -> bool:
                await subscriber.look_into_log()
                return waiting(profile) == 0

            await until_true(found, "the log has what was delivered")
    finally:
        await sandbox.start("publisher")


class Operator:
    """A broker whose operator dates one inbox record otherwise than the ledger has it."""

    def __init__(self, profile: Profile, index: int) -> None:
        self._honest = KafkaTransport(profile.connection())
        self._index = b"%d" % index
        self.forged: list[int] = []

    def writer(self, client_id: str) -> AbstractAsyncContextManager[Writes]:
        """As it is."""
        return self._honest.writer(client_id)

    def reader(self, client_id: str) -> AbstractAsyncContextManager[Reads]:
        """As it is: the directory is read so."""
        return self._honest.reader(client_id)

    @asynccontextmanager
    async def group_reader(self, client_id: str, group: str) -> AsyncGenerator[GroupReads]:
        """The inboxes."""
        async with self._honest.group_reader(client_id, group) as reader:
            honest = reader.read

            async def read(*given: Any, **named: Any) -> list[Record]:
                return self._forge(await honest(*given, **named))

            reader.read = read  # type: ignore[method-assign]
            yield reader

    def _forge(self, records: Sequence[Record]) -> list[Record]:
        return [
            structs.replace(record, headers=tuple(map(self._redate, record.headers)))
            if record.header("bus-index") == self._index
            else record
            for record in records
        ]

    def _redate(self, named: tuple[str, bytes]) -> tuple[str, bytes]:
        name, held = named
        if name != "bus-entry":
            return named
        self.forged.append(1)
        return name, held[:9] + bytes([held[9] ^ 1]) + held[10:]


async def test_a_delivery_that_is_not_what_was_recorded_is_told(place: SandboxPlace) -> None:
    """Its signature holds and its leaf fits it, so it is delivered; the log has another leaf at the index."""
    profile = place.profile(place.receiver)
    index = await publish(place)
    operator = Operator(profile, index)
    async with Subscriber(profile, transport=operator) as subscriber:
        delivery = await first_at(subscriber, index)
        assert (delivery.status, len(operator.forged)) == ("ok", 1)

        async def alarmed() -> bool:
            return bool(await subscriber.look_into_log())

        await until_true(alarmed, "the log has something else")
        [alarm] = subscriber.alarms
    assert (alarm.kind, alarm.problem, alarm.index) == ("not-in-log", "foreign", index)


async def test_a_strict_subscriber_does_not_go_on(place: SandboxPlace) -> None:
    """What came is handed out, and after the alarm nothing more is."""
    profile = place.profile(place.receiver)
    operator = Operator(profile, await publish(place))
    async with Subscriber(profile, transport=operator, strict=True) as subscriber:
        with pytest.raises(CheckFailed, match="something else there"):
            await first_at(subscriber, -2)
