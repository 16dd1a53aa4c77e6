"""The table of deadlines is read strictly: what is not exactly one is refused, and no value is echoed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import UsageError
from bus.paths import ops_dir
from bus.policy.deadlines import UNREAD, parse

SHIPPED = (ops_dir() / "deadlines.toml").read_text(encoding="utf-8")
HEAD = "version = 1\n[clerk]\nwarn_per_mille = 750\nescalate_per_mille = 1000\n"
ROW = """
[deadline.{id}]
instrument = "An Act"
article = "1"
country = "GB"
subject_matter = "csam"
applies_to = ["TakedownNotice"]
starts_on = "delivered"
length = "24h"
calendar = "elapsed"
pauses = ["le_hold"]
met_by = ["removed"]
on_lapse = "overdue"
source = "read"
evidence = "read"
enforce = true
"""
DOMAIN = {
    "us-2258a-report", "us-2258a-preserve", "us-takeitdown", "ncmec-open-report", "eu-dsa-9", "eu-dsa-16", "eu-dsa-18",
    "eu-tco-remove", "eu-tco-preserve", "eu-epoc", "uk-osa-66", "in-2023-notice", "in-it-3-1-d", "in-it-3-2-b",
    "au-class1", "arachnid-renotify", "recall-stop-use", "ack-immediate", "ack-urgent", "ack-routine",
}  # fmt: skip


def _table(**changes: str) -> str:
    row = ROW.format(id="an-act")
    for name, value in changes.items():
        lines = [line for line in row.splitlines() if not line.startswith(f"{name} =")]
        row = "\n".join(lines) + f"\n{name} = {value}\n" if value else "\n".join(lines) + "\n"
    return HEAD + row


def test_shipped_table_has_every_row_and_enforces_none_that_nobody_has_read() -> None:
    """What is shipped can be adopted, holds all the rows, and claims nothing that is not its own or was read."""
    table = parse(SHIPPED)
    assert table.rows.keys() >= DOMAIN
    assert not [row.id for row in table.rows.values() if row.enforce and row.evidence in UNREAD]
    assert {row.id for row in table.rows.values() if row.enforce} == {
        "arachnid-renotify", "stated", "recall-stated", "recall-stop-use", "ack-immediate", "ack-urgent", "ack-routine",
    }  # fmt: skip
    assert table.rows["us-takeitdown"].length_us == 48 * 3600 * 1_000_000
    assert table.rows["us-2258a-report"].length_us is None
    assert len(table.benchmarks) == 4


def test_rows_come_out_as_they_were_written() -> None:
    """Dates become instants, from the first of a day to the last of one; holidays become days."""
    text = _table(valid_from="2026-01-02", valid_to="2026-01-02") + "[holidays]\nGB = [1970-01-03]\n"
    table = parse(text)
    row = table.rows["an-act"]
    day = int(dt.datetime(2026, 1, 2, tzinfo=dt.UTC).timestamp()) * 1_000_000
    assert [row.in_force(at) for at in (day - 1, day, day + 86_400_000_000 - 1, day + 86_400_000_000)] == [0, 1, 1, 0]
    assert table.holidays == {"GB": frozenset({2})}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"length": '"24 h"'}, "deadline.an-act.length"),
        ({"length": '"0h"'}, "deadline.an-act.length"),
        ({"length": '"9999d"'}, "longer than ten years"),
        ({"length": "24"}, "deadline.an-act.length"),
        ({"length": '"٢٤h"'}, "deadline.an-act.length"),
        ({"starts_on": '"dawn"'}, "deadline.an-act.starts_on"),
        ({"calendar": '"lunar"'}, "deadline.an-act.calendar"),
        ({"pauses": '["lunch"]'}, "deadline.an-act.pauses"),
        ({"pauses": '"le_hold"'}, "deadline.an-act.pauses"),
        ({"enforce": '"yes"'}, "deadline.an-act.enforce"),
        ({"enforce": ""}, "missing required field"),
        ({"colour": '"red"'}, "unknown field"),
        ({"applies_to": '["Notice"]'}, "no type of event"),
        ({"applies_to": '["KeyRegistered"]'}, "no type of event"),
        ({"applies_to": "[]"}, "applies_to"),
        ({"met_by": '["removd"]'}, "no step of an answer"),
        ({"met_by": "[]"}, "cannot count"),
        ({"starts_on": '"knowledge"'}, "cannot count"),
        ({"length": ""}, "cannot count"),
        ({"evidence": '"unverified"'}, "verified_by"),
        ({"subject_matter": '"terrorist"'}, "not carried here"),
        ({"on_lapse": '"none"'}, "on_lapse"),
        ({"length": '"stated"', "calendar": '"business"'}, "no calendar moves"),
        ({"country": '"gb"'}, "deadline.an-act.country"),
        ({"valid_from": '"soon"'}, "deadline.an-act.valid_from"),
        ({"valid_from": "2026-02-02", "valid_to": "2026-01-01"}, "lies before"),
        ({"source": '""'}, "deadline.an-act.source"),
    ],
)
def test_a_wrong_row_is_refused_with_its_name_and_the_rule(changes: dict[str, str], said: str) -> None:
    """Whoever wrote it can mend it: the row, the field and what it breaks."""
    assert parse(_table()).rows["an-act"].enforce
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        parse(_table(**changes))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        HEAD,
        HEAD.replace("1000", "0") + ROW.format(id="a1"),
        HEAD.replace("version = 1", "version = 2") + ROW.format(id="a1"),
        HEAD + ROW.format(id='"Row One"'),
        HEAD + ROW.format(id="a1") + ROW.format(id="a1"),
        HEAD + ROW.format(id="a1") + "[holidays]\nGBR = [2026-12-25]\n",
        HEAD + ROW.format(id="a1") + "[holidays]\nGB = [2026-12-25T00:00:00Z]\n",
        "version = 1\ndeadline = 7\n",
        "a = " + "[" * 100_000,
        "a = {" * 5000,
        "#" * 300_000,
        HEAD + "".join(ROW.format(id=f"r{n}") for n in range(600)),
    ],
)  # fmt: skip
def test_hostile_texts_end_in_a_clear_error(text: str) -> None:
    """Truncated, huge, nested or doubled: refused, never a crash."""
    with pytest.raises(UsageError, match="table of deadlines"):
        parse(text)


def test_an_error_never_echoes_a_value() -> None:
    """A name that was typed into the wrong field does not come out in a log."""
    with pytest.raises(UsageError) as caught:
        parse(_table(starts_on='"jane.doe"'))
    assert "jane" not in str(caught.value)


@given(cut=st.integers(0, len(SHIPPED) - 1), junk=st.text(max_size=20))
def test_damage_anywhere_is_refused_or_gives_a_whole_table(cut: int, junk: str) -> None:
    """Whatever is put into the text, it is a table or a clear error."""
    try:
        assert parse(SHIPPED[:cut] + junk + SHIPPED[cut:]).rows
    except UsageError as error:
        assert error.hint  # noqa: PT017 - either is right
