"""Whole inputs of the bus's own form: checked before anything is sent, and never sent twice."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path

import pytest

from bus.errors import InvalidFile, UsageError
from bus.events.examples import example

FORM = "bus"


def event(**header) -> dict:
    """A valid event."""
    made = example(
        "HashHit", issuer="tidewave", audience=["hotline-north"], nations=["SE"], now_us=1_800_000_000_000_000
    )
    made["header"] |= header
    return {k: v for k, v in made.items() if v is not None}


def lines(*events: dict) -> bytes:
    """Events as NDJSON."""
    return "".join(json.dumps(e) + "\n" for e in events).encode()


def without_id(**header) -> dict:
    """A valid event without an id."""
    made = event(**header)
    del made["header"]["event_id"]
    return made


def test_the_same_file_again_is_the_same_events(desk):
    """Events keep their ids, given or not."""
    data = lines(event(), without_id(), without_id())
    first = desk.publish(data, FORM)
    again = desk.publish(data, FORM)
    assert [t.new for t in first] == [True] * 3
    assert [t.new for t in again] == [False] * 3
    assert [t.event_id for t in first] == [t.event_id for t in again]


def test_two_equal_lines_are_two_events(desk):
    """The same content twice in one file is said twice, and once more only on a third line."""
    one = without_id()
    assert len({t.event_id for t in desk.publish(lines(one, one), FORM)}) == 2
    assert [t.new for t in desk.publish(lines(one, one, one), FORM)] == [False, False, True]


def test_to_replaces_the_audience(desk):
    """--to overrides what the file says, and what the profile says."""
    [told] = desk.publish(lines(event()), FORM, to=["police-north", "clearing-house"])
    assert told.event["header"]["audience"] == ["clearing-house", "police-north"]


def test_the_profile_fills_what_the_file_leaves_out(desk):
    """Audience and header fields come from the profile where the event has none."""
    bare = event()
    bare["header"] = {"step": "detected"}
    [told] = desk.publish(lines(bare), FORM)
    assert told.event["header"]["audience"] == ["clearing-house"]
    assert told.event["header"]["compartment"] == "csam"


def test_a_bad_event_far_below_stops_everything(desk):
    """An error in the last line is found before the first is sent; it names file, line, path and no value."""
    bad = event()
    bad["header"]["audience"] = ["NO SUCH ORG"]
    with pytest.raises(InvalidFile) as error:
        desk.publish(lines(*(event() for _ in range(50)), bad), FORM)
    assert error.value.message.startswith("standard input, line 51: header.audience")
    assert "NO SUCH ORG" not in error.value.message
    assert desk.journal.counts() == {}


BAD = {
    "no type": lambda e: e.pop("type"),
    "unknown type": lambda e: e.update(type="Gossip"),
    "unknown key": lambda e: e.update(sealedd={}),
    "unknown field": lambda e: e["header"].update(coulor="red"),
    "unknown step": lambda e: e["header"].update(step="rumoured"),
    "header no object": lambda e: e.update(header=[]),
    "body no object": lambda e: e.update(body="x"),
    "id no text": lambda e: e["header"].update(event_id=7),
    "id no uuid": lambda e: e["header"].update(event_id="nonsense"),
    "lone surrogate": lambda e: e["body"]["source"].update(list_id="\ud800"),
    "surrogate in the sealed part": lambda e: e["sealed"].update(account_ref="\ud800"),
    "huge text": lambda e: e["sealed"].update(account_ref="x" * 10_000),
    "other issuer": lambda e: e["header"].update(issuer="somebody-else"),
    "to itself": lambda e: e["header"].update(audience=["tidewave"]),
    "about what is not known": lambda e: e["header"].update(about="0199f3c0-0000-7000-8000-000000000000"),
    "null type": lambda e: e.update(type=None),
    "number as key": lambda e: e["body"].update(match=1e400),
}


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_a_rule_names_its_place(desk, name: str):
    """Each kind of mistake is an InvalidFile with the line, and nothing is sent."""
    bad = event()
    BAD[name](bad)
    with pytest.raises(InvalidFile) as error:
        desk.publish(lines(event(), bad), FORM)
    assert error.value.place == "line 2"
    assert desk.journal.counts() == {}


def test_other_content_under_a_known_id_is_refused_at_home(desk):
    """An id that was published, or stands above in the file, cannot get other content."""
    one = event()
    two = json.loads(json.dumps(one))
    two["body"]["context"]["count"] = 99
    with pytest.raises(InvalidFile, match=r"line 2: .*stands above with other content"):
        desk.publish(lines(one, two), FORM)
    desk.publish(lines(one), FORM)
    with pytest.raises(InvalidFile, match="already published with other content"):
        desk.publish(lines(two), FORM)


def test_an_event_may_be_about_one_above_it(desk):
    """Thread and lane come from the subject, though it is in the same file."""
    first = event(priority="urgent")
    second = event(step="confirmed", about=first["header"]["event_id"])
    told = desk.publish(lines(first, second), FORM)
    assert told[1].event["header"]["lane"] == "urgent"
    assert told[1].event["header"]["thread"] == told[0].event["header"]["thread"]


def test_a_missing_file_is_a_usage_error(desk, tmp_path: Path):
    """A file that is not there is named."""
    with pytest.raises(UsageError, match=r"nowhere\.json cannot be read"):
        desk.publish(tmp_path / "nowhere.json", FORM)
    with pytest.raises(UsageError, match="cannot be read"):
        desk.publish(tmp_path, FORM)


def test_a_pipe_is_spooled(desk, tmp_path: Path):
    """What can be read only once is kept in a nameless file, of which nothing is left."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[lines(event())])
    writer.start()
    assert len(desk.publish(pipe, FORM)) == 1
    writer.join()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_file_that_changes_between_the_passes_is_refused(desk, tmp_path: Path):
    """What was checked is what is sent."""
    from bus.adapters.intake import Intake
    from bus.adapters.source import open_source

    path = tmp_path / "events.json"
    path.write_bytes(lines(event()))
    intake = Intake(desk.profile, desk.journal, form=FORM, to=None, clock=desk.clock, tell=print)
    with open_source(str(path), None, tmp_path) as source:  # type: ignore[arg-type]
        intake.check(source)
        path.write_bytes(lines(event(), event()))
        with pytest.raises(InvalidFile, match="was changed"):
            list(intake.ready(source))


def test_damaged_files_are_published_whole_or_not_at_all(desk):
    """Two hundred damaged files: each is refused with its line and nothing sent, or read as what it now says."""
    chance = random.Random(1)
    for _ in range(200):
        data = lines(event(), event())
        at = chance.randrange(len(data))
        damaged = data[:at] + bytes([chance.randrange(256)]) * chance.randrange(2) + data[at + 1 :]
        found = desk.attempt(damaged, FORM)
        assert found.place.startswith("line ") if isinstance(found, InvalidFile) else len(found) == 2
