"""StopNCII's pages as listings: what a person withdraws is withdrawn for everyone who has it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bus.errors import InvalidFile

FORM = "stopncii"
PAGES = Path(__file__).resolve().parents[2] / "data" / "stopncii"
HASH = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"


def record(**fields) -> dict:
    """A record."""
    made = {"lastModtimestamp": 1, "hashValue": HASH, "hashStatus": "Active", "signalType": "ImagePDQ"}
    return {key: value for key, value in (made | fields).items() if value is not ...}


def page(*records) -> bytes:
    """A page."""
    return json.dumps({"count": len(records), "hashRecords": records}).encode()


def test_the_sample_pages_become_listings(desk):
    """Each record is listed with its status as a rating; cases, feedback and tokens stay behind."""
    told = desk.publish([PAGES / "fetch-hashes-page1.json", PAGES / "fetch-hashes-page2.json"], FORM)
    assert [(t.event["header"]["step"], t.event["body"]["classifications"][0]["code"]) for t in told] == [
        ("listed", "Received"),
        ("listed", "Received"),
        ("listed", "Active"),
    ]
    first = told[0].event
    assert first["body"]["source_at"] == "2021-07-01T19:30:04.000000Z"
    assert first["body"]["classifications"][0]["scheme"] == "stopncii"
    assert first["sealed"]["hashes"][0]["value"] == HASH
    assert first["body"]["entry"] == told[0].event_id
    kept = json.dumps([t.event for t in told])
    assert not any(word in kept for word in ("610ce3cb", "Facebook", "Blocked", "Nude"))


def test_a_page_with_values_unknown_to_the_client_is_read(desk):
    """New feedback values and regions do no harm, and one hash that stands twice is said once."""
    told = desk.publish(PAGES / "fetch-hashes-unknown-enum.json", FORM)
    assert len(told) == 2
    assert [n.kind for n in desk.notices] == ["unchanged"]


def test_a_later_page_reclassifies_withdraws_and_deletes(desk):
    """A status follows a status, a withdrawal is the person's, and what is withdrawn may come back anew."""
    [one] = desk.publish(page(record(hashStatus="Received")), FORM)
    [two] = desk.publish(page(record(lastModtimestamp=2)), FORM)
    [three] = desk.publish(page(record(lastModtimestamp=3, hashStatus="Withdrawn")), FORM)
    assert [t.event["header"]["step"] for t in (two, three)] == ["reclassified", "withdrawn_by_survivor"]
    assert {t.event["header"]["about"] for t in (two, three)} == {one.event_id}
    assert {t.event["body"]["entry"] for t in (one, two, three)} == {one.event_id}
    assert three.event["header"]["supersedes"] == two.event_id
    assert three.event["body"]["reason"] == "survivor_request"
    assert three.event.get("sealed") is None
    [four] = desk.publish(page(record(lastModtimestamp=4)), FORM)
    assert four.event["header"]["step"] == "listed"
    assert "about" not in four.event["header"]
    [five] = desk.publish(page(record(lastModtimestamp=5, hashStatus="Deleted")), FORM)
    assert (five.event["header"]["step"], five.event["body"]["reason"]) == ("retracted", "source_removed")


def test_a_withdrawal_of_what_was_never_listed_publishes_nothing(desk):
    """There is nobody to tell, and telling would say that there was such a hash."""
    assert desk.publish(page(record(hashStatus="Withdrawn")), FORM) == []
    assert [n.kind for n in desk.notices] == ["unknown-tombstone"]


def test_an_unknown_status_travels_as_it_is_spelled(desk):
    """An open list stays open: a later status is a rating like the others."""
    [told] = desk.publish(page(record(hashStatus="UnderAppeal")), FORM)
    assert told.event["body"]["classifications"][0]["code"] == "UnderAppeal"


@pytest.mark.parametrize("kind", ["Text", "URL", "VideoTMK", "Unknown", "Novel"])
def test_a_signal_of_another_kind_is_left_out_and_told_of(desk, kind: str):
    """A text or an address is no hash; the rest of the page is published."""
    told = desk.publish(page(record(signalType=kind, hashValue="a secret"), record()), FORM)
    assert len(told) == 1
    assert [(n.place, n.text) for n in desk.notices] == [("record 1", "a signal of a kind that does not travel")]


def test_a_video_has_an_md5(desk):
    """The kind of signal says algorithm and medium."""
    [told] = desk.publish(page(record(signalType="VideoMD5", hashValue="AB" * 16)), FORM)
    assert told.event["body"]["media"] == "video"
    assert told.event["sealed"]["hashes"][0]["algorithm"] == "MD5"


@pytest.mark.parametrize(
    ("data", "place", "rule"),
    [
        (page(record(), record(hashValue="00")), "record 2", "hashValue must be 32 bytes in hexadecimal"),
        (page(record(hashValue=7)), "record 1", "hashValue must be a text"),
        (page(record(hashValue=...)), "record 1", "hashValue must be a text"),
        (page(record(hashStatus="not a code!")), "record 1", "hashStatus must be a plain code"),
        (page(record(lastModtimestamp=-1)), "record 1", "lastModtimestamp must be whole seconds since 1970"),
        (page(record(lastModtimestamp=10**30)), "record 1", "lastModtimestamp must be"),
        (page(record(lastModtimestamp=1.5)), "record 1", "lastModtimestamp must be"),
        (page(record(lastModtimestamp=True)), "record 1", "lastModtimestamp must be"),
        (page(record(caseNumbers=[])), "record 1", "caseNumbers must be an object"),
        (page(record(caseNumbers={"a": 1})), "record 1", "each case must have a status"),
        (page("x"), "record 1", "a record must be an object"),
        (b"[]", "the whole file", "no list hashRecords"),
        (b'{"hashRecords": {}}', "the whole file", "no list hashRecords"),
        (b"", "line 1", "the file is empty"),
        (b'{"a": 1, "a": 2}', "the whole file", "a key stands twice"),
        (b'{"a": NaN}', "the whole file", "NaN and Infinity are not JSON"),
        (b'{"a":\n ' + b"9" * 5000 + b"}", "the whole file", "a number is too long"),
        (b"[" * 100_000, "the whole file", "nested too deeply"),
        (b'{"a":\n\xff}', "line 2", "not UTF-8 text"),
        (page(record()).decode().encode("utf-16"), "line 1", "not UTF-8 text"),
        (page(record())[:-2], "line 1", "not JSON"),
    ],
)
def test_what_is_no_page_is_refused(desk, data: bytes, place: str, rule: str):
    """The error names place and rule and no value, and nothing is published."""
    found = desk.attempt(data, FORM)
    assert isinstance(found, InvalidFile)
    assert (found.place, rule in found.rule) == (place, True)
    assert HASH not in found.diagnostics()


def test_a_page_that_is_too_long_is_refused(desk, monkeypatch: pytest.MonkeyPatch):
    """A page is read into memory, so its length is bounded."""
    monkeypatch.setattr("bus.adapters.stopncii.MAX_BYTES", 100)
    found = desk.attempt(page(record()), FORM)
    assert isinstance(found, InvalidFile)
    assert "longer than" in found.rule


def test_the_feedback_of_a_platform_is_no_page(desk):
    """What goes the other way is not mistaken for hashes."""
    assert isinstance(desk.attempt((PAGES / "submit-feedback.json").read_bytes(), FORM), InvalidFile)


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("fetch*.json")))
def test_damaged_pages_are_published_whole_or_not_at_all(desk, name: str):
    """Two hundred damaged pages: each is refused with its place and nothing sent, or every event of it is valid."""
    data = (PAGES / name).read_bytes()
    chance = random.Random(name)
    for turn in range(200):
        at = chance.randrange(len(data))
        damaged = data[:at] + bytes([chance.randrange(256)]) * chance.randrange(2) + data[at + 1 :]
        found = desk.attempt(data[:at] if turn % 10 == 0 else damaged, FORM)
        if isinstance(found, InvalidFile):
            assert found.place.startswith(("line ", "record ", "the whole file"))
        else:
            assert all(
                len(h["value"]) == 64 for t in found for h in (t.event.get("sealed") or {"hashes": []})["hashes"]
            )
