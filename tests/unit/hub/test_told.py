"""A signed receipt binds the hub: a ledger that lacks what it speaks of is older, and one that differs has forked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from bus.errors import StartRefused
from bus.hub.receipts import sign_receipts
from bus.hub.told import check_told, hub_keys, read_receipt
from bus.kafka.records import Outgoing, Record
from bus.ledger.store import Head
from bus.repair.heard import Heard
from bus.trust.batch import BatchVerifier
from bus.trust.keys import SigningKey
from tests.unit.hub.support import ORIGIN, World


class Hashes:
    """A ledger that knows its leaf hashes."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._hashes = hashes

    async def fetch(self, _query: str, index: int) -> list[dict[str, bytes]]:
        """One of them."""
        return [{"leaf_hash": self._hashes[index]}]


@pytest.fixture
def world() -> World:
    """An open log, in which a platform has said something."""
    world = World().open()
    world.sequence([world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",)))])
    return world


def receipts(world: World, key: SigningKey | None = None, **change: Any) -> list[Record]:
    """The receipts of the last flush, as they lie in their topics."""
    built = world.built[-1]
    items = {owner: [replace(one, **change) for one in some] for owner, some in built.items.items()}
    signed = sign_receipts(
        key or world.rings["hub"].signing,
        ORIGIN,
        first_index=built.first_index,
        last_index=built.frontier.size - 1,
        time_us=built.time_us,
        items=items,
    )
    return [arrived(record) for record in signed.records]


def arrived(record: Outgoing) -> Record:
    """A record as a reader gets it."""
    return Record(record.topic, 0, 0, record.key, record.value, tuple(record.headers))


async def check(world: World, told: Sequence[Record], size: int | None = None) -> None:
    """Hold receipts against a ledger of some size, by default the whole one."""
    hashes = [row[2] for built in world.built for row in built.rows.entry]
    frontier = world.state.frontier
    head = Head(len(hashes) if size is None else size, frontier.root(), frontier, 1, 0, 0)
    ledger: Any = Hashes(hashes)
    await check_told(ledger, head, world.state.directory, told)


async def test_a_ledger_that_has_what_was_told_starts(world: World) -> None:
    """And one of which nothing was told."""
    await check(world, receipts(world))
    await check(world, [])


async def test_a_ledger_older_than_a_receipt_is_refused(world: World) -> None:
    """Refusals and repeats are delivered to nobody: a receipt alone knows of them."""
    with pytest.raises(StartRefused, match="does not reach that far: the database is older than what senders"):
        await check(world, receipts(world), size=world.state.frontier.size - 1)


async def test_a_ledger_with_another_entry_there_is_refused(world: World) -> None:
    """It was rolled back, and has gone on."""
    with pytest.raises(StartRefused, match="is not the one that a signed receipt speaks of"):
        await check(world, receipts(world, leaf_hash=bytes(32)))


async def test_what_the_hub_has_not_signed_stops_nothing(world: World) -> None:
    """Another organisation's key, a stranger's, garbage: whoever can write there cannot keep the hub down."""
    for key in (world.rings["pixelpost"].signing, SigningKey(bytes(32))):
        await check(world, receipts(world, key, index=10**6))
    await check(world, [Record("receipts.pixelpost", 0, 0, None, b"\x00garbage", (("bus-signature", b"x"),))])
    assert read_receipt(receipts(world)[0], "another.log", BatchVerifier(), hub_keys(world.state.directory)) is None


def test_two_things_told_of_one_entry_are_a_contradiction(world: World) -> None:
    """Two receipts, two inboxes, or one against the other; the same twice is none."""
    item = next(iter(world.built[-1].items.values()))[0]
    leaf = world.built[-1].rows.entry[0][1]
    for told, found in (
        (lambda heard: (heard.receipt(item), heard.receipt(item), heard.delivered(item.index, leaf)), None),
        (lambda heard: (heard.receipt(item), heard.receipt(replace(item, leaf_hash=bytes(32)))), item.index),
        (lambda heard: (heard.delivered(7, leaf), heard.delivered(7, bytes(374))), 7),
        (lambda heard: (heard.receipt(item), heard.delivered(item.index, bytes(374))), item.index),
    ):
        heard = Heard(0)
        told(heard)
        assert heard.contradiction == found
