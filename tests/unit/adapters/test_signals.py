"""PDQ and vPDQ signals as listings: every spelling, every bound, and that nothing is said twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.errors import InvalidFile

DATA = Path(__file__).resolve().parents[2] / "data"
HASH = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
FLAT = {"0" * 64, "f" * 64}
OTHER = HASH.replace("f8", "18")
SAMPLES = [("pdq", "haystack.txt", 1350), ("pdq", "needles.txt", 100), ("pdq", "long256.dat", 50),
           ("pdq", "order256.dat", 2), ("pdq", "short256.dat", 4), ("pdq", "threatexchange-sample-signals.txt", 16),
           ("pdq", "PDQMD5TestData.csv", 12)]  # fmt: skip


def text(*lines: str) -> bytes:
    """A file of lines."""
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize(("form", "name", "count"), SAMPLES)
def test_each_sample_becomes_a_listing_for_each_different_hash(desk, form: str, name: str, count: int):
    """One event a hash, of one hash, sealed; and a second time the same events."""
    told = desk.publish(DATA / form / name, form)
    hashes = [h for t in told for h in t.event["sealed"]["hashes"]]
    assert len(told) == len(hashes) == len({h["value"] for h in hashes})
    lines = (DATA / form / name).read_text().split()
    assert {h["value"] for h in hashes} | FLAT == FLAT | {
        line.rpartition(",")[2] for line in lines if len(line.rpartition(",")[2]) == 64
    }
    assert len(told) == count
    assert {(t.event["header"]["step"], t.event["body"]["list_id"], t.event["body"]["media"]) for t in told} == {
        ("listed", "pdq", "image")
    }
    again = desk.publish(DATA / form / name, form)
    assert [t.event_id for t in again] == [t.event_id for t in told]
    assert not any(t.new for t in again)


def test_a_file_with_paths_has_no_path_in_an_event(desk):
    """Names of files may name people; they stay where they are, and an MD5 between the hashes is left out."""
    told = desk.publish(DATA / "pdq" / "PDQMD5TestData.csv", "pdq")
    assert "misc-images" not in str(told)
    assert [(n.kind, n.text) for n in desk.notices if n.kind == "left-out"] == [
        ("left-out", "an MD5 among PDQ hashes")
    ] * 2


def test_quality_travels_and_a_low_one_is_left_out(desk):
    """What the hasher itself calls unreliable matches what it should not."""
    [told] = desk.publish(text(f"{HASH},99", f"{OTHER},49"), "pdq")
    assert told.event["sealed"]["hashes"] == [{"algorithm": "PDQ", "value": HASH, "quality": 99}]  # fmt: skip
    assert [(n.place, n.text) for n in desk.notices] == [
        ("line 2", "its quality is below 50, so it matches what it should not")
    ]


@pytest.mark.parametrize("head", ["Hash", "hash,quality", "FilePath,Hash"])
def test_a_head_says_what_the_cells_are(desk, head: str):
    """Three heads are known; upper-case digits, blank lines, comments and a byte order mark do no harm."""
    cells = {"Hash": HASH.upper(), "hash,quality": f"{HASH}, 70", "FilePath,Hash": f'"a,b.jpg",{HASH}'}[head]
    data = b"\xef\xbb\xbf" + text("# made by hand", "", head, cells, "\r")
    [told] = desk.publish(data, "pdq")
    assert told.event["sealed"]["hashes"][0]["value"] == HASH


def test_the_hash_of_a_plain_surface_is_left_out(desk):
    """All bits equal is what any blank picture hashes to."""
    assert desk.publish(text("0" * 64, "F" * 64), "pdq") == []
    assert {n.text for n in desk.notices} == {"the hash of a plain surface, which matches what it should not"}


def test_no_digest_of_a_hash_names_its_entry(desk):
    """The entry's name is the first event's own random id."""
    [told] = desk.publish(text(HASH), "pdq")
    assert told.event["body"]["entry"] == told.event_id


@pytest.mark.parametrize(
    ("form", "data", "place", "rule"),
    [
        ("pdq", text(HASH, HASH[:-1]), "line 2", "a PDQ hash must be 64 hexadecimal digits"),
        ("pdq", text(HASH, "\u0661" * 64), "line 2", "a PDQ hash must be 64"),
        ("pdq", text(HASH + "," + HASH), "line 1", "the quality must be"),
        ("pdq", text(f"{HASH},101"), "line 1", "the quality must be a whole number from 0 to 100"),
        ("pdq", text(f"{HASH},\u0661"), "line 1", "the quality must be"),
        ("pdq", text(f"{HASH},1e9"), "line 1", "the quality must be"),
        ("pdq", text(f"{HASH},1,2"), "line 1", "it has not the cells"),
        ("pdq", text("FilePath,Hash", HASH), "line 2", "it has not the cells"),
        ("pdq", text('"a'), "line 1", "not a line of comma-separated values"),
        ("pdq", text("a\u2028b"), "line 1", "a PDQ hash must be 64"),
        ("pdq", text(HASH, "x" * 5000), "line 2", "longer than 4096 characters"),
        ("pdq", b"x" * 200_000, "line 1", "longer than 4096 characters"),
        ("pdq", HASH.encode("utf-16"), "line 1", "not UTF-8"),
        ("pdq", b"", "line 1", "the file has no fingerprint"),
        ("pdq", b"# nothing\n", "line 1", "the file has no fingerprint"),
        ("pdq", text(HASH, "a\x00"), "line 2", ""),
        ("vpdq", text(f"0,100,{HASH}"), "line 1", "a frame must be FRAME,QUALITY,HASH,SECONDS"),
        ("vpdq", text(f"0,100,{HASH},0.0", f"0,100,{HASH},0.1"), "line 2", "frames must have growing whole numbers"),
        ("vpdq", text(f"-1,100,{HASH},0.0"), "line 1", "frames must have growing whole numbers"),
        ("vpdq", text(f"{'9' * 30},100,{HASH},0.0"), "line 1", "frames must have growing whole numbers"),
        ("vpdq", text(f"0,100,{HASH[1:]},0.0"), "line 1", "a frame's hash must be 64 hexadecimal digits"),
        ("vpdq", text(f"0,100,{HASH},nan"), "line 1", "a frame's time must be seconds"),
        ("vpdq", text(f"0,100,{HASH},1e3"), "line 1", "a frame's time must be seconds"),
        ("vpdq", text(f"0,100,{HASH},{'9' * 30}"), "line 1", "a frame's time must be seconds"),
        ("vpdq", text(f"0,900,{HASH},0.0"), "line 1", "the quality must be"),
        ("vpdq", text(f"0,100,{'0' * 64},0.0"), "the whole file", "no frame of it can be used"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_signal_fails_the_file(desk, form: str, data: bytes, place: str, rule: str):
    """The error names line and rule and no value, and nothing of the file is published."""
    found = desk.attempt(data, form)
    assert isinstance(found, InvalidFile)
    assert (found.place, rule in found.rule) == (place, True)
    assert HASH[1:] not in found.diagnostics()


@pytest.mark.parametrize(("name", "frames"), [("chair-19-sd-bar.txt", 564), ("pattern-hd-no-bar.txt", 206)])
def test_a_video_becomes_parts_of_at_most_64_frames(desk, name: str, frames: int):
    """Every frame travels once, in order, with quality and time; the parts name each other."""
    told = desk.publish(DATA / "vpdq" / name, "vpdq")
    sizes = [len(t.event["sealed"]["hashes"]) for t in told]
    assert sum(sizes) == frames
    assert sizes[:-1] == [64] * (len(sizes) - 1)
    assert len({t.event["sealed"]["series_ref"] for t in told}) == 1
    entries = [t.event["body"]["entry"] for t in told]
    assert entries == [f"{told[0].event_id}:{n}-of-{len(told)}" for n in range(1, len(told) + 1)]
    lines = [line.split(",") for line in (DATA / "vpdq" / name).read_text().split()]
    hashes = [h for t in told for h in t.event["sealed"]["hashes"]]
    assert [(h["value"], h["quality"], h["frame_ms"]) for h in hashes] == [
        (value, int(quality), round(float(at) * 1000)) for _, quality, value, at in lines
    ]
    again = desk.publish(DATA / "vpdq" / name, "vpdq")
    assert [t.event_id for t in again] == [t.event_id for t in told]
    assert not any(t.new for t in again)
    assert [t.event["body"]["entry"] for t in again] == entries


def test_a_video_published_in_part_is_completed_under_the_same_name(desk):
    """After a crash between two parts the rest follow, named after the first."""
    file = DATA / "vpdq" / "pattern-hd-no-bar.txt"
    keep = desk.journal.keep
    calls = iter(range(2))

    def breaks(events):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        keep(events)

    desk.journal.keep = breaks
    with pytest.raises(KeyboardInterrupt):
        desk.publish(file, "vpdq")
    desk.journal.keep = keep
    told = desk.publish(file, "vpdq")
    assert [t.new for t in told] == [False, False, True, True]
    assert [t.event["body"]["entry"] for t in told] == [f"{told[0].event_id}:{n}-of-4" for n in range(1, 5)]


@pytest.mark.parametrize(("form", "name"), [("pdq", "short256.dat"), ("pdq", "PDQMD5TestData.csv"),
                                            ("pdq", "threatexchange-sample-signals.txt"), ("pdq", "order256.dat"),
                                            ("vpdq", "pattern-hd-no-bar.txt")])  # fmt: skip
def test_damaged_files_are_published_whole_or_not_at_all(desk, form: str, name: str):
    """Two hundred damaged files: each is refused with its place and nothing sent, or every event of it is valid."""
    data = (DATA / form / name).read_bytes()
    chance = random.Random(name)
    for turn in range(200):
        at = chance.randrange(len(data))
        damaged = data[:at] + bytes([chance.randrange(256)]) * chance.randrange(2) + data[at + 1 :]
        found = desk.attempt(data[:at] if turn % 10 == 0 else damaged, form)
        if isinstance(found, InvalidFile):
            assert found.place.startswith(("line ", "the whole file"))
        else:
            assert all(
                len(h["value"]) == 64 for t in found for h in (t.event.get("sealed") or {"hashes": []})["hashes"]
            )


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.lists(st.tuples(st.binary(min_size=31, max_size=31), st.integers(0, 100)), min_size=1, max_size=200))
def test_any_video_comes_out_as_it_went_in(desk, frames):
    """However many frames there are, all of them travel, each once and in order."""
    values = [(b"\x55" + raw).hex() for raw, _ in frames]
    told = desk.publish(
        text(*(f"{n},{q},{v},{n // 10}.{n % 10}" for n, (v, (_, q)) in enumerate(zip(values, frames, strict=True)))),
        "vpdq",
    )
    hashes = [h for t in told for h in t.event["sealed"]["hashes"]]
    assert [(h["value"], h["quality"], h["frame_ms"]) for h in hashes] == [
        (value, quality, n * 100) for n, (value, (_, quality)) in enumerate(zip(values, frames, strict=True))
    ]
