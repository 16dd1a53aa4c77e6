"""Where one accepted event stands: what it said, and which event opened its subject."""

from __future__ import annotations

from bus.ledger.store import Accepted, Standing

VIEWED_TYPES = frozenset({"HashHit", "Assessment", "Report"})
"""Types whose body says who viewed the file."""


def standing_of(accepted: Accepted | None) -> Standing | None:
    """Where an accepted event stands, if it is known; one of this flush opened a subject unless it was noted."""
    if accepted is None:
        return None
    if accepted.standing is None and accepted.told is not None:
        info, header, body, *_ = accepted.told
        viewed = body.viewed if info.name in VIEWED_TYPES else None
        accepted.standing = Standing(
            info.name, header.issuer, header.step, header.addressee, header.event_id, viewed, about=header.about
        )
    return accepted.standing
