"""The directory, made of accepted events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bus.events.types import (
    AgreementConcludedBody,
    AgreementEndedBody,
    KeyRegisteredBody,
    KeyRevokedBody,
    LogContinuedBody,
    LogOpenedBody,
    OrganisationAdmittedBody,
    OrganisationSuspendedBody,
)
from bus.trust.directory import Directory, Organisation, key_recovery_message, prove_key
from bus.trust.keys import SealingKey, SigningKey, sealing_key_id

DAY = 24 * 3600 * 1_000_000
ORIGIN = "ledger.example.org/safeguard"
SALT = bytes(32)
HUB, PLATFORM, OTHER, RECOVERY = (SigningKey(bytes([n]) * 32) for n in range(1, 5))


def header(issuer: str = "hub", at_us: int = 0, step: str = "") -> Any:
    """As much of a header as the directory reads."""
    return SimpleNamespace(issuer=issuer, issued_at=at_us, hub=ORIGIN, step=step)


def named(name: str) -> Any:
    """As much of a schema as the directory reads."""
    return SimpleNamespace(name=name)


def opening(*, threshold: int = 2, keys: tuple[bytes, ...] = (bytes(32), b"\x01" * 32, b"\x02" * 32)) -> LogOpenedBody:
    """A body of LogOpened."""
    return LogOpenedBody(SALT, ORIGIN, HUB.public_key, keys, threshold, bytes(32))


def admission(org: str, *roles: str, recovery: bytes | None = None) -> OrganisationAdmittedBody:
    """A body of OrganisationAdmitted."""
    return OrganisationAdmittedBody(SALT, org, f"The {org}", "NL", roles or ("platform",), recovery)


def signing(
    key: SigningKey, org: str, valid_from: int = 0, valid_to: int | None = None, **other: Any
) -> KeyRegisteredBody:
    """A body of KeyRegistered for a signing key, with its proof."""
    fields: dict[str, Any] = {
        "proof": prove_key(key, ORIGIN, org),
        "recovery_signature": None,
        "key_id": key.key_id,
        **other,
    }
    return KeyRegisteredBody(
        salt=SALT, org=org, use="signing", public_key=key.public_key, valid_from=valid_from, valid_to=valid_to, **fields
    )


def sealing(number: int, org: str, valid_from: int = 0, valid_to: int | None = None) -> KeyRegisteredBody:
    """A body of KeyRegistered for a sealing key; that it can seal does not matter here."""
    public_key = bytes([number]) * 1216
    return KeyRegisteredBody(
        SALT, org, "sealing", public_key, sealing_key_id(public_key), valid_from, valid_to, None, None
    )


def directory(*events: tuple[Any, int]) -> Directory:
    """An open log with platform-a, and then these bodies with the times at which they were issued."""
    found = Directory().apply(named("LogOpened"), header(), opening(), 0)
    for index, (body, at_us) in enumerate([(admission("platform-a"), 0), *events], 1):
        name = type(body).__name__.removesuffix("Body")
        assert found.conflict(named(name), body) is None
        found = found.apply(named(name), header(at_us=at_us), body, index)
    return found


def current(found: Directory, at_us: int, org: str = "platform-a") -> list[int]:
    """The numbers of the sealing keys that count at a time."""
    return [key.public_key[0] for key in found.sealing_keys(org, at_us)]


def test_a_log_is_opened_with_the_key_that_it_carries() -> None:
    """After entry 0 the hub, its key, the origin and the governance are known; before it, nothing is."""
    assert Directory().origin is None
    found = Directory().apply(named("LogOpened"), header(at_us=5), opening(), 0)
    assert (found.origin, found.hub_key) == (ORIGIN, HUB.public_key)
    assert found.governance is not None
    assert found.governance.threshold == 2
    assert found.is_admitted("hub")
    entry = found.signing_key(HUB.key_id)
    assert entry is not None
    assert (entry.org, entry.public_key, entry.valid_from_us, entry.registered_index) == ("hub", HUB.public_key, 5, 0)


def test_a_log_is_opened_once_and_with_a_threshold_that_can_be_met() -> None:
    """A second opening, a key named twice, or a threshold above the number of keys, is refused."""
    assert Directory().conflict(named("LogOpened"), opening()) is None
    assert directory().conflict(named("LogOpened"), opening()) == "already-open"
    for wrong in (opening(threshold=4), opening(threshold=0), opening(keys=()), opening(keys=(SALT, SALT))):
        assert Directory().conflict(named("LogOpened"), wrong) == "directory-conflict"


def test_an_organisation_is_admitted_once() -> None:
    """An admitted organisation is found with what its admission says, and cannot be admitted again."""
    found = directory()
    assert found.organisation("platform-a") == Organisation(
        "platform-a", "The platform-a", "NL", ("platform",), None, 1
    )
    assert found.is_admitted("platform-a")
    assert not found.is_admitted("platform-b")
    assert found.organisation("platform-b") is None
    for org in ("platform-a", "hub"):
        assert found.conflict(named("OrganisationAdmitted"), admission(org)) == "directory-conflict"


def test_auditors_are_those_admitted_as_auditors() -> None:
    """The list of auditors is sorted and has nobody else."""
    found = directory((admission("court-b", "auditor", "court"), 0), (admission("audit-a", "auditor"), 0))
    assert found.auditors == ("audit-a", "court-b")


def test_an_earlier_directory_is_left_as_it_was() -> None:
    """Applying an event gives a new directory: a decision that holds the old one sees no change."""
    before = directory()
    after = before.apply(named("KeyRegistered"), header(), signing(PLATFORM, "platform-a"), 2)
    after = after.apply(named("KeyRegistered"), header(), sealing(1, "platform-a"), 3)
    after = after.apply(named("OrganisationAdmitted"), header(), admission("hotline-a"), 4)
    assert before == directory()
    assert before.signing_key(PLATFORM.key_id) is None
    assert after.signing_key(PLATFORM.key_id) is not None
    assert current(before, 1) == []
    assert current(after, 1) == [1]
    assert Directory() == Directory(None, b"", None, {}, {}, {})


def test_an_event_that_changes_nothing_here_leaves_the_same_directory() -> None:
    """Types of directory events that this version does not know are no concern of keys and organisations."""
    found = directory()
    assert found.apply(named("Mandate"), header(), None, 9) is found
    assert found.conflict(named("Mandate"), None) is None


def test_signing_and_sealing_keys_are_not_taken_for_each_other() -> None:
    """A key answers for its own use only."""
    found = directory((signing(PLATFORM, "platform-a"), 0), (sealing(1, "platform-a"), 0))
    sealing_id = sealing(1, "platform-a").key_id
    assert found.signing_key(sealing_id) is None
    assert found.public_key(sealing_id) is None
    assert found.sealing_key(PLATFORM.key_id) is None
    assert found.public_key(PLATFORM.key_id) == PLATFORM.public_key
    assert found.public_key(bytes(32)) is None
    entry = found.sealing_key(sealing_id)
    assert entry is not None
    assert entry.registered_index == 3


@pytest.mark.parametrize(
    "body",
    [
        signing(PLATFORM, "platform-a", proof=None),
        signing(PLATFORM, "platform-a", proof=bytes(64)),
        signing(PLATFORM, "platform-a", proof=prove_key(OTHER, ORIGIN, "platform-a")),
        signing(PLATFORM, "platform-a", proof=prove_key(PLATFORM, ORIGIN, "platform-b")),
        signing(PLATFORM, "platform-a", proof=prove_key(PLATFORM, "other.example.org", "platform-a")),
        signing(PLATFORM, "platform-a", key_id=OTHER.key_id),
        KeyRegisteredBody(SALT, "platform-a", "sealing", bytes(1216), bytes(32), 0, None, None, None),
        KeyRegisteredBody(SALT, "platform-a", "sealing", bytes(32), sealing_key_id(bytes(32)), 0, None, None, None),
        KeyRegisteredBody(SALT, "platform-a", "other", bytes(32), bytes(32), 0, None, bytes(64), None),
    ],
)
def test_a_key_without_proof_of_possession_is_refused(body: KeyRegisteredBody) -> None:
    """A missing proof, one by another key, for another organisation or log, or a false key id, is no proof."""
    assert directory().conflict(named("KeyRegistered"), body) == "key-proof"


@pytest.mark.parametrize(
    "body",
    [
        signing(PLATFORM, "platform-b"),
        signing(HUB, "platform-a"),
        signing(PLATFORM, "platform-a", 10, 9),
    ],
)
def test_a_key_that_does_not_fit_is_refused(body: KeyRegisteredBody) -> None:
    """A key of an unknown organisation, one that is registered already, or one that ends before it begins."""
    assert directory().conflict(named("KeyRegistered"), body) == "directory-conflict"


def test_a_recovery_signature_must_be_the_recovery_keys() -> None:
    """Where an organisation left a recovery key, a signature that claims to be of it is checked."""
    found = directory((admission("hotline-a", recovery=RECOVERY.public_key), 0))
    message = key_recovery_message(ORIGIN, "hotline-a", OTHER.key_id)
    good = signing(OTHER, "hotline-a", recovery_signature=RECOVERY.sign(message))
    bad = signing(OTHER, "hotline-a", recovery_signature=PLATFORM.sign(message))
    assert found.conflict(named("KeyRegistered"), good) is None
    assert found.conflict(named("KeyRegistered"), bad) == "key-proof"


def test_a_sealing_key_stays_current_for_a_day_after_its_successor() -> None:
    """For 24 hours both count, the newer first; then the older is retired."""
    found = directory((sealing(1, "platform-a"), 0), (sealing(2, "platform-a", 10 * DAY), 10 * DAY))
    assert current(found, 10 * DAY - 1) == [1]
    assert current(found, 10 * DAY) == [2, 1]
    assert current(found, 11 * DAY - 1) == [2, 1]
    assert current(found, 11 * DAY) == [2]
    retired = found.sealing_key(sealing(1, "platform-a").key_id)
    assert retired is not None
    assert found.is_current(retired, 11 * DAY - 1)
    assert not found.is_current(retired, 11 * DAY)


def test_a_successor_counts_from_its_registration_not_from_before() -> None:
    """A key registered with a start long past does not retire its predecessor at once."""
    found = directory((sealing(1, "platform-a"), 0), (sealing(2, "platform-a", 0), 10 * DAY))
    assert current(found, 10 * DAY - 1) == [1]
    assert current(found, 10 * DAY + 1) == [2, 1]


def test_keys_that_follow_each_other_quickly_each_have_their_day() -> None:
    """Three keys within a day all count until a day after each one's successor."""
    hour = DAY // 24
    found = directory(*((sealing(n, "platform-a", n * hour), n * hour) for n in (1, 2, 3)))
    assert current(found, 3 * hour) == [3, 2, 1]
    assert current(found, 2 * hour + DAY) == [3, 2]
    assert current(found, 3 * hour + DAY) == [3]


def test_a_sealing_key_ends_by_its_own_dates() -> None:
    """Past its last instant a key does not count, and before its first neither."""
    found = directory((sealing(1, "platform-a", 5, 10), 0))
    assert [current(found, at) for at in (4, 5, 10, 11)] == [[], [1], [1], []]


def test_one_organisations_keys_are_not_anothers() -> None:
    """Each organisation has its own sealing keys; one without any has none."""
    found = directory((admission("hotline-a"), 0), (sealing(1, "platform-a"), 0), (sealing(2, "hotline-a"), 0))
    assert current(found, 1, "hotline-a") == [2]
    assert current(found, 1, "police-a") == []


def test_real_keys_of_a_ring_can_be_registered() -> None:
    """What KeyRing generates is what the directory takes."""
    key = SealingKey.generate()
    body = KeyRegisteredBody(SALT, "platform-a", "sealing", key.public_key, key.key_id, 0, None, None, None)
    found = directory((body, 0))
    assert [entry.public_key for entry in found.sealing_keys("platform-a", 0)] == [key.public_key]


def test_a_keys_validity_includes_its_first_and_last_instant() -> None:
    """A signing key is valid from its first to its last instant."""
    entry = directory((signing(PLATFORM, "platform-a", 5, 10), 0)).signing_key(PLATFORM.key_id)
    assert entry is not None
    assert [entry.is_valid(at) for at in (4, 5, 10, 11)] == [False, True, True, False]


def concluded(agreement: str, *members: str, valid_from: int = 0, valid_to: int | None = None) -> Any:
    """A body of AgreementConcluded."""
    return AgreementConcludedBody(SALT, agreement, members, (), (), (), (), "none", valid_from, valid_to)


def with_two() -> Directory:
    """A log with two organisations, and a signing and a sealing key of the first."""
    found = Directory().apply(named("LogOpened"), header(), opening(), 0)
    found = found.apply(named("OrganisationAdmitted"), header(), admission("pixelpost"), 1)
    found = found.apply(named("OrganisationAdmitted"), header(), admission("lighthouse", "hotline"), 2)
    found = found.apply(named("KeyRegistered"), header(), signing(PLATFORM, "pixelpost"), 3)
    return found.apply(named("KeyRegistered"), header(), sealing(7, "pixelpost"), 4)


def test_a_suspended_organisation_can_come_back() -> None:
    """Suspension takes its rights and nothing else, until it is reinstated."""
    before = with_two()
    body = OrganisationSuspendedBody(SALT, "pixelpost", "own_request")
    suspended = before.apply(named("OrganisationSuspended"), header(step="suspended"), body, 5)
    assert before.is_admitted("pixelpost")
    assert not suspended.is_admitted("pixelpost")
    assert suspended.organisation("pixelpost") is not None
    again = suspended.apply(named("OrganisationSuspended"), header(step="reinstated"), body, 6)
    assert again.organisations == before.organisations
    for org in ("hub", "nobody"):
        wrong = OrganisationSuspendedBody(SALT, org, "own_request")
        assert before.conflict(named("OrganisationSuspended"), wrong) == "directory-conflict"


def test_a_revoked_key_counts_no_more() -> None:
    """Signing and sealing keys alike; it cannot be revoked twice, nor registered again, nor the hub's own taken."""
    found = with_two()
    sealing_id = sealing_key_id(bytes([7]) * 1216)
    for key_id in (PLATFORM.key_id, sealing_id):
        body = KeyRevokedBody(SALT, key_id, None)
        assert found.conflict(named("KeyRevoked"), body) is None
        found = found.apply(named("KeyRevoked"), header(), body, 5)
        assert found.keys[key_id].revoked
        assert found.conflict(named("KeyRevoked"), body) == "directory-conflict"
    assert found.sealing_keys("pixelpost", DAY) == []
    assert found.conflict(named("KeyRegistered"), signing(PLATFORM, "pixelpost")) == "directory-conflict"
    for key_id in (bytes(32), HUB.key_id):
        assert found.conflict(named("KeyRevoked"), KeyRevokedBody(SALT, key_id, None)) == "directory-conflict"


def test_an_agreement_holds_between_its_dates_until_it_is_ended() -> None:
    """It names members that are known; concluded again it replaces itself; ended it is gone."""
    found = with_two()
    body = concluded("@harbour", "lighthouse", "pixelpost", valid_from=DAY, valid_to=3 * DAY)
    assert found.conflict(named("AgreementConcluded"), body) is None
    found = found.apply(named("AgreementConcluded"), header(), body, 5)
    in_force = [found.agreement("@harbour", at) is not None for at in (DAY - 1, DAY, 3 * DAY, 3 * DAY + 1)]
    assert in_force == [False, True, True, False]
    found = found.apply(named("AgreementConcluded"), header(), concluded("@harbour", "pixelpost"), 6)
    agreement = found.agreement("@harbour", 0)
    assert agreement is not None
    assert agreement.members == ("pixelpost",)
    ending = AgreementEndedBody(SALT, "@harbour", "terminated")
    found = found.apply(named("AgreementEnded"), header(), ending, 7)
    assert found.agreement("@harbour", 0) is None
    assert found.conflict(named("AgreementEnded"), ending) == "directory-conflict"


@pytest.mark.parametrize(
    "body",
    [concluded("@harbour", "hub"), concluded("@harbour", "nobody"), concluded("@harbour", "pixelpost", valid_from=2, valid_to=1)],
    ids=["the hub", "an unknown organisation", "backwards"],
)  # fmt: skip
def test_an_unsound_agreement_is_a_conflict(body: Any) -> None:
    """Who is not admitted cannot be a member, and an end comes after its beginning."""
    assert with_two().conflict(named("AgreementConcluded"), body) == "directory-conflict"


def continued(origin: str = "ledger.old.example/safeguard", **fields: Any) -> LogContinuedBody:
    """A body of LogContinued."""
    values: dict[str, Any] = {"old_size": 9, "old_root": bytes(32), "lost_first": 5, "lost_last": 8, **fields}
    return LogContinuedBody(salt=SALT, old_origin=origin, reason="disk_lost", **values)


def test_a_log_continues_one_other_log_once() -> None:
    """The old log is remembered; a second one, the log itself, and half a range are refused."""
    opened = Directory().apply(named("LogOpened"), header(), opening(), 0)
    info = named("LogContinued")
    assert opened.conflict(info, continued()) is None
    assert opened.conflict(info, continued(lost_first=None, lost_last=None)) is None
    for wrong in (
        continued(ORIGIN),
        continued(lost_last=None),
        continued(lost_first=9),
        continued(lost_first=-1),
        continued(old_size=-1),
    ):
        assert opened.conflict(info, wrong) == "directory-conflict"
    after = opened.apply(info, header(), continued(), 1)
    assert after.continues is not None
    assert (after.continues.old_origin, after.continues.index) == ("ledger.old.example/safeguard", 1)
    assert after.conflict(info, continued("ledger.third.example/safeguard")) == "directory-conflict"
