"""What waits for its flush: bounded, in order, and short where something urgent is waited for."""

from __future__ import annotations

from typing import Any

from bus.events import registry
from bus.hub.intake import Candidate
from bus.hub.sequencer import Gap
from bus.hub.waiting import COMPANY, MAX_FLUSH, MAX_FLUSH_BYTES, QUEUED, QUEUED_BYTES, Waiting
from bus.kafka.records import Record


def a_candidate(offset: int, size: int = 100, *, owner: str = "pixelpost", **fields: Any) -> Candidate:
    """A record of that many bytes that was looked at."""
    return Candidate(Record(f"out.{owner}", offset, 0, b"", bytes(size), ()), owner, "bulk", **fields)


def offsets(batch: list[Candidate | Gap]) -> list[int]:
    """Which records these are."""
    return [one.first if isinstance(one, Gap) else one.record.offset for one in batch]


def test_everything_comes_out_once_and_in_order() -> None:
    """Flush after flush, each at most as long as it may be, gives back what was put in."""
    waiting = Waiting()
    waiting.put("bulk", [a_candidate(n) for n in range(2 * MAX_FLUSH + 5)])
    taken = [waiting.take() for _ in range(4)]
    assert [len(batch) for batch in taken] == [MAX_FLUSH, MAX_FLUSH, 5, 0]
    assert [n for batch in taken for n in offsets(batch)] == list(range(2 * MAX_FLUSH + 5))
    assert not waiting


def test_what_is_urgent_goes_first_and_in_a_short_flush() -> None:
    """Beside one urgent record little bulk is taken; without one, all that a flush may hold."""
    waiting = Waiting()
    waiting.put("bulk", [a_candidate(n) for n in range(2000)])
    waiting.put("urgent", [a_candidate(9000), a_candidate(9001)])
    first, second = waiting.take(), waiting.take()
    assert offsets(first) == [9000, 9001, *range(COMPANY - 2)]
    assert offsets(second) == list(range(COMPANY - 2, COMPANY - 2 + MAX_FLUSH))


def test_many_urgent_ones_leave_no_room() -> None:
    """More urgent records than the low limit fill the flush by themselves."""
    waiting = Waiting()
    waiting.put("bulk", [a_candidate(1)])
    waiting.put("urgent", [a_candidate(n) for n in range(100, 100 + COMPANY + 1)])
    assert offsets(waiting.take()) == list(range(100, 100 + COMPANY + 1))
    assert offsets(waiting.take()) == [1]


def test_a_lane_is_full_by_number_and_by_bytes_and_has_room_again() -> None:
    """Whatever is taken out makes room, however often."""
    waiting = Waiting()
    for size, count in ((1, QUEUED), (1024 * 1024, QUEUED_BYTES // 1024 // 1024)) * 3:
        assert not waiting.is_full("bulk")
        waiting.put("bulk", [a_candidate(n, size) for n in range(count)])
        assert waiting.is_full("bulk")
        assert not waiting.is_full("urgent")
        while waiting.take():
            pass


def test_a_flush_is_bounded_by_bytes_but_never_empty() -> None:
    """Large records share a flush as far as they fit; one that never fits goes alone."""
    waiting = Waiting()
    third = MAX_FLUSH_BYTES // 3
    waiting.put("bulk", [a_candidate(n, size) for n, size in enumerate((third, third, third, MAX_FLUSH_BYTES + 1, 1))])
    assert [offsets(waiting.take()) for _ in range(4)] == [[0, 1], [2], [3], [4]]


def test_a_key_that_may_be_registered_is_waited_for() -> None:
    """A record of an unknown key goes into the flush behind the one that may register it; others are not parted."""
    registered = registry.by_name("KeyRegistered")
    waiting = Waiting()
    waiting.put("bulk", [a_candidate(0, unknown_key=True), a_candidate(1, owner="hub", info=registered)])
    waiting.put("bulk", [a_candidate(2), a_candidate(3, unknown_key=True), a_candidate(4, unknown_key=True)])
    assert [offsets(waiting.take()) for _ in range(3)] == [[0, 1, 2], [3, 4], []]


def test_gaps_weigh_nothing() -> None:
    """Offsets without a record take a place, but no bytes."""
    waiting = Waiting()
    waiting.put("bulk", [Gap("out.pixelpost", "bulk", n, n, "gap-deleted") for n in range(3)])
    assert offsets(waiting.take()) == [0, 1, 2]
