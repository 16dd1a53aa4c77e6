"""The second half of the notary's work, pure: decide in order, give indexes, and say what will be written.

The state is everything that decisions and numbers rest on. It is changed in place as a flush is built; if the
flush does not commit, the notary throws the whole state away and loads it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import orjson
from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct, field

from bus.events.codec import encode_decision
from bus.events.types import Decision, Header, ReceiptItem, Recipient
from bus.hub.intake import Candidate, check, claimed_header, parse
from bus.hub.nonces import Nonces
from bus.hub.reach import heard_by, spread
from bus.hub.standing import standing_of
from bus.hub.subjects import follow, subject_of
from bus.kafka.records import Record
from bus.ledger.store import Accepted, Rows
from bus.policy import Claim, Policy, decide
from bus.tlog import Frontier, Outcome, leaf_hash, pack_leaf
from bus.tlog.frontier import SUBTREE_SIZE
from bus.tlog.leaf import ZERO16, ZERO32
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory

MAX_QUARANTINED = 1024 * 1024 + 4096
"""Bytes of a refused value that are kept: whatever a topic can hold."""

MAX_ALTERNATIVES = 7
"""A receipt's item has room for eight reasons."""


class Gap(Struct, frozen=True):
    """Offsets of an outbox that hold no record, or (``refused``) records that nobody can parse, and why."""

    topic: str
    lane: str
    first: int
    last: int
    reason: str
    refused: bool = False


class State(Struct):
    """What the next decision rests on."""

    directory: Directory
    frontier: Frontier
    time_us: int
    policy: Policy
    seqs: dict[tuple[str, str], int]
    verifier: BatchVerifier


class Built(Struct):
    """A flush ready to be written: rows, the new frontier, and what each outbox's owner will be told."""

    rows: Rows = field(default_factory=Rows)
    items: dict[tuple[str, str], list[ReceiptItem]] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)
    time_us: int = 0
    first_index: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    gaps: int = 0
    directory_changed: bool = False


def ids_of(candidates: Sequence[Candidate | Gap]) -> list[bytes]:
    """Event ids that must be looked up; :func:`bus.hub.subjects.look_up` does what they are about."""
    wanted: set[bytes] = set()
    for candidate in candidates:
        header = claimed_header(candidate) if isinstance(candidate, Candidate) else None
        if header is not None:
            wanted.add(header.event_id)
    return list(wanted)


def recheck(state: State, candidates: Sequence[Candidate | Gap]) -> None:
    """Look again at signatures whose key was not known: it may stand in the ledger by now.

    Before anything is looked up, so that such an event's id and subject are looked up like any other's.
    """
    if state.directory.origin is None:
        return
    for candidate in candidates:
        if isinstance(candidate, Candidate) and candidate.unknown_key:
            candidate.unknown_key = False
            check([candidate], state.verifier, state.directory.public_key)
            if candidate.reason is None:
                parse(candidate)


def build(
    state: State,
    candidates: Sequence[Candidate | Gap],
    accepted: dict[bytes, Accepted],
    now_us: int,
    nonces: Nonces,
) -> Built:
    """Decide on each candidate in order and say what the flush writes.

    Args:
        state: changed in place.
        candidates: at least one.
        accepted: what stands already of :func:`ids_of`, and of what they are about; grows with what this flush accepts.
        now_us: the clock, microseconds since 1970; ledger time never goes back whatever it says.
        nonces: of decisions (:mod:`bus.hub.nonces`).
    """
    builder = _Builder(state, accepted, now_us, nonces)
    for candidate in candidates:
        if isinstance(candidate, Gap):
            builder.gap(candidate)
        else:
            builder.record(candidate)
    return builder.finish()


class _Source(Struct, frozen=True, gc=False):
    """Which offsets of which outbox an entry covers."""

    topic: str
    lane: str
    owner: str
    first: int
    last: int


class _Told(Struct, frozen=True, gc=False):
    """What the receipt adds to the outcome."""

    reasons: tuple[str, ...] = ()
    first_index: int | None = None


_NOTHING = Candidate(Record("", 0, 0, None, None, ()), "", "bulk")


class _Builder:
    def __init__(self, state: State, accepted: dict[bytes, Accepted], now_us: int, nonces: Nonces) -> None:
        self.state = state
        self.accepted = accepted
        self.time_us = max(state.time_us, now_us - 1)
        self.nonces = nonces
        self.built = Built(first_index=state.frontier.size)
        self.index = state.frontier.size
        self.hashes: list[bytes] = []
        self.topics: dict[str, bytes] = {}

    def finish(self) -> Built:
        state, built = self.state, self.built
        before = state.frontier.size
        state.frontier, subtrees = state.frontier.extend_noting(self.hashes)
        first = before // SUBTREE_SIZE
        built.rows.subtree = [(first + n, root) for n, root in enumerate(subtrees)]
        state.time_us = built.time_us = self.time_us
        built.frontier = state.frontier
        return built

    def gap(self, gap: Gap) -> None:
        """Offsets without a record, or with none that can be parsed, are covered by one entry."""
        if gap.refused:
            self.built.refused += 1
        else:
            self.built.gaps += 1
        source = _Source(gap.topic, gap.lane, owner_of(gap.topic), gap.first, gap.last)
        outcome = Outcome.REFUSED if gap.refused else Outcome.GAP
        self._entry(outcome, source, None, _Told((gap.reason,)), ZERO32)

    def record(self, candidate: Candidate) -> None:
        """One record gives one entry."""
        if candidate.unknown_key:
            self._ask_again(candidate)
        reason = candidate.reason
        header = candidate.decoded.header if candidate.decoded is not None else None
        if header is not None and reason is None:
            own = header.issuer == candidate.owner
            known = self.accepted.get(header.event_id) if own else None
            if known is not None and known.commitment == candidate.commitment:
                self._repeated(candidate, known)
                return
            if known is None:
                self._decide(candidate)
                return
            reason = "id-conflict"
        if reason is not None:
            self._refused(candidate, (reason,))

    def _ask_again(self, candidate: Candidate) -> None:
        """The key was not known when the signature was looked at; it may have been registered since."""
        if self.state.directory.origin is None:
            self._self_signed(candidate)
            return
        check([candidate], self.state.verifier, self.state.directory.public_key)
        if candidate.reason is None:
            parse(candidate)

    def _self_signed(self, candidate: Candidate) -> None:
        """Entry 0 is checked with the key that it carries."""
        if candidate.info is None or candidate.info.name != "LogOpened":
            candidate.reason = "not-open"
            return
        candidate.reason = None
        parse(candidate)
        if candidate.decoded is None or candidate.reason is not None:
            return
        key: bytes = candidate.decoded.body.hub_key
        check([candidate], BatchVerifier(), lambda _: key)

    def _decide(self, candidate: Candidate) -> None:
        """Apply the policy, and write down the accepted event or the refusal."""
        decoded, signature = candidate.decoded, candidate.signature
        assert decoded is not None
        assert signature is not None
        header = decoded.header
        claim = Claim(
            candidate.owner,
            candidate.lane,
            candidate.record.key,
            signature.batch.origin,
            signature.batch.organisation,
            signature.batch.key_id,
            decoded.info,
            header,
            decoded.body,
            decoded.sealed,
            None if header.supersedes is None else self._issuer_of(header.supersedes),
            self._links(header) if header.supersedes is not None or header.causes else (),
        )
        subject = None if header.about is None else subject_of(decoded.info, header, self.accepted)
        verdict = decide(claim, self.state.directory, subject, self.state.policy, self.time_us + 1)
        if verdict.refusal is None:
            self._accept(candidate, verdict.recipients)
        else:
            self._refused(candidate, (verdict.refusal, *_alternatives(verdict.allowed)))

    def _issuer_of(self, event_id: bytes) -> str | None:
        known = standing_of(self.accepted.get(event_id))
        return None if known is None else known.issuer

    def _links(self, header: Header) -> tuple[frozenset[str], ...]:
        """Who has each event that is superseded or named as a cause, where the ledger knows it and not all have it."""
        named = (*header.causes, *(() if header.supersedes is None else (header.supersedes,)))
        known = (self.accepted.get(event_id) for event_id in named)
        found = (heard_by(one) for one in known if one is not None)
        return tuple([one for one in found if one is not None])

    def _accept(self, candidate: Candidate, recipients: Sequence[tuple[str, bool, str]]) -> None:
        decoded, signature = candidate.decoded, candidate.signature
        assert decoded is not None
        assert signature is not None
        value = candidate.record.value
        assert value is not None
        header, rows, index = decoded.header, self.built.rows, self.index
        decision = self._decision(candidate.commitment, header.lane, recipients)
        self.built.accepted += 1
        self._entry(Outcome.ACCEPTED, _source(candidate), candidate, _Told(), sha256(decision).digest())
        header_bytes = value[5 : decoded.header_end]
        body = value[decoded.header_end : decoded.body_end]
        rows.record.append((index, decoded.info.id, header_bytes, decision, candidate.raw_signature))
        rows.content.append((index, body, value[decoded.body_end :], None, None, None))
        thread = UUID(header.thread)
        rows.accepted.append((UUID(header.event_id), index, candidate.commitment, thread, header.lane))
        stands = Accepted(index, candidate.commitment, header.thread, header.lane, None, decoded, decision)
        self.accepted[header.event_id] = stands
        if header.about is not None:
            rows.step += follow(decoded.info, header, stands, self.accepted)
            rows.reach += spread(decoded.info, header, stands, self.accepted)
        if decoded.info.directory:
            self.state.directory = self.state.directory.apply(decoded.info, header, decoded.body, index)
            self.built.directory_changed = True

    def _decision(self, commitment: bytes, lane: str, recipients: Sequence[tuple[str, bool, str]]) -> bytes:
        """Give each recipient its next number and encode the decision."""
        seqs, told = self.state.seqs, self.built.rows.recipients
        found: list[Recipient] = []
        for org, allow, reason in recipients:
            seq = None
            if allow:
                seq = seqs.get((org, lane), -1) + 1
                seqs[org, lane] = told[org, lane] = seq
            found.append(Recipient(org=org, allow=allow, reason=reason, lane=lane, seq=seq))
        return encode_decision(Decision(nonce=self.nonces(commitment, self.index), recipients=tuple(found)))

    def _repeated(self, candidate: Candidate, known: Accepted) -> None:
        self.built.repeated += 1
        self._entry(Outcome.REPEATED, _source(candidate), candidate, _Told(first_index=known.index), ZERO32)

    def _refused(self, candidate: Candidate, reasons: tuple[str, ...]) -> None:
        record, index = candidate.record, self.index
        self.built.refused += 1
        self._entry(Outcome.REFUSED, _source(candidate), candidate, _Told(reasons), ZERO32)
        headers = orjson.dumps([(name, _hex(value)) for name, value in record.headers])
        raw = None if record.value is None else record.value[:MAX_QUARANTINED]
        self.built.rows.content.append((index, None, None, raw, headers, record.key))

    def _entry(
        self, outcome: Outcome, source: _Source, candidate: Candidate | None, told: _Told, decision_d: bytes
    ) -> None:
        """Give the next index and time to one entry; note its row, its leaf hash and its receipt item."""
        self.time_us += 1
        index, time_us = self.index, self.time_us
        first = index if told.first_index is None else told.first_index
        decoded = None if candidate is None else candidate.decoded
        header = None if decoded is None else decoded.header
        event_id = None if header is None else header.event_id
        leaf = self._leaf(outcome, source, candidate, first, event_id or ZERO16, decision_d)
        hashed = leaf_hash(leaf)
        self.hashes.append(hashed)
        info = None if candidate is None else candidate.info
        place = (index, leaf, hashed, int(outcome), time_us, source.topic, source.first, source.last)
        columns = _found_by(header, None if info is None else info.id, source.lane)
        self.built.rows.entry.append((*place, *columns, first, list(told.reasons) or None))
        item = ReceiptItem(
            topic=source.topic,
            partition=0,
            offset=source.first,
            last_offset=source.last,
            event_id=event_id,
            outcome=int(outcome),
            index=index,
            first_index=told.first_index,
            leaf_hash=hashed,
            time=time_us,
            reasons=told.reasons,
        )
        self.built.items.setdefault((source.owner, source.lane), []).append(item)
        self.built.rows.intake[source.topic] = source.last + 1
        self.index += 1

    def _leaf(
        self,
        outcome: Outcome,
        source: _Source,
        candidate: Candidate | None,
        first_index: int,
        event_id: bytes,
        decision_d: bytes,
    ) -> bytes:
        """The 374 bytes; what was not parsed is zeros."""
        topic_d = self.topics.get(source.topic)
        if topic_d is None:
            topic_d = self.topics[source.topic] = sha256(source.topic.encode()).digest()
        known = candidate or _NOTHING
        return pack_leaf(
            outcome,
            self.time_us,
            topic_d,
            0,
            source.first,
            source.last,
            ZERO32 if known.info is None else known.info.fingerprint,
            known.header_d,
            known.body_d,
            known.sealed_d,
            known.signature_d,
            known.value_d,
            decision_d,
            self.state.policy.digest,
            first_index,
            event_id,
            known.commitment,
        )


def _alternatives(steps: Sequence[str]) -> list[str]:
    """The steps that would be allowed, as a receipt can name them beside the reason: seven at most."""
    if len(steps) > MAX_ALTERNATIVES:
        steps = (*steps[: MAX_ALTERNATIVES - 1], "more")
    return [f"allowed.{step}" for step in steps]


def _source(candidate: Candidate) -> _Source:
    record = candidate.record
    return _Source(record.topic, candidate.lane, candidate.owner, record.offset, record.offset)


def _hex(value: bytes | None) -> str | None:
    """A header's value as it is kept; a client may send one that is null, which is not an empty one."""
    return None if value is None else value.hex()


def _found_by(header: Header | None, schema_id: int | None, lane: str) -> tuple[Any, ...]:
    """The columns that an entry is found by, from ``schema_id`` to ``due_us``."""
    if header is None:
        return (schema_id, None, None, None, lane, None, None, None, None)
    about = None if header.about is None else UUID(header.about)
    thread = UUID(header.thread)
    event_id = thread if header.thread == header.event_id else UUID(header.event_id)
    return (schema_id, event_id, header.issuer, header.step, lane, thread, about, header.addressee, header.due_at)


def owner_of(topic: str) -> str:
    """Whose outbox a topic is."""
    return topic.removeprefix("out.").removesuffix(".urgent")


def items_of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[ReceiptItem]]:
    """What each organisation was told, again from the ledger's entries."""
    found: dict[tuple[str, str], list[ReceiptItem]] = {}
    for row in rows:
        repeated = row["outcome"] == Outcome.REPEATED
        item = ReceiptItem(
            topic=row["topic"],
            partition=0,
            offset=row["kafka_offset"],
            last_offset=row["last_offset"],
            event_id=None if row["event_id"] is None else row["event_id"].bytes,
            outcome=row["outcome"],
            index=row["index"],
            first_index=row["first_index"] if repeated else None,
            leaf_hash=row["leaf_hash"],
            time=row["time_us"],
            reasons=tuple(row["reasons"] or ()),
        )
        found.setdefault((owner_of(row["topic"]), row["lane"]), []).append(item)
    return found


def replay_directory(rows: Sequence[Mapping[str, Any]], decode: Callable[[Any], tuple[Any, Any, Any]]) -> Directory:
    """The directory from the ledger's own entries, in ledger order."""
    directory = Directory()
    for row in rows:
        info, header, body = decode(row)
        directory = directory.apply(info, header, body, row["index"])
    return directory
