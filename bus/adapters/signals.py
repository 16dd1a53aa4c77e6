"""Lines of text with a fingerprint each, of a bounded length and with their numbers."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from bus.errors import InvalidFile

MAX_LINE = 4096
_CHUNK = 64 << 10


def lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    r"""The lines that say something, each with its number; without white space around them and without comments (#).

    A line ends at ``\n``, and nowhere else: what Python's ``splitlines`` takes for an end is part of a line here.

    Raises:
        InvalidFile: it is not UTF-8, a line is too long, or there is none.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    number, rest, found = 0, "", False
    while True:
        chunk = stream.read(_CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            raise InvalidFile(name, f"line {number + 1}", "not UTF-8 text, here or below") from None
        *whole, rest = (rest + text).split("\n")
        for line in [*whole, rest] if not chunk else whole:
            number += 1
            said = line.strip(" \t\r")
            if len(said) > MAX_LINE:
                raise InvalidFile(name, f"line {number}", f"longer than {MAX_LINE} characters")
            if said and not said.startswith("#"):
                found = True
                yield number, said
        if len(rest) > MAX_LINE:
            raise InvalidFile(name, f"line {number + 1}", f"longer than {MAX_LINE} characters")
        if not chunk:
            break
    if not found:
        raise InvalidFile(name, "line 1", "the file has no fingerprint")
