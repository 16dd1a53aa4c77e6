"""Reads fields out of an XML tree and remembers which, so that what has no field of the bus can be said in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from bus.adapters.values import micros, size
from bus.adapters.xmltree import Node
from bus.errors import InvalidFile

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SHORT = 200
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class Piece(NamedTuple):
    """A sentence of what has no field: where it stands, the path of its element, and its text."""

    file: str
    line: int
    path: str
    text: str


class Picker:
    """Picks values from one file's tree. What was not picked is its rest."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._used: set[int] = set()
        self._used_attributes: set[tuple[int, str]] = set()

    def wrong(self, node: Node, rule: str) -> InvalidFile:
        """An error at an element; it never holds a value."""
        return InvalidFile(self.file, f"line {node.line}", rule)

    def use(self, *nodes: Node) -> None:
        """These elements have a field of the bus."""
        self._used.update(map(id, nodes))

    def one(self, node: Node, name: str) -> Node | None:
        """The only child of a name.

        Raises:
            InvalidFile: there are two.
        """
        found = list(node.all(name))
        if len(found) > 1:
            raise self.wrong(found[1], f"{name} stands twice in {node.name}")
        return found[0] if found else None

    def leaf(self, node: Node) -> str:
        """The text of an element that may hold nothing else.

        Raises:
            InvalidFile: it holds elements.
        """
        if node.children:
            raise self.wrong(node, f"{node.name} holds elements where text is asked for")
        return node.text

    def text(self, node: Node, name: str, most: int) -> str | None:
        """The text of the only child of a name, if there is some and it fits."""
        child = self.one(node, name)
        if child is None or not self.leaf(child) or size(child.text) > most:
            return None
        self.use(child)
        return child.text

    def texts(self, node: Node, name: str, most: int, count: int) -> list[str]:
        """The texts of the first children of a name that fit."""
        found: list[str] = []
        for child in node.all(name):
            if self.leaf(child) and size(child.text) <= most and len(found) < count:
                self.use(child)
                found.append(child.text)
        return found

    def attribute(self, node: Node, name: str) -> str:
        """An attribute's value, empty if there is none."""
        self._used_attributes.add((id(node), name))
        return node.attributes.get(name, "")

    def boolean(self, node: Node, name: str) -> bool | None:
        """Whether the only child of a name says so; None if it says nothing."""
        text = self.text(node, name, 16)
        child = self.one(node, name)
        if text is not None and child is not None and text not in _BOOLEANS:
            raise self.wrong(child, f"{name} must be true or false")
        return None if text is None else _BOOLEANS[text]

    def number(self, node: Node, name: str, least: int, most: int) -> int | None:
        """The whole number of the only child of a name."""
        text = self.text(node, name, 16)
        child = self.one(node, name)
        if text is None or child is None:
            return None
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise self.wrong(child, f"{name} must be a whole number from {least} to {most}")
        return int(text)

    def time(self, node: Node, name: str) -> str | None:
        """The time of the only child of a name, as the bus writes it."""
        text = self.text(node, name, 64)
        child = self.one(node, name)
        if text is None or child is None:
            return None
        at = micros(text)
        if at is None or at < "1970":
            raise self.wrong(child, f"{name} must be a time since 1970 with its zone, as 2000-01-31T23:59:00Z")
        return at

    def day(self, node: Node, name: str) -> str | None:
        """The date of the only child of a name."""
        text = self.text(node, name, 16)
        child = self.one(node, name)
        if text is None or child is None:
            return None
        try:
            found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
        except ValueError:
            found = None
        if found is None or found.year < 1870:
            raise self.wrong(child, f"{name} must be a date, as 2000-01-31")
        return text

    def rest(self, node: Node, path: str = "") -> Iterator[Piece]:
        """What was not picked below an element, in order: a sentence for each element that says something.

        Short fields of one element share a sentence.
        """
        totals = Counter(child.name for child in node.children)
        seen: Counter[str] = Counter()
        short: list[str] = []
        pieces: list[Piece] = []
        for child in node.children:
            seen[child.name] += 1
            name = f"{child.name} {seen[child.name]}" if totals[child.name] > 1 else child.name
            here = f"{path}.{name}" if path else name
            said = self._said(child)
            if said and path and not child.children and size(said) <= _SHORT and "\n" not in said:
                short.append(name + said)
            elif said:
                pieces.append(Piece(self.file, child.line, here, here + said))
            if child.children:
                pieces += self.rest(child, here)
        if short:
            yield Piece(self.file, node.line, path, f"{path}: {'; '.join(short)}")
        yield from pieces

    def _said(self, node: Node) -> str:
        """What an element itself says that was not picked."""
        marks = [f"{k}={v}" for k, v in node.attributes.items() if v and (id(node), k) not in self._used_attributes]
        text = "" if id(node) in self._used else node.text
        return (f" [{', '.join(marks)}]" if marks else "") + (f": {text}" if text else "")
