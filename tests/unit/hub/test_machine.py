"""The notary as a state machine: whatever is sent, and whenever it crashes, the ledger is the one that a list would be.

A flush is built, and then commits, or does not, or commits and nobody learns of it; each time everything known is
thrown away and loaded again from what was written. The model is a plain list of what must stand.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bus.events.codec import assemble, decode, decode_decision
from bus.events.registry import by_id
from bus.hub.intake import inspect
from bus.hub.sequencer import State, build, ids_of, owner_of, replay_directory
from bus.kafka.records import Outgoing, Record
from bus.ledger.store import Accepted, Rows
from bus.policy import Policy
from bus.tlog import Frontier, tree
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory
from tests.forge import now_us, with_header
from tests.unit.hub.support import MEMBERS, World

SENDERS = ("pixelpost", "chirpnest")


class Disk:
    """What is committed: the tables, as lists."""

    def __init__(self) -> None:
        self.entry: list[tuple[Any, ...]] = []
        self.record: dict[int, tuple[Any, ...]] = {}
        self.content: dict[int, tuple[Any, ...]] = {}
        self.accepted: dict[bytes, Accepted] = {}
        self.seqs: dict[tuple[str, str], int] = {}
        self.intake: dict[str, int] = {}

    def commit(self, rows: Rows) -> None:
        """All of a flush at once."""
        self.entry += rows.entry
        self.record.update({row[0]: row for row in rows.record})
        self.content.update({row[0]: row for row in rows.content})
        for event_id, index, commitment, thread, lane in rows.accepted:
            assert event_id.bytes not in self.accepted
            self.accepted[event_id.bytes] = Accepted(index, commitment, thread.bytes, lane)
        self.seqs.update(rows.recipients)
        self.intake.update(rows.intake)

    def load(self) -> State:
        """What a notary knows that has just started."""
        frontier = Frontier().extend([row[2] for row in self.entry])
        time_us = self.entry[-1][4] if self.entry else 0
        rows: list[dict[str, Any]] = []
        for index, (_, schema_id, header, _, _) in sorted(self.record.items()):
            info = by_id(schema_id)
            assert info is not None
            if info.directory:
                rows.append({"index": index, "info": info, "header": header, "body": self.content[index][1]})
        return State(
            replay_directory(rows, _decoded), frontier, time_us, Policy.load(), dict(self.seqs), BatchVerifier()
        )


def _decoded(row: Any) -> tuple[Any, Any, Any]:
    found = decode(assemble(row["info"], row["header"], row["body"], b"\x00"))
    return row["info"], found.header, found.body


class Ledger(RuleBasedStateMachine):
    """Events, repeats, forgeries and crashes in any order."""

    @initialize()
    def found(self) -> None:
        """Open the log and admit the members."""
        self.world = World()
        self.disk = Disk()
        self.outboxes: dict[str, list[Record]] = {}
        self.sent: list[Outgoing] = []
        self.expected: dict[str, list[int]] = {}
        self.state = State(Directory(), Frontier(), 0, Policy.load(), {}, BatchVerifier())
        opened = World()
        opened.rings = self.world.rings
        opened.forge.rings = self.world.rings
        opened.open()
        for built in opened.built:
            self.disk.commit(built.rows)
        self.state = self.disk.load()
        self.base = len(self.disk.entry)
        self.expected = {f"out.{org}": [] for org in MEMBERS}

    def _put(self, record: Outgoing, outcome: int) -> None:
        box = self.outboxes.setdefault(record.topic, [])
        box.append(Record(record.topic, len(box), 0, record.key, record.value, tuple(record.headers)))
        self.expected.setdefault(record.topic, []).append(outcome)

    @rule(org=st.sampled_from(SENDERS), count=st.integers(1, 4))
    def publish(self, org: str, count: int) -> None:
        """New events, signed as one batch."""
        forge = self.world.forge
        sections = [forge.compose(org, forge.event(org, ("lighthouse", "polder-police"))) for _ in range(count)]
        for record in forge.sign(org, sections):
            self.sent.append(record)
            self._put(record, 1)

    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """A record that was sent before."""
        if self.sent:
            self._put(data.draw(st.sampled_from(self.sent)), 2)

    @rule(org=st.sampled_from(SENDERS))
    def forge(self, org: str) -> None:
        """A record whose signature does not hold."""
        record = self.world.forge.record(org, self.world.forge.event(org, ("lighthouse",)))
        self._put(with_header(record, "bus-signature", None), 3)

    @rule(limit=st.integers(1, 6), fate=st.sampled_from(["commits", "is lost", "commits unseen"]))
    def flush(self, limit: int, fate: str) -> None:
        """One flush of what is due; unless it commits and is seen to, the notary starts again."""
        due = [
            record for topic, box in sorted(self.outboxes.items()) for record in box[self.disk.intake.get(topic, 0) :]
        ][:limit]
        if not due:
            return
        candidates = []
        for record in due:
            directory = self.state.directory
            candidates += inspect([record], owner_of(record.topic), "bulk", self.state.verifier, directory.public_key)
        known = {i: self.disk.accepted[i] for i in ids_of(candidates) if i in self.disk.accepted}
        built = build(self.state, candidates, known, now_us(), self.world.nonces)
        if fate != "is lost":
            self.disk.commit(built.rows)
        if fate != "commits":
            self.state = self.disk.load()

    @invariant()
    def every_offset_is_covered_once_with_its_outcome(self) -> None:
        """G3: entries cover each outbox from 0 on without a hole, and say what the list says."""
        if not hasattr(self, "disk"):
            return
        for topic, outcomes in self.expected.items():
            rows = [row for row in self.disk.entry[self.base :] if row[5] == topic]
            assert [row[6] for row in rows] == list(range(self.disk.intake.get(topic, 0)))
            assert [row[3] for row in rows] == outcomes[: len(rows)]

    @invariant()
    def the_tree_is_that_of_the_leaves(self) -> None:
        """G4: indexes are gapless, times grow, and the frontier leads to the naive root."""
        if not hasattr(self, "disk"):
            return
        assert [row[0] for row in self.disk.entry] == list(range(len(self.disk.entry)))
        times = [row[4] for row in self.disk.entry]
        assert times == sorted(set(times))
        root = tree.root(tree.leaf_hashes([row[1] for row in self.disk.entry]))
        assert self.disk.load().frontier.root() == root

    @invariant()
    def numbers_are_gapless(self) -> None:
        """G2: each recipient's numbers count 0, 1, 2 … over the accepted entries."""
        if not hasattr(self, "disk"):
            return
        seen: dict[tuple[str, str], list[int | None]] = {}
        for _, (_, _, _, decision, _) in sorted(self.disk.record.items()):
            for one in decode_decision(decision).recipients:
                seen.setdefault((one.org, one.lane), []).append(one.seq)
        for numbers in seen.values():
            assert numbers == list(range(len(numbers)))


Ledger.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestLedger = Ledger.TestCase
