"""What a check of evidence found: a list of checks, and the facts that rest on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Outcome = Literal["holds", "false", "not shown"]
"""``not shown``: the evidence does not say; nothing that it says is false by that."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at, what came of it, and what that means."""

    name: str
    outcome: Outcome
    text: str


class Recipient(msgspec.Struct, frozen=True):
    """Who was decided on, what was decided and why; the nation where the evidence shows it."""

    org: str
    nation: str | None
    allowed: bool
    reason: str


class Bound(msgspec.Struct, frozen=True):
    """A checkpoint beside the entry: how many entries it has, and who cosigned it when."""

    size: int
    root: str
    cosigned: tuple[tuple[str, str], ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence says of the event. Only where all checks hold is it so."""

    origin: str
    index: int
    event_id: str
    type: str
    step: str
    lane: str
    issuer: str
    issuer_name: str | None
    nation: str | None
    issued_at: str
    recorded_at: str
    thread: str
    about: str | None
    recipients: tuple[Recipient, ...]
    audit_nations: tuple[str, ...]
    policy: str
    """SHA-256 of the hub's policy that the decision was made by."""
    after: Bound | None
    before: Bound
    content: str


class Report(msgspec.Struct, frozen=True):
    """The outcome for one file."""

    file: str
    checks: tuple[Check, ...]
    facts: Facts | None

    @property
    def holds(self) -> bool:
        """Whether nothing that was checked is false."""
        return self.facts is not None and all(check.outcome != "false" for check in self.checks)

    @property
    def first_false(self) -> Check | None:
        """The first thing that is wrong."""
        return next((check for check in self.checks if check.outcome == "false"), None)

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "file": self.file,
            "holds": self.holds,
            "checks": [msgspec.to_builtins(check) for check in self.checks],
            "event": None if self.facts is None else msgspec.to_builtins(self.facts),
        }


def listed(names: Sequence[str]) -> str:
    """Names in a row, as a sentence has them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def plain(name: str) -> str:
    """A name whose bytes are free, as a line that does nothing to a terminal: what cannot be shown is a mark."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
