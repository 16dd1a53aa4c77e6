"""Where subjects are in their lifecycles: looked up before a flush is decided, noted as events are accepted.

An event that is about nothing opens a subject, and so does one about an event of another type, unless its lifecycle
says that it runs on that (``bus/events/lifecycles.py``). What follows is kept as rows of ``ledger.step``, of which
the state is nothing but the fold: the last step of each line of each subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from asyncpg.pgproto.pgproto import UUID
from msgspec import structs

from bus.errors import Malformed
from bus.events import registry
from bus.events.codec import Decoded, decode_body
from bus.events.lifecycle import LIFECYCLES, START, Lifecycle
from bus.events.registry import SchemaInfo
from bus.events.types import Header, Viewed
from bus.hub.intake import Candidate, claimed_header
from bus.hub.reach import RECALLED, heard_by, spread
from bus.hub.reach import Row as ReachRow
from bus.hub.standing import VIEWED_TYPES, standing_of
from bus.ledger.store import Accepted, Standing
from bus.policy import Subject

HUB = "hub"
HELD = "le_hold"
FOREBEARS = 8
"""How far back it is looked for who viewed a file: from subject to what that is about, and so on."""
Row = tuple[int, UUID, str, str, str | None, bool]
"""A row of ``ledger.step``."""


class Reads(Protocol):
    """What is asked of an open flush."""

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """The rows of a named query."""
        ...


# --- deciding ---------------------------------------------------------------------------------------------------------


def subject_of(info: SchemaInfo, header: Header, accepted: dict[bytes, Accepted]) -> Subject | None:
    """What the policy must know of an event's subject; None if it is about nothing, or nothing known here."""
    about = accepted.get(header.about) if header.about is not None else None
    if about is None:
        return None
    standing = standing_of(about)
    if standing is None:
        return Subject(about.thread, about.lane)
    life = LIFECYCLES[info.name]
    opener = accepted.get(standing.subject)
    root = standing_of(opener) or standing
    known = Subject(
        about.thread,
        about.lane,
        standing.issuer,
        viewed=_viewed_above(root, accepted),
        heard=heard_by(about),
        recalled=RECALLED in about.reach or (opener is not None and RECALLED in opener.reach),
    )
    key = _runs_on(life, header, standing)
    if key is None:
        return known
    on = standing_of(accepted.get(key)) or standing
    main, own = _last(life, header, on)
    reach = 0
    if life.steps[header.step].passes:
        reach = max(len(heard_by(one) or ()) for one in (about, opener or about))
    held = on.held_until_us if main == HELD else None
    return structs.replace(
        known, owner=on.issuer, addressee=on.addressee, main=main, own=own, reach=reach, held_until_us=held
    )


def _viewed_above(root: Standing, accepted: Mapping[bytes, Accepted]) -> Viewed | None:
    """What is stated of who viewed the file, here or in what this subject is about, and that about, and so on."""
    for _ in range(FOREBEARS + 1):
        above = None if root.about is None else standing_of(accepted.get(root.about))
        if root.viewed is not None or above is None:
            return root.viewed
        root = standing_of(accepted.get(above.subject)) or above
    return None


def _runs_on(life: Lifecycle, header: Header, about: Standing) -> bytes | None:
    """The event whose lifecycle goes on with this one; None if it opens a subject of its own."""
    if life.of == "event" and about.type != life.name:
        return header.about
    return about.subject if life.of or about.type == life.name else None


def _last(life: Lifecycle, header: Header, on: Standing) -> tuple[str, str]:
    """The last step on the subject's line and on the organisation's own."""
    if life.subjects and on.type not in life.subjects:
        return "", ""
    steps = on.steps or {}
    first = on.step if on.type == life.name else START
    main = steps.get((life.name, _line(life, header, each=False)), first)
    return main, steps.get((life.name, _line(life, header, each=True)), main)


def _line(life: Lifecycle, header: Header, *, each: bool) -> str:
    """Whose way a step goes: the subject's own, an organisation's, or that of one deadline of one addressee."""
    if life.name == "Overdue":
        return f"{header.addressee}/{header.deadline}"
    if not each:
        return ""
    return header.addressee or HUB if header.issuer == HUB else header.issuer


# --- noting -----------------------------------------------------------------------------------------------------------


def follow(info: SchemaInfo, header: Header, stands: Accepted, accepted: dict[bytes, Accepted]) -> tuple[Row, ...]:
    """Note an accepted event that is about another.

    Args:
        info: its schema.
        header: its header.
        stands: its place in the ledger.
        accepted: what is known; the subject that it follows moves on.

    Returns:
        The row that keeps it; none if it opens a subject of its own.
    """
    own, about = standing_of(stands), standing_of(accepted.get(header.about or b""))
    if own is None or about is None or about is own:
        return ()
    life = LIFECYCLES[info.name]
    key = _runs_on(life, header, about)
    if key is None:
        return ()
    viewed, own.subject, own.viewed = own.viewed, key, None
    on = standing_of(accepted.get(key))
    step = life.steps[header.step]
    line = _line(life, header, each=step.each)
    states = on is not None and viewed is not None and on.viewed is None
    if on is not None:
        on.viewed = viewed if states else on.viewed
        if not step.keeps:
            on.steps = on.steps or {}
            on.steps[info.name, line] = header.step
        if header.step == HELD and stands.told is not None:
            on.held_until_us = stands.told.body.hold_until
    return ((stands.index, UUID(key), info.name, line, None if step.keeps else header.step, states),)


def replay(events: Iterable[tuple[int, Decoded, bytes]]) -> tuple[list[Row], list[ReachRow]]:
    """The rows of ``ledger.step`` and ``ledger.reach`` again, from accepted events and their decisions in order."""
    accepted: dict[bytes, Accepted] = {}
    steps: list[Row] = []
    reach: list[ReachRow] = []
    for index, event, decision in events:
        info, header = event.info, event.header
        stands = Accepted(index, b"", header.thread, header.lane, None, event, decision)
        accepted[header.event_id] = stands
        steps += follow(info, header, stands, accepted)
        reach += spread(info, header, stands, accepted)
    return steps, reach


# --- looking up -------------------------------------------------------------------------------------------------------


def subjects_in(candidates: Sequence[object]) -> list[bytes]:
    """The ids that a flush's events are about, supersede or name as causes."""
    wanted: set[bytes] = set()
    for candidate in candidates:
        header = claimed_header(candidate) if isinstance(candidate, Candidate) else None
        if header is not None:
            wanted.update(one for one in (header.about, header.supersedes, *header.causes) if one is not None)
    return list(wanted)


async def look_up(reads: Reads, candidates: Sequence[object], accepted: dict[bytes, Accepted]) -> None:
    """Add to ``accepted`` where each subject of a flush is, and the event that opened it."""
    ids = subjects_in(candidates)
    if not ids:
        return
    opened = await _add_with_openers(reads, ids, accepted)
    keys = [UUID(one) for one in {*ids, *opened} if one in accepted]
    if not keys:
        return
    holds: dict[int, Standing] = {}
    for row in await reads.fetch("find_steps", keys):
        standing = accepted[row["subject"].bytes].standing
        assert standing is not None
        standing.steps = standing.steps or {}
        standing.steps[row["type"], row["line"]] = row["step"]
        if row["step"] == HELD:
            holds[row["index"]] = standing
    for row in await reads.fetch("find_reach", keys):
        accepted[row["event"].bytes].reach |= {row["org"]}
    await _add_viewed(reads, [one for one in opened if one in accepted], accepted)
    if any(map(_states_viewed, candidates)):
        await _add_forebears(reads, opened, accepted)
    for row in await reads.fetch("bodies", list(holds)) if holds else ():
        holds[row["index"]].held_until_us = getattr(_body(row), "hold_until", None)


async def _add_with_openers(reads: Reads, ids: Iterable[bytes], accepted: dict[bytes, Accepted]) -> set[bytes]:
    """Add events, and those that opened their subjects; the ids of these."""
    await _add(reads, [one for one in ids if one not in accepted or accepted[one].standing is None], accepted)
    known = (accepted[one].standing for one in ids if one in accepted)
    opened = {one.subject for one in known if one is not None}
    await _add(reads, [one for one in opened if one not in accepted or accepted[one].standing is None], accepted)
    return opened


async def _add_forebears(reads: Reads, opened: set[bytes], accepted: dict[bytes, Accepted]) -> None:
    """Add what subjects are about, and that about, up to where it was stated who viewed the file."""
    for _ in range(FOREBEARS):
        roots = [accepted[one].standing for one in opened if one in accepted]
        above = {one.about for one in roots if one is not None and one.viewed is None and one.about is not None}
        if not above:
            return
        opened = await _add_with_openers(reads, above, accepted)
        await _add_viewed(reads, [one for one in opened if one in accepted], accepted)


def _states_viewed(candidate: object) -> bool:
    """Whether an event of the flush says who viewed a file."""
    decoded = candidate.decoded if isinstance(candidate, Candidate) else None
    return decoded is not None and getattr(decoded.body, "viewed", None) is not None


async def _add(reads: Reads, ids: Sequence[bytes], accepted: dict[bytes, Accepted]) -> None:
    if not ids:
        return
    for row in await reads.fetch("find_standing", [UUID(one) for one in ids]):
        event_id = row["event_id"].bytes
        info = registry.by_id(row["schema_id"])
        subject = event_id if row["subject"] is None else row["subject"].bytes
        name = "" if info is None else info.name
        about = None if row["about"] is None else row["about"].bytes
        standing = Standing(name, row["issuer"], row["step"], row["addressee"], subject, about=about)
        accepted[event_id] = Accepted(
            row["index"], row["commitment"], row["thread"].bytes, row["lane"], standing, decision=row["decision"]
        )


async def _add_viewed(reads: Reads, subjects: Sequence[bytes], accepted: dict[bytes, Accepted]) -> None:
    """What was first stated of who viewed the file, from the body that states it; an erased one states nothing."""
    entries = {one: accepted[one].index for one in subjects if _type_of(accepted[one]) in VIEWED_TYPES}
    if not entries:
        return
    for row in await reads.fetch("find_viewed", [UUID(one) for one in entries]):
        entries[row["subject"].bytes] = row["index"]
    found = {row["index"]: _viewed(row) for row in await reads.fetch("bodies", list(entries.values()))}
    for subject, index in entries.items():
        standing = accepted[subject].standing
        if standing is not None:
            standing.viewed = found.get(index)


def _type_of(accepted: Accepted) -> str:
    return "" if accepted.standing is None else accepted.standing.type


def _viewed(row: Any) -> Viewed | None:
    return getattr(_body(row), "viewed", None)


def _body(row: Any) -> msgspec.Struct | None:
    """The body of an entry; None if it cannot be read."""
    info = registry.by_id(row["schema_id"])
    if info is None:
        return None
    try:
        return decode_body(info, row["body"], row["step"])
    except Malformed:
        return None
