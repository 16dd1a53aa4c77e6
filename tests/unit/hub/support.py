"""A small hub in memory for the pure half of the notary: an open log with members, and what it does with records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bus.hub.intake import Candidate, inspect
from bus.hub.nonces import nonces_of
from bus.hub.sequencer import Built, State, build, owner_of
from bus.kafka.records import Outgoing, Record
from bus.ledger.store import Accepted
from bus.policy import Policy
from bus.tlog import Frontier
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory, prove_key
from bus.trust.keys import KeyRing
from tests.forge import Forge, now_us

ORIGIN = "ledger.test.example/safeguard"
MEMBERS = {
    "pixelpost": ("US", "platform"),
    "chirpnest": ("IN", "platform"),
    "lighthouse": ("DE", "hotline"),
    "polder-police": ("NL", "police"),
}


class World:
    """An open log with members, and what the notary would do with what they send."""

    def __init__(self, members: Mapping[str, tuple[str, str]] = MEMBERS) -> None:
        self.members = members
        self.rings = {org: KeyRing.generate() for org in ("hub", *members)}
        self.state = State(Directory(), Frontier(), 0, Policy.load(), {}, BatchVerifier())
        self.accepted: dict[bytes, Accepted] = {}
        self.offsets: dict[str, int] = {}
        self.built: list[Built] = []
        self.nonces = nonces_of(self.rings["hub"].signing)
        self.forge = Forge(ORIGIN, self.rings, self._subject, {org: nation for org, (nation, _) in members.items()})

    def _subject(self, event_id: bytes) -> tuple[bytes, str] | None:
        known = self.accepted.get(event_id)
        return None if known is None else (known.thread, known.lane)

    def open(self) -> World:
        """Publish entry 0, the members and their keys, as the hub would."""
        hub = self.rings["hub"].signing
        body: dict[str, Any] = {
            "origin": ORIGIN,
            "hub_key": hub.public_key.hex(),
            "governance_keys": [KeyRing.generate().signing.public_key.hex() for _ in range(3)],
            "threshold": 2,
            "policy_digest": self.state.policy.digest.hex(),
        }
        self.send("LogOpened", body)
        for org, (nation, role) in self.members.items():
            self.send("OrganisationAdmitted", {"org": org, "name": org, "nation": nation, "roles": [role]})
            self.send("KeyRegistered", self.key_body(org, "signing"))
            self.send("KeyRegistered", self.key_body(org, "sealing"))
        return self

    def key_body(self, org: str, use: str, ring: KeyRing | None = None) -> dict[str, Any]:
        """The body of a key registration."""
        ring = ring or self.rings[org]
        key = ring.signing if use == "signing" else ring.sealing[0]
        body: dict[str, Any] = {
            "org": org,
            "use": use,
            "public_key": key.public_key.hex(),
            "key_id": key.key_id.hex(),
            "valid_from": "2020-01-01T00:00:00.000000Z",
        }
        if use == "signing":
            body["proof"] = prove_key(ring.signing, ORIGIN, org).hex()
        return body

    def directory_event(self, type_name: str, body: dict[str, Any], issuer: str = "hub") -> Outgoing:
        """A signed event of the directory."""
        event = self.forge.event(issuer, ("hub",), type_name)
        event["body"] = body
        return self.forge.record(issuer, event)

    def send(self, type_name: str, body: dict[str, Any]) -> Built:
        """Publish a directory event and sequence it."""
        return self.sequence([self.directory_event(type_name, body)])

    def arrive(self, record: Outgoing) -> Record:
        """The record as the broker gives it to the notary."""
        offset = self.offsets.get(record.topic, 0)
        self.offsets[record.topic] = offset + 1
        return Record(record.topic, offset, now_us() // 1000, record.key, record.value, tuple(record.headers))

    def look(self, records: list[Outgoing]) -> list[Candidate]:
        """The candidates of records that arrive."""
        candidates: list[Candidate] = []
        for record in map(self.arrive, records):
            lane = "urgent" if record.topic.endswith(".urgent") else "bulk"
            owner = owner_of(record.topic)
            candidates += inspect([record], owner, lane, self.state.verifier, self.state.directory.public_key)
        return candidates

    def sequence(self, records: list[Outgoing], at_us: int | None = None) -> Built:
        """What the notary would do with these records in one flush."""
        built = build(self.state, self.look(records), self.accepted, at_us or now_us(), self.nonces)
        self.built.append(built)
        return built

    def outcome(self, record: Outgoing, at_us: int | None = None) -> tuple[int, str | None]:
        """The outcome of one record, and the reason."""
        item = next(iter(self.sequence([record], at_us).items.values()))[0]
        return item.outcome, item.reasons[0] if item.reasons else None
