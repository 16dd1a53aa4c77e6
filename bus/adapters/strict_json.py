"""A JSON document small enough for memory, read in the one way that all programs agree on."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from bus.errors import InvalidFile


class _RefusedError(ValueError):
    """JSON that we do not take, and why."""


def load(stream: BinaryIO, name: str, *, most: int) -> Any:
    """Read a whole document.

    Args:
        stream: its bytes; a byte order mark is passed over.
        name: what to call the file in an error.
        most: how many bytes it may have.

    Raises:
        InvalidFile: it is too long, not UTF-8, not JSON, or read in two ways by two programs (a repeated key, NaN).
    """
    data = stream.read(most + 1)
    if len(data) > most:
        raise InvalidFile(name, "the whole file", f"longer than {most >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFile(name, f"line {line}", "not UTF-8 text") from None
    if not text.strip():
        raise InvalidFile(name, "line 1", "the file is empty")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except _RefusedError as error:
        raise InvalidFile(name, "the whole file", str(error)) from None
    except RecursionError:
        raise InvalidFile(name, "the whole file", "nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidFile(name, f"line {error.lineno}", f"not JSON: {error.msg}") from None
    except ValueError:
        raise InvalidFile(name, "the whole file", "a number is too long") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("a key stands twice in one object")
    return found


def _no_constant(_name: str) -> Any:
    raise _RefusedError("NaN and Infinity are not JSON")
