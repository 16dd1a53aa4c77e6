"""A few made-up organisations with their keys and profiles, for tests that need no sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from bus.events.clock import Clock, SystemClock, format_us
from bus.events.examples import example
from bus.partner.profile import Profile
from bus.partner.publisher import Publisher
from bus.partner.transport import Transport
from bus.policy import Policy
from bus.trust.directory import prove_key
from bus.trust.keys import KeyRing

HUB = "hub"
ORIGIN = "ledger.test.example/safeguard"


class Member(Struct, frozen=True):
    """One organisation and what it holds in secret."""

    org: str
    nation: str
    roles: tuple[str, ...]
    keys: KeyRing


MEMBERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hotline-east": ("PL", ("hotline",)),
    "platform-one": ("IE", ("platform",)),
    "police-south": ("IT", ("police",)),
}


class World:
    """A log's origin, its hub's keys, and its members.

    Args:
        home: a folder for the members' journals.
        members: nation and roles of each organisation.
        clock: what time it is for everybody.
    """

    def __init__(
        self,
        home: Path,
        *,
        members: Mapping[str, tuple[str, tuple[str, ...]]] = MEMBERS,
        clock: Clock | None = None,
        origin: str = ORIGIN,
    ) -> None:
        self.home = home
        self.origin = origin
        self.clock = clock or SystemClock()
        self.hub = KeyRing.generate()
        self.members = {
            org: Member(org, nation, roles, KeyRing.generate()) for org, (nation, roles) in sorted(members.items())
        }

    def keys(self, org: str) -> KeyRing:
        """The keys of an organisation, or of the hub."""
        return self.hub if org == HUB else self.members[org].keys

    def profile(self, org: str) -> Profile:
        """A profile that fills what an event leaves out. It has no broker; give a transport to what takes it."""
        nation = "ZZ" if org == HUB else self.members[org].nation
        evaluated = _EVALUATED if org != HUB and "police" in self.members[org].roles else {}
        return Profile(
            organisation=org,
            nation=nation,
            origin=self.origin,
            hub_key=self.hub.signing.public_key,
            bootstrap="",
            key_file=self.home / org / "keys.json",
            journal_home=self.home,
            defaults={**_DEFAULTS, "audit_nations": [nation], **evaluated},
            retain_days=3650 if org == HUB else 90,
        )

    def event(
        self, kind: str = "HashHit", *, issuer: str, to: Sequence[str], step: str | None = None
    ) -> dict[str, Any]:
        """A valid event in its JSON form, without an id."""
        nations = [self.members[org].nation for org in (issuer, *to)]
        made = example(kind, issuer=issuer, audience=to, nations=nations, now_us=self.clock.now_us(), step=step)
        del made["header"]["event_id"]
        return made

    async def found(self, transport: Transport) -> None:
        """Open the log: publish what makes the members known, as the hub.

        Args:
            transport: the hub's own.

        Raises:
            BusError: the hub did not take it.
        """
        async with Publisher(
            self.profile(HUB), keys=self.hub, transport=transport, clock=self.clock, linger_ms=1
        ) as publisher:
            for event in self.founding():
                outcome = await publisher.publish(event)
                assert outcome.outcome == "accepted", outcome.reasons

    def founding(self) -> list[dict[str, Any]]:
        """What opens the log and admits everybody, in order."""
        opening = {
            "origin": self.origin,
            "hub_key": self.hub.signing.public_key.hex(),
            "governance_keys": [secrets.token_hex(32)],
            "threshold": 1,
            "policy_digest": Policy.load().digest.hex(),
        }
        admissions = [
            _directory_event("OrganisationAdmitted", "admitted", _admission(member)) for member in self.members.values()
        ]
        keys = [event for member in self.members.values() for event in self.registrations(member.org, member.keys)]
        return [_directory_event("LogOpened", "opened", opening), *admissions, *keys]

    def registrations(self, org: str, keys: KeyRing) -> list[dict[str, Any]]:
        """What registers an organisation's keys."""
        signing = {
            "use": "signing",
            "public_key": keys.signing.public_key.hex(),
            "key_id": keys.signing.key_id.hex(),
            "proof": prove_key(keys.signing, self.origin, org).hex(),
        }
        sealing = [
            {"use": "sealing", "public_key": key.public_key.hex(), "key_id": key.key_id.hex()} for key in keys.sealing
        ]
        since = format_us(self.clock.now_us() - 1_000_000)
        return [
            _directory_event("KeyRegistered", "registered", {"org": org, "valid_from": since, **key})
            for key in (signing, *sealing)
        ]


_DEFAULTS: Mapping[str, Any] = {
    "handling": {"tlp": "AMBER", "onward": "none"},
    "purpose": "investigation",
    "compulsion": "voluntary",
    "source_kind": "industry",
    "legal_basis": "test-basis@2024",
    "compartment": "csam",
    "priority": "routine",
}
_EVALUATED: Mapping[str, Any] = {"source_eval": "B", "info_eval": "2"}


def _admission(member: Member) -> dict[str, Any]:
    return {
        "org": member.org,
        "name": f"{member.org} (made up)",
        "nation": member.nation,
        "roles": sorted(member.roles),
    }


def _directory_event(kind: str, step: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "header": {"step": step, "audience": [HUB]}, "body": dict(body)}
