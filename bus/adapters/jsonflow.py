"""JSON that may be larger than memory, as a flow of tokens, each with the path it stands at.

What no two programs read alike is refused: a repeated key, NaN, text that is not UTF-8, something behind the end. What
could fill memory is bounded: nesting, keys of an object, the length of a token. A byte order mark is passed over.

A place is ``near byte N``: a file on one line has no lines to speak of. N is where the chunk ends that was being read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import ijson

from bus.errors import InvalidFile

MAX_DEPTH = 32
MAX_KEYS = 256
MAX_TOKEN = 1 << 20
_CHUNK = 64 << 10
_BOM = b"\xef\xbb\xbf"
_ITEM = "[]"


class Token(NamedTuple):
    """One token: where it stands, what it is (ijson's names), and its value if it is a scalar."""

    path: tuple[str, ...]
    kind: str
    value: Any


def tokens(stream: BinaryIO, name: str) -> Iterator[Token]:
    """Read a whole JSON value as tokens.

    The path of a value in an object ends in its key, that of one in an array in ``[]``. ``map_key`` is no token.

    Args:
        stream: the bytes.
        name: what to call the file in an error.

    Raises:
        InvalidFile: at the first thing that is wrong; what came before may have been yielded.
    """
    flow = _Flow(name)
    found: Any = ijson.sendable_list()
    parser = ijson.basic_parse_coro(found)
    first = True
    while chunk := stream.read(_CHUNK):
        flow.read += len(chunk)
        if first:
            chunk, first = chunk.removeprefix(_BOM), False
        _feed(flow, parser, chunk)
        flow.silent = 0 if found else flow.silent + len(chunk)
        if flow.silent > MAX_TOKEN:
            raise flow.wrong(f"a text or number is longer than {MAX_TOKEN >> 20} MiB")
        yield from flow.take(found)
    if first:
        raise InvalidFile(name, "byte 0", "the file is empty")
    _feed(flow, parser, None)
    yield from flow.take(found)


def _feed(flow: _Flow, parser: Any, chunk: bytes | None) -> None:
    """Give the parser some bytes, or say that there are no more; its errors as ours, without what they quote."""
    try:
        if chunk is None:
            parser.close()
        elif chunk:
            parser.send(chunk)
    except ijson.IncompleteJSONError:
        raise flow.wrong("not JSON, or cut off" if chunk else "cut off: the file ends inside a value") from None
    except ijson.JSONError:
        raise flow.wrong("not JSON") from None
    except UnicodeError:
        raise flow.wrong("not UTF-8 text") from None
    except (ValueError, ArithmeticError, SystemError):
        # SystemError: ijson's C parser raises it in the place of int()'s ValueError, for over 4,300 digits.
        raise flow.wrong("a number is too long") from None
    except StopIteration:
        raise flow.wrong("something stands behind the end") from None


class _Flow:
    """Follows the tokens: where each stands, and that no key stands twice."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read = self.silent = 0
        self._path: list[str] = []
        self._keys: list[set[str] | None] = []

    def wrong(self, rule: str) -> InvalidFile:
        """An error near what was read last."""
        return InvalidFile(self.name, f"near byte {self.read:,}", rule)

    def take(self, found: list[tuple[str, Any]]) -> Iterator[Token]:
        """The parser's events as tokens; empties the list."""
        for kind, value in found:
            if kind == "map_key":
                self._key(value)
            elif kind in {"end_map", "end_array"}:
                self._keys.pop()
                self._path.pop()
                yield Token(tuple(self._path), kind, None)
            else:
                yield Token(tuple(self._path), kind, value)
                if kind in {"start_map", "start_array"}:
                    self._begin(kind)
        found.clear()

    def _begin(self, kind: str) -> None:
        if len(self._keys) >= MAX_DEPTH:
            raise self.wrong(f"nested deeper than {MAX_DEPTH}")
        self._keys.append(set() if kind == "start_map" else None)
        self._path.append(_ITEM)

    def _key(self, key: str) -> None:
        keys = self._keys[-1]
        assert keys is not None
        if key in keys:
            raise self.wrong("a key stands twice in one object")
        if len(keys) >= MAX_KEYS:
            raise self.wrong(f"an object has more than {MAX_KEYS} keys")
        keys.add(key)
        self._path[-1] = key
