"""One telling of the story: its seed and scale, and the ids of its events.

Ids follow from the edition and a number, so nothing has to be kept of 20,000 hits to be able to speak of one again.
A telling that is interrupted goes on under the same ids: the journals of those who speak send the same bytes, and the
hub answers ``repeated``.

The 62 free bits of an id (UUIDv7): 30 bits that tell editions apart, 8 bits for what it is, 24 bits for its number.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bus.errors import SandboxError
from bus.events.ids import uuid7

LINE: Final = 0
HIT: Final = 1
ASSESSMENT: Final = 2
LISTING: Final = 3

MOST: Final = 1 << 24
_DAY_US = 86_400_000_000


class Edition(Struct, frozen=True):
    """A telling. ``started_us`` is microseconds since 1970; ``offsets`` is where each inbox was read from."""

    seed: int
    scale: float
    started_us: int
    first_index: int = 0
    offsets: dict[str, int] = {}

    @property
    def tag(self) -> int:
        """30 bits that no other edition has, in all likelihood."""
        return int.from_bytes(sha256(f"{self.seed}/{self.scale}/{self.started_us}".encode()).digest()[:4]) >> 2

    @property
    def version(self) -> str:
        """The issue of the hash list that this edition's hits are of."""
        return f"2023-10.{self.tag:08x}"

    def event_id(self, kind: int, number: int) -> bytes:
        """The id of an event of this edition."""
        low = self.tag << 32 | kind << 24 | number
        return uuid7(self.started_us, low.to_bytes(8))

    def number(self, event_id: bytes) -> tuple[int, int] | None:
        """The kind and number of an event of this edition; None if it is none."""
        low = int.from_bytes(event_id[8:])
        kind, number = low >> 24 & 0xFF, low & 0xFFFFFF
        return (kind, number) if self.event_id(kind, number) == event_id else None


@contextlib.contextmanager
def alone(folder: Path) -> Generator[None]:
    """Hold a state folder's demonstration alone: two at once would tell the same edition.

    Raises:
        SandboxError: another one runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SandboxError(
                "another demonstration runs on this sandbox", hint="Wait for it, or use another --home."
            ) from None
        yield


def unfinished(file: Path, seed: int, scale: float, now_us: int) -> Edition | None:
    """The edition of that seed and scale that was begun within a day and not told to its end, if there is one."""
    try:
        edition = msgspec.json.decode(file.read_bytes(), type=Edition)
    except (OSError, msgspec.MsgspecError):
        return None
    same = (edition.seed, edition.scale) == (seed, scale)
    return edition if same and 0 <= now_us - edition.started_us < _DAY_US else None


def remember(file: Path, edition: Edition) -> None:
    """Keep an edition until it is told to its end."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_bytes(msgspec.json.encode(edition))
    draft.replace(file)


def forget(file: Path) -> None:
    """It has been told to its end."""
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
