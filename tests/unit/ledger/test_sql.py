"""Named queries, and that each is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.ledger.sql import MIGRATIONS, QUERIES, parse_queries

ROOT = Path(__file__).parents[3]


def test_query_is_found_by_its_name() -> None:
    """The text between two names is a query, its reason included."""
    found = parse_queries("-- one --\n-- Why.\nSELECT 1;\n\n-- two --\nSELECT 2;\n")
    assert found == {"one": "-- Why.\nSELECT 1;", "two": "SELECT 2;"}


@pytest.mark.parametrize("text", ["-- a --\nSELECT 1;\n-- a --\nSELECT 2;", "-- a --\n-- b --\nSELECT 1;"])
def test_double_or_empty_query_is_an_error(text: str) -> None:
    """A name stands once, and every name has a query."""
    with pytest.raises(ValueError):
        parse_queries(text)


def test_every_query_has_a_reason_and_a_user() -> None:
    """No query without a line that says why, and none that nobody runs."""
    code = "".join(path.read_text() for path in (ROOT / "bus").rglob("*.py"))
    for name, text in QUERIES.items():
        assert text.startswith("-- "), name
        assert f'"{name}"' in code, name


def test_migrations_are_named_by_release_and_phase() -> None:
    """The name says the release and whether it goes before or after it."""
    for path in MIGRATIONS.glob("*.sql"):
        release, number, phase = path.name.split("_")[:3]
        assert [len(part) for part in release.split(".")] == [2, 2, 2]
        assert number.isdigit()
        assert phase in {"pre", "post"}
