r"""The checkpoint: what a log says of itself, as the text of a signed note (c2sp.org/tlog-checkpoint).

::

    <origin>\n
    <tree size, decimal>\n
    <root hash, base 64>\n
    [<extension line, not empty>\n …]

Extension lines are read, and never written by us: nobody can audit them, and ML-DSA cosignatures do not cover them.
"""

from __future__ import annotations

import msgspec

from bus.tlog.text import MAX_NUMBER, format_base64, malformed, parse_decimal, parse_hash, parse_lines

_WHAT = "checkpoint"


class Checkpoint(msgspec.Struct, frozen=True):
    """A tree head: the log's origin, its number of leaves, and the tree's root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The note's text.

        Raises:
            ValueError: a field has no line of its own, or the root is no digest.
        """
        lines = (self.origin, str(self.size), format_base64(self.root), *self.extensions)
        if len(self.root) != 32 or not 0 <= self.size <= MAX_NUMBER or not all(lines):
            raise ValueError("a field of the checkpoint breaks its rule")
        if any(char < " " for line in lines for char in line):
            raise ValueError("a field of the checkpoint has a control character")
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def decode(cls, text: bytes) -> Checkpoint:
        """The checkpoint of a note's text.

        Raises:
            Malformed: the text is no checkpoint.
        """
        lines = parse_lines(text, _WHAT)
        if len(lines) < 3 or not all(lines):
            raise malformed(_WHAT)
        origin, size, root, *extensions = lines
        found = cls(origin, parse_decimal(size, _WHAT), parse_hash(root, _WHAT), tuple(extensions))
        if found.encode() != text:
            raise malformed(_WHAT)
        return found
