"""Who acts: an organisation's profile, by ``--as``, ``BUS_AS`` or ``BUS_PROFILE``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bus.cli.base import settings
from bus.errors import UsageError

if TYPE_CHECKING:
    from bus.partner.profile import Profile


def profile_of(org: str | None) -> Profile:
    """The profile of whoever acts.

    Raises:
        UsageError: nobody is named, or there is no such profile.
    """
    from bus.partner.profile import Profile

    return Profile.find(org, environ={**os.environ, "BUS_HOME": str(settings().state)})


def check_members(members: tuple[str, ...]) -> tuple[str, ...] | None:
    """The organisations of ``--to``, or None if there are none.

    Raises:
        UsageError: one is no organisation or agreement.
    """
    from bus.events.names import MEMBER_RE

    for member in members:
        if not MEMBER_RE.fullmatch(member):
            raise UsageError(f"--to {member}: no organisation and no @agreement has such an id")
    return members or None
