"""What is wrong, in a sentence that an auditor understands."""

from __future__ import annotations

import msgspec

from bus.errors import CheckFailed


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    check: str
    """Which check found it: a stable name, such as ``entry-changed``."""
    sentence: str
    index: int | None = None
    """The entry it is about, or the first of several; None where it is about no entry."""
    place: str | None = None
    """The file or table."""

    def raised(self) -> Wrong:
        """The fault as an error."""
        return Wrong(self)


class Wrong(CheckFailed):
    """Verification found something wrong."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.sentence)
        self.fault = fault
