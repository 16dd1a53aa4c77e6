"""Running the demonstration on a sandbox: tell the story, count what it did, and let an auditor ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bus.demo.ask import Answers, ask, courier_said
from bus.demo.inboxes import Inboxes
from bus.demo.stage import PAGES, PAGES_ISSUER, Said, Stage, Subject, profile
from bus.demo.story import Act, story
from bus.demo.telling import Telling
from bus.errors import CheckFailed, SandboxError

LOST = {
    "left-out": "fingerprint of the wrong length left out",
    "unknown-tombstone": "tombstones of unknown entries",
    "unchanged": "unchanged",
}


async def tell(home: Path, facts: Mapping[str, Any], *, seed: int, auditor: str, telling: Telling) -> dict[str, Any]:
    """Tell the story on a sandbox that is up.

    Args:
        home: its state folder.
        facts: its status.
        seed: of the story.
        auditor: who asks at the end.
        telling: where to.

    Returns:
        The counts, as ``bus demo -o json`` prints them.

    Raises:
        CheckFailed: the counts of receipts, ledger and inboxes do not agree.
    """
    begun = time.monotonic()
    acts = story(seed)
    nations = {org: found["nation"] for org, found in facts["organisations"].items()}
    async with AsyncExitStack() as stack:
        dsn = facts["postgres"]["dsn"]
        inboxes = Inboxes({org: profile(home, nations, org) for org in nations})

        async def heard(org: str, subject: Subject) -> None:
            await inboxes.heard(org, subject.event_id)
            await courier_said(dsn, {subject.lane: subject.index})

        await stack.enter_async_context(inboxes)
        stage = await stack.enter_async_context(Stage(home, nations, heard))
        await stage.open(_speakers(acts))
        await _pages(stage, telling)
        for act in acts:
            telling.act(act)
            await stage.play(act, telling.said)
        delivered = await inboxes.wait(expected(stage.said))
        _opened(inboxes, stage, telling)
        report = stage.subjects["report"].event_id
        ids = list(dict.fromkeys(one.outcome.event_id for one in stage.said))
        found = await ask(dsn, report=report, ids=ids, last=_last(stage.said))
    telling.answers(auditor, found)
    counts = _counts(stage.said, found, delivered, time.monotonic() - begun)
    telling.last(counts)
    return counts


def _speakers(acts: Sequence[Act]) -> list[str]:
    return sorted({PAGES_ISSUER, *(line.issuer for act in acts for line in act.lines)})


async def _pages(stage: Stage, telling: Telling) -> None:
    """Publish the real pages."""
    folder = pages_dir()
    telling.title(
        "Real pages of a hash-sharing API",
        f"{PAGES_ISSUER} passes on what it reads there; published again, they say nothing new.",
    )
    for name in PAGES:
        before = Counter(stage.notices)
        said = [one async for one in stage.read_page(folder, name)]
        lost = stage.notices - before
        telling.page(name, said, "; ".join(f"{n} {LOST[kind]}" for kind, n in sorted(lost.items())))


def pages_dir() -> Path:
    """Where the sample pages are: in the checkout, or in the wheel.

    Raises:
        SandboxError: they are in neither.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "tests" / "data" / "ncmec-hashsharing", package / "_data" / "ncmec-hashsharing"):
        if folder.is_dir():
            return folder
    raise SandboxError("the sample pages are not here", hint="Run the demonstration from a checkout.")


def expected(said: Sequence[Said]) -> dict[str, list[bytes]]:
    """Who must find what in the inbox: everything that was accepted now. A repeat is not delivered again."""
    wanted: dict[str, list[bytes]] = {}
    for one in said:
        if one.outcome.outcome == "accepted":
            for org in one.to:
                wanted.setdefault(org, []).append(one.outcome.event_id)
    return wanted


def _last(said: Sequence[Said]) -> dict[str, int]:
    """By lane, the highest index that an event was accepted at."""
    last: dict[str, int] = {}
    for one in said:
        if one.outcome.outcome == "accepted" and one.outcome.index is not None:
            lane = "urgent" if (one.outcome.topic or "").endswith(".urgent") else "bulk"
            last[lane] = max(last.get(lane, 0), one.outcome.index)
    return last


def _opened(inboxes: Inboxes, stage: Stage, telling: Telling) -> None:
    """Show that a recipient can read what the hub cannot."""
    plain = inboxes.unsealed("police-lowlands", stage.subjects["report"].event_id)
    telling.note(
        f"The police of the lowlands open the report with their own key: {len(plain.accounts)} account,"
        f" {len(plain.ip_events)} address, {len(plain.hashes)} hashes, a narrative. The hub holds ciphertext."
    )


def _counts(said: Sequence[Said], found: Answers, delivered: int, seconds: float) -> dict[str, Any]:
    """What the receipts say, once it agrees with the ledger.

    Raises:
        CheckFailed: it does not.
    """
    tally = Counter(one.outcome.outcome for one in said)
    standing = {one.outcome.event_id for one in said if one.outcome.stands}
    if len(standing) != found.standing or tally["refused"] != len(found.refused):
        raise CheckFailed(
            f"receipts say that {len(standing)} events stand and {tally['refused']} were refused,"
            f" the ledger {found.standing} and {len(found.refused)}"
        )
    return {
        "published": len(said),
        "accepted": tally["accepted"],
        "repeated": tally["repeated"],
        "refused": tally["refused"],
        "delivered": delivered,
        "ledger_size": found.head.size,
        "root": found.head.root.hex(),
        "seconds": round(seconds, 3),
    }
