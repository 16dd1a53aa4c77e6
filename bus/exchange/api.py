"""The bus as a ``SignalExchangeAPI`` of the library ``threatexchange``: an inbox's listings, ready for its matchers.

The library asks :meth:`BusSignalExchangeAPI.fetch_iter` what is new since a checkpoint, keeps the records by thread,
merges each with what it had, and turns them into signals for its indices. What becomes what: ``docs/exchange.md``.
"""
# pyright: basic, reportMissingImports=false
# The library is installed on request only (docs/adr/0022).

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from threatexchange.exchanges import fetch_state as state
from threatexchange.exchanges.signal_exchange_api import SignalExchangeAPI

from bus.errors import UsageError
from bus.exchange.collab import NAME, BusCollabConfig
from bus.exchange.facts import Fact, Kind, Thread, added
from bus.exchange.inbox import batches
from bus.partner import Profile, Transport

__all__ = ["BusCheckpoint", "BusCollabConfig", "BusOpinion", "BusSignalExchangeAPI", "BusSignalMetadata"]
_TYPES = {"PDQ": "pdq", "MD5": "video_md5", "SHA256": "video_sha256"}
"""The bus's algorithm to the library's signal type; vPDQ is put together of its parts."""
_OF_VIDEO = frozenset({"MD5", "SHA256"})
_VPDQ = "vpdq"


@dataclass
class BusCheckpoint(state.FetchCheckpointBase):
    """Where the next fetch begins: lane to (offset to read next, last number), at the log that they are of."""

    origin: str
    places: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class BusOpinion(state.SignalOpinion):
    """One organisation's opinion, and the event that holds it."""

    issuer: str = ""
    event_id: str = ""
    index: int = -1


@dataclass
class BusSignalMetadata(state.FetchedSignalMetadata):
    """All that is said of one signal: every listing of it, and every dispute."""

    organisation: str
    facts: list[Fact] = field(default_factory=list)

    @property
    def listings(self) -> list[Fact]:
        """The listings, the oldest in the ledger first: what a hit names as its source."""
        return sorted((fact for fact in self.facts if fact.kind is Kind.LISTED), key=lambda fact: fact.index)

    def get_as_opinions(self) -> Sequence[BusOpinion]:
        """An opinion for each fact."""
        return [
            BusOpinion(
                fact.issuer == self.organisation, state.SignalOpinionCategory(fact.category), set(fact.tags),
                fact.issuer, fact.event_id, fact.index,
            )
            for fact in self.facts
        ]  # fmt: skip


class BusSignalExchangeAPI(SignalExchangeAPI[BusCollabConfig, BusCheckpoint, BusSignalMetadata, str, Thread]):
    """An organisation's inbox. Args: the profile; how to reach a broker, by default Kafka as the profile says."""

    def __init__(self, profile: Profile, transport: Transport | None = None) -> None:
        super().__init__()
        self._profile, self._transport = profile, transport

    @classmethod
    def for_collab(cls, collab: BusCollabConfig) -> BusSignalExchangeAPI:
        """The inbox of a collaboration's profile.

        Raises:
            UsageError: there is no such profile.
        """
        return cls(Profile.load(collab.profile))

    @classmethod
    def get_name(cls) -> str:
        """The exchange's name in the library."""
        return NAME

    @staticmethod
    def get_config_cls() -> type[BusCollabConfig]:
        """What a collaboration says."""
        return BusCollabConfig

    @staticmethod
    def get_checkpoint_cls() -> type[BusCheckpoint]:
        """What is kept between fetches."""
        return BusCheckpoint

    @staticmethod
    def get_record_cls() -> type[BusSignalMetadata]:
        """What a match comes with."""
        return BusSignalMetadata

    def fetch_iter(
        self, supported_signal_types: Sequence[Any], checkpoint: BusCheckpoint | None
    ) -> Iterator[state.FetchDelta[str, Thread, BusCheckpoint]]:
        """What the inbox says that is new, in order.

        Raises:
            CheckFailed: something is missing or does not hold (:func:`bus.exchange.inbox.batches`).
            UsageError: the checkpoint is of another log.
        """
        del supported_signal_types
        origin = self._profile.origin
        if checkpoint is not None and checkpoint.origin != origin:
            raise UsageError("the kept state is of another log", hint="Clear it, and fetch anew.")
        places = {} if checkpoint is None else checkpoint.places
        for batch in batches(self._profile, places, self._transport):
            news: dict[str, Thread | None] = {thread: Thread(facts) for thread, facts in batch.facts.items()}
            yield state.FetchDelta(news, BusCheckpoint(origin, batch.places))

    @classmethod
    def fetch_value_merge(cls, old: Thread | None, new: Thread | None) -> Thread | None:
        """The facts of a thread after new ones; None if nothing of it counts any longer."""
        return old if new is None else added(old, new.facts)

    @classmethod
    def naive_convert_to_signal_type(
        cls, signal_types: Sequence[Any], collab: BusCollabConfig, fetched: Mapping[str, Thread]
    ) -> dict[Any, dict[str, BusSignalMetadata]]:
        """The signals of all that was fetched, each with everything that is said of it."""
        by_name = {kind.get_name(): kind for kind in signal_types}
        mine = Profile.load(collab.profile).organisation if collab.profile else ""
        found: dict[Any, dict[str, BusSignalMetadata]] = {}
        for name, signal, facts in _signals(fetched.values(), collab):
            if name in by_name:
                signals = found.setdefault(by_name[name], {})
                signals.setdefault(signal, BusSignalMetadata(mine)).facts.extend(facts)
        return found


def _signals(threads: Any, collab: BusCollabConfig) -> Iterator[tuple[str, str, list[Fact]]]:
    """Type, value and facts of each signal; a video's frames as one."""
    videos: dict[tuple[str, str, str, int], dict[int, tuple[Fact, list[Fact]]]] = defaultdict(dict)
    for thread in threads:
        for root in thread.roots():
            listed, disputes = thread.about(root)
            if not _wanted(listed, collab):
                continue
            for signal in listed.signals:
                if signal.algorithm in _TYPES and _fits(signal.algorithm, listed.media):
                    yield _TYPES[signal.algorithm], signal.value, [listed, *disputes]
            part = _part(listed)
            if part is not None:
                number, video = part
                videos[video][number] = listed, disputes
    for (_, _, _, count), parts in videos.items():
        if len(parts) == count:
            yield _VPDQ, _video(parts), [fact for listed, said in parts.values() for fact in (listed, *said)]


def _wanted(listed: Fact, collab: BusCollabConfig) -> bool:
    return (not collab.only_lists or listed.list_id in collab.only_lists) and (
        not collab.only_issuers or listed.issuer in collab.only_issuers
    )


def _fits(algorithm: str, media: str | None) -> bool:
    """The library has digests of files for videos only; a listing that does not say what it is may be one."""
    return media in {None, "video"} if algorithm in _OF_VIDEO else media in {None, "image"}


def _part(listed: Fact) -> tuple[int, tuple[str, str, str, int]] | None:
    """Which part of which video a listing is; None if it has no frames. One without ``:2-of-9`` is whole."""
    if not any(signal.algorithm == "VPDQ" for signal in listed.signals):
        return None
    video, _, part = listed.entry.rpartition(":")
    number, _, count = part.partition("-of-")
    if video and number.isascii() and number.isdigit() and count.isascii() and count.isdigit():
        return int(number), (listed.issuer, listed.list_id, video, int(count))
    return 1, (listed.issuer, listed.list_id, listed.entry, 1)


def _video(parts: dict[int, tuple[Fact, list[Fact]]]) -> str:
    """The library's form of a video: a JSON list of ``HASH,QUALITY,SECONDS``."""
    frames = [signal for number in sorted(parts) for signal in parts[number][0].signals if signal.algorithm == "VPDQ"]
    quality = [100 if one.quality is None else one.quality for one in frames]
    return json.dumps(
        [f"{one.value},{rated},{(one.frame_ms or 0) / 1000:.3f}" for one, rated in zip(frames, quality, strict=True)]
    )
