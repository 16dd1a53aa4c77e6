"""What somebody may have meant by a word that is not known: the same question everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

LONGEST = 64
"""Characters of the unknown word that are looked at: no name here is longer, and comparing costs the square."""


def nearest(word: str, known: Iterable[str], most: int = 2) -> list[str]:
    """The known words that are most like this one, in whatever case; the likest first, none if none is like it.

    Args:
        word: what was given.
        known: what there is.
        most: how many to name.
    """
    folded = {one.casefold(): one for one in sorted(known)}
    return [folded[one] for one in get_close_matches(word[:LONGEST].casefold(), list(folded), n=most)]


def did_you_mean(near: Sequence[str]) -> str:
    """The question with the words that may have been meant, such as ``Did you mean 'publish'?``; empty without one."""
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
