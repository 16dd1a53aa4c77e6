"""The directory: which organisations there are, which keys are theirs, who agreed to share, and what was adopted.

All as of a ledger index, and made of accepted directory events alone, in the ledger's order. ``apply`` gives a new
directory and leaves the old one as it was, so a decision for index i holds on to the directory of the entries before i.

::

    proof message    = "safeguard/key-proof/v1"    ‖ 0x00 ‖ u16 len, origin ‖ u16 len, org ‖ key_id 32
    recovery message = "safeguard/key-recovery/v1" ‖ 0x00 ‖ u16 len, origin ‖ u16 len, org ‖ key_id 32
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, Final, Protocol

import msgspec

from bus.events.types import (
    AgreementConcludedBody,
    Header,
    KeyRegisteredBody,
    KeyRevokedBody,
    LegalBasisBody,
    LogContinuedBody,
    LogOpenedBody,
    OrganisationAdmittedBody,
    OrganisationSuspendedBody,
)
from bus.tlog.ed25519 import verify
from bus.trust.adoptions import POLICY, Adoptions
from bus.trust.keys import SigningKey, sealing_key_id, signing_key_id

HUB: Final = "hub"
_DAY_US: Final = 86_400_000_000
OVERLAP_US: Final = 24 * 3600 * 1_000_000
"""How long a sealing key stays current after its successor has begun."""


class Named(Protocol):
    """All that the directory asks of a schema: its record's name."""

    @property
    def name(self) -> str:
        """Name of the record, such as ``KeyRegistered``."""
        ...


class Organisation(msgspec.Struct, frozen=True):
    """An admitted organisation. The hub is one too, without a nation."""

    org: str
    name: str
    nation: str
    roles: tuple[str, ...]
    recovery_key: bytes | None
    admitted_index: int
    suspended: bool = False


class KeyEntry(msgspec.Struct, frozen=True):
    """A registered key. ``starts_us`` is when it counts: not before its registration was issued."""

    org: str
    use: str
    key_id: bytes
    public_key: bytes
    valid_from_us: int
    valid_to_us: int | None
    starts_us: int
    registered_index: int
    revoked: bool = False

    def is_valid(self, at_us: int) -> bool:
        """Whether it is valid by its own dates, first and last instant included, and not revoked."""
        return (
            not self.revoked and self.valid_from_us <= at_us and (self.valid_to_us is None or at_us <= self.valid_to_us)
        )


class Agreement(msgspec.Struct, frozen=True):
    """A circle of organisations that an audience can name, with what they agreed to share; empty lists mean all."""

    agreement: str
    members: tuple[str, ...]
    families: tuple[str, ...]
    compartments: tuple[str, ...]
    purposes: tuple[str, ...]
    valid_from_us: int
    valid_to_us: int | None
    concluded_index: int
    legal_basis: tuple[str, ...] = ()

    def is_valid(self, at_us: int) -> bool:
        """Whether it is in force, first and last instant included."""
        return self.valid_from_us <= at_us and (self.valid_to_us is None or at_us <= self.valid_to_us)


class Law(msgspec.Struct, frozen=True):
    """A law of the register, by ``id@version``: from the first instant of a day to the last of one, UTC.

    ``requires`` names what the header of an event that rests on it must have (``schemas/codes/basis_requirement.csv``).
    """

    basis: str
    valid_from_us: int
    valid_to_us: int | None
    requires: tuple[str, ...]
    ended: bool = False

    def in_force(self, at_us: int) -> bool:
        """Whether an event may rest on it at this instant."""
        return (
            not self.ended and self.valid_from_us <= at_us and (self.valid_to_us is None or at_us <= self.valid_to_us)
        )


class Governance(msgspec.Struct, frozen=True):
    """Who may admit and suspend: any ``threshold`` of these Ed25519 keys together."""

    keys: tuple[bytes, ...]
    threshold: int
    policy_digest: bytes


class Continued(msgspec.Struct, frozen=True):
    """The old log that this one goes on from: its last known checkpoint, and the entries of it that were lost."""

    old_origin: str
    old_size: int
    old_root: bytes
    lost_first: int | None
    lost_last: int | None
    reason: str
    index: int


class Directory(msgspec.Struct, frozen=True):
    """Organisations, keys and agreements as of a ledger index. The empty one is that of a log not yet opened."""

    origin: str | None = None
    hub_key: bytes = b""
    governance: Governance | None = None
    organisations: dict[str, Organisation] = {}
    keys: dict[bytes, KeyEntry] = {}
    sealing: dict[str, tuple[KeyEntry, ...]] = {}
    agreements: dict[str, Agreement] = {}
    laws: dict[str, Law] = {}
    adoptions: Adoptions = Adoptions()
    continues: Continued | None = None

    @property
    def policy_in_force(self) -> tuple[int, bytes] | None:
        """The digest of the policy that was brought into force last, and by which entry; None in a log not opened."""
        adopted = self.adoptions.in_force.get(POLICY)
        if adopted is not None:
            return adopted.index, adopted.digest
        return None if self.governance is None else (0, self.governance.policy_digest)

    @property
    def auditors(self) -> tuple[str, ...]:
        """The admitted auditors, sorted."""
        return tuple(sorted(o.org for o in self.organisations.values() if "auditor" in o.roles and not o.suspended))

    def organisation(self, org: str) -> Organisation | None:
        """The organisation of this id, suspended or not."""
        return self.organisations.get(org)

    def is_admitted(self, org: str) -> bool:
        """Whether the organisation is known and not suspended."""
        found = self.organisations.get(org)
        return found is not None and not found.suspended

    def agreement(self, agreement: str, at_us: int) -> Agreement | None:
        """The agreement of this id (with its @), if it is in force at that time."""
        found = self.agreements.get(agreement)
        return found if found is not None and found.is_valid(at_us) else None

    def signing_key(self, key_id: bytes) -> KeyEntry | None:
        """The signing key of this id, valid or not."""
        found = self.keys.get(key_id)
        return found if found is not None and found.use == "signing" else None

    def public_key(self, key_id: bytes) -> bytes | None:
        """The Ed25519 public key of this id: the batch verifier's lookup."""
        found = self.signing_key(key_id)
        return None if found is None else found.public_key

    def sealing_keys(self, org: str, at_us: int) -> list[KeyEntry]:
        """The keys that count as the organisation's own at that time, newest first.

        That is the newest that has begun, and any older one for 24 hours after its successor began.
        """
        begun = [key for key in self.sealing.get(org, ()) if key.starts_us <= at_us and not key.revoked]
        ends = [key.starts_us + OVERLAP_US for key in begun[1:]]
        current = [key for key, end in zip_longest(begun, ends) if (end is None or at_us < end) and key.is_valid(at_us)]
        return current[::-1]

    def sealing_key(self, key_id: bytes) -> KeyEntry | None:
        """The sealing key of this id, current or not."""
        found = self.keys.get(key_id)
        return found if found is not None and found.use == "sealing" else None

    def is_current(self, key: KeyEntry, at_us: int) -> bool:
        """Whether a sealing key counts as its organisation's own at that time."""
        newest = self.sealing.get(key.org, (None,))[-1]
        if newest is key and key.starts_us <= at_us and key.is_valid(at_us):
            return True  # as it nearly always is; this is asked of every event
        return key in self.sealing_keys(key.org, at_us)

    def conflict(self, info: Named, body: Any) -> str | None:
        """Why a directory event does not fit what stands here, as a refusal code; None if it does.

        Who may issue it is the policy's to say.
        """
        name = info.name
        if name == "LogOpened":
            return "already-open" if self.origin is not None else _unsound_opening(body)
        if name == "KeyRegistered":
            return self._conflict_of_key(body)
        check = _CONFLICTS.get(name)
        return "directory-conflict" if check is not None and check(self, body) else None

    def apply(self, info: Named, header: Header, body: Any, index: int) -> Directory:
        """The directory after an accepted event stood at ``index``; the same one if it changes nothing here."""
        name = info.name
        if name == "LogOpened":
            return _opened(header, body, index)
        if name == "OrganisationAdmitted":
            return self._with_organisation(body, index)
        if name == "KeyRegistered":
            return self._with_key(header, body, index)
        if name == "OrganisationSuspended":
            return self._with_suspension(header, body)
        if name == "KeyRevoked":
            return self._without_key(body)
        if name == "AgreementConcluded":
            return self._with_agreement(body, index)
        if name == "AgreementEnded":
            rest = {k: v for k, v in self.agreements.items() if k != body.agreement}
            return msgspec.structs.replace(self, agreements=rest)
        if name == "LegalBasis":
            return self._with_law(header, body)
        if name == "LogContinued":
            return self._continuing(body, index)
        if name == "PolicyAdopted":
            return msgspec.structs.replace(self, adoptions=self.adoptions.with_part(body, index))
        return self

    def _continuing(self, body: LogContinuedBody, index: int) -> Directory:
        lost = (body.lost_first, body.lost_last)
        entry = Continued(body.old_origin, body.old_size, body.old_root, *lost, body.reason, index)
        return msgspec.structs.replace(self, continues=entry)

    def _conflict_of_key(self, body: KeyRegisteredBody) -> str | None:
        owner = self.organisation(body.org)
        backwards = body.valid_to is not None and body.valid_to < body.valid_from
        if self.origin is None or owner is None or body.key_id in self.keys or backwards:
            return "directory-conflict"
        return None if _is_proven(self.origin, owner, body) else "key-proof"

    def _with_organisation(self, body: OrganisationAdmittedBody, index: int) -> Directory:
        entry = Organisation(body.org, body.name, body.nation, tuple(body.roles), body.recovery_key, index)
        return msgspec.structs.replace(self, organisations={**self.organisations, body.org: entry})

    def _with_suspension(self, header: Header, body: OrganisationSuspendedBody) -> Directory:
        entry = msgspec.structs.replace(self.organisations[body.org], suspended=header.step == "suspended")
        return msgspec.structs.replace(self, organisations={**self.organisations, body.org: entry})

    def _without_key(self, body: KeyRevokedBody) -> Directory:
        revoked = msgspec.structs.replace(self.keys[body.key_id], revoked=True)
        keys = {**self.keys, body.key_id: revoked}
        if revoked.use != "sealing":
            return msgspec.structs.replace(self, keys=keys)
        own = tuple(revoked if key.key_id == body.key_id else key for key in self.sealing[revoked.org])
        return msgspec.structs.replace(self, keys=keys, sealing={**self.sealing, revoked.org: own})

    def _with_agreement(self, body: AgreementConcludedBody, index: int) -> Directory:
        entry = Agreement(
            body.agreement,
            tuple(body.members),
            tuple(body.families),
            tuple(body.compartments),
            tuple(body.purposes),
            body.valid_from,
            body.valid_to,
            index,
            tuple(body.legal_basis),
        )
        return msgspec.structs.replace(self, agreements={**self.agreements, body.agreement: entry})

    def _with_law(self, header: Header, body: LegalBasisBody) -> Directory:
        until_us = None if body.valid_to is None else (body.valid_to + 1) * _DAY_US - 1
        ended = header.step == "ended"
        entry = Law(body.basis, body.valid_from * _DAY_US, until_us, tuple(body.requires), ended)
        return msgspec.structs.replace(self, laws={**self.laws, body.basis: entry})

    def _with_key(self, header: Header, body: KeyRegisteredBody, index: int) -> Directory:
        starts_us = max(body.valid_from, header.issued_at)
        entry = KeyEntry(
            body.org, body.use, body.key_id, body.public_key, body.valid_from, body.valid_to, starts_us, index
        )
        keys = {**self.keys, body.key_id: entry}
        if body.use != "sealing":
            return msgspec.structs.replace(self, keys=keys)
        own = sorted((*self.sealing.get(body.org, ()), entry), key=lambda key: (key.starts_us, key.registered_index))
        return msgspec.structs.replace(self, keys=keys, sealing={**self.sealing, body.org: tuple(own)})


def _unknown_or_hub(directory: Directory, body: OrganisationSuspendedBody) -> bool:
    return body.org == HUB or body.org not in directory.organisations


def _not_revocable(directory: Directory, body: KeyRevokedBody) -> bool:
    """The hub's own key cannot be taken from it: then nothing more could be said."""
    key = directory.keys.get(body.key_id)
    return key is None or key.revoked or key.public_key == directory.hub_key


def _unsound_agreement(directory: Directory, body: AgreementConcludedBody) -> bool:
    backwards = body.valid_to is not None and body.valid_to < body.valid_from
    return backwards or HUB in body.members or any(org not in directory.organisations for org in body.members)


def _unsound_continuation(directory: Directory, body: LogContinuedBody) -> bool:
    """A log continues one other log, once, and says a whole range or none."""
    first, last = body.lost_first, body.lost_last
    ranged = (first is None) == (last is None) and (first is None or last is None or 0 <= first <= last)
    return directory.continues is not None or body.old_origin == directory.origin or body.old_size < 0 or not ranged


_CONFLICTS: Final[dict[str, Callable[[Directory, Any], bool]]] = {
    "OrganisationAdmitted": lambda directory, body: body.org in directory.organisations,
    "OrganisationSuspended": _unknown_or_hub,
    "KeyRevoked": _not_revocable,
    "AgreementConcluded": _unsound_agreement,
    "LegalBasis": lambda _, body: body.valid_to is not None and body.valid_to < body.valid_from,
    "AgreementEnded": lambda directory, body: body.agreement not in directory.agreements,
    "LogContinued": _unsound_continuation,
    "PolicyAdopted": lambda directory, body: directory.adoptions.conflicts(body),
}


def key_proof_message(origin: str, org: str, key_id: bytes) -> bytes:
    """What a new signing key signs, to show that its registrant holds it."""
    return b"safeguard/key-proof/v1\x00" + _sized(origin) + _sized(org) + key_id


def key_recovery_message(origin: str, org: str, key_id: bytes) -> bytes:
    """What an organisation's offline recovery key signs, to show that a new key is its own."""
    return b"safeguard/key-recovery/v1\x00" + _sized(origin) + _sized(org) + key_id


def prove_key(key: SigningKey, origin: str, org: str) -> bytes:
    """The proof of possession that ``KeyRegistered`` carries for a signing key."""
    return key.sign(key_proof_message(origin, org, key.key_id))


def _opened(header: Header, body: LogOpenedBody, index: int) -> Directory:
    """The directory of a log just opened: the hub, with the key that the event itself carries."""
    key_id = signing_key_id(body.hub_key)
    at_us = header.issued_at
    return Directory(
        origin=body.origin,
        hub_key=body.hub_key,
        governance=Governance(tuple(body.governance_keys), body.threshold, body.policy_digest),
        organisations={HUB: Organisation(HUB, HUB, "", (HUB,), None, index)},
        keys={key_id: KeyEntry(HUB, "signing", key_id, body.hub_key, at_us, None, at_us, index)},
    )


def _unsound_opening(body: LogOpenedBody) -> str | None:
    keys = body.governance_keys
    sound = len(set(keys)) == len(keys) and 1 <= body.threshold <= len(keys)
    return None if sound else "directory-conflict"


def _is_proven(origin: str, owner: Organisation, body: KeyRegisteredBody) -> bool:
    """Whether the key id is the key's, its holder signed for it, and a recovery signature, if any, is good."""
    if body.recovery_signature is not None and owner.recovery_key is not None:
        message = key_recovery_message(origin, owner.org, body.key_id)
        if not verify(owner.recovery_key, message, body.recovery_signature):
            return False
    if body.use == "sealing":
        return len(body.public_key) == 1216 and body.key_id == sealing_key_id(body.public_key)
    message = key_proof_message(origin, owner.org, body.key_id)
    return (
        body.use == "signing"
        and body.key_id == signing_key_id(body.public_key)
        and body.proof is not None
        and verify(body.public_key, message, body.proof)
    )


def _sized(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data
