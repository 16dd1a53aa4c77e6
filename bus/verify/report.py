"""What a verification has found: each check with its outcome, and the first thing that is wrong."""

from __future__ import annotations

from typing import Any

import msgspec

from bus.tlog.leaf import Outcome
from bus.verify.fault import Fault


class Check(msgspec.Struct, frozen=True):
    """One kind of check that was made, and how much it covered."""

    name: str
    detail: str
    holds: bool = True


class Span(msgspec.Struct, frozen=True):
    """Consecutive entries under one policy of the hub (the SHA-256 of its policy file)."""

    first: int
    last: int
    digest: bytes


class Report(msgspec.Struct):
    """The outcome of one verification."""

    origin: str = ""
    size: int = 0
    root: bytes = b""
    since: int = 0
    """Size of the checkpoint that was given, or 0: entries from here on were checked, those before stand under it."""
    time_us: int | None = None
    witnesses: list[tuple[str, int]] = []
    """Who cosigned the newest checkpoint, and when (seconds since 1970)."""
    outcomes: dict[int, int] = {}
    policies: list[Span] = []
    continues: dict[str, Any] | None = None
    """The old log that this one goes on from, as its entry says."""
    checks: list[Check] = []
    fault: Fault | None = None
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault is None

    def passed(self, name: str, detail: str) -> None:
        """Note a check that held."""
        self.checks.append(Check(name, detail))

    def failed(self, fault: Fault) -> None:
        """Note what is wrong; of several the first counts."""
        self.checks.append(Check(fault.check, fault.sentence, holds=False))
        self.fault = self.fault or fault

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        fault = self.fault
        return {
            "holds": self.holds,
            "fault": None
            if fault is None
            else {"check": fault.check, "index": fault.index, "place": fault.place, "sentence": fault.sentence},
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
            "since": self.since,
            "witnesses": [{"name": name, "time_s": time_s} for name, time_s in self.witnesses],
            "outcomes": {one.name.lower(): self.outcomes.get(one, 0) for one in Outcome},
            "policies": [{"first": one.first, "last": one.last, "sha256": one.digest.hex()} for one in self.policies],
            "continues": self.continues,
            "checks": [{"check": one.name, "holds": one.holds, "detail": one.detail} for one in self.checks],
            "seconds": round(self.seconds, 3),
        }


def counted(size: int, since: int) -> str:
    """How many entries were checked, in words that fit."""
    count = size - since
    return f"{count} {'entry' if count == 1 else 'entries'}{f' since entry {since}' if since else ''}"


def span(spans: list[Span], index: int, digest: bytes) -> None:
    """From this entry on, another policy; the same one again changes nothing."""
    if spans and spans[-1].digest == digest:
        return
    close_span(spans, index)
    spans.append(Span(index, index, digest))


def close_span(spans: list[Span], end: int) -> None:
    """The last span ends before this entry."""
    if spans:
        spans[-1] = Span(spans[-1].first, end - 1, spans[-1].digest)
