"""Reading the bus's own JSON."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.adapters.bus_json import MAX_EVENT, read_objects
from bus.errors import InvalidFile


def read(data: bytes) -> list[tuple[int, dict]]:
    """All objects of an input."""
    return list(read_objects(io.BytesIO(data), "events.json"))


def refused_at(data: bytes) -> str:
    """Where an input is refused; `line nowhere` if it is read."""
    try:
        read(data)
    except InvalidFile as error:
        return error.place
    return "line nowhere"


GOOD = {
    "one object": (b'{"a":1}', [(1, {"a": 1})]),
    "over lines": (b'\n{\n"a":\n1\n}\n', [(2, {"a": 1})]),
    "lines": (b'{"a":1}\n\n{"b":2}\n', [(1, {"a": 1}), (3, {"b": 2})]),
    "lines of Windows": (b'{"a":1}\r\n{"b":2}\r\n', [(1, {"a": 1}), (2, {"b": 2})]),
    "array": (b'[{"a":1},\n {"b":2}\n]\n', [(1, {"a": 1}), (2, {"b": 2})]),
    "empty array": (b"[]", []),
    "with a byte order mark": (b'\xef\xbb\xbf{"a":1}', [(1, {"a": 1})]),
}

BAD = {
    "empty": (b"", "line 1", "empty"),
    "space": (b" \n ", "line 1", "empty"),
    "no object": (b'{"a":1}\n7\n', "line 2", "must be a JSON object"),
    "text": (b'"x"', "line 1", "must be a JSON object"),
    "number in an array": (b"[{},\n1]", "line 2", "must be a JSON object"),
    "cut off": (b'{"a":1}\n{"a":', "line 2", "not JSON"),
    "cut off in a string": (b'{"a":"x', "line 1", "not JSON"),
    "array never ended": (b"[", "line 1", "the input ends"),
    "array cut off": (b'[{"a":1}', "line 1", "missing"),
    "array ended by a comma": (b"[{},", "line 1", "the input ends"),
    "comma at the end": (b'[{"a":1},\n]', "line 2", "comma stands"),
    "behind the array": (b"[]\n{}", "line 2", "behind the end"),
    "no comma": (b"[{}{}]", "line 1", "comma or the end"),
    "repeated key": (b'{"a":1}\n{"a":{"b":1,"b":2}}', "line 2", "stands twice"),
    "nan": (b'{"a":NaN}', "line 1", "NaN"),
    "infinity": (b'{"a":-Infinity}', "line 1", "NaN"),
    "long number": (b'{"a":' + b"9" * 5000 + b"}", "line 1", "too long"),
    "deep": (b'{"a":' * 100_000, "line 1", "deep"),
    "latin 1": (b'{"a":"\xe9"}', "line 1", "UTF-8"),
    "new line in a string": (b'{"a":"\n"}', "line 1", "not JSON"),
    "huge": (b'{"a":"' + b"x" * (MAX_EVENT + 10) + b'"}', "line 1", "longer than"),
    "huge and open": (b'{"a":"' + b"x" * (3 * MAX_EVENT), "line 1", "longer than"),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_form_is_read_with_its_lines(name: str):
    """An object, several of them, or an array: each event comes with the line it begins at."""
    data, expected = GOOD[name]
    assert read(data) == expected


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_with_its_line(name: str):
    """What is not JSON, or is read in two ways, fails with file, line and rule, and without the value."""
    data, place, rule = BAD[name]
    with pytest.raises(InvalidFile) as error:
        read(data)
    assert (error.value.file, error.value.place) == ("events.json", place)
    assert rule in error.value.rule


def test_an_error_far_into_a_large_input_is_found_where_it_stands():
    """A broken line is reported at once, not after reading on to the end."""
    lines = [json.dumps({"n": n, "x": "y" * 2000}) for n in range(2000)]
    lines[1234] = lines[1234][:-1]
    with pytest.raises(InvalidFile) as error:
        read("\n".join(lines).encode())
    assert error.value.place in {"line 1235", "line 1236"}


def test_memory_does_not_grow_with_the_input():
    """Forty thousand events are read within a few megabytes."""
    line = json.dumps({"x": "y" * 2000}).encode() + b"\n"
    stream = io.BytesIO(line * 40_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_objects(stream, "f")) == 40_000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), min_size=1, max_size=6)


@given(OBJECTS, st.sampled_from(["lines", "pretty", "array"]), st.booleans())
def test_what_json_writes_is_read_back(objects: list[dict], form: str, ascii_only: bool):
    """Any objects, in any of the forms, come back the same."""
    if form == "array":
        text = json.dumps(objects, ensure_ascii=ascii_only)
    else:
        indent = 2 if form == "pretty" else None
        text = "\n".join(json.dumps(o, indent=indent, ensure_ascii=ascii_only) for o in objects)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert [value for _, value in read(data)] == objects


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes):
    """Whatever the bytes, there is an answer or an InvalidFile."""
    assert refused_at(data).startswith("line ")
