"""Looks up, before anything is said, whether those who would hear it are in the directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bus.errors import UsageError
from bus.nearest import did_you_mean

if TYPE_CHECKING:
    from bus.partner.profile import Profile
    from bus.trust.directory import Directory, Organisation


class Members:
    """Whom the directory has. It is read when it is first asked for, once in a command."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._read: Directory | None = None

    def check(self, names: Sequence[str]) -> None:
        """See that the directory has each of these organisations and agreements.

        Raises:
            UsageError: it has not; it names who is most like it.
            Unavailable, NotAllowed: the directory cannot be read.
        """
        from bus.partner.known import NOBODY, strangers

        for name, near in strangers(self._directory(), names).items():
            raise UsageError(f"the directory has no {name}", hint=did_you_mean(near) or NOBODY)

    def organisation(self, org: str) -> Organisation | None:
        """An organisation as it was admitted, or None."""
        return self._directory().organisation(org)

    def _directory(self) -> Directory:
        from bus.cli.runtime import run
        from bus.partner.known import read_directory

        if self._read is None:
            self._read = run(read_directory(self._profile, f"bus-act-{self._profile.organisation}"))
        return self._read
