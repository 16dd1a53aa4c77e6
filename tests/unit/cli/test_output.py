"""Tables, JSON, NDJSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.cli.output import FORMS, RowWriter, print_rows, print_table

COLUMNS = ("name", "n", "words")
ROWS = [
    {"name": "a", "n": 1, "words": ["x", "y"]},
    {"name": "long name, with a comma", "n": None, "words": [], "more": 1},
]


@pytest.mark.parametrize(
    ("form", "expected"), [("json", "[]\n"), ("ndjson", ""), ("csv", "name,n,words\n"), ("table", "")]
)
def test_an_empty_list_is_empty_in_every_form(capsys, form: str, expected: str):
    """No rows are ``[]`` in JSON, no line in NDJSON, and a head in CSV."""
    print_rows([], COLUMNS, form)
    assert capsys.readouterr().out == expected


def test_json_is_one_value_on_one_line(capsys):
    """Only the columns asked for, in their order."""
    print_rows(ROWS, COLUMNS, "json")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == [{"name": r["name"], "n": r["n"], "words": r["words"]} for r in ROWS]


def test_ndjson_is_one_object_a_line(capsys):
    """Each row stands alone."""
    print_rows(ROWS, COLUMNS, "ndjson")
    assert [json.loads(line)["n"] for line in capsys.readouterr().out.splitlines()] == [1, None]


def test_csv_reads_back(capsys):
    """Commas and nothing survive."""
    print_rows(ROWS, COLUMNS, "csv")
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["name", "n", "words"], ["a", "1", "x y"], ["long name, with a comma", "", ""]]


def test_a_table_lines_up(capsys):
    """Columns have their widths, numbers stand to the right, and no line ends in spaces."""
    print_table(ROWS, COLUMNS)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "name                     n  words",
        "a                        1  x y",
        "long name, with a comma",
    ]


def test_an_envelope_holds_rows_and_counts(capsys):
    """Publish's JSON is one object: the rows, then what is known at the end."""
    with RowWriter("json", ("a",), envelope="rows") as writer:
        writer.write({"a": 1})
        writer.write({"a": 2})
        writer.finish(total=2)
    assert json.loads(capsys.readouterr().out) == {"rows": [{"a": 1}, {"a": 2}], "total": 2}


def test_what_was_written_before_an_error_is_whole(capsys):
    """JSON is closed even when the rows end in an error."""

    def broken() -> Iterator[dict]:
        yield {"a": 1}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        print_rows(broken(), ("a",), "json")
    assert json.loads(capsys.readouterr().out) == [{"a": 1}]


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.none() | st.integers() | st.booleans()})))
def test_any_rows_survive_json(rows: list[dict]):
    """JSON and NDJSON give back what was written."""
    import contextlib

    for form in ("json", "ndjson"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            print_rows(rows, ("a", "b"), form)
        text = out.getvalue()
        found = json.loads(text) if form == "json" else [json.loads(line) for line in text.split("\n") if line]
        assert found == rows


def test_every_form_is_known():
    """The forms are those of the design."""
    assert FORMS == ("table", "json", "ndjson", "csv")


def test_a_table_wraps_its_last_column_into_a_narrow_terminal(capsys):
    """Where a line is too long, the words of the last column go on below; every line fits."""
    rows = [{"name": "a", "n": 1, "words": "several words that are too many for a line of this width"}]
    print_table(rows, COLUMNS, width=40)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "name  n  words",
        "a     1  several words that are too many",
        "         for a line of this width",
    ]


def test_a_table_that_cannot_fit_becomes_blocks(capsys):
    """Where no room is left for the last column, each row is lines of name and value, nothing cut off."""
    rows = [{"name": "x" * 40, "n": 7, "words": "one two"}, {"name": "y", "n": None, "words": "three"}]
    print_table(rows, COLUMNS, width=44)
    assert capsys.readouterr().out.splitlines() == [
        f"name   {'x' * 40}",
        "n      7",
        "words  one two",
        "",
        "name   y",
        "words  three",
    ]


@given(
    st.lists(st.tuples(st.text("ab ", max_size=60), st.integers(0, 10**9)), min_size=1, max_size=5), st.integers(1, 120)
)
def test_no_word_of_a_table_is_lost(texts: list[tuple[str, int]], width: int):
    """Whatever the width, every word is printed."""
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        print_table([{"n": n, "words": text} for text, n in texts], ("n", "words"), width=width)
    printed = out.getvalue().split()
    for text, n in texts:
        assert str(n) in printed
        assert all(word in printed for word in text.split())


ENTRIES = [
    {"event_id": "0" * 36, "index": 7, "issuer": "fernpost", "time": "2026-01-31T12:00:00.123456Z", "reasons": ["a-code"] * 4},
    {"event_id": "1" * 36, "index": 12, "issuer": "tidewave", "time": "2026-01-31T12:00:01.000000Z", "reasons": []},
]  # fmt: skip
ENTRY = ("event_id", "index", "issuer", "time")


def test_a_narrow_terminal_gets_shorter_times_and_then_fewer_columns(capsys):
    """Each row stays one line as long as it can; the fraction of a second goes first, then what can be spared."""
    print_table(ENTRIES, ENTRY, width=79, spare=("event_id",))
    assert capsys.readouterr().out.splitlines()[1] == "0" * 36 + "      7  fernpost  2026-01-31T12:00:00Z"
    print_table(ENTRIES, ENTRY, width=60, spare=("event_id",))
    assert capsys.readouterr().out.splitlines() == [
        "index  issuer    time",
        "    7  fernpost  2026-01-31T12:00:00Z",
        "   12  tidewave  2026-01-31T12:00:01Z",
    ]


def test_what_may_stand_below_stands_below_before_rows_become_blocks(capsys):
    """The last column's words go to lines of their own, and nothing is written where there are none."""
    print_table(ENTRIES, (*ENTRY, "reasons"), width=41, spare=("event_id",), below="reasons")
    assert capsys.readouterr().out.splitlines() == [
        "index  issuer    time",
        "    7  fernpost  2026-01-31T12:00:00Z",
        "    reasons: a-code a-code a-code a-code",
        "   12  tidewave  2026-01-31T12:00:01Z",
    ]
    print_table(ENTRIES, (*ENTRY, "reasons"), width=20, spare=("event_id",), below="reasons")
    assert "event_id  " + "0" * 36 in capsys.readouterr().out.splitlines()


def test_elsewhere_nothing_is_left_out(capsys):
    """What a pipe gets has all columns, whole."""
    print_table(ENTRIES, ENTRY, spare=("event_id",))
    assert capsys.readouterr().out.splitlines()[1].endswith("2026-01-31T12:00:00.123456Z")
