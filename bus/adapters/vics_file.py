"""Reads files of the VICS data model, one media object at a time.

There are version 2.0, and the 1.x layout that CAID's and NIST's sets have.

::

    {"@odata.context": "…/ProjectVic/DataModels/2.0.xml/US/$metadata#Media", "value": [MEDIA, …]}      2.0
    {"@odata.context": "…/2.0.xml/US/$metadata#Cases", "value": [{…, "Media": [MEDIA, …]}, …]}         2.0, cases
    {"odata.metadata": "…/ProjectVic/DataModels/1.2.xml#Media", "value": [MEDIA, …]}                   1.x

The context comes first, as OData asks of what is read as a stream: a category says nothing without its version.
Memory does not grow with the file: of each object only the fields that are wanted are kept.

Reconstructed from open-source readers and writers (IPED, GLEAPP, Autopsy) and NIST's published files; the standard
itself is shared by Project VIC under agreement only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from msgspec import Struct

from bus.adapters.jsonflow import Token, tokens
from bus.errors import InvalidFile

MAX_TEXT = 4096
MAX_LIST = 64

_CONTEXT = re.compile(
    r"https?://[!-~]{0,100}/DataModels/(?P<version>[0-9]\.[0-9]{1,2})\.xml"
    r"(?:/(?P<profile>[A-Za-z]{1,16}))?(?:/\$metadata)?#(?P<kind>Media|Cases)",
    re.ASCII,
)
_CONTEXTS = (("@odata.context",), ("odata.metadata",))
_FIELDS = frozenset(
    {
        "MD5", "SHA1", "SHA256", "PhotoDNA", "Category", "DateUpdated", "MimeType", "Series",
        "VictimIdentified", "OffenderIdentified", "IsDistributed", "SelfGenerated",
    }
)  # fmt: skip
_LIST, _NAME, _VALUE = "AlternativeHashes", "HashName", "HashValue"


class Context(Struct, frozen=True, gc=False):
    """What a file says of itself: the model's version, its national profile (empty if none), media or cases."""

    version: str
    profile: str
    cases: bool


class Media(Struct, frozen=True):
    """One media object: its place in the file from 1, its wanted scalar fields as they are, its further hashes."""

    number: int
    fields: dict[str, Any]
    others: tuple[tuple[str, str], ...]

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"media {self.number}"


def read_media(stream: BinaryIO, name: str) -> Iterator[Context | Media]:
    """Read a file: first its context, then its media objects.

    Args:
        stream: the file's bytes.
        name: what to call it in an error.

    Raises:
        InvalidFile: it is not JSON, not of this layout, or beyond a bound.
    """
    reader = _Reader(name)
    for token in tokens(stream, name):
        found = reader.take(token)
        if found is not None:
            yield found
    reader.finish()


class _Reader:
    """Takes tokens and puts media objects together."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._context: Context | None = None
        self._at: tuple[str, ...] = ()
        self._number = 0
        self._fields: dict[str, Any] = {}
        self._texts: list[str] = []
        self._other: dict[str, str] = {}
        self._others: list[tuple[str, str]] = []
        self._has_value = False

    def take(self, token: Token) -> Context | Media | None:
        """One token; what it completes."""
        path, kind, value = token
        if self._context is None:
            return self._begin(path, kind, value)
        if path in _CONTEXTS:
            raise self._wrong("it has two contexts")
        if path == ("value",) and kind not in {"start_array", "end_array"}:
            raise self._wrong("value must be a list")
        self._has_value |= path == ("value",)
        depth = len(self._at)
        if path == self._at:
            return self._edge(kind)
        if path[:depth] == self._at:
            self._inside(path[depth:], kind, value)
        elif self._context.cases and path == self._at[:-1] and kind not in {"start_array", "end_array", "null"}:
            raise self._wrong("Media must be a list")
        return None

    def finish(self) -> None:
        """See that the file had what it must have."""
        if self._context is None or not self._has_value:
            raise InvalidFile(self._name, "the whole file", "it has no context and list of media: no VICS file")

    def _begin(self, path: tuple[str, ...], kind: str, value: Any) -> Context | None:
        """What comes before the context is known."""
        if path == () and kind not in {"start_map", "end_map"}:
            raise self._wrong("a VICS file is one JSON object with a context and a list of media")
        if path == ("value",):
            raise self._wrong("the context (@odata.context or odata.metadata) must stand before the media")
        if path not in _CONTEXTS:
            return None
        match = _CONTEXT.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self._wrong("the context is none of VICS media or cases, 1.x or 2.x")
        profile = match["profile"] or ""
        self._context = Context(match["version"], "" if profile == "Default" else profile, match["kind"] == "Cases")
        self._at = ("value", "[]", "Media", "[]") if self._context.cases else ("value", "[]")
        return self._context

    def _edge(self, kind: str) -> Media | None:
        """A media object begins or ends."""
        if kind == "start_map":
            self._number += 1
            self._fields, self._others = {}, []
            return None
        if kind != "end_map":
            raise self._wrong("a media object must be an object", self._number + 1)
        return Media(self._number, self._fields, tuple(self._others))

    def _inside(self, path: tuple[str, ...], kind: str, value: Any) -> None:
        """A field of a media object; lists are wanted of series and of further hashes only."""
        field = path[0]
        if kind == "string" and len(value) > MAX_TEXT and (field in _FIELDS or field == _LIST):
            raise self._wrong(f"{field} is longer than {MAX_TEXT} characters", self._number)
        if len(path) == 1 and field in _FIELDS:
            self._scalar(field, kind, value)
        elif path == ("Series", "[]") and kind == "string":
            self._texts.append(value)
            self._bound(self._texts, field)
        elif path == (_LIST, "[]"):
            if kind == "end_map":
                self._others.append((self._other.get(_NAME, ""), self._other.get(_VALUE, "")))
                self._bound(self._others, field)
            self._other = {}
        elif len(path) == 3 and path[0] == _LIST and kind == "string":
            self._other[path[2]] = value

    def _scalar(self, field: str, kind: str, value: Any) -> None:
        if kind == "end_array":
            self._fields[field] = "; ".join(self._texts)
        elif kind == "start_array":
            self._texts = []
            if field != "Series":
                raise self._wrong(f"{field} must not be a list", self._number)
        elif kind in {"start_map", "end_map"}:
            raise self._wrong(f"{field} must not be an object", self._number)
        elif kind != "null":
            self._fields[field] = value

    def _bound(self, found: list[Any], field: str) -> None:
        if len(found) > MAX_LIST:
            raise self._wrong(f"{field} has more than {MAX_LIST} items", self._number)

    def _wrong(self, rule: str, number: int = 0) -> InvalidFile:
        return InvalidFile(self._name, f"media {number}" if number else "the whole file", rule)
