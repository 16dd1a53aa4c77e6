"""Reads fields out of a JSON object and remembers which, so that what has no field of the bus can be said in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from bus.adapters.times import rfc3339
from bus.adapters.values import size
from bus.errors import InvalidFile

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_DEEP = 4
_NUMBER = re.compile(r"\d{1,4}", re.ASCII)


class Word(NamedTuple):
    """A sentence of what has no field, and the key it is of, which may be told."""

    key: str
    text: str


class Fields:
    """The fields of one object at a place. Null, and an empty text, are absent."""

    def __init__(self, given: Any, file: str, place: str, path: str = "") -> None:
        self.file, self.place, self._path = file, place, path
        if not isinstance(given, Mapping):
            raise self.wrong("", "must be an object")
        self._given = cast("Mapping[str, Any]", given)
        self._used: set[str] = set()
        if not all(map(_KEY.fullmatch, self._given)):
            raise self.wrong("", "has a key that is no plain name")

    def wrong(self, key: str, rule: str) -> InvalidFile:
        """An error at a field; it never holds a value."""
        path = ".".join(filter(None, [self._path, key]))
        return InvalidFile(self.file, self.place, f"{path}: {rule}" if path else f"it {rule}")

    def has(self, key: str) -> bool:
        """Whether a field says something."""
        return self._given.get(key) not in (None, "")

    def text(self, key: str, most: int, *, needed: bool = False) -> str | None:
        """A text that fits; one that does not is left to the rest, unless it is needed."""
        value = self._given.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "must be a text")
        if not value or size(value) > most:
            if needed:
                raise self.wrong(key, f"must be given, with at most {most} bytes")
            return None
        self._used.add(key)
        return value

    def number(self, key: str) -> int | None:
        """An id of a code list: a whole number, also as a text."""
        value = self._given.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, float) or not _NUMBER.fullmatch(str(int(value) if isinstance(value, bool) else value)):
            raise self.wrong(key, "must be an id of its code list")
        self._used.add(key)
        return int(value)

    def time(self, key: str) -> str | None:
        """A time, as the bus writes it."""
        value = self.text(key, 64)
        at = None if value is None else rfc3339(value)
        if value is not None and (at is None or at < "1970"):
            raise self.wrong(key, "must be a time since 1970, as 2000-01-31T23:59:00Z")
        return at

    def objects(self, key: str) -> list[Fields]:
        """The objects of a list."""
        value = self._given.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list")
        self._used.add(key)
        items = cast("list[Any]", value)
        return [Fields(one, self.file, self.place, f"{self._path}{key} {n}") for n, one in enumerate(items, 1)]

    def object(self, key: str) -> Fields | None:
        """An object."""
        if self._given.get(key) is None:
            return None
        self._used.add(key)
        return Fields(self._given[key], self.file, self.place, f"{self._path}.{key}".lstrip("."))

    def rest(self) -> list[Word]:
        """What was not read, a sentence for each field that says something."""
        said = [(key, value) for key, value in self._given.items() if key not in self._used and self.has(key)]
        return [Word(key, f"{key}: {self._word(key, value, 0)}") for key, value in said if value != []]

    def _word(self, key: str, value: Any, depth: int) -> str:
        if depth > _DEEP:
            raise self.wrong(key, "is nested too deeply")
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int | float):
            return str(value)
        if isinstance(value, list):
            return ", ".join(self._word(key, one, depth + 1) for one in cast("list[Any]", value))
        given = cast("Mapping[str, Any]", value or {})
        Fields(given, self.file, self.place, key)
        return "; ".join(f"{name} {self._word(key, one, depth + 1)}" for name, one in given.items())
