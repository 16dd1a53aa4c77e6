"""Who may say anything here: one member, for this log, with a key of its own that is valid, in its own time."""

from __future__ import annotations

from bus.events.ids import uuid7_time_us
from bus.policy.case import HUB, Case
from bus.trust.keys import signing_key_id


def this_log(case: Case) -> str | None:
    """A signature is bound to one log: nothing of another log, or of a sandbox, can be replayed here."""
    claim, directory = case.claim, case.directory
    if directory.origin is None:
        return _opening(case)
    if claim.info.name == "LogOpened":
        return "already-open"
    return None if claim.origin == claim.header.hub == directory.origin else "wrong-hub"


def _opening(case: Case) -> str | None:
    """Entry 0 opens the log and is checked with the key that it carries."""
    claim, body = case.claim, case.claim.body
    if claim.info.name != "LogOpened":
        return "not-open"
    if not claim.origin == claim.header.hub == body.origin:
        return "wrong-hub"
    if claim.key_id != signing_key_id(body.hub_key):
        return "key-foreign"
    return None if body.policy_digest == case.policy.digest else "policy-other"


def one_sender(case: Case) -> str | None:
    """The owner of the outbox, the batch's organisation, the header's issuer and the key's owner are one."""
    claim = case.claim
    return None if claim.owner == claim.organisation == claim.header.issuer else "issuer-mismatch"


def own_valid_key(case: Case) -> str | None:
    """A key that the directory has for the owner of the outbox, inside its dates; entry 0 brings its own."""
    if case.directory.origin is None:
        return None
    key = case.directory.signing_key(case.claim.key_id)
    if key is None:
        return "key-unknown"
    if key.org != case.claim.owner:
        return "key-foreign"
    if key.revoked:
        return "key-revoked"
    late = key.valid_to_us is not None and case.now_us > key.valid_to_us
    return "key-expired" if late or case.now_us < key.valid_from_us else None


def admitted(case: Case) -> str | None:
    """A member that is not suspended, or the hub."""
    directory, issuer = case.directory, case.claim.header.issuer
    if directory.origin is None or issuer == HUB:
        return None
    if directory.organisation(issuer) is None:
        return "issuer-unknown"
    return None if directory.is_admitted(issuer) else "issuer-suspended"


def id_in_time(case: Case) -> str | None:
    """An id of now, so that ids of long ago need not be looked up for ever."""
    time_us = uuid7_time_us(case.claim.header.event_id)
    if time_us is None:
        return "id-form"
    late = time_us < case.now_us - case.policy.id_past_us
    return "id-time" if late or time_us > case.now_us + case.policy.id_future_us else None
