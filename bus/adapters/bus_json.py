"""The bus's own form: one JSON object, several of them one to a line (NDJSON), or a JSON array of them.

Which one it is shows in the first bytes. All are read as a stream, one event in memory at a time. JSON that is
read in two ways by two programs is refused: repeated keys, NaN, text that is not UTF-8.

An event without ``header.event_id`` gets one, which the journal keeps under the digest of the event's content: the
same file published again is the same events.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

from bus.adapters.drafts import Context, Draft, Input, ItemKey
from bus.adapters.strict_json import RefusedError, no_constant, unique
from bus.errors import InvalidFile
from bus.events.ids import dashed

FORMAT = "bus"
MAX_EVENT = 1 << 20
"""Bytes of one event's JSON; an event's own caps are far below."""

_OTHER_FORMAT = (
    "Mend the file; or, if it is in another format, say which with --format; `bus publish --help` lists them. "
    "Nothing was published or written."
)
_PARTS = {"type", "header", "body", "sealed"}
_CHUNK = 64 << 10
_SPACE = " \t\r\n"
_LONGEST_TOKEN = 16
"""No literal or escape of JSON is longer; longer strings are told apart by their message."""


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft an event for each object of the input. The context's audience replaces every event's own.

    Raises:
        InvalidFile: the input is not JSON, or something in it is no object.
    """
    ((stream, name),) = inputs
    seen: Counter[str] = Counter()
    for line, value in read_objects(stream, name):
        place = f"line {line}"
        if value and not value.keys() & _PARTS:
            raise InvalidFile(name, place, "no event: it has neither type nor header", hint=_OTHER_FORMAT)
        header = value.setdefault("header", {})
        if not isinstance(header, dict):
            raise InvalidFile(name, place, "header must be an object")
        if context.audience is not None:
            header["audience"] = list(context.audience)
        if header.get("event_id") is not None:
            yield Draft(place, value)
            continue
        header.pop("event_id", None)
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        seen[digest] += 1
        key = ItemKey(FORMAT, "json", f"{digest}@{seen[digest]}")
        known = context.memory.find(key)
        header["event_id"] = dashed(context.new_id() if known is None else known.event_id)
        yield Draft(place, value, key)


def read_objects(stream: BinaryIO, name: str, *, most: int = MAX_EVENT) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of an input, each with the number of the line it begins at, and of at most so many bytes.

    Raises:
        InvalidFile: at the first thing that is wrong.
    """
    text = _Text(stream, name, most)
    first = text.skip_space()
    if not first:
        raise InvalidFile(name, "line 1", "the file is empty")
    if first == "[":
        yield from _array(text)
        return
    while text.skip_space():
        yield text.line, text.object()


def _array(text: _Text) -> Iterator[tuple[int, dict[str, Any]]]:
    text.take()
    mark = text.skip_space()
    while mark != "]":
        yield text.line, text.object()
        mark = text.skip_space()
        if mark == ",":
            text.take()
            mark = text.skip_space()
            if mark == "]":
                raise text.wrong("a comma stands before the end of the array")
        elif mark != "]":
            raise text.wrong("a comma or the end of the array is missing")
    text.take()
    if text.skip_space():
        raise text.wrong("something stands behind the end of the array")


class _Text:
    """The input as text, decoded as it comes, with the line being read."""

    def __init__(self, stream: BinaryIO, name: str, most: int) -> None:
        self._stream, self._name, self._most = stream, name, most
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(object_pairs_hook=unique, parse_constant=no_constant)
        self._buffer = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def wrong(self, rule: str, line: int | None = None, hint: str = "") -> InvalidFile:
        """An error at the line that is being read."""
        return InvalidFile(self._name, f"line {line or self.line}", rule, hint=hint)

    def _more(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        # As much again as there is: so trying an object anew with each piece costs no more than twice its length.
        chunk = self._stream.read(max(_CHUNK, len(self._buffer) - self._at))
        self._ended = not chunk
        try:
            text = self._decode.decode(chunk, final=self._ended)
        except UnicodeDecodeError:
            raise self.wrong("not UTF-8 text, here or below") from None
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return True

    def skip_space(self) -> str:
        """Pass over white space; the next character, or nothing at the end."""
        while True:
            while self._at < len(self._buffer):
                mark = self._buffer[self._at]
                if mark not in _SPACE:
                    return mark
                self.line += mark == "\n"
                self._at += 1
            if not self._more():
                return ""

    def take(self) -> None:
        """Pass over one character."""
        self._at += 1

    def object(self) -> dict[str, Any]:
        """Read one object, which begins here."""
        if self._at == len(self._buffer):
            raise self.wrong("the input ends where an event or the end of the array should stand")
        if self._buffer[self._at] != "{":
            raise self.wrong("an event must be a JSON object", hint=_OTHER_FORMAT)
        value, end = self._value()
        self.line += self._buffer.count("\n", self._at, end)
        self._at = end
        return value

    def _value(self) -> tuple[dict[str, Any], int]:
        """The object and where it ends; reads on while it may only be cut off."""
        while True:
            try:
                value, end = self._json.raw_decode(self._buffer, self._at)
            except RefusedError as error:
                raise self.wrong(str(error)) from None
            except RecursionError:
                raise self.wrong("nested too deeply") from None
            except json.JSONDecodeError as error:
                self._bound(len(self._buffer))
                if self._may_be_cut(error) and self._more():
                    continue
                line = self.line + self._buffer.count("\n", self._at, error.pos)
                raise self.wrong(f"not JSON: {error.msg}", line) from None
            except ValueError:
                raise self.wrong("a number is too long") from None
            self._bound(end)
            return cast("tuple[dict[str, Any], int]", (value, end))

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the error is what the end of the buffer looks like, so that reading on may mend it."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._buffer) - _LONGEST_TOKEN

    def _bound(self, end: int) -> None:
        if end - self._at > self._most:
            raise self.wrong(f"an event is longer than {self._most >> 10} KiB")
