"""What a repair found, what it would do, and what it did."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field, to_builtins

from bus.repair.again import Partial


class Finding(Struct, frozen=True):
    """One thing that is not as it must be; ``what`` is a stable name."""

    what: str
    sentence: str


class Step(Struct, frozen=True):
    """One thing to do about it."""

    do: str
    sentence: str


class Report(Struct):
    """All of it. ``stuck`` says why nothing that was told can be restored; then only a continued log is left."""

    origin: str
    size: int
    signed: int | None = None
    found: list[Finding] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    partial: list[Partial] = field(default_factory=list)
    witnesses: dict[str, int | None] = field(default_factory=dict)
    stuck: str | None = None
    done: bool = False

    @property
    def is_healthy(self) -> bool:
        """Whether there is nothing to repair."""
        return not self.found

    def finding(self, what: str, sentence: str) -> None:
        """Note what is wrong."""
        self.found.append(Finding(what, sentence))

    def step(self, do: str, sentence: str) -> None:
        """Note what is to be done."""
        self.steps.append(Step(do, sentence))

    def as_json(self) -> dict[str, Any]:
        """For ``-o json``."""
        outcome = "nothing" if self.is_healthy else "stuck" if self.stuck else "done" if self.done else "planned"
        return {"outcome": outcome, **to_builtins(self)}
