"""Checks evidence, with nothing but the file and a policy: no ledger, no network, no trust in who made it.

The order is that of an auditor's questions: is it the log's checkpoint, and have enough witnesses seen it; does the
entry stand under it; is everything else what the entry says; who signed, and was that their key; when.
"""

from __future__ import annotations

from typing import Final

from bus.errors import CheckFailed, Malformed
from bus.events.clock import format_us
from bus.events.ids import dashed
from bus.evidence import words
from bus.evidence.audience import check_audience
from bus.evidence.entry import Entry, examine
from bus.evidence.exhibit import Evidence
from bus.evidence.report import Check, Facts, Recipient, Report, plain
from bus.tlog.note import Note
from bus.tlog.policy import Judgement, Policy
from bus.tlog.tree import verify_consistency
from bus.trust.directory import HUB, Directory

TOLERANCE_US: Final = 60_000_000
"""How far an entry's time may be on the wrong side of a witness's."""
YEAR_10000_US: Final = 253_402_300_800_000_000
RESTS_ON: Final = frozenset((
    "LogOpened", "OrganisationAdmitted", "OrganisationSuspended", "KeyRegistered", "KeyRevoked", "AgreementConcluded",
    "AgreementEnded",
))  # fmt: skip
"""What of the directory belongs into evidence; anything else would only be there to confuse."""


def verify(data: bytes, policy: Policy, *, file: str = "") -> Report:
    """Check one file.

    Args:
        data: the file's bytes.
        policy: which logs and witnesses are believed.
        file: its name, for the report.

    Returns:
        Every check with its outcome. Nothing is raised for any bytes.
    """
    try:
        evidence = Evidence.decode(data)
    except Malformed:
        wrong = "This is not evidence in its one form: it was changed, cut short, or made by another program."
        return Report(file, (Check("file", "false", wrong),), None)
    return _Case(evidence, policy).report(file)


class _Case:
    """One piece of evidence while it is looked at."""

    def __init__(self, evidence: Evidence, policy: Policy) -> None:
        self.evidence = evidence
        self.policy = policy
        self.checkpoint = evidence.event.proof.checkpoint
        self.checks: list[Check] = [Check("file", "holds", "The file is evidence in its one form.")]
        self.directory = Directory()
        self.steps: list[tuple[int, Directory]] = []
        self.revocations: dict[bytes, tuple[int, int | None]] = {}
        self.after: Judgement | None = None

    def report(self, file: str) -> Report:
        """All checks in order, and what the evidence says."""
        judgement = self._checkpoint()
        entry, found = examine(self.evidence.event, self.evidence.schema, self.checkpoint.origin)
        self.checks += found
        self._directory(entry.exhibit.index)
        self._agreements(entry)
        self._issuer(entry)
        self._earlier(entry)
        self._time(entry, judgement)
        return Report(file, tuple(self.checks), self._facts(entry, judgement))

    def _say(self, name: str, holds: bool, right: str, wrong: str) -> bool:
        self.checks.append(Check(name, "holds" if holds else "false", right if holds else wrong))
        return holds

    # --- the checkpoint --------------------------------------------------------------------------------------

    def _checkpoint(self) -> Judgement | None:
        origin, size = plain(self.checkpoint.origin), self.checkpoint.size
        judgement, trouble = _judged(self.policy, self.evidence.note)
        if judgement is None:
            self._say("checkpoint", False, "", f"The checkpoint is refused: {trouble}.")
            return None
        self._say(
            "checkpoint",
            judgement.log is not None,
            f"The log {origin} signed the checkpoint of its first {size} entries, with the key that the policy names.",
            f"No log of the policy signed the checkpoint, which names {origin}.",
        )
        self._say(
            "witnesses",
            judgement.has_quorum,
            words.vouched(self.policy, judgement.cosigned),
            f"Too few witnesses cosigned the checkpoint: {words.who(judgement.cosigned) or 'none'}.",
        )
        self._say(
            "signatures",
            not judgement.strangers,
            "The checkpoint carries only signatures of keys that the policy names.",
            words.strangers(len(judgement.strangers)),
        )
        return judgement

    # --- the directory ---------------------------------------------------------------------------------------

    def _directory(self, before: int) -> None:
        """Read the directory's entries in the ledger's order, each signed by the hub as of then."""
        for exhibit in self.evidence.directory:
            entry, checks = examine(exhibit, self.evidence.schema_of(exhibit), self.checkpoint.origin)
            wrong = next((check.text for check in checks if check.outcome != "holds"), None)
            name = f"directory/{exhibit.index}"
            if wrong is None:
                wrong = self._of_the_hub(entry)
            if self._say(name, wrong is None, words.tells(entry, before), f"Entry {exhibit.index}: {wrong}"):
                assert entry.info is not None
                assert entry.header is not None
                self.directory = self.directory.apply(entry.info, entry.header, entry.body, exhibit.index)
                self.steps.append((exhibit.index, self.directory))
                if entry.info.name == "KeyRevoked":
                    self.revocations[entry.body.key_id] = (exhibit.index, entry.body.compromised_since)

    def _of_the_hub(self, entry: Entry) -> str | None:
        """Why an entry may not change the directory; None if it may."""
        info, header, signature = entry.info, entry.header, entry.signature
        assert info is not None
        assert header is not None
        assert signature is not None
        if info.name not in RESTS_ON or header.issuer != HUB:
            return "It is no event of the directory issued by the hub, or none that an event rests on."
        if (self.directory.origin is None) != (info.name == "LogOpened" and entry.exhibit.index == 0):
            return "The directory does not begin with entry 0, which opens the log."
        conflict = self.directory.conflict(info, entry.body)
        if conflict is not None:
            return f"It does not fit the directory before it ({conflict})."
        opened = self.directory.apply(info, header, entry.body, 0) if info.name == "LogOpened" else self.directory
        if opened.origin != self.checkpoint.origin:
            return "It opens another log."
        key = opened.signing_key(signature.batch.key_id)
        if key is None or key.org != HUB or not entry.is_signed_by(key.public_key):
            return "The hub's signature on it does not hold."
        return None

    # --- the issuer ------------------------------------------------------------------------------------------

    def _issuer(self, entry: Entry) -> None:
        header, signature, index = entry.header, entry.signature, entry.exhibit.index
        if header is None or signature is None:
            self._say("issuer", False, "", "Who issued the event is not established.")
            return
        known = self._directory_at(index)
        organisation = known.organisation(header.issuer)
        suspended = organisation is not None and organisation.suspended
        self._say(
            "issuer",
            organisation is not None and not suspended,
            f"{header.issuer} had been admitted when the event was recorded.",
            f"{header.issuer} was suspended." if suspended else f"That {header.issuer} had been admitted is not shown.",
        )
        key = known.signing_key(signature.batch.key_id)
        ours = key is not None and key.org == header.issuer and key.is_valid(entry.leaf.time_us)
        self._say(
            "key",
            ours,
            f"The signing key {signature.batch.key_id.hex()[:16]}… was {header.issuer}'s own, and valid.",
            f"The signing key is not shown to be a valid key of {header.issuer} at that time.",
        )
        self._say(
            "signature",
            key is not None and entry.is_signed_by(key.public_key),
            f"{header.issuer} signed the event with that key.",
            "The signature on the event does not hold.",
        )
        self._revocation(signature.batch.key_id, entry)

    def _directory_at(self, index: int) -> Directory:
        """The directory as of before an entry, of what was found true; entry 0 is checked with what it says itself."""
        return next((known for at, known in reversed(self.steps) if at < index or at == index == 0), Directory())

    def _agreements(self, entry: Entry) -> None:
        """Where an agreement was addressed, its members stand in the directory, if that is shown."""
        header, decision = entry.header, entry.decision
        place = next((n for n, check in enumerate(self.checks) if check.name == "audience"), None)
        if entry.info is None or header is None or decision is None or place is None:
            return
        known = self._directory_at(entry.exhibit.index)

        def members(agreement: str) -> tuple[str, ...] | None:
            found = known.agreement(agreement, entry.leaf.time_us)
            return None if found is None else found.members

        self.checks[place] = check_audience(entry.info, header, decision, members)

    def _revocation(self, key_id: bytes, entry: Entry) -> None:
        found = self.revocations.get(key_id)
        if found is None:
            text = (
                f"No revocation shown: this evidence cannot rule out that the key was revoked, among the first"
                f" {self.checkpoint.size} entries or later."
            )
            self.checks.append(Check("revocation", "not shown", text))
            return
        index, since_us = found
        lost = since_us is not None and since_us <= entry.leaf.time_us
        before = lost or index < entry.exhibit.index
        text = words.revoked(index, since_us if lost or not before else None, before=before)
        self.checks.append(Check("revocation", "false" if before else "not shown", text))

    # --- time ------------------------------------------------------------------------------------------------

    def _earlier(self, entry: Entry) -> None:
        """The earlier checkpoint, if there is one: believed, of this log, and without the entry."""
        earlier = self.evidence.earlier
        if earlier is None:
            self.checks.append(Check("earlier", "not shown", "No earlier checkpoint is shown."))
            return
        judgement, trouble = _judged(self.policy, earlier.note)
        if judgement is None or not judgement.accepted or judgement.strangers:
            trouble = trouble or "the policy does not accept it"
            self._say("earlier", False, "", f"The earlier checkpoint is refused: {trouble}.")
            return
        old, new = judgement.checkpoint, self.checkpoint
        continued = old.origin == new.origin and verify_consistency(
            old.size, new.size, old.root, new.root, earlier.path
        )
        right = f"The log only grew from the earlier checkpoint of {old.size} entries, under which the event was not."
        wrong = "The earlier checkpoint is not one that the log grew from, before this entry."
        if self._say("earlier", continued and 0 < old.size <= entry.exhibit.index, right, wrong):
            self.after = judgement

    def _time(self, entry: Entry, judgement: Judgement | None) -> None:
        at_us = entry.leaf.time_us
        before = [one.time_s * 1_000_000 for one in judgement.cosigned] if judgement is not None else []
        after = [one.time_s * 1_000_000 for one in self.after.cosigned] if self.after is not None else []
        if not 0 <= at_us < YEAR_10000_US:
            self._say("time", False, "", "The ledger's time for the entry is no date.")
            return
        recorded = format_us(at_us)
        if not before and not after:
            text = f"The ledger says {recorded}; no witness's time bounds it."
            self.checks.append(Check("time", "not shown", text))
            return
        fits = all(at_us <= one + TOLERANCE_US for one in before) and all(at_us >= one - TOLERANCE_US for one in after)
        self._say(
            "time",
            fits,
            f"Recorded {recorded}{words.bounds(self.after, judgement)}.",
            f"The ledger says {recorded}, which the witnesses' times contradict: it is back-dated or post-dated.",
        )

    # --- what it says ----------------------------------------------------------------------------------------

    def _facts(self, entry: Entry, judgement: Judgement | None) -> Facts | None:
        info, header, decision = entry.info, entry.header, entry.decision
        if info is None or header is None or decision is None or judgement is None:
            return None
        issuer = self.directory.organisation(header.issuer)
        return Facts(
            origin=plain(self.checkpoint.origin),
            index=entry.exhibit.index,
            event_id=dashed(header.event_id),
            type=info.name,
            step=header.step,
            lane=header.lane,
            issuer=header.issuer,
            issuer_name=issuer.name if issuer is not None else None,
            nation=(issuer.nation or None) if issuer is not None else None,
            issued_at=format_us(header.issued_at),
            recorded_at=format_us(min(max(0, entry.leaf.time_us), YEAR_10000_US - 1)),
            thread=header.thread.hex(),
            about=None if header.about is None else dashed(header.about),
            recipients=tuple(self._recipient(one.org, one.allow, one.reason) for one in decision.recipients),
            audit_nations=tuple(header.audit_nations),
            policy=entry.leaf.policy_d.hex(),
            after=None if self.after is None else words.bound(self.after),
            before=words.bound(judgement),
            content="not here: " + ", ".join(entry.erased) if entry.erased else "complete",
        )

    def _recipient(self, org: str, allowed: bool, reason: str) -> Recipient:
        known = self.directory.organisation(org)
        return Recipient(org, None if known is None else known.nation or None, allowed, reason)


def _judged(policy: Policy, note: Note) -> tuple[Judgement | None, str]:
    """The policy's judgement, or why there is none."""
    try:
        return policy.judge(note), ""
    except CheckFailed as error:
        return None, error.message
    except Malformed:
        return None, "it is no checkpoint"
