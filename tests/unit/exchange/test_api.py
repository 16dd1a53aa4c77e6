"""An inbox as the library sees it: fetches from a checkpoint, and signals with all that is said of them."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.exchange import require_threatexchange

require_threatexchange()

from threatexchange.exchanges.fetch_state import AggregateSignalOpinionCategory as Opinion  # noqa: E402
from threatexchange.interface_validation import SignalExchangeAPIMapping  # noqa: E402
from threatexchange.signal_type.md5 import VideoMD5Signal  # noqa: E402
from threatexchange.signal_type.pdq.signal import PdqSignal  # noqa: E402
from threatexchange.signal_type.sha256 import VideoSHA256Signal  # noqa: E402

from bus.errors import CheckFailed, UsageError  # noqa: E402
from bus.exchange import inbox  # noqa: E402
from bus.exchange.api import BusCheckpoint, BusCollabConfig, BusSignalExchangeAPI, BusSignalMetadata  # noqa: E402
from bus.exchange.extension import TX_MANIFEST  # noqa: E402
from bus.exchange.facts import Thread  # noqa: E402
from tests.unit.partner.places import MemoryPlace  # noqa: E402

SENDER, READER, OTHER = "hotline-east", "platform-one", "police-south"
TYPES: list[Any] = [PdqSignal, VideoMD5Signal, VideoSHA256Signal]
HASH = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
A1 = {"scheme": "ncmec-esp", "scheme_version": "2022-06", "code": "A1"}


@pytest.fixture
async def place(tmp_path: Path) -> MemoryPlace:
    """A log opened in memory; the reader's keys on its disk."""
    made = MemoryPlace(tmp_path)
    await made.world.found(made.bus.transport("hub"))
    (tmp_path / READER).mkdir()
    made.world.keys(READER).save(made.world.profile(READER).key_file)
    return made


def listing(*hashes: dict[str, Any], step: str = "listed", about: str | None = None, **body: Any) -> dict[str, Any]:
    """A listing for the reader and another."""
    header: dict[str, Any] = {"step": step, "audience": [READER, OTHER], "purpose": "list_upkeep"}
    if about is not None:
        header["about"] = about
    body = {"list_id": "list", "entry": "one", "source_list": "theirs", "media": "image", **body}
    return {
        "type": "HashListing",
        "header": header,
        "body": body,
        **({"sealed": {"hashes": list(hashes)}} if hashes else {}),
    }


def pdq(value: str = HASH) -> dict[str, Any]:
    """One hash."""
    return {"algorithm": "PDQ", "value": value}


async def say(place: MemoryPlace, *events: dict[str, Any], org: str = SENDER) -> list[str]:
    """Publish; the events' ids."""
    from bus.events.ids import dashed

    found: list[str] = []
    async with place.publisher(org) as publisher:
        for event in events:
            outcome = await publisher.publish(event)
            assert outcome.outcome == "accepted", outcome.reasons
            found.append(dashed(outcome.event_id))
    return found


class Matcher:
    """A platform with the library: keeps what was fetched, as its simple store does."""

    def __init__(self, place: MemoryPlace, **config: Any) -> None:
        self._place = place
        self.collab = BusCollabConfig(name="bus", profile="", **config)
        self.state: dict[str, Thread] = {}
        self.checkpoint: BusCheckpoint | None = None

    def fetch(self, most: int | None = None) -> int:
        """Fetch what is new, at most so many batches; how many there were."""
        api = BusSignalExchangeAPI(self._place.world.profile(READER), self._place.bus.transport(READER))
        count = 0
        for delta in api.fetch_iter(TYPES, self.checkpoint):
            api.naive_fetch_merge(self.state, pickle.loads(pickle.dumps(delta.updates)))
            self.checkpoint, count = pickle.loads(pickle.dumps(delta.checkpoint)), count + 1
            if count == most:
                break
        return count

    def signals(self, kind: Any = PdqSignal) -> dict[str, BusSignalMetadata]:
        """The signals of one type."""
        return BusSignalExchangeAPI.naive_convert_to_signal_type(TYPES, self.collab, self.state).get(kind, {})


async def test_a_listing_is_a_signal_with_its_opinion(place):
    """What a hotline lists is in the matcher after a fetch, and says who listed it as what."""
    [event_id] = await say(place, listing(pdq(), classifications=[A1]))
    matcher = Matcher(place)
    assert matcher.fetch() == 1
    [(value, found)] = matcher.signals().items()
    assert value == HASH
    assert found.get_as_aggregate_opinion().category == Opinion.POSITIVE_CLASS
    [opinion] = found.get_as_opinions()
    assert (opinion.issuer, opinion.is_mine, opinion.tags, opinion.event_id) == (
        SENDER,
        False,
        {"ncmec-esp:A1"},
        event_id,
    )
    assert PdqSignal.validate_signal_str(value) == HASH


async def test_updates_disputes_and_ends_follow_in_later_fetches(place):
    """The checkpoint goes on where the last fetch ended, and a fetch with nothing new yields nothing."""
    other = "18" + HASH[2:]
    [first] = await say(place, listing(pdq(), classifications=[A1]))
    matcher = Matcher(place)
    matcher.fetch()
    assert matcher.fetch() == 0
    await say(place, listing(pdq(), pdq(other), classifications=[A1], about=first))
    dispute = listing(step="disputed", about=first, reason="adult")
    dispute["header"] |= {"audience": [SENDER, READER], "thread": next(iter(matcher.state)), "lane": "bulk"}
    await say(place, dispute, org=OTHER)
    matcher.fetch()
    assert set(matcher.signals()) == {HASH, other}
    assert {one.get_as_aggregate_opinion().category for one in matcher.signals().values()} == {Opinion.DISPUTED}
    await say(place, listing(step="retracted", about=first, reason="adult"))
    matcher.fetch()
    assert matcher.state == {}
    assert matcher.signals() == {}


async def test_one_hash_in_two_lists_has_both_opinions(place):
    """Nobody's listing overwrites another's, and the end of one leaves the other."""
    [first, _] = await say(place, listing(pdq(), classifications=[A1]), listing(pdq(), list_id="second"))
    matcher = Matcher(place)
    matcher.fetch()
    assert [one.list_id for one in matcher.signals()[HASH].listings] == ["list", "second"]
    await say(place, listing(step="retracted", about=first, reason="adult"))
    matcher.fetch()
    [opinion] = matcher.signals()[HASH].get_as_opinions()
    assert opinion.category == 1
    assert Matcher(place, only_lists={"second"}).collab.only_lists == {"second"}


async def test_only_what_was_chosen_is_matched(place):
    """A collaboration may be narrowed to lists and to who keeps them."""
    await say(place, listing(pdq()), listing(pdq("18" + HASH[2:]), list_id="second"))
    for config, count in (
        ({"only_lists": {"second"}}, 1),
        ({"only_issuers": {SENDER}}, 2),
        ({"only_issuers": {OTHER}}, 0),
    ):
        matcher = Matcher(place, **config)
        matcher.fetch()
        assert len(matcher.signals()) == count


async def test_digests_are_of_videos_and_pdq_of_pictures(place):
    """The library knows MD5 and SHA256 of videos only; what does not say what it is may be one."""
    hashes = ({"algorithm": "MD5", "value": "ab" * 16}, {"algorithm": "SHA256", "value": "cd" * 32}, pdq())
    for media, counts in (("image", (1, 0, 0)), ("video", (0, 1, 1)), (None, (1, 1, 1))):
        matcher = Matcher(place)
        await say(place, listing(*hashes, media=media, list_id=f"of-{media}"))
        matcher.collab.only_lists = {f"of-{media}"}
        matcher.fetch()
        assert tuple(len(matcher.signals(kind)) for kind in TYPES) == counts


async def test_a_video_is_put_together_of_its_parts(place):
    """Frames of several listings are one signal of the library's form, once all parts have come."""
    from threatexchange.signal_type.signal_base import SignalType

    class Video(SignalType):
        """Stands for the library's extension, whose own package needs ffmpeg."""

        @classmethod
        def get_name(cls):
            return "vpdq"

    def part(number: int) -> dict[str, Any]:
        frame = {"algorithm": "VPDQ", "value": HASH, "quality": 90 + number, "frame_ms": 1500 * number}
        return listing(frame, media="video", entry=f"video:{number}-of-2")

    matcher = Matcher(place)
    await say(place, part(2))
    matcher.fetch()
    convert = BusSignalExchangeAPI.naive_convert_to_signal_type
    assert convert([Video], matcher.collab, matcher.state) == {}
    await say(place, part(1))
    matcher.fetch()
    [signal] = convert([Video], matcher.collab, matcher.state)[Video]
    assert json.loads(signal) == [f"{HASH},91,1.500", f"{HASH},92,3.000"]


async def test_a_fetch_may_stop_in_the_middle(place, monkeypatch: pytest.MonkeyPatch):
    """An iterator that is left alone loses nothing: the next begins behind what was merged."""
    monkeypatch.setattr(inbox, "BATCH", 2)
    hashes = [f"{number:02x}" + HASH[2:] for number in range(7)]
    await say(place, *(listing(pdq(one)) for one in hashes))
    matcher = Matcher(place)
    assert [matcher.fetch(1) for _ in range(5)] == [1, 1, 1, 1, 0]
    assert set(matcher.signals()) == set(hashes)


async def test_a_gap_stops_the_fetch(place):
    """What the inbox no longer has may have been a withdrawal, so the matcher is told instead of going on."""
    await say(place, *(listing(pdq(f"{number:02x}" + HASH[2:])) for number in range(3)))
    matcher = Matcher(place)
    matcher.fetch()
    assert matcher.checkpoint is not None
    offset, seq = matcher.checkpoint.places["bulk"]
    await say(place, listing(pdq()))
    matcher.checkpoint = BusCheckpoint(matcher.checkpoint.origin, {"bulk": (offset, seq - 1)})
    with pytest.raises(CheckFailed, match="1 deliveries are missing in the bulk inbox before number 3"):
        matcher.fetch()


async def test_state_of_another_log_is_not_gone_on_with(place):
    """Numbers of two logs mean different things."""
    matcher = Matcher(place)
    matcher.checkpoint = BusCheckpoint("elsewhere.example/log", {})
    with pytest.raises(UsageError, match="of another log"):
        matcher.fetch()


def test_the_library_takes_it_as_an_extension():
    """The manifest is of the library's own kind, and the exchange's name is its own."""
    [api] = TX_MANIFEST.apis
    assert SignalExchangeAPIMapping([api]).api_by_name == {"safeguard_bus": BusSignalExchangeAPI}
