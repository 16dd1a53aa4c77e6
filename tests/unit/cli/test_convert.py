"""``bus convert``: events of files as documents, with no hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bus.events.examples import example


def event(kind: str = "Report", **changes: Any) -> dict[str, Any]:
    """A whole event, as a delivery has it."""
    made = example(kind, issuer="tidewave", audience=["hotline-north"], nations=["SE"], now_us=1_800_000_000_000_000)
    made["header"] |= {"nonce": "00" * 16, "hub": "ledger.test.example/safeguard", "issuer": "tidewave",
                       "issued_at": "2027-01-15T08:00:00.000000Z"}  # fmt: skip
    return {k: v for k, v in (made | changes).items() if v is not None}


def lines(*events: dict[str, Any]) -> str:
    """Events one a line."""
    return "".join(json.dumps(one) + "\n" for one in events)


def test_events_become_documents_and_the_rest_is_told(bus, home: Path, tmp_path: Path):
    """What the format can say is written; what it cannot is counted by type and reason, and lost fields are named."""
    assert home
    one, other = event(), event("HashHit")
    delivery = {"event_id": "x", "index": 1, "seq": 0, "lane": "bulk", "time": None, "status": "ok", "problem": None}
    withheld = delivery | {"status": "withheld", "problem": "erased"}
    result = bus("convert", "-", "--format", "cybertip", "--out", "docs/", stdin=lines(delivery | one, other, withheld))
    assert (result.exit_code, result.stdout) == (0, "")
    assert [path.name for path in (tmp_path / "docs").iterdir()] == [f"{one['header']['event_id']}.report.xml"]
    assert "1 HashHit: cybertip has no form for this type of event" in result.stderr
    assert "1 delivery: it came without its content" in result.stderr
    assert "Report body.ai: not carried (1 events)" in result.stderr
    assert "1 events written to docs/" in result.stderr


BROKEN = {
    "not json": "{",
    "no event": "{}\n",
    "no id": lines({**event(), "header": {k: v for k, v in event()["header"].items() if k != "event_id"}}),
    "no issuer": lines({**event(), "header": {k: v for k, v in event()["header"].items() if k != "issuer"}}),
    "unknown field": lines(event(extra=1)),
    "a bound": lines(event(sealed={"narrative": "x" * 20_000})),
    "surrogate": lines(event(sealed={"narrative": "\ud800"})),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_input_writes_nothing(bus, home: Path, tmp_path: Path, name: str):
    """All is checked first: an error far below leaves no document, and names its line."""
    assert home
    text = lines(*(event() for _ in range(3))) + BROKEN[name]
    result = bus("convert", "-", "--format", "cybertip", "--out", "docs/", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: standard input, line 4")
    assert not list((tmp_path / "docs").iterdir())


@pytest.mark.parametrize(
    "args",
    [
        ["--format", "mystery", "--out", "x"],
        ["--format", "cybertip"],
        ["--out", "x"],
        ["--format", "ncmec-hashes", "--out", "x"],
    ],
)
def test_wrong_usage_ends_with_2(bus, home: Path, args: list[str]):
    """Format and place must be named, and the format must be one that goes out."""
    assert home
    assert bus("convert", "-", *args, stdin=lines(event())).exit_code == 2


@pytest.mark.parametrize("args", [["--format", "cybertip"], ["--out", "x"]])
def test_consume_wants_format_and_place_together(bus, stopped: Path, args: list[str]):
    """A format without a place, or a place without a format, is a usage error before the broker is asked."""
    assert stopped
    assert bus("consume", "--as", "tidewave", *args).exit_code == 2
