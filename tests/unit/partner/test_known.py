"""Learning the directory: what counts, and what is reported and skipped."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from bus.errors import InvalidEvent
from bus.partner.known import Known
from bus.testing import MemoryBus, World
from bus.trust.keys import KeyRing
from tests.unit.partner.places import MemoryPlace

DIRECTORY = "hub.directory"


def learn(place: MemoryPlace, records: list[Any]) -> tuple[Known, list[str]]:
    """Take records; what is known then, and the problems."""
    known = Known(place.world.origin, place.world.hub.signing.public_key)
    with capture_logs() as logs:
        known.take(records)
    return known, [entry["problem"] for entry in logs if entry["event"] == "directory.invalid"]


async def test_everybody_is_known_with_keys(place: MemoryPlace) -> None:
    """From the whole topic one learns every organisation and every key."""
    known, problems = learn(place, place.bus.topics[DIRECTORY])
    assert problems == []
    directory = known.directory
    assert directory.origin == place.world.origin
    for org, member in place.world.members.items():
        assert directory.is_admitted(org)
        assert directory.public_key(member.keys.signing.key_id) == member.keys.signing.public_key
        [key] = directory.sealing_keys(org, place.now_us())
        assert key.key_id == member.keys.sealing[0].key_id


async def test_a_log_opened_with_another_key_than_the_pinned_one_is_nothing(place: MemoryPlace) -> None:
    """Trust starts in the profile: what another hub signed is not believed, all of it."""
    known = Known(place.world.origin, KeyRing.generate().signing.public_key)
    with capture_logs() as logs:
        known.take(place.bus.topics[DIRECTORY])
    assert known.directory.origin is None
    assert len(logs) == len(place.bus.topics[DIRECTORY])


async def test_a_changed_record_is_skipped_and_reported(place: MemoryPlace) -> None:
    """Whose record was changed stays unknown; the others are known."""
    records = list(place.bus.topics[DIRECTORY])
    value = records[1].value or b""
    records[1] = structs.replace(records[1], value=value[:-9] + bytes([value[-9] ^ 1]) + value[-8:])
    known, problems = learn(place, records)
    assert problems[0] == "leaf-mismatch"
    assert sorted(known.directory.organisations) == ["hub", "platform-one", "police-south"]


async def test_a_record_counts_once(place: MemoryPlace) -> None:
    """The same record again changes nothing and is reported."""
    records = list(place.bus.topics[DIRECTORY])
    known, problems = learn(place, [*records, records[2]])
    assert problems == ["directory-conflict"]
    assert len(known.directory.organisations) == len(place.world.members) + 1


async def test_only_the_hub_admits(place: MemoryPlace) -> None:
    """An admission that a member signed does not count, should the hub pass it on."""
    rogue = World(place.world.home / "rogue")
    rogue.hub = place.world.keys(place.sender)
    bus = MemoryBus(rogue.hub.signing, origin=rogue.origin)
    await rogue.found(bus.transport("hub"))
    known, problems = learn(place, [*place.bus.topics[DIRECTORY], *bus.topics[DIRECTORY]])
    assert len(problems) == len(bus.topics[DIRECTORY])
    assert known.directory.organisations == learn(place, place.bus.topics[DIRECTORY])[0].directory.organisations


async def test_an_event_of_an_inbox_is_no_directory_event(place: MemoryPlace) -> None:
    """A true event in the wrong topic is reported and skipped."""
    async with place.publisher(place.sender) as publisher:
        await publisher.publish(place.event(issuer=place.sender, to=place.receiver))
    _, problems = learn(place, [*place.bus.topics[DIRECTORY], place.bus.topics["in.hotline-east"][0]])
    assert problems == ["directory-conflict"]


async def test_without_a_directory_nothing_can_be_sealed(tmp_path: Any) -> None:
    """Before the log is opened there are no keys, and the error names who lacks one."""
    empty = MemoryPlace(tmp_path)
    async with empty.publisher(empty.sender) as publisher:
        with pytest.raises(InvalidEvent, match="hotline-east"):
            await publisher.publish(empty.event(issuer=empty.sender, to=empty.receiver))
