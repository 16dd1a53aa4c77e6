"""How numbers read, and how words are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.audit.words import event_or_index, moment, time_us, when
from bus.errors import UsageError

NOW = 1_800_000_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02T03:04:05.5+02:00", "2026-01-02T01:04:05.500000Z"),
        ("2026-01-02", "2026-01-02T00:00:00.000000Z"),
        ("90s", when(NOW - 90_000_000)),
        ("2h", when(NOW - 7_200_000_000)),
        ("1w", when(NOW - 604_800_000_000)),
    ],
)
def test_times_are_read(text: str, expected: str):
    """RFC 3339, a date, or how long ago."""
    assert when(time_us(text, now_us=NOW)) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2h30m", "-2h", "٢h", "2026-13-01", "99999999999d"])
def test_what_is_no_time_is_said(text: str):
    """Anything else is a usage error that shows the forms."""
    with pytest.raises(UsageError, match="is no time") as error:
        time_us(text, now_us=NOW)
    assert "RFC 3339" in error.value.hint


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001
def test_a_moment_is_written_to_the_microsecond(at: datetime):
    """The database's times and the ledger's read the same."""
    aware = at.replace(tzinfo=UTC)
    us = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert moment(aware) == when(us)
    assert time_us(moment(aware) or "", now_us=NOW) == us


def test_an_entry_is_named_by_id_or_index():
    """Each has one form."""
    assert event_or_index("0") == 0
    assert event_or_index("41") == 41
    assert event_or_index("0199f3c0-0000-7000-8000-00000000000f") == UUID("0199f3c0-0000-7000-8000-00000000000f")


@given(st.text(max_size=40))
def test_any_other_name_is_a_usage_error(text: str):
    """No name of an entry is read in two ways."""
    try:
        found = event_or_index(text)
    except UsageError:
        return
    assert str(found) == text.lower()
