"""What signed checkpoints claim: a size, a root, and when witnesses saw it.

Back-dating (``docs/verify.md``): for a checkpoint of size s cosigned at t, no entry below s is later than t + 60 s,
and none from s on is earlier than t - 60 s.
"""

from __future__ import annotations

import errno
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bus.errors import CheckFailed, Malformed, Unavailable
from bus.files import read_regular
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.policy import Cosigned, Policy
from bus.verify.fault import Fault

TOLERANCE_US: Final = 60_000_000
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Claim(msgspec.Struct, frozen=True):
    """A checkpoint that a log of the policy signed."""

    name: str
    """How it is called in a sentence."""
    origin: str
    size: int
    root: bytes
    cosigned: tuple[Cosigned, ...]
    has_quorum: bool
    data: bytes
    """The note."""


def read_claim(data: bytes, policy: Policy, name: str, place: str) -> Claim:
    """The claim of a note that a log of the policy has signed; a quorum it need not have.

    Raises:
        Wrong: it is no checkpoint, a signature does not hold, or no log of the policy signed it.
    """
    try:
        found = policy.judge(Note.decode(data))
    except Malformed:
        raise Fault("checkpoint-malformed", f"{_upper(name)} is not a checkpoint.", place=place).raised() from None
    except CheckFailed as error:
        sentence = f"{_upper(name)} is not to be believed: {error.message}."
        raise Fault("checkpoint-unsigned", sentence, place=place).raised() from None
    if found.log is None:
        sentence = f"{_upper(name)} is signed by no log of the policy."
        raise Fault("checkpoint-unsigned", sentence, place=place).raised()
    known = found.checkpoint
    return Claim(name, known.origin, known.size, known.root, found.cosigned, found.has_quorum, data)


def newest(data: bytes | None, policy: Policy, place: str) -> Claim:
    """The checkpoint that everything is verified against: signed, and cosigned by a quorum.

    Raises:
        Unavailable: there is none.
        Wrong: it is not to be believed.
    """
    if data is None:
        raise Unavailable(f"{place} is not there: no checkpoint has been published yet")
    claim = read_claim(data, policy, "the newest checkpoint", place)
    if not claim.has_quorum:
        sentence = "The newest checkpoint is cosigned by too few witnesses of the policy."
        raise Fault("checkpoint-quorum", sentence, claim.size, place).raised()
    return claim


def kept(folder: Path, policy: Policy, above: int, upto: int) -> list[Claim]:
    """The checkpoints that are kept in a folder under their sizes, of sizes in (above, upto], ascending.

    Raises:
        Wrong: one of them is not what its name says, or not to be believed.
    """
    found: list[Claim] = []
    for size in sizes(folder):
        if above < size <= upto:
            claim = read_claim(
                read_note(folder / str(size)),
                policy,
                f"the kept checkpoint of {size} entries",
                f"checkpoints/{size}",
            )
            if claim.size != size:
                sentence = f"The checkpoint kept as that of {size} entries is one of {claim.size}."
                raise Fault("checkpoint-changed", sentence, size, f"checkpoints/{size}").raised()
            found.append(claim)
    return found


def read_note(path: Path) -> bytes:
    """A note's bytes; what is no file holds none."""
    try:
        return read_regular(path, MAX_NOTE) or b""
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return b""


def sizes(folder: Path) -> list[int]:
    """The sizes at which a folder keeps a checkpoint, ascending."""
    try:
        names = [name for name in os.listdir(folder) if _SIZE.fullmatch(name)]  # noqa: PTH208 - there may be millions
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names)


def back_dated(claim: Claim, last_us: int | None, next_us: int | None) -> Fault | None:
    """What breaks the rule of back-dating.

    Args:
        claim: a checkpoint.
        last_us: time of the last entry below its size.
        next_us: time of the first entry from its size on; None where there is none.
    """
    for one in claim.cosigned:
        seen_us = one.time_s * 1_000_000
        who = f"witness {one.witness.name} cosigned {claim.name} at {instant(seen_us)}"
        if last_us is not None and last_us > seen_us + TOLERANCE_US:
            index = claim.size - 1
            sentence = f"Entry {index} is dated {instant(last_us)}, but {who}: it is dated too late."
            return Fault("dated-late", sentence, index)
        if next_us is not None and next_us < seen_us - TOLERANCE_US:
            index = claim.size
            sentence = f"Entry {index} is dated {instant(next_us)}, but {who}, without it: it is back-dated."
            return Fault("back-dated", sentence, index)
    return None


def forked(one: Claim, other: Claim) -> Fault:
    """Two signed checkpoints of which neither continues the other."""
    sentence = (
        f"The log has two histories: {_named(one)} and {_named(other)} are both signed, and the one does not continue "
        "the other."
    )
    return Fault("forked", sentence, one.size, f"checkpoints/{one.size}")


def _named(claim: Claim) -> str:
    return claim.name if "entries" in claim.name else f"{claim.name} ({claim.size} entries)"


def instant(time_us: int) -> str:
    """A time as auditors read it."""
    try:
        return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_us} µs"


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
