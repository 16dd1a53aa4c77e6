"""A small XML document as a tree, read so that nothing of it can do harm.

For documents that are read whole: no document type, no entity, no namespace of their elements, bounded size, depth,
number of elements, and text. Elements hold elements or text, not both. Each knows its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from bus.adapters import safe_sax
from bus.errors import InvalidFile

MAX_BYTES = 4 << 20
MAX_DEPTH = 32
MAX_ELEMENTS = 20_000
MAX_TEXT = 64 << 10
MAX_ATTRIBUTES = 16
_SPACE = " \t\n\r"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)


class Node:
    """An element: its name, its attributes without a namespace, its text stripped of white space, its children."""

    __slots__ = ("attributes", "children", "line", "name", "parts", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name, self.attributes, self.line = name, attributes, line
        self.text = ""
        self.parts: list[str] = []
        self.children: list[Node] = []

    def all(self, name: str) -> Iterator[Node]:
        """The children of a name."""
        return (child for child in self.children if child.name == name)


def read_tree(stream: BinaryIO, name: str) -> Node:
    """Read one document.

    Args:
        stream: its bytes, from the beginning.
        name: what to call the file in an error.

    Raises:
        InvalidFile: it is not well-formed, or beyond a bound.
    """
    handler = _Tree(name)
    for _ in safe_sax.parse(stream, handler, most=MAX_BYTES):
        pass
    if handler.root is None:  # pragma: no cover - expat has said so before
        raise InvalidFile(name, "line 1", "there is no element")
    return handler.root


class _Tree(safe_sax.Handler):
    """Takes the parser's events and puts the tree together."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.root: Node | None = None
        self._open: list[Node] = []
        self._count = 0

    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attrs: Any) -> None:  # noqa: N802, ARG002
        """An element begins."""
        space, tag = name
        self._count += 1
        if space is not None:
            raise self.wrong("an element is of a namespace; this format has none")
        if len(self._open) >= MAX_DEPTH:
            raise self.wrong(f"elements are nested deeper than {MAX_DEPTH}")
        if self._count > MAX_ELEMENTS:
            raise self.wrong(f"there are more than {MAX_ELEMENTS} elements")
        if not _NAME.fullmatch(tag):
            raise self.wrong("an element has no plain name")
        node = Node(tag, self._attributes(attrs), self.line())
        if self._open:
            self._open[-1].children.append(node)
        self.root = self.root or node
        self._open.append(node)

    def _attributes(self, attrs: Any) -> dict[str, str]:
        found = {name: value for (space, name), value in attrs.items() if space is None}
        if len(found) > MAX_ATTRIBUTES or not all(map(_NAME.fullmatch, found)):
            raise self.wrong("an element has too many attributes, or one without a plain name")
        if any(len(value) > MAX_TEXT for value in found.values()):
            raise self.wrong(f"an attribute is longer than {MAX_TEXT >> 10} KiB")
        return {name: value.strip(_SPACE) for name, value in found.items()}

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802, ARG002
        """An element ends."""
        node = self._open.pop()
        node.text = "".join(node.parts).strip(_SPACE).replace("\r\n", "\n").replace("\r", "\n")
        node.parts = []
        if node.children and node.text:
            raise self.wrong(f"{node.name} holds both text and elements", node.line)

    def characters(self, content: str) -> None:
        """Text of the innermost element."""
        parts = self._open[-1].parts
        parts.append(content)
        if len(parts) > 64:
            parts[:] = ["".join(parts)]
        if sum(map(len, parts)) > MAX_TEXT:
            raise self.wrong(f"a field is longer than {MAX_TEXT >> 10} KiB")
