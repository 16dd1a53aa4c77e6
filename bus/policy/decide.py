"""The decision: may this event stand, and who may hear it.

A pure function of the event as its sender signed it, the directory as of the index before it, what is known of
its subject, the policy and the ledger's clock. The same inputs give the same answer in a replay years later.
Each rule is a small function that returns a refusal code of ``schemas/codes/refusal.csv`` or None; the first
that refuses decides, so that a receipt names one thing to mend at a time. It fails closed: what no rule allows
is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from bus.errors import UsageError
from bus.events import registry
from bus.events.ids import uuid7_time_us
from bus.events.lifecycle import LIFECYCLES, START, Denied, check
from bus.events.registry import SchemaInfo
from bus.events.types import Header, Sealed, Viewed
from bus.policy import deadlines, grounds, testimony
from bus.policy.deadlines import FOREIGN_MATTERS, Deadline, Table
from bus.policy.hearing import MAX_REACH, Recipients, must_hear, recipients, unseen
from bus.policy.policy import Policy
from bus.trust.adoptions import POLICY
from bus.trust.directory import Agreement, Directory
from bus.trust.keys import signing_key_id

HUB = "hub"
RECALL = "Recall"
DIRECT_SUITE = 1
DEADLINES = "deadlines"
HOLD_OVER = "hold_lifted"
"""What a hold that ended by itself is like: nobody need lift it before the addressee can answer."""
ANSWERS = frozenset({"Overdue", "TakedownAction", "Acknowledgement", "Preservation"})
"""Types that may name a deadline because they speak of what it was counted for."""


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


class Verdict(Struct, frozen=True, gc=False):
    """A refusal with its reason, or the recipients: (organisation, may hear it, reason), sorted.

    ``allowed`` are the steps that the issuer might take instead.
    """

    refusal: str | None
    recipients: Recipients = ()
    allowed: tuple[str, ...] = ()


class _Case(Struct, frozen=True, gc=False):
    """All that the rules look at."""

    claim: Claim
    directory: Directory
    subject: Subject | None
    policy: Policy
    now_us: int


def decide(claim: Claim, directory: Directory, subject: Subject | None, policy: Policy, now_us: int) -> Verdict:
    """Decide on one event.

    Args:
        claim: the event as signed and sent.
        directory: organisations and keys as of the index before.
        subject: what is known of ``about``; None where there is none, or it is not known here.
        policy: the policy in force.
        now_us: the ledger's time, microseconds since 1970.

    Returns:
        The verdict; it never raises on any event that decodes.
    """
    case = _Case(claim, directory, subject, policy, now_us)
    for rule in _RULES_OF.get(claim.info.name, _RULES):
        refusal = rule(case)
        if refusal is not None:
            return Verdict(refusal)
    denied = _step(case)
    if denied is not None:
        return Verdict(denied.reason, (), denied.allowed)
    if claim.info.directory:
        return Verdict(None)
    return _heard_by(case)


def _heard_by(case: _Case) -> Verdict:
    """Who hears what may be said; refused if somebody is named who may not know of what it names."""
    claim, subject, header = case.claim, case.subject, case.claim.header
    if subject is None and not claim.links:
        return Verdict(None, recipients(claim.info, header, case.directory, case.now_us))
    passes = _passes_on(claim, subject)
    about = None if subject is None or passes else subject.heard
    bounds = claim.links if about is None else (about, *claim.links)
    if unseen(header, bounds) and header.issuer != HUB:
        return Verdict("about-unseen")
    recalled = None
    if subject is not None and subject.heard is not None:
        if claim.info.name == RECALL:
            recalled = must_hear(subject.heard, subject.issuer, header.issuer)
        elif passes and header.issuer != HUB and subject.recalled:
            return Verdict("recalled")
    found = recipients(claim.info, header, case.directory, case.now_us, bounds, recalled)
    full = passes and subject is not None and subject.reach + len(found) > MAX_REACH
    return Verdict("passed-too-far") if full else Verdict(None, found)


def _passes_on(claim: Claim, subject: Subject | None) -> bool:
    """Whether it goes on with a subject by a step that says it anew to others."""
    goes_on = subject is not None and subject.owner is not None
    return goes_on and LIFECYCLES[claim.info.name].steps[claim.header.step].passes


def _this_log(case: _Case) -> str | None:
    """A signature is bound to one log: nothing of another log, or of a sandbox, can be replayed here."""
    claim, directory = case.claim, case.directory
    if directory.origin is None:
        return _opening(case)
    if claim.info.name == "LogOpened":
        return "already-open"
    return None if claim.origin == claim.header.hub == directory.origin else "wrong-hub"


def _opening(case: _Case) -> str | None:
    """Entry 0 opens the log and is checked with the key that it carries."""
    claim, body = case.claim, case.claim.body
    if claim.info.name != "LogOpened":
        return "not-open"
    if not claim.origin == claim.header.hub == body.origin:
        return "wrong-hub"
    if claim.key_id != signing_key_id(body.hub_key):
        return "key-foreign"
    return None if body.policy_digest == case.policy.digest else "policy-other"


def _one_sender(case: _Case) -> str | None:
    """The owner of the outbox, the batch's organisation, the header's issuer and the key's owner are one."""
    claim = case.claim
    return None if claim.owner == claim.organisation == claim.header.issuer else "issuer-mismatch"


def _own_valid_key(case: _Case) -> str | None:
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


def _admitted(case: _Case) -> str | None:
    directory, issuer = case.directory, case.claim.header.issuer
    if directory.origin is None or issuer == HUB:
        return None
    if directory.organisation(issuer) is None:
        return "issuer-unknown"
    return None if directory.is_admitted(issuer) else "issuer-suspended"


def _id_in_time(case: _Case) -> str | None:
    time_us = uuid7_time_us(case.claim.header.event_id)
    if time_us is None:
        return "id-form"
    late = time_us < case.now_us - case.policy.id_past_us
    return "id-time" if late or time_us > case.now_us + case.policy.id_future_us else None


def _lane_and_thread(case: _Case) -> str | None:
    """Lane and thread follow the subject, so that a recall follows its target in the same order."""
    claim, header, subject = case.claim, case.claim.header, case.subject
    if header.lane != claim.lane:
        return "wrong-lane"
    if claim.record_key != header.thread:
        return "record-key-mismatch"
    if header.about is None:
        urgent = header.priority in {"immediate", "urgent"}
        if header.lane != ("urgent" if urgent else "bulk"):
            return "wrong-lane"
        own = header.event_id if header.case is None else header.case
        return None if header.thread == own else "thread-mismatch"
    if subject is None:
        return None
    if header.lane != subject.lane:
        return "wrong-lane"
    return None if header.thread == subject.thread else "thread-mismatch"


def _has_subject(case: _Case) -> str | None:
    """Nobody speaks of what it was never sent, but who may by the table: a court's order, an objection.

    Before the step is looked at: who has not got a subject is not told where it stands either.
    """
    header, subject = case.claim.header, case.subject
    if subject is None or subject.heard is None or header.issuer == HUB or header.issuer in subject.heard:
        return None
    return None if LIFECYCLES[case.claim.info.name].steps[header.step].unheard else "about-unseen"


def _known_audience(case: _Case) -> str | None:
    audience, directory = case.claim.header.audience, case.directory
    if case.claim.info.directory:
        return None if tuple(audience) == (HUB,) else "audience-hub"
    for org in audience:
        if org == HUB:
            return "audience-hub"
        if org == case.claim.header.issuer:
            return "audience-self"
        if directory.organisation(org) is not None:
            continue
        agreement = directory.agreement(org, case.now_us)
        if agreement is None:
            return "audience-unknown"
        if case.claim.header.issuer not in (HUB, *agreement.members):
            return "agreement-foreign"
    return None


def _own_auditors(case: _Case) -> str | None:
    """Only auditors of nations of who is concerned are named: never a victim's, whom nobody here stands for."""
    claim, header, directory = case.claim, case.claim.header, case.directory
    own = directory.organisation(header.issuer)
    if claim.info.directory or header.issuer == HUB or (own is not None and header.audit_nations == (own.nation,)):
        return None
    concerned = {header.issuer, header.addressee, header.on_behalf_of, *header.audience}
    concerned.update(*(agreement.members for agreement in _agreements(case)))
    found = (directory.organisation(org) for org in concerned if org is not None)
    nations = {one.nation for one in found if one is not None}
    return None if nations.issuperset(header.audit_nations) else "audit-nations"


def _legal_basis(case: _Case) -> str | None:
    """A law in force; but what is said of the directory stands, else nobody could put a lapsed law right again."""
    if case.claim.info.directory:
        return None if case.policy.legal_basis.fullmatch(case.claim.header.legal_basis) else "legal-basis"
    return grounds.refusal(case.claim.header, case.directory, case.policy, case.now_us)


def _wraps(case: _Case) -> str | None:
    """Sealed content is wrapped for exactly the audience, each by a key that is current; an agreement has none yet."""
    claim = case.claim
    sealed = claim.sealed
    if sealed is None:
        return "sealed-missing" if _must_seal(claim) else None
    if claim.header.audience[0][0] == "@":
        return "agreement-sealed"
    if sealed.suite != DIRECT_SUITE or sealed.audience_key_id is not None:
        return "wraps-mismatch"
    audience = claim.header.audience
    wraps = sealed.wraps
    if len(wraps) != len(audience):
        return "wraps-mismatch"
    wanted = set(audience)
    for wrap in wraps:
        key = case.directory.sealing_key(wrap.key_id)
        if key is None or key.org not in wanted or not case.directory.is_current(key, case.now_us):
            return "wraps-mismatch"
        wanted.discard(key.org)
    return None


def _must_seal(claim: Claim) -> bool:
    """Whether the step calls for sealed content, as a notice does for what to take down; the hub cannot look inside."""
    liftings = _sealed_at(claim.info.id, claim.header.step)
    return any(all(getattr(claim.body, name) != value for name, value in lifting) for lifting in liftings)


@lru_cache(maxsize=1024)
def _sealed_at(schema_id: int, step: str) -> tuple[tuple[tuple[str, Any], ...], ...]:
    """For each sealed field that a step calls for: the body's fields and values that lift this."""
    info = registry.by_id(schema_id)
    plaintext = None if info is None or not info.sealed else registry.shape(info).plaintext
    return () if plaintext is None else tuple(one.unless_body for one in plaintext.fields if step in one.required_at)


def _governed(case: _Case) -> str | None:
    """Only whom the policy names may speak for the directory, and only what fits what stands in it."""
    claim = case.claim
    if not claim.info.directory:
        return None
    if claim.header.issuer not in case.policy.directory_issuers:
        return "not-governance"
    conflict = case.directory.conflict(claim.info, claim.body)
    if conflict is None and claim.info.name == "PolicyAdopted" and claim.body.kind in _PARSERS:
        text = case.directory.adoptions.whole(claim.body)
        return None if text is None or _PARSERS[claim.body.kind](text) is not None else "policy-invalid"
    return conflict


def table_in_force(directory: Directory) -> Table | None:
    """The table of deadlines that was adopted last, if there is one."""
    adopted = directory.adoptions.in_force.get(DEADLINES)
    return None if adopted is None else _table(adopted.text)


def _table(text: str) -> Table | None:
    try:
        return deadlines.parse(text)
    except UsageError:
        return None


def _policy(text: str) -> Policy | None:
    try:
        return Policy.parse(text.encode())
    except UsageError:
        return None


_PARSERS: Final[dict[str, Callable[[str], Table | Policy | None]]] = {DEADLINES: _table, POLICY: _policy}
"""What the text of an adoption has to be, by its kind."""


def _deadline(case: _Case) -> str | None:
    """A deadline that is named must be one of the adopted table, and made for such an event."""
    header = case.claim.header
    if header.deadline is None:
        return None
    table = table_in_force(case.directory)
    if table is None:
        return None
    row = table.rows.get(header.deadline)
    if row is None:
        return "deadline-unknown"
    if row.subject_matter in FOREIGN_MATTERS:
        return "deadline-matter"
    if case.claim.info.name not in row.applies_to:
        return None if case.claim.info.name in ANSWERS else "deadline-matter"
    if case.claim.info.name != RECALL and not _hears(case, header.addressee):
        return "deadline-addressee"
    return _asked(case, row) if _begins(case) else None


def _hears(case: _Case, org: str | None) -> bool:
    """Whether an organisation is named in the audience, itself or by an agreement: nobody owes what it is not told."""
    header = case.claim.header
    if org in header.audience or header.issuer in {HUB, org}:
        return org is not None
    return any(org in agreement.members for agreement in _agreements(case))


def _agreements(case: _Case) -> list[Agreement]:
    """The agreements in force that the audience names."""
    found = [case.directory.agreement(member, case.now_us) for member in case.claim.header.audience if member[0] == "@"]
    return [one for one in found if one is not None]


def _begins(case: _Case) -> bool:
    """Whether it begins a clock: not where the hub or the addressee speaks, nor the later steps of a notice."""
    claim, header = case.claim, case.claim.header
    if header.issuer in {HUB, header.addressee}:
        return False
    return claim.info.name != "TakedownNotice" or header.step == "issued"


def _asked(case: _Case, row: Deadline) -> str | None:
    """Who begins a clock names a row in force, and no date that has passed."""
    due_at = case.claim.header.due_at
    if not row.in_force(case.now_us) or (due_at is not None and due_at <= case.now_us):
        return "deadline-date"
    return "deadline-date" if row.enforce and row.stated and due_at is None else None


def _one_addressee(case: _Case) -> str | None:
    """A notice names exactly one addressee, who hears it, and the same from first to last."""
    header, subject = case.claim.header, case.subject
    addressee = header.addressee
    if subject is not None and subject.addressee not in {None, addressee}:
        return "one-addressee"
    if header.issuer == HUB:
        return None
    return None if addressee != header.issuer and _hears(case, addressee) else "one-addressee"


def _said_in_person(case: _Case) -> str | None:
    """What people must have looked at says that they did, and police say how sure they are."""
    claim = case.claim
    missing = testimony.by_people(claim.info.name, claim.header.step, claim.body)
    return missing or testimony.evaluated(claim.header, _roles(case))


def _roles(case: _Case) -> tuple[str, ...]:
    organisation = case.directory.organisation(case.claim.header.issuer)
    return () if organisation is None else organisation.roles


def _bounded_hold(case: _Case) -> str | None:
    """A hold keeps material where it is, so it ends within the policy's bound unless police say so again."""
    if case.claim.header.step != "le_hold":
        return None
    return None if case.claim.body.hold_until <= case.now_us + case.policy.longest_hold_us else "hold-until"


def _unchanged(case: _Case) -> str | None:
    """Nobody overwrites another's verdict, and who viewed the file is copied as it is, or not at all."""
    claim, subject = case.claim, case.subject
    if claim.supersedes_of is not None and claim.supersedes_of != claim.header.issuer:
        return "supersedes-foreign"
    if subject is None or subject.viewed is None:
        return None
    viewed = getattr(claim.body, "viewed", None)
    return None if viewed is None or viewed == subject.viewed else "viewed-changed"


def _step(case: _Case) -> Denied | None:
    """The step must follow from the subject's last one, and be the issuer's to take."""
    claim, subject = case.claim, case.subject
    header, name = claim.header, claim.info.name
    roles = _roles(case)
    keeps_elsewhere = name == "HashListing" and claim.body.source_list is not None
    if subject is None:
        return _opening_step(name, header.step, roles, keeps_elsewhere)
    actor = {"any", "keeper", *roles} if keeps_elsewhere else {"any", *roles}
    actor.add("owner" if subject.owner in {None, header.issuer} else "other")
    if subject.addressee in {None, header.issuer}:
        actor.add("addressee")
    if subject.issuer in {None, header.issuer}:
        actor.add("target")
    denied = check(LIFECYCLES[name], header.step, actor, subject.main, subject.own)
    over = subject.held_until_us is not None and subject.held_until_us <= case.now_us
    if denied is None or not over:
        return denied
    return check(LIFECYCLES[name], header.step, actor, HOLD_OVER, subject.own)


@lru_cache(maxsize=4096)
def _opening_step(name: str, step: str, roles: tuple[str, ...], keeps_elsewhere: bool) -> Denied | None:
    """Who is about nothing, or about what this log does not know, stands in every relation to it but ``other``."""
    actor = {"any", "owner", "addressee", "target", *roles, *(("keeper",) if keeps_elsewhere else ())}
    return check(LIFECYCLES[name], step, actor, START, START)


_RULES: tuple[Callable[[_Case], str | None], ...] = (
    _this_log,
    _one_sender,
    _own_valid_key,
    _admitted,
    _governed,
    _id_in_time,
    _known_audience,
    _lane_and_thread,
    _has_subject,
    _own_auditors,
    _legal_basis,
    _deadline,
    _wraps,
    _said_in_person,
    _unchanged,
)
_RULES_OF = {"TakedownNotice": (*_RULES, _one_addressee), "TakedownAction": (*_RULES, _bounded_hold)}
