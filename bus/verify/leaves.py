"""A bundle of leaves at once: its hashes, and what stands in its leaves.

A bundle of leaves is rows of 376 bytes, u16 374 ‖ leaf, so a column of it is a slice, and most of what must hold
of 256 leaves is a comparison of two byte strings. Whatever is not of that form is looked at leaf by leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from operator import le, lt
from struct import Struct as Layout
from typing import Final, NamedTuple

from bus.errors import Malformed
from bus.tlog.bundle import Bundle
from bus.tlog.leaf import LEAF_SIZE, ZERO32, Leaf
from bus.tlog.tile import WIDTH
from bus.tlog.tree import pair_up
from bus.verify.fault import Fault

_ROW: Final = LEAF_SIZE + 2
_HIGH: Final = bytes((LEAF_SIZE >> 8,)) * WIDTH
_LOW: Final = bytes((LEAF_SIZE & 255,)) * WIDTH
_VERSIONS: Final = b"\x01" * WIDTH
_ACCEPTED: Final = b"\x01" * WIDTH
_OUTCOMES: Final = b"\x01\x02\x03\x04"
_COLUMNS: Final = Layout(">4xq36xQQ192x32s32sQ48x")
"""Of a row: time, offset, last offset, decision, policy, first index."""


class Leaves(NamedTuple):
    """What a bundle's leaves say."""

    outcomes: bytes
    times: tuple[int, ...]
    policies: tuple[bytes, ...]


def entries_of(bundle: Bundle, data: bytes) -> list[bytes]:
    """The entries of a bundle's bytes.

    Raises:
        Wrong: the bytes are no such bundle.
    """
    if _is_regular(data, bundle.width):
        return [data[at : at + LEAF_SIZE] for at in range(2, len(data), _ROW)]
    try:
        return bundle.split(data)
    except Malformed:
        sentence = f"{bundle.path} does not hold {bundle.width} entries."
        raise Fault("file-malformed", sentence, bundle.index * WIDTH, bundle.path).raised() from None


def hashes_of(entries: Sequence[bytes]) -> list[bytes]:
    """The leaf hashes of entries."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def whole_levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """The levels over a tile's hashes, as far as there are whole pairs."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        levels.append(pair_up(levels[-1]))
    return levels


def above(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^n hashes."""
    level = hashes
    while len(level) > 1:
        nodes = iter(level)
        level = [sha256(b"\x01%b%b" % pair).digest() for pair in zip(nodes, nodes, strict=True)]
    return level[0]


def read_leaves(first: int, entries: Sequence[bytes], data: bytes, after_us: int | None) -> Leaves:
    """What the leaves of a bundle say, once they are sound.

    Args:
        first: index of the first entry.
        entries: the bundle's entries.
        data: the bundle.
        after_us: the time of the entry before; None if it is not known.

    Raises:
        Wrong: a leaf is none, contradicts itself, or is not later than the one before.
    """
    if not _is_regular(data, len(entries)):
        _tell_unsound(first, entries)
    width = len(entries)
    outcomes = data[3::_ROW]
    rows: list[tuple[int, int, int, bytes, bytes, int]] = list(_COLUMNS.iter_unpack(data))
    times, offsets, lasts, decisions, policies, firsts = zip(*rows, strict=True)
    own = tuple(range(first, first + width))
    if outcomes == _ACCEPTED[:width]:
        sound = offsets == lasts and firsts == own and ZERO32 not in decisions
    else:
        sound = _mixed_sound(outcomes, offsets, lasts, decisions, firsts, first)
    if not sound or data[2::_ROW] != _VERSIONS[:width]:
        _tell_unsound(first, entries)
    if (after_us is not None and times[0] <= after_us) or not all(map(lt, times, times[1:])):
        _tell_back_in_time(first, times, after_us)
    return Leaves(outcomes, times, policies)


def _is_regular(data: bytes, width: int) -> bool:
    return len(data) == _ROW * width and data[0::_ROW] == _HIGH[:width] and data[1::_ROW] == _LOW[:width]


def _mixed_sound(
    outcomes: bytes,
    offsets: Sequence[int],
    lasts: Sequence[int],
    decisions: Sequence[bytes],
    firsts: Sequence[int],
    first: int,
) -> bool:
    if outcomes.translate(None, _OUTCOMES) or not all(map(le, offsets, lasts)):
        return False
    rows = zip(outcomes, offsets, lasts, decisions, firsts, range(first, first + len(outcomes)), strict=True)
    return all(
        (decision != ZERO32) == (outcome == 1)
        and (outcome > 2 or offset == last)
        and (one < index if outcome == 2 else one == index)
        for outcome, offset, last, decision, one, index in rows
    )


def _tell_unsound(first: int, entries: Sequence[bytes]) -> None:
    for index, entry in enumerate(entries, first):
        try:
            leaf = Leaf.decode(entry)
        except Malformed:
            sentence = f"Entry {index} is no leaf of the ledger: its bytes are not what the format says."
            raise Fault("leaf-malformed", sentence, index).raised() from None
        repeated = leaf.outcome == 2
        if leaf.first_index >= index if repeated else leaf.first_index != index:
            what = "repeats an entry that comes after it" if repeated else "says that it stands at another index"
            sentence = f"Entry {index} {what} ({leaf.first_index})."
            raise Fault("leaf-contradicts", sentence, index).raised()
        if leaf.outcome == 1 and leaf.decision_d == ZERO32:
            raise Fault("leaf-contradicts", f"Entry {index} is accepted without a decision.", index).raised()


def _tell_back_in_time(first: int, times: Sequence[int], after_us: int | None) -> None:
    known = times if after_us is None else (after_us, *times)
    begin = first if after_us is None else first - 1
    at = next(n for n in range(1, len(known)) if known[n] <= known[n - 1])
    index = begin + at
    sentence = f"Entry {index} is not later than entry {index - 1}: the ledger's time goes back there."
    raise Fault("time-goes-back", sentence, index).raised()
