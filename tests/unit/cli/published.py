"""An event in an organisation's journal, as if it had been published."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bus.events.codec import assemble, encode_body, encode_header, encode_sealed
from bus.events.examples import example
from bus.events.jsonform import parse_event
from bus.partner.compose import fill
from bus.partner.journal import Journal, NewEvent
from bus.partner.profile import Profile


def keep(home: Path, org: str, audience: list[str]) -> dict[str, Any]:
    """Keep a hash hit of the organisation's; its JSON form."""
    profile = Profile.load(home / "organisations" / org / "profile.toml")
    now_us = time.time_ns() // 1000
    event = example("HashHit", issuer=org, audience=audience, nations=["SE"], now_us=now_us)
    parts = parse_event(event, fill(profile, now_us=now_us, subjects=lambda _: None))
    header = parts.header
    value = assemble(
        parts.info, encode_header(parts.info, header), encode_body(parts.info, parts.body), encode_sealed(None)
    )
    with Journal(profile.journal_file) as journal:
        journal.keep([NewEvent(header.event_id, b"c" * 32, f"out.{org}", header.thread, header.lane, value, b"s")])
    return event
