"""Lost entries are made again by the notary's own code; what cannot be made again stands with its leaf, and is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bus.errors import LedgerError
from bus.events.ids import dashed
from bus.hub.nonces import nonces_of
from bus.hub.sequencer import Built, State, build
from bus.kafka.records import Outgoing, Record
from bus.ledger.store import Rows
from bus.paths import ops_dir
from bus.policy import Policy
from bus.repair.again import Again, Flush, topics_by_digest, windows
from bus.repair.told import Told
from bus.tlog import Frontier
from bus.trust.adoptions import adoption
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory
from bus.trust.keys import SigningKey
from tests.forge import now_us, with_header
from tests.unit.hub.support import MEMBERS, ORIGIN, World

TOPICS = [f"out.{org}{lane}" for org in ("hub", *MEMBERS) for lane in ("", ".urgent")]
COUNTS = ("intake", "recipients")
TABLES = tuple(name for name in Rows.__struct_fields__ if name not in {*COUNTS, "flush"})


class Lost:
    """A ledger that lost everything: it answers every question with nothing."""

    async def fetch(self, _query: str, *_args: object) -> list[Any]:
        """No rows."""
        return []


class History:
    """Everything that a hub recorded in one world: what was told of it, and the records."""

    def __init__(self) -> None:
        self.world = World().open()
        forge = self.world.forge
        first = forge.compose("chirpnest", forge.event("chirpnest", ("lighthouse",)))
        self.world.sequence(forge.sign("chirpnest", [first]))
        header = first.header
        about = {"about": dashed(header.event_id), "thread": header.thread.hex(), "lane": header.lane}
        thanks = forge.event("lighthouse", ("chirpnest",), "Acknowledgement", **about)
        self.world.sequence([forge.record("lighthouse", thanks)])
        self.world.sequence([forge.record("chirpnest", forge.event("chirpnest", ("lighthouse",), "Recall", **about))])
        hit = forge.record("pixelpost", forge.event("pixelpost", ("lighthouse", "polder-police")))
        forged = with_header(
            forge.record("chirpnest", forge.event("chirpnest", ("lighthouse",))), "bus-signature", None
        )
        more = forge.record("chirpnest", forge.event("chirpnest", ("lighthouse",)))
        self.world.sequence([hit, hit, forged, more])
        self.built: list[Built] = self.world.built
        self.told = [Told(row[0], row[2], row[1], None) for built in self.built for row in built.rows.entry]

    def records(self, arrived: Sequence[Record]) -> dict[tuple[str, int], Record]:
        """By outbox and offset."""
        return {(record.topic, record.offset): record for record in arrived}


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> tuple[History, dict[tuple[str, int], Record]]:
    """A history, and the records as they lie in their outboxes."""
    arrived: list[Record] = []
    arrive = World.arrive

    def noted(world: World, record: Outgoing) -> Record:
        arrived.append(arrive(world, record))
        return arrived[-1]

    monkeypatch.setattr(World, "arrive", noted)
    made = History()
    return made, made.records(arrived)


def hit(world: World) -> Outgoing:
    """Something that a platform says."""
    return world.forge.record("pixelpost", world.forge.event("pixelpost", ("lighthouse",)))


def copied(world: World, state: State | None = None, policy: Policy | None = None) -> State:
    """A copy of where a world, or another state, stands."""
    known = state or world.state
    return State(
        known.directory, known.frontier, known.time_us, policy or known.policy, dict(known.seqs), BatchVerifier()
    )


async def replay(
    history: History,
    records: Mapping[tuple[str, int], Record],
    key: SigningKey | None = None,
    given: Mapping[int, Mapping[tuple[str, str], int]] = {},
) -> Flush:
    """All of it in one flush, from nothing."""
    world = history.world
    state = State(Directory(), Frontier(), 0, Policy.load(), {}, BatchVerifier())
    hub = world.rings["hub"].signing
    nonces = nonces_of(key or hub)
    again = Again(Lost(), state, nonces, hub, ORIGIN, topics_by_digest(TOPICS), given)  # pyright: ignore[reportArgumentType]
    return await again.flush(history.told, records)


async def test_with_all_records_every_row_comes_back(history: tuple[History, dict[tuple[str, int], Record]]) -> None:
    """Accepted, repeated and refused entries, decisions, numbers and offsets are what they were, byte for byte."""
    past, records = history
    made = await replay(past, records)
    assert made.partial == []
    assert made.frontier == past.world.state.frontier
    for name in TABLES:
        before = [row for built in past.built for row in getattr(built.rows, name)]
        assert before or name == "subtree", f"the history has no row of {name}"
        assert getattr(made.rows, name) == before, name
    for name in COUNTS:
        merged: dict[Any, int] = {}
        for built in past.built:
            merged.update(getattr(built.rows, name))
        assert getattr(made.rows, name) == merged


async def test_entries_of_several_policies_come_back_with_the_first_file_at_hand() -> None:
    """The policy changed among what was lost: the file says the old one, the log's own adoption has the new one's text."""
    arrived: list[Record] = []
    first = (ops_dir() / "policy.toml").read_text(encoding="utf-8")
    second = first.replace("past_days = 30", "past_days = 31")
    world = World().open()
    said = [world.directory_event("PolicyAdopted", body) for body in adoption("policy", "policy", second)]
    start, begun = copied(world), len(world.built)
    for record, policy in zip([*said, hit(world), hit(world)], (first, first, second), strict=True):
        world.state.policy = Policy.parse(policy.encode())
        (candidate,) = world.look([record])
        arrived.append(candidate.record)
        world.built.append(build(world.state, [candidate], world.accepted, now_us(), world.nonces))
    told = [Told(row[0], row[2], row[1], None) for built in world.built[begun:] for row in built.rows.entry]
    records = {(record.topic, record.offset): record for record in arrived}
    hub = world.rings["hub"].signing

    def again(policy: str) -> Again:
        state = copied(world, start, Policy.parse(policy.encode()))
        return Again(Lost(), state, nonces_of(hub), hub, ORIGIN, topics_by_digest(TOPICS), {})  # pyright: ignore[reportArgumentType]

    made = await again(first).flush(told, records)
    assert (made.partial, made.frontier) == ([], world.state.frontier)
    with pytest.raises(LedgerError, match="put that policy file in its place"):
        await again(second).flush(told, records)


async def test_without_its_record_an_entry_stands_alone_and_those_behind_it_are_whole(
    history: tuple[History, dict[tuple[str, int], Record]],
) -> None:
    """What stood in inboxes says how numbers go on behind it; where nothing does, a decision is left out, not made up."""
    past, records = history
    at = len(past.told) - 4
    lost = {(key, offset): one for (key, offset), one in records.items() if key != "out.pixelpost"}
    unknown = await replay(past, lost)
    assert [(one.index, one.lost) for one in unknown.partial][2:] == [(at + 3, "decision")]
    made = await replay(past, lost, given={at + 3: {("lighthouse", "bulk"): 3}})
    assert [(one.index, one.lost, one.outcome) for one in made.partial] == [(at, "record", 1), (at + 1, "record", 2)]
    assert made.frontier == past.world.state.frontier
    assert [row[1] for row in made.rows.entry] == [told.leaf for told in past.told]
    assert at not in {row[0] for row in (*made.rows.record, *made.rows.content)}
    accepted = {row[1]: row for row in made.rows.accepted}
    (before,) = [row for built in past.built for row in built.rows.accepted if row[1] == at]
    assert accepted[at][:3] == before[:3]
    assert made.rows.record[-1] == past.built[-1].rows.record[-1]


async def test_with_another_key_decisions_are_left_out_and_not_made_up(
    history: tuple[History, dict[tuple[str, int], Record]],
) -> None:
    """The leaf stands, the content too; the decision, which would hash to something else, does not."""
    past, records = history
    made = await replay(past, records, SigningKey(bytes(range(32))))
    assert {one.lost for one in made.partial} == {"decision"}
    assert {one.outcome for one in made.partial} == {1}
    assert made.rows.record == []
    assert made.frontier == past.world.state.frontier
    assert len(made.rows.content) == sum(len(built.rows.content) for built in past.built)


async def test_a_hash_that_nothing_leads_to_stops_it(history: tuple[History, dict[tuple[str, int], Record]]) -> None:
    """Where only a receipt's hash is known, an entry that does not come out so is never written."""
    past, records = history
    item = next(item for built in past.built[-1:] for items in built.items.values() for item in items)
    past.told[item.index] = Told(item.index, item.leaf_hash, None, item)
    whole = await replay(past, records)
    assert whole.partial == []
    del records[item.topic, item.offset]
    with pytest.raises(LedgerError, match="known by its hash alone"):
        await replay(past, records)


def test_flushes_end_where_they_ended_and_none_is_too_long() -> None:
    """Known first indexes part the entries; without them, the greatest number does."""
    told = [Told(n, bytes(32), None, None) for n in range(10, 20)]
    found = [[one.index for one in some] for window in windows(told, {10, 13, 14}, 4) for some in window]
    assert found == [[10, 11, 12], [13], [14, 15, 16, 17], [18, 19]]
    assert list(windows([], set(), 4)) == []
