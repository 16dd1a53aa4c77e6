"""The named queries."""

from __future__ import annotations

import re
from pathlib import Path

import bus.audit.ledger as audited
from bus.audit.ledger import QUERIES, Filter


def test_each_query_has_a_reason_and_is_used():
    """A query begins with one line that says why it is there, and Python asks for each by name."""
    source = Path(audited.__file__).read_text(encoding="utf-8")
    for name, query in QUERIES.items():
        assert re.match(r"-- [A-Z].+\n", query), name
        assert f'"{name}"' in source, name


def test_the_two_searches_differ_in_their_order_alone():
    """Newest first finds the same entries."""
    strip = re.compile(r"^--.*\n")
    forward, backward = (strip.sub("", QUERIES[name]) for name in ("search", "search_newest"))
    assert backward == forward.replace("ORDER BY index\n", "ORDER BY index DESC\n")


def test_nothing_is_written_by_any_query():
    """An auditor's question changes nothing."""
    for name, query in QUERIES.items():
        assert not re.search(r"\b(INSERT|UPDATE|DELETE|TRUNCATE|CREATE|ALTER|GRANT)\b", query), name


def test_a_filter_has_a_value_for_each_parameter():
    """Query and filter agree on how many parameters there are."""
    numbers = {int(n) for n in re.findall(r"\$(\d+)", QUERIES["search"])}
    assert numbers == set(range(1, len(Filter().values()) + 3))  # and the two bounds of the index
