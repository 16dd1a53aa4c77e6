"""Reads pages of NCMEC's hash-sharing API, version 2, as they come from ``/v2/entries``.

::

    <queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">
      <images|videos count= maxTimestamp=>
        <image|video>          member@id  timestamp  id  classification?  fingerprints/*  feedback?
        <deletedImage|Video>   member@id  timestamp  id                   (a tombstone)

A page comes from outside, so nothing of it is trusted: no document type, no entity, bounded depth, text,
token, entry and file size. Entries come out one by one, in bounded memory, each with its line.

Source: reference client of facebook/ThreatExchange (the API's own documentation needs an account).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from msgspec import Struct

from bus.adapters import safe_sax
from bus.adapters.values import micros

NAMESPACE = "https://hashsharing.ncmec.org/hashsharing/v2"

MAX_BYTES = 256 << 20
MAX_DEPTH = 32
MAX_TEXT = 4096
MAX_TOKEN = 1 << 20
MAX_FINGERPRINTS = 64

_GROUPS = {"images": "image", "videos": "video"}
_ENTRIES = {"image": False, "video": False, "deletedImage": True, "deletedVideo": True}
_FIELDS = frozenset({"id", "timestamp", "classification"})
_KEY = re.compile(r"[!-.0-~]{1,64}", re.ASCII)


class Fingerprint(Struct, frozen=True, gc=False):
    """One fingerprint as the page has it: ``tag`` in lower case, its text, or that it is given as a link."""

    tag: str
    value: str
    linked: bool
    line: int


class Entry(Struct, frozen=True):
    """One entry, or the tombstone of one. ``key`` is ``member/id``; the time is RFC 3339 with microseconds."""

    key: str
    video: bool
    deleted: bool
    time: str
    classification: str
    fingerprints: tuple[Fingerprint, ...]
    line: int


def read_page(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Read one page.

    Args:
        stream: the page's bytes.
        name: what to call the file in an error.

    Yields:
        Entries and tombstones, in the page's order.

    Raises:
        InvalidFile: the page is not well-formed, not a page of entries, or beyond a bound.
    """
    handler = _Page(name)
    for _ in safe_sax.parse(stream, handler, most=MAX_BYTES):
        if handler.silent > MAX_TOKEN:
            raise handler.wrong(f"a piece of markup is longer than {MAX_TOKEN >> 20} MiB")
        yield from handler.take()


class _Page(safe_sax.Handler):
    """Takes the parser's events and puts entries together."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.silent = 0
        self._path: list[str] = []
        self._done: deque[Entry] = deque()
        self._text: list[str] | None = None
        self._length = 0
        self._clear()

    def _clear(self) -> None:
        self._line = 0
        self._member = ""
        self._fields: dict[str, str] = {}
        self._fingerprints: list[Fingerprint] = []
        self._linked = False
        self._tag_line = 0

    def take(self) -> Iterator[Entry]:
        """The entries that are complete."""
        while self._done:
            yield self._done.popleft()

    def received(self, size: int) -> None:
        """So many bytes more without an event, as yet."""
        self.silent += size

    # -- the parser's events -----------------------------------------------------------------------

    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attrs: Any) -> None:  # noqa: N802, ARG002
        """An element begins."""
        self.silent = 0
        space, tag = name
        depth = len(self._path)
        if depth >= MAX_DEPTH:
            raise self.wrong(f"elements are nested deeper than {MAX_DEPTH}")
        if depth == 0 and (space, tag) != (NAMESPACE, "queryResult"):
            raise self.wrong(f"not a page of entries: the outer element must be queryResult of {NAMESPACE}")
        self._path.append(tag if space == NAMESPACE else "")
        if depth == 2 and self._in_group() and self._path[2] in _ENTRIES:
            self._clear()
            self._line = self.line()
        elif self._in_entry():
            self._begin_field(tag, attrs)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802, ARG002
        """An element ends."""
        self.silent = 0
        depth = len(self._path)
        if depth == 3 and self._in_group() and self._path[2] in _ENTRIES:
            self._done.append(self._entry())
        elif self._in_entry():
            self._end_field()
        self._text = None
        self._path.pop()

    def characters(self, content: str) -> None:
        """Text; kept only where a field wants it."""
        self.silent = 0
        if self._text is not None:
            self._length += len(content)
            if self._length > MAX_TEXT:
                raise self.wrong(f"a field is longer than {MAX_TEXT} characters")
            self._text.append(content)

    def ignorableWhitespace(self, whitespace: str) -> None:  # noqa: N802, ARG002
        """White space between elements says nothing, but it is progress."""
        self.silent = 0

    def processingInstruction(self, target: str, data: str) -> None:  # noqa: N802, ARG002
        """Processing instructions are passed over."""
        self.silent = 0

    # -- the fields of an entry --------------------------------------------------------------------

    def _in_group(self) -> bool:
        return self._path[1] in _GROUPS

    def _in_entry(self) -> bool:
        return len(self._path) > 3 and self._in_group() and self._path[2] in _ENTRIES

    def _begin_field(self, tag: str, attrs: Any) -> None:
        depth, field = len(self._path), self._path[3]
        if depth == 4 and field == "member":
            if self._member:
                raise self.wrong("an entry has two members")
            self._member = attrs.get((None, "id"), "")
        elif depth == 4 and field in _FIELDS:
            if field in self._fields:
                raise self.wrong(f"an entry has two of {field}")
            self._start_text()
        elif depth == 5 and field == "fingerprints":
            if len(self._fingerprints) >= MAX_FINGERPRINTS:
                raise self.wrong(f"an entry has more than {MAX_FINGERPRINTS} fingerprints")
            if not _KEY.fullmatch(tag):
                raise self.wrong("a fingerprint's element has no plain name")
            self._linked = (None, "href") in attrs
            self._start_text()
        else:
            self._text = None

    def _start_text(self) -> None:
        self._text, self._length, self._tag_line = [], 0, self.line()

    def _end_field(self) -> None:
        depth, field = len(self._path), self._path[3]
        if self._text is None:
            if (depth == 4 and field in _FIELDS) or (depth == 5 and field == "fingerprints"):
                raise self.wrong("a field holds elements where text is asked for")
            return
        text = "".join(self._text).strip()
        if depth == 5:
            self._fingerprints.append(Fingerprint(self._path[4].lower(), text, self._linked, self._tag_line))
        else:
            self._fields[field] = text

    def _entry(self) -> Entry:
        kind = self._path[2]
        deleted = _ENTRIES[kind]
        line = self._line
        for part, text in (("member id", self._member), ("id", self._fields.get("id", ""))):
            if not _KEY.fullmatch(text):
                raise self.wrong(f"{kind}: {part} must be 1 to 64 plain characters without a slash", line)
        time = micros(self._fields.get("timestamp", ""))
        if time is None:
            raise self.wrong(f"{kind}: timestamp must be an RFC 3339 time", line)
        return Entry(
            key=f"{self._member}/{self._fields['id']}",
            video=kind.lower().endswith("video"),
            deleted=deleted,
            time=time,
            classification=self._fields.get("classification", ""),
            fingerprints=tuple(self._fingerprints),
            line=line,
        )
