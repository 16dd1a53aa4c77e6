"""What a decision looks at: the event as claimed, what is known of its subject, the directory, the policy, the time."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bus.events.lifecycle import START
from bus.events.registry import SchemaInfo
from bus.events.types import Header, Sealed, Viewed
from bus.policy.policy import Policy
from bus.trust.directory import Agreement, Directory

HUB = "hub"
RECALL = "Recall"


class Claim(Struct, frozen=True, gc=False):
    """An event as its sender claims it: signature, schema and bounds have been checked, nothing else."""

    owner: str
    """The organisation whose outbox it came from."""
    lane: str
    """The lane of that outbox."""
    record_key: bytes | None
    origin: str
    """The log that the signed batch names."""
    organisation: str
    """The organisation that the signed batch names."""
    key_id: bytes
    info: SchemaInfo
    header: Header
    body: Any
    sealed: Sealed | None
    supersedes_of: str | None = None
    """Who issued the event that this one supersedes, as far as the ledger knows it."""
    links: tuple[frozenset[str], ...] = ()
    """Who has each of the events that it supersedes or names as causes, where not everybody has it."""


class Subject(Struct, frozen=True, gc=False):
    """What the ledger knows of the event that this one is about.

    Attributes:
        thread: its thread.
        lane: its lane.
        issuer: who said it.
        owner: who opened the subject whose lifecycle goes on; None where this event would open its own.
        addressee: who owes an act there, if anyone.
        main: the last step there; ``start`` before the first, empty if this type cannot be about it.
        own: the same on the issuer's own way, for steps that each organisation takes on its own.
        viewed: what was stated there of who viewed the file.
        heard: who has the event; None if everybody, as what is the directory's.
        reach: how many have it, or the event that opened its subject.
        recalled: whether it was recalled.
        held_until_us: when the police hold that it is in ends by itself, if that is known.
    """

    thread: bytes
    lane: str
    issuer: str | None = None
    owner: str | None = None
    addressee: str | None = None
    main: str = START
    own: str = START
    viewed: Viewed | None = None
    heard: frozenset[str] | None = frozenset()
    reach: int = 0
    recalled: bool = False
    held_until_us: int | None = None


class Case(Struct, frozen=True, gc=False):
    """All that the rules look at."""

    claim: Claim
    directory: Directory
    subject: Subject | None
    policy: Policy
    now_us: int


def roles_of(case: Case) -> tuple[str, ...]:
    """What the issuer was admitted as."""
    organisation = case.directory.organisation(case.claim.header.issuer)
    return () if organisation is None else organisation.roles


def agreements(case: Case) -> list[Agreement]:
    """The agreements in force that the audience names."""
    found = [case.directory.agreement(member, case.now_us) for member in case.claim.header.audience if member[0] == "@"]
    return [one for one in found if one is not None]


def hears(case: Case, org: str | None) -> bool:
    """Whether an organisation is named in the audience, itself or by an agreement: nobody owes what it is not told."""
    header = case.claim.header
    if org in header.audience or header.issuer in {HUB, org}:
        return org is not None
    return any(org in agreement.members for agreement in agreements(case))
