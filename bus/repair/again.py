"""Appends lost entries again: the notary's own pure code, over the records as their outboxes still have them.

Each entry is decided anew at the time that its leaf has, and the leaf must come out as it was told, byte for byte.
Where the record is gone, or the decision cannot be made again, the leaf alone is written, and the entry is named: every
proof still holds, and what was sent stays with whoever received it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct, field, structs

from bus.errors import LedgerError
from bus.events import registry
from bus.events.codec import decode
from bus.events.names import ce_headers, lane_of_topic
from bus.events.types import ReceiptItem
from bus.hub.intake import SIGNATURE, Candidate, inspect
from bus.hub.nonces import Nonces
from bus.hub.reach import RECALLED
from bus.hub.receipts import FlushRow, sign_receipts
from bus.hub.sequencer import Built, Gap, State, build, ids_of, owner_of, recheck
from bus.hub.subjects import look_up
from bus.kafka.records import Record
from bus.ledger.store import Accepted, Head, Rows, Store
from bus.policy import Policy
from bus.repair.told import Told
from bus.tlog import Frontier, Leaf, Outcome
from bus.tlog.frontier import SUBTREE_SIZE
from bus.tlog.leaf import ZERO32
from bus.trust.adoptions import POLICY
from bus.trust.keys import SigningKey

LEAF, LEAF_HASH = 1, 2
"""Places in a row of ``ledger.entry``."""
DECISION_D = slice(254, 286)
"""Where a leaf has the decision's digest."""
LISTS = tuple(name for name in Rows.__struct_fields__ if name not in {"intake", "recipients", "flush"})
"""The tables that grow entry by entry. Receipts are signed for the flush as a whole."""


class Partial(Struct, frozen=True):
    """An entry that came back without all that it had."""

    index: int
    lost: str
    """``record``: its record was not found, or is not the one of the leaf; ``decision``: its decision."""
    outcome: int
    topic: str
    offset: int


class Flush(Struct):
    """Some entries ready to be written."""

    first: int
    rows: Rows = field(default_factory=Rows)
    frontier: Frontier = field(default_factory=Frontier)
    time_us: int = 0
    partial: list[Partial] = field(default_factory=list)
    items: dict[tuple[str, str], list[ReceiptItem]] = field(default_factory=dict)


class Again:
    """Makes lost entries again, flush by flush. Reads the ledger and writes nothing.

    Args:
        store: the ledger as it is.
        state: what it has decided so far; changed in place.
        nonces: of decisions.
        key: the hub's, which signs receipts again.
        origin: the log.
        topics: the outboxes, by the digest of their name.
        given: the numbers that entries had in inboxes. Where a decision before is not known, they say how to go on.
    """

    def __init__(
        self,
        store: Store,
        state: State,
        nonces: Nonces,
        key: SigningKey,
        origin: str,
        topics: Mapping[bytes, str],
        given: Mapping[int, Mapping[tuple[str, str], int]],
    ) -> None:
        self._store, self._state, self._nonces, self._key, self._origin = store, state, nonces, key, origin
        self._topics, self._given = topics, given
        self._policies = {state.policy.digest: state.policy}
        self._accepted: dict[bytes, Accepted] = {}
        self._columns: dict[int, tuple[Any, ...]] = {}

    def place_of(self, told: Told) -> tuple[str, int, int]:
        """Outbox and offsets that an entry covers.

        Raises:
            LedgerError: no outbox has that name.
        """
        if told.item is not None:
            return told.item.topic, told.item.offset, told.item.last_offset
        leaf = told.known
        topic = self._topics.get(leaf.topic_d)
        if topic is None:
            raise LedgerError(f"entry {told.index} covers an outbox that the directory does not know")
        return topic, leaf.offset, leaf.last_offset

    async def flush(self, lost: Sequence[Told], records: Mapping[tuple[str, int], Record]) -> Flush:
        """One flush of the first notary's, made again.

        Raises:
            LedgerError: an entry of which only the hash is known does not come out so, or a policy is not at hand.
        """
        candidates = [self._candidate(told, records) for told in lost]
        known = [one for one in candidates if one is not None]
        await self._look_up(known)
        recheck(self._state, known)
        made = Flush(self._state.frontier.size)
        for told, candidate in zip(lost, candidates, strict=True):
            await self._entry(made, told, candidate)
        made.frontier, made.time_us = self._state.frontier, self._state.time_us
        signed = sign_receipts(
            self._key,
            self._origin,
            first_index=made.first,
            last_index=made.frontier.size - 1,
            time_us=made.time_us,
            items=made.items,
        )
        made.rows.flush = list[FlushRow](signed.rows)
        return made

    def count_on(self, made: Flush, numbers: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """Let the next number of each inbox follow the last one there, also where a decision is not known any more."""
        for recipient, (_, seq) in numbers.items():
            if self._state.seqs.get(recipient, -1) < seq:
                self._state.seqs[recipient] = made.rows.recipients[recipient] = seq

    def _candidate(self, told: Told, records: Mapping[tuple[str, int], Record]) -> Candidate | Gap | None:
        """What the notary had before it: a record, or offsets without one."""
        topic, first, last = self.place_of(told)
        lane = lane_of_topic(topic)
        outcome = told.outcome
        unreadable = outcome == Outcome.REFUSED and told.leaf is not None and told.known.value_d == ZERO32
        bare = outcome == Outcome.GAP or (outcome == Outcome.REFUSED and (last > first or unreadable))
        if bare and (topic, first) not in records:
            reason = told.reasons[0] if told.reasons else "gap-deleted"
            return Gap(topic, lane, first, last, reason, refused=outcome == Outcome.REFUSED)
        record = records.get((topic, first))
        if record is None:
            return None
        directory = self._state.directory
        return inspect([record], owner_of(topic), lane, self._state.verifier, directory.public_key)[0]

    async def _look_up(self, known: Sequence[Candidate | Gap]) -> None:
        """What the ledger has of these events and their subjects; what was made here is known already."""
        wanted = [UUID(one) for one in ids_of(known) if one not in self._accepted]
        found: dict[bytes, Accepted] = {}
        for row in await self._store.fetch("find_accepted", wanted) if wanted else ():
            found[row["event_id"].bytes] = Accepted(row["index"], row["commitment"], row["thread"].bytes, row["lane"])
        await look_up(self._store, known, found)
        for event_id, accepted in found.items():
            self._accepted.setdefault(event_id, accepted)

    async def _entry(self, made: Flush, told: Told, candidate: Candidate | Gap | None) -> None:
        state = self._state
        if told.leaf is not None:
            state.policy = self._policy(told)
        before = (state.directory, state.frontier, state.time_us, dict(state.seqs))
        for recipient, seq in self._given.get(told.index, {}).items():
            state.seqs[recipient] = seq - 1
        built = None if candidate is None else build(state, [candidate], self._accepted, told.time_us, self._nonces)
        if built is not None and self._is_same(built, told):
            _merge(made, built)
            return
        if built is not None and told.leaf is not None and _but_decision(built.rows.entry[0][LEAF], told.leaf):
            self._without_decision(made, built, told, before[1])
            return
        if built is not None:
            state.directory, state.frontier, state.time_us, state.seqs = before
            for row in built.rows.accepted:
                self._accepted.pop(row[0].bytes, None)
        await self._leaf_alone(made, told)

    def _policy(self, told: Told) -> Policy:
        """The policy that an entry was decided by: the file at hand, or one whose text the log has adopted.

        Raises:
            LedgerError: it is neither.
        """
        digest = told.known.policy_d
        if digest not in self._policies:
            adopted = self._state.directory.adoptions.in_force.get(POLICY)
            if adopted is None or adopted.digest != digest:
                raise LedgerError(
                    f"entry {told.index} was decided by the policy {digest.hex()}, and the hub has another one now: "
                    "put that policy file in its place, and repair again"
                )
            self._policies[digest] = Policy.parse(adopted.text.encode())
        return self._policies[digest]

    @staticmethod
    def _is_same(built: Built, told: Told) -> bool:
        return built.rows.entry[0][LEAF_HASH] == told.leaf_hash

    def _without_decision(self, made: Flush, built: Built, told: Told, before: Frontier) -> None:
        """All but the decision is right: what was decided is not known, and is not made up."""
        row = built.rows.entry[0]
        built.rows.entry[0] = (row[0], told.leaf, told.leaf_hash, *row[3:])
        built.rows.record.clear()
        built.rows.reach = [row for row in built.rows.reach if row[1] == RECALLED]  # others follow from the decision
        self._extend(built, before, told)
        item = next(iter(built.items.values()))
        item[0] = structs.replace(item[0], leaf_hash=told.leaf_hash)
        _merge(made, built)
        made.partial.append(Partial(told.index, "decision", outcome=row[3], topic=row[5], offset=row[6]))

    async def _leaf_alone(self, made: Flush, told: Told) -> None:
        if told.leaf is None:
            raise LedgerError(f"entry {told.index} is known by its hash alone, and cannot be made again")
        leaf, state, built = told.known, self._state, Built()
        topic, first, last = self.place_of(told)
        lane = lane_of_topic(topic)
        info = registry.by_fingerprint(leaf.fingerprint)
        event_id = UUID(leaf.event_id) if any(leaf.event_id) else None
        columns = await self._found_by(leaf, None if info is None else info.id, event_id)
        schema_id, issuer, step, thread, about, addressee, due_us = columns
        self._columns[told.index] = columns
        place = (told.index, told.leaf, told.leaf_hash, leaf.outcome, leaf.time_us, topic, first, last)
        found_by = (schema_id, event_id, issuer, step, lane, thread, about, addressee, due_us)
        built.rows.entry.append((*place, *found_by, leaf.first_index, list(told.reasons) or None))
        built.rows.intake[topic] = last + 1
        if leaf.outcome == Outcome.ACCEPTED and event_id is not None:
            built.rows.accepted.append((event_id, told.index, leaf.commitment, thread, lane))
            self._accepted[leaf.event_id] = Accepted(told.index, leaf.commitment, leaf.event_id, lane)
        built.items[owner_of(topic), lane] = [told.item or _item(told, leaf, topic)]
        self._extend(built, state.frontier, told)
        state.time_us = leaf.time_us
        _merge(made, built)
        made.partial.append(Partial(told.index, "record", leaf.outcome, topic, first))

    async def _found_by(self, leaf: Leaf, schema_id: int | None, event_id: UUID | None) -> tuple[Any, ...]:
        """The columns that the leaf does not say: those of the entry that it repeats; else nothing but a thread."""
        if leaf.outcome == Outcome.REPEATED:
            if leaf.first_index in self._columns:
                return self._columns[leaf.first_index]
            rows = await self._store.fetch("found_by", leaf.first_index)
            return tuple(rows[0]) if rows else (schema_id, *[None] * 6)
        thread = event_id if leaf.outcome == Outcome.ACCEPTED else None
        return (schema_id, None, None, thread, None, None, None)

    def _extend(self, built: Built, before: Frontier, told: Told) -> None:
        """The tree goes on with the leaf that was told."""
        self._state.frontier, subtrees = before.extend_noting([told.leaf_hash])
        first = before.size // SUBTREE_SIZE
        built.rows.subtree = [(first + n, root) for n, root in enumerate(subtrees)]


async def write(store: Store, head: Head, made: Flush) -> Head:
    """Write a flush that was made again, as the notary would have.

    Returns:
        The head after it.

    Raises:
        HeadMoved: somebody else writes.
    """
    async with store.flush(head, len(made.rows.entry), head.receipted) as transaction:
        await transaction.write(made.rows, made.frontier, made.time_us)
    return Head(made.frontier.size, made.frontier.root(), made.frontier, head.epoch, made.time_us, head.receipted)


def windows(lost: Sequence[Told], firsts: set[int], most: int) -> Iterator[list[Sequence[Told]]]:
    """Lost entries in the flushes that they were committed in, as far as known; about ``most`` entries at a time."""
    window: list[Sequence[Told]] = []
    begun = held = 0
    for at in range(1, len(lost) + 1):
        if at < len(lost) and lost[at].index not in firsts and at - begun < most:
            continue
        window.append(lost[begun:at])
        held, begun = held + at - begun, at
        if held >= most or at == len(lost):
            yield window
            window, held = [], 0


def as_sent(record: Record, topic: str, offset: int) -> Record | None:
    """An inbox record as it must have lain in its sender's outbox; None if it cannot be read."""
    value, signature = record.value, record.header("bus-signature")
    if value is None or signature is None:
        return None
    decoded = decode(value)
    headers = (*ce_headers(decoded.info, decoded.header), (SIGNATURE, signature))
    return Record(topic, offset, 0, record.key, value, headers)


def topics_by_digest(topics: Sequence[str]) -> dict[bytes, str]:
    """Outboxes by what a leaf has of them."""
    return {sha256(topic.encode()).digest(): topic for topic in topics}


def _merge(made: Flush, built: Built) -> None:
    rows, more = made.rows, built.rows
    for name in LISTS:
        getattr(rows, name).extend(getattr(more, name))
    rows.intake.update(more.intake)
    rows.recipients.update(more.recipients)
    for owner, items in built.items.items():
        made.items.setdefault(owner, []).extend(items)


def _but_decision(one: bytes, other: bytes) -> bool:
    """Whether two leaves differ in the decision's digest alone."""
    before, behind = slice(DECISION_D.start), slice(DECISION_D.stop, None)
    return (one[before], one[behind]) == (other[before], other[behind])


def _item(told: Told, leaf: Leaf, topic: str) -> ReceiptItem:
    """What its receipt said of an entry, but for reasons."""
    return ReceiptItem(
        topic=topic,
        partition=0,
        offset=leaf.offset,
        last_offset=leaf.last_offset,
        event_id=leaf.event_id if any(leaf.event_id) else None,
        outcome=leaf.outcome,
        index=told.index,
        first_index=leaf.first_index if leaf.outcome == Outcome.REPEATED else None,
        leaf_hash=told.leaf_hash,
        time=leaf.time_us,
        reasons=(),
    )
