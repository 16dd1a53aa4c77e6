"""A JSON document small enough for memory, read in the one way that all programs agree on."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from bus.errors import InvalidFile


class RefusedError(ValueError):
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
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except RefusedError as error:
        raise InvalidFile(name, "the whole file", str(error)) from None
    except RecursionError:
        raise InvalidFile(name, "the whole file", "nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidFile(name, f"line {error.lineno}", f"not JSON: {error.msg}") from None
    except ValueError:
        raise InvalidFile(name, "the whole file", "a number is too long") from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for ``object_pairs_hook``.

    Raises:
        RefusedError: a key is repeated, and two programs may take different ones.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedError("a key stands twice in one object")
    return found


def no_constant(_name: str) -> Any:
    """For ``parse_constant``: the words that Python takes and JSON does not have.

    Raises:
        RefusedError: always.
    """
    raise RefusedError("NaN and Infinity are not JSON")
