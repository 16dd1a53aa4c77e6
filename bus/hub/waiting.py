"""What was looked at and waits for its flush: two queues, bounded in number and in bytes."""

from __future__ import annotations

from collections.abc import Sequence

from bus.events.names import HUB, LANES
from bus.hub.intake import Candidate
from bus.hub.sequencer import Gap

MAX_FLUSH = 1024
MAX_FLUSH_BYTES = 16 * 1024 * 1024
COMPANY = 128
"""Entries of a flush that has something urgent in it, unless more of them are urgent: it is waited for."""
QUEUED = 4 * MAX_FLUSH
QUEUED_BYTES = 64 * 1024 * 1024
"""Bytes of records that one lane's queue may hold: garbage of a megabyte each must not fill the memory."""


class Waiting:
    """The queues of both lanes."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Candidate | Gap]] = {lane: [] for lane in LANES}
        self._bytes: dict[str, int] = dict.fromkeys(LANES, 0)

    def __bool__(self) -> bool:
        return any(self._queues.values())

    def is_full(self, lane: str) -> bool:
        """Whether a lane has no room for more."""
        return len(self._queues[lane]) >= QUEUED or self._bytes[lane] >= QUEUED_BYTES

    def put(self, lane: str, candidates: Sequence[Candidate | Gap]) -> None:
        """Add to the end of a lane's queue."""
        self._queues[lane].extend(candidates)
        self._bytes[lane] += sum(map(_weight, candidates))

    def take(self) -> list[Candidate | Gap]:
        """Take out the next flush: what is urgent first, then bulk, up to the limits.

        It ends before a record whose key is not known yet, if something before that record may register the key:
        such a record is looked at again, and its id looked up, with the flush behind.
        """
        batch: list[Candidate | Gap] = []
        room, registering = MAX_FLUSH_BYTES, False
        for lane in ("urgent", "bulk"):
            queue, count, limit = self._queues[lane], 0, COMPANY if batch else MAX_FLUSH
            for candidate in queue[: max(0, limit - len(batch))]:
                weight = _weight(candidate)
                if batch and (weight > room or (registering and _has_unknown_key(candidate))):
                    limit = 0
                    break
                batch.append(candidate)
                count += 1
                room -= weight
                self._bytes[lane] -= weight
                registering = registering or _speaks_for_the_directory(candidate)
            del queue[:count]
            if not limit:
                break
        return batch


def _weight(candidate: Candidate | Gap) -> int:
    """Bytes that a candidate holds, roughly."""
    return 0 if isinstance(candidate, Gap) else len(candidate.record.value or b"") + 512


def _has_unknown_key(candidate: Candidate | Gap) -> bool:
    return not isinstance(candidate, Gap) and candidate.unknown_key


def _speaks_for_the_directory(candidate: Candidate | Gap) -> bool:
    """Whether it may change the directory: an event of its types, from the hub's own outbox."""
    if isinstance(candidate, Gap) or candidate.owner != HUB or candidate.info is None:
        return False
    return candidate.info.directory
