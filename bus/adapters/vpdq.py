"""vPDQ files as ``HashListing`` events. ``docs/adapters/vpdq.md``.

::

    FRAME,QUALITY,HASH,SECONDS        0,100,e271…055c,0.000

A file is one video: one frame a line, in order. An event has room for 64 hashes, so a video is several entries, whose
names end in their number and the number of all: ``…:2-of-9``. The sealed ``series_ref`` of all of them is the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bus.adapters.drafts import Context, Draft, Input, Notice
from bus.adapters.fingerprints import hexadecimal, means_nothing
from bus.adapters.listing import Entry, Lister
from bus.adapters.pdq import quality_of
from bus.adapters.signals import lines
from bus.errors import InvalidFile

FORMAT = LIST_ID = "vpdq"
FRAMES_A_PART = 64
"""``HashListing``'s ``sealed.hashes`` has room for so many."""
MAX_FRAMES = 64 * 999

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_SECONDS = re.compile(r"(0|[1-9][0-9]{0,5})(?:\.([0-9]{1,6}))?", re.ASCII)


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft the listings of one video.

    Raises:
        InvalidFile: a line is no frame, frames are out of order, or there are too many.
    """
    ((stream, name),) = inputs
    frames = list(_frames(stream, name, context))
    if not frames:
        raise InvalidFile(name, "the whole file", "no frame of it can be used")
    parts = [frames[at : at + FRAMES_A_PART] for at in range(0, len(frames), FRAMES_A_PART)]
    video = hashlib.sha256("\n".join(f"{f['frame_ms']} {f['quality']} {f['value']}" for _, f in frames).encode())
    lister = Lister(FORMAT, LIST_ID, name, context)
    first = ""
    for number, part in enumerate(parts, 1):
        # The journal's key of a part: the digest of the whole video, the part, and how many there are.
        entry = Entry(
            f"{video.hexdigest()[:32]}/{number}-of-{len(parts)}",
            f"line {part[0][0]}",
            body={"media": "video", **({"entry": f"{first}:{number}-of-{len(parts)}"} if first else {})},
            sealed={"hashes": [hashed for _, hashed in part], "series_ref": f"vpdq:{video.hexdigest()}"},
            part=f"{number}-of-{len(parts)}",
        )
        draft = lister.draft(entry)
        if draft is not None:
            first = first or draft.event["body"]["entry"].partition(":")[0]
            yield draft


def _frames(stream: Any, name: str, context: Context) -> Iterator[tuple[int, dict[str, Any]]]:
    """The frames that can be matched, each with its line."""
    last, found = -1, 0
    for number, line in lines(stream, name):
        place = f"line {number}"
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 4:
            raise InvalidFile(name, place, "a frame must be FRAME,QUALITY,HASH,SECONDS")
        if not _NUMBER.fullmatch(cells[0]) or int(cells[0]) <= last:
            raise InvalidFile(name, place, "frames must have growing whole numbers")
        last = int(cells[0])
        value, at = hexadecimal("VPDQ", cells[2]), _SECONDS.fullmatch(cells[3])
        if value is None:
            raise InvalidFile(name, place, "a frame's hash must be 64 hexadecimal digits")
        if at is None:
            raise InvalidFile(name, place, "a frame's time must be seconds, as 12.345")
        quality, found = quality_of(cells[1], name, place), found + 1
        if found > MAX_FRAMES:
            raise InvalidFile(name, place, f"a video has more than {MAX_FRAMES:,} frames")
        if means_nothing("VPDQ", value):
            context.tell(
                Notice("left-out", name, place, "the hash of a plain surface, which matches what it should not")
            )
            continue
        frame_ms = int(at[1]) * 1000 + int(f"{at[2] or '0':0<3}"[:3])
        yield number, {"algorithm": "VPDQ", "value": value, "quality": quality, "frame_ms": frame_ms}
