"""What an inbox says of hashes, as facts that add up: a listing, a dispute, an end, a recall.

A matcher keeps, for each **thread** of events, the facts that still count. New facts go behind old ones and the sum
is taken again, so it does not matter in how many pieces they came. A recall or a retraction leaves nothing behind.

Opinions follow the library's: a hash is *positive* where a classification says that it is abuse material, *negative*
where one says that it is not, or where somebody disputes it, and else a *seed* that a person must look at. Nobody's
opinion overwrites another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

NEGATIVE, SEED, POSITIVE = 0, 1, 2
"""As ``threatexchange.exchanges.fetch_state.SignalOpinionCategory``."""

_POSITIVE = frozenset(
    {
        *(("ncmec-esp", code) for code in ("A1", "A2", "B1", "B2")),
        *(("uk-sc-2014", code) for code in ("A", "B", "C")),
        *(("iccam", code) for code in ("baseline", "nationally_illegal")),
        ("arachnid", "csam"),
    }
)
_NEGATIVE = frozenset({("iccam", "not_illegal"), ("arachnid", "no-known-match")})
_LISTED = frozenset({"listed", "reclassified", "verified", "proposed"})
_ENDED = frozenset({"retracted", "withdrawn_by_survivor"})


class Kind(Enum):
    """What a fact says."""

    LISTED = "listed"
    DISPUTED = "disputed"
    ENDED = "ended"
    RECALLED = "recalled"


@dataclass(frozen=True)
class Signal:
    """One hash, in lower-case hexadecimal, by the bus's name of its algorithm; of a frame also where it is."""

    algorithm: str
    value: str
    quality: int | None = None
    frame_ms: int | None = None


@dataclass(frozen=True)
class Fact:
    """What one event says.

    Attributes:
        kind: what it says.
        event_id: which event says it, dashed.
        root: the listing that it is about, dashed; its own id where it is the first.
        issuer: who says it.
        index: where it stands in the ledger.
        category: the opinion, as numbers above.
        tags: classifications, flags and reasons, as ``scheme:code``.
        list_id: the list, of a listing.
        entry: its entry.
        media: image, video or another kind, if it says so.
        signals: its hashes.
    """

    kind: Kind
    event_id: str
    root: str
    issuer: str
    index: int
    category: int = SEED
    tags: tuple[str, ...] = ()
    list_id: str = ""
    entry: str = ""
    media: str | None = None
    signals: tuple[Signal, ...] = ()


@dataclass
class Thread:
    """The facts of one thread that still count; ``earlier`` are ids of listings that the last one replaced."""

    facts: list[Fact] = field(default_factory=list[Fact])
    earlier: dict[str, str] = field(default_factory=dict[str, str])

    def roots(self) -> list[str]:
        """The listings that stand."""
        return [fact.root for fact in self.facts if fact.kind is Kind.LISTED]

    def about(self, root: str) -> tuple[Fact, list[Fact]]:
        """What is said of one listing: its last word, and the disputes."""
        listed = next(fact for fact in self.facts if fact.kind is Kind.LISTED and fact.root == root)
        return listed, [fact for fact in self.facts if fact.kind is Kind.DISPUTED and fact.root == root]


def fact_of(event: dict[str, Any], index: int) -> Fact | None:
    """What a delivered event says of hashes; None if nothing.

    Args:
        event: in its JSON form, opened.
        index: where it stands in the ledger.
    """
    header = event["header"]
    step, event_id = header["step"], header["event_id"]
    about = header.get("about")
    if event["type"] == "Recall":
        return Fact(Kind.RECALLED, event_id, about, header["issuer"], index) if about else None
    if event["type"] != "HashListing":
        return None
    root, issuer, body = about or event_id, header["issuer"], event["body"]
    if step in _ENDED:
        return Fact(Kind.ENDED, event_id, root, issuer, index)
    if step == "disputed":
        tags = ("disputed", f"reason:{body.get('reason')}")
        return Fact(Kind.DISPUTED, event_id, root, issuer, index, NEGATIVE, tags)
    if step not in _LISTED:
        return None
    return _listed(event, root, index)


def _listed(event: dict[str, Any], root: str, index: int) -> Fact:
    header, body = event["header"], event["body"]
    hashes = (event.get("sealed") or {}).get("hashes") or []
    signals = tuple(
        Signal(one["algorithm"], one["value"], one.get("quality"), one.get("frame_ms"))
        for one in hashes
        if one.get("value") is not None
    )
    rated = [(one["scheme"], one["code"]) for one in body.get("classifications") or []]
    tags = (*(f"{scheme}:{code}" for scheme, code in rated), *(f"flag:{flag}" for flag in body.get("flags") or []))
    return Fact(
        Kind.LISTED, header["event_id"], root, header["issuer"], index,
        category=_category(header["step"], rated), tags=tags, list_id=body["list_id"], entry=body["entry"],
        media=body.get("media"), signals=signals,
    )  # fmt: skip


def _category(step: str, rated: Sequence[tuple[str, str]]) -> int:
    """The opinion of a listing. A number of an opaque scale, or no rating at all, is a seed: a person must look."""
    if step == "proposed":
        return SEED
    if any(one in _POSITIVE for one in rated):
        return POSITIVE
    return NEGATIVE if rated and all(one in _NEGATIVE for one in rated) else SEED


def added(old: Thread | None, new: Iterable[Fact]) -> Thread | None:
    """The facts that count after new ones; None if none do.

    A last word replaces the earlier ones of a listing; a dispute replaces its organisation's earlier one. An end takes
    the listing and its disputes away, a recall what it names; one of an unknown event takes all of the thread. A later
    step may be about any earlier one of its listing, also about one that never came here. What hangs on such a step may
    be of the listing that ended, so it goes too: rather too little is matched than what was taken back.
    """
    thread = Thread(list(old.facts), dict(old.earlier)) if old is not None else Thread()
    for fact in new:
        _add(thread, fact)
    return thread if thread.facts else None


def _add(thread: Thread, fact: Fact) -> None:
    if fact.kind in {Kind.LISTED, Kind.DISPUTED}:
        fact = replace(fact, root=_by_event(thread).get(fact.root, fact.root))
    if fact.kind is Kind.LISTED:
        before = [one for one in thread.facts if one.kind is Kind.LISTED and one.root == fact.root]
        thread.earlier |= {one.event_id: one.root for one in before}
        thread.facts = [one for one in thread.facts if one not in before] + [fact]
    elif fact.kind is Kind.DISPUTED:
        same = (Kind.DISPUTED, fact.root, fact.issuer)
        thread.facts = [one for one in thread.facts if (one.kind, one.root, one.issuer) != same] + [fact]
    else:
        _take_away(thread, fact)


def _by_event(thread: Thread) -> dict[str, str]:
    """The listing that each known event of a thread belongs to."""
    said = (one for one in thread.facts if one.kind is Kind.LISTED)
    return thread.earlier | {one.event_id: one.root for one in said}


def _take_away(thread: Thread, fact: Fact) -> None:
    """An end or a recall."""
    dispute = [one for one in thread.facts if one.kind is Kind.DISPUTED and one.event_id == fact.root]
    if fact.kind is Kind.RECALLED and dispute:
        thread.facts = [one for one in thread.facts if one not in dispute]
        return
    by_event = _by_event(thread)
    root = by_event.get(fact.root, fact.root)
    hanging = {one.root for one in thread.facts if one.root not in by_event}
    if fact.kind is Kind.RECALLED and root == fact.root and root not in by_event and root not in hanging:
        thread.facts, thread.earlier = [], {}
        return
    gone = {root, fact.root} | hanging
    thread.facts = [one for one in thread.facts if one.root not in gone]
    kept = thread.earlier.items() if thread.facts else ()
    thread.earlier = {event: of for event, of in kept if of not in gone}
