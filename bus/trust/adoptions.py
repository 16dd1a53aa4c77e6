"""What was adopted, word for word: texts that come into force through ``PolicyAdopted`` events, whole or in parts.

A text is longer than a body may be, so it comes in parts, in order; the last one brings it into force, if all of them
together have the digest that each of them names. An adoption that was begun and not finished is given up when
another of its kind begins.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from bus.events.types import PolicyAdoptedBody

MAX_PART_BYTES: Final = 7000
MAX_PARTS: Final = 64
POLICY: Final = "policy"
"""The kind of text that says who may say and hear what. The log's first entry names one, an adoption another."""


class Adopted(msgspec.Struct, frozen=True):
    """A text in force, since the entry of its last part."""

    name: str
    digest: bytes
    text: str
    index: int


class _Begun(msgspec.Struct, frozen=True):
    name: str
    digest: bytes
    parts: int
    texts: tuple[str, ...]

    def continues(self, body: PolicyAdoptedBody) -> bool:
        """Whether this part is the next one of the same text."""
        same = (body.name, body.digest, body.parts) == (self.name, self.digest, self.parts)
        return same and body.part == len(self.texts) + 1


class Adoptions(msgspec.Struct, frozen=True):
    """What is in force, and what was begun, each by its kind."""

    in_force: dict[str, Adopted] = {}
    begun: dict[str, _Begun] = {}

    def whole(self, body: PolicyAdoptedBody) -> str | None:
        """The whole text, if this part is the last of it; it may not have the digest that it should."""
        if body.part != body.parts:
            return None
        begun = self.begun.get(body.kind)
        return "".join((*(begun.texts if begun is not None and body.part > 1 else ()), body.text))

    def conflicts(self, body: PolicyAdoptedBody) -> bool:
        """Whether a part does not fit: out of order, or together they do not have their digest."""
        begun = self.begun.get(body.kind)
        if body.part > body.parts or (body.part > 1 and (begun is None or not begun.continues(body))):
            return True
        whole = self.whole(body)
        return whole is not None and sha256(whole.encode()).digest() != body.digest

    def with_part(self, body: PolicyAdoptedBody, index: int) -> Adoptions:
        """After an accepted part; one that does not fit, which a notary refuses, changes nothing."""
        if self.conflicts(body):
            return self
        whole = self.whole(body)
        begun = {kind: one for kind, one in self.begun.items() if kind != body.kind}
        if whole is not None:
            adopted = Adopted(body.name, body.digest, whole, index)
            return Adoptions({**self.in_force, body.kind: adopted}, begun)
        before = self.begun[body.kind].texts if body.part > 1 else ()
        begun[body.kind] = _Begun(body.name, body.digest, body.parts, (*before, body.text))
        return Adoptions(self.in_force, begun)


def parts_of(text: str) -> list[str]:
    """A text cut into parts that fit a body, never through a character.

    Raises:
        ValueError: it is empty, or longer than the parts there may be.
    """
    found: list[str] = []
    room = 0
    for line in text.splitlines(keepends=True):
        size = len(line.encode())
        if size > MAX_PART_BYTES:
            raise ValueError("a line is longer than a part may be")
        if size > room:
            found.append("")
            room = MAX_PART_BYTES
        found[-1] += line
        room -= size
    if not 1 <= len(found) <= MAX_PARTS:
        raise ValueError(f"a text has 1 to {MAX_PARTS} parts")
    return found


def adoption(kind: str, name: str, text: str) -> list[dict[str, Any]]:
    """The bodies of the ``PolicyAdopted`` events that bring a text into force, in order, in their JSON form.

    Raises:
        ValueError: as :func:`parts_of`.
    """
    parts, digest = parts_of(text), sha256(text.encode()).hexdigest()
    known = {"kind": kind, "name": name, "digest": digest, "parts": len(parts)}
    return [{**known, "part": number, "text": part} for number, part in enumerate(parts, 1)]
