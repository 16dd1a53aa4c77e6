"""What a document does not carry of an event, found by reading it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RANDOM = "salt"


def lost(event: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of fields of body and sealed part that are not what a document says when it is read again.

    Text that only grew, since what had no place was added to it, is not lost. Null, an absent field and an empty
    list are one.
    """
    return tuple(
        f"{part}.{name}"
        for part in ("body", "sealed")
        for name, value in sorted((event.get(part) or {}).items())
        if name != _RANDOM and not _empty(value) and not _carried(value, (again.get(part) or {}).get(name))
    )


def _carried(value: Any, again: Any) -> bool:
    if isinstance(value, str) and isinstance(again, str):
        return again == value or again.startswith(f"{value}\n")
    return plain(value) == plain(again)


def _empty(value: Any) -> bool:
    return value is None or value in ([], {})


def plain(value: Any) -> Any:
    """A value without its fields that are null or empty lists."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items() if not _empty(v)}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
