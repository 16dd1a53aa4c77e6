"""What was stated of deadlines, from headers alone."""

from __future__ import annotations

import pytest

from bus.audit.lateness import COLUMNS, lateness
from bus.errors import LedgerError
from bus.events import registry
from bus.events.codec import encode_header
from tests.unit.hub.hall import Hall


def _rows(hall: Hall) -> list[dict[str, object]]:
    found = [one for one in hall.seen() if one.info.name == "Overdue"]
    return [
        {"index": one.index, "schema_id": one.info.id, "header": encode_header(one.info, one.header)} for one in found
    ]


def test_each_statement_says_who_owed_what_and_how_far_past_due_it_was() -> None:
    """A line for each, in order, with the columns that the table shows."""
    hall = Hall()
    notice = hall.notice()
    for hours in (20, 10):
        hall.later(hours)
        hall.clerk().work()
    hall.act(notice, "removed")
    hall.clerk().work()
    found = lateness(_rows(hall))
    assert [tuple(line) for line in found] == [COLUMNS] * 3
    assert [line["step"] for line in found] == ["warned", "overdue", "cured"]
    assert [line["after_due_s"] for line in found] == [0, 0, pytest.approx(6 * 3600, abs=10)]
    assert {(line["addressee"], line["deadline"], line["by"]) for line in found} == {("pixelpost", "au-class1", "hub")}


def test_what_a_court_removed_is_left_out_and_damage_is_said() -> None:
    """A header that is gone is no line; one that cannot be read is an error that names no value."""
    assert lateness([{"index": 1, "schema_id": registry.by_name("Overdue").id, "header": None}]) == []
    with pytest.raises(LedgerError):
        lateness([{"index": 1, "schema_id": registry.by_name("Overdue").id, "header": b"\x00"}])
