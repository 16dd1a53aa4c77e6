"""SQL as files: each query has a ``-- name --`` line and a one-line reason, and Python has no SQL strings."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)

MIGRATIONS = Path(__file__).parent / "migrations"


def parse_queries(text: str) -> dict[str, str]:
    """Split a file of named queries.

    Returns:
        The text of each query by its name.

    Raises:
        ValueError: a name stands twice, or a query is empty.
    """
    pieces = _NAME.split(text)[1:]
    found: dict[str, str] = {}
    for name, query in zip(pieces[::2], pieces[1::2], strict=True):
        if name in found:
            raise ValueError(f"two queries are named {name}")
        if not query.strip():
            raise ValueError(f"query {name} is empty")
        found[name] = query.strip()
    return found


QUERIES = parse_queries((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))
