"""``bus hub adopt``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bus.paths import ops_dir

SHIPPED = ops_dir() / "deadlines.toml"


def test_adopt_prints_events_that_give_the_file_word_for_word(bus):
    """In order, each within a body's cap, all naming the digest of the whole."""
    events = [json.loads(line) for line in bus("hub", "adopt", str(SHIPPED)).stdout.splitlines()]
    bodies = [event["body"] for event in events]
    assert {event["type"] for event in events} == {"PolicyAdopted"}
    assert "".join(body["text"] for body in bodies).encode() == SHIPPED.read_bytes()
    assert {body["digest"] for body in bodies} == {hashlib.sha256(SHIPPED.read_bytes()).hexdigest()}
    assert [(body["part"], body["parts"]) for body in bodies] == [(n, len(bodies)) for n in range(1, len(bodies) + 1)]
    assert max(len(body["text"].encode()) for body in bodies) <= 7000


@pytest.mark.parametrize("damage", [b"\xff", b"version = 9\n", b"x = '" + b"y" * 9000 + b"'\n"])
def test_adopt_prints_nothing_of_a_file_that_is_no_table(bus, tmp_path: Path, damage: bytes):
    """Checked first: a usage error, and not an event too many."""
    file = tmp_path / "table.toml"
    file.write_bytes(damage + SHIPPED.read_bytes())
    result = bus("hub", "adopt", str(file))
    assert (result.exit_code, result.stdout) == (2, "")


def test_adopt_takes_a_table_with_long_lines_of_comment_in_no_part(bus, tmp_path: Path):
    """A line longer than a part cannot be cut, and is said so."""
    file = tmp_path / "table.toml"
    file.write_bytes(SHIPPED.read_bytes() + b"# " + b"y" * 7000 + b"\n")
    result = bus("hub", "adopt", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
