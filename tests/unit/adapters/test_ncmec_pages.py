"""Reading pages of the hash-sharing API."""

from __future__ import annotations

import io
import random
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.adapters import ncmec_pages
from bus.adapters.ncmec_pages import read_page
from bus.errors import InvalidFile

DATA = Path(__file__).resolve().parents[3] / "tests" / "data" / "ncmec-hashsharing"
NAMESPACE = ncmec_pages.NAMESPACE
ENTRIES = ["entries.xml", "entries2.xml", "entries3.xml", "entries4.xml", "entries-large-fingerprints.xml"]
OTHERS = ["affirmative-feedback.xml", "feedback-reasons.xml", "negative-feedback.xml", "status.xml",
          "update-feedback-result.xml"]  # fmt: skip


def read(data: bytes) -> list[ncmec_pages.Entry]:
    """All entries of a page."""
    return list(read_page(io.BytesIO(data), "page.xml"))


def attempt(data: bytes) -> tuple[list[ncmec_pages.Entry], str]:
    """The entries of a page, or where it is refused."""
    try:
        return read(data), "line nowhere"
    except InvalidFile as error:
        return [], error.place


def page(inside: str, *, namespace: str = NAMESPACE) -> bytes:
    """A page of images."""
    return f'<queryResult xmlns="{namespace}">\n<images>\n{inside}\n</images></queryResult>'.encode()


def image(
    *, member: str = '<member id="1">A</member>', key: str = "<id>a</id>",
    time: str = "<timestamp>2020-01-01T00:00:00Z</timestamp>", rest: str = "",
) -> bytes:  # fmt: skip
    """A page of one image."""
    return page(f"<image>{member}{key}{time}{rest}</image>")


def test_entries_come_in_order_with_their_lines():
    """Each entry of the sample page is read, tombstones included, with the line it begins at."""
    found = read((DATA / "entries.xml").read_bytes())
    assert [(e.key, e.video, e.deleted, e.line) for e in found] == [
        ("42/image1", False, False, 4),
        ("43/image4", False, True, 30),
        ("42/video1", True, False, 37),
        ("42/video4", True, True, 46),
    ]
    assert found[0].classification == "A1"
    assert found[0].time == "2017-10-24T15:00:00.000000Z"
    assert [(f.tag, f.line) for f in found[0].fingerprints] == [("md5", 10), ("sha1", 11), ("pdna", 12)]


def test_feedback_inside_an_entry_is_not_mistaken_for_its_fields():
    """The members and time stamps that feedback holds do not replace the entry's own."""
    first = read((DATA / "entries.xml").read_bytes())[0]
    assert (first.key, first.time) == ("42/image1", "2017-10-24T15:00:00.000000Z")


def test_a_page_without_entries_is_empty():
    """A page without entries is valid and has nothing to say."""
    assert read((DATA / "entries-no-data.xml").read_bytes()) == []


def test_linked_fingerprints_are_marked_and_their_address_is_dropped():
    """A fingerprint that is given as a link is marked; the link itself is not kept."""
    [entry] = read((DATA / "entries-large-fingerprints.xml").read_bytes())
    assert [(f.tag, f.linked) for f in entry.fingerprints] == [
        ("md5", False),
        ("tmk-pdqf", True),
        ("videntifier", True),
    ]
    assert not any("/v2" in f.value for f in entry.fingerprints)


@pytest.mark.parametrize("name", OTHERS)
def test_other_answers_of_the_api_are_no_pages(name: str):
    """An answer that is no page of entries fails with file and line."""
    with pytest.raises(InvalidFile, match=r"page.xml, line \d+: not a page of entries"):
        read((DATA / name).read_bytes())


BROKEN = {
    "empty": (b"", "empty"),
    "no xml": (b"hello", "not well-formed"),
    "cut off": (image()[:-20], "not well-formed"),
    "wrong namespace": (page("", namespace="urn:other"), "not a page"),
    "doctype": (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "not allowed"),
    "bomb": (
        b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
        "not allowed",
    ),
    "undeclared entity": (page("&boom;"), "not well-formed"),
    "external entity": (b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://example.org/">]><a>&x;</a>', "not allowed"),
    "odd encoding": (b'<?xml version="1.0" encoding="utf-7"?><a/>', "not XML"),
    "no such encoding": (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not XML"),
    "null bytes": (bytes(100), "not well-formed"),
    "deep": (page("<a>" * 100), "nested deeper"),
    "no member": (image(member=""), "member id"),
    "two members": (image(member='<member id="1"/><member id="2"/>'), "two members"),
    "no id": (image(key=""), "image: id"),
    "two ids": (image(key="<id>a</id><id>b</id>"), "two of id"),
    "long id": (image(key=f"<id>{'a' * 65}</id>"), "image: id"),
    "slash in id": (image(key="<id>a/b</id>"), "image: id"),
    "no time": (image(time=""), "timestamp"),
    "no such day": (image(time="<timestamp>2020-02-30T00:00:00Z</timestamp>"), "timestamp"),
    "year nought": (image(time="<timestamp>0000-01-01T00:00:00Z</timestamp>"), "timestamp"),
    "before the first year": (image(time="<timestamp>0001-01-01T00:00:00+14:00</timestamp>"), "timestamp"),
    "arabic digits": (image(time="<timestamp>٢٠٢٠-01-01T00:00:00Z</timestamp>"), "timestamp"),
    "elements in a field": (image(key="<id>a<b/>c</id>"), "elements where text"),
    "long field": (image(rest="<classification>" + "A" * 5000 + "</classification>"), "longer than"),
    "many fingerprints": (image(rest="<fingerprints>" + "<md5>aa</md5>" * 65 + "</fingerprints>"), "more than"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_fails_the_page(name: str):
    """Malformed, truncated, nested or entity-expanding input fails with the file and the line."""
    data, rule = BROKEN[name]
    with pytest.raises(InvalidFile) as error:
        read(data)
    assert error.value.message.startswith("page.xml, line ")
    assert rule in error.value.message
    assert error.value.exit_code == 1


def test_a_huge_file_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Beyond the bound of a file nothing more is read."""
    monkeypatch.setattr(ncmec_pages, "MAX_BYTES", 100_000)
    many = page("".join(f"<deletedImage>{i}</deletedImage>" for i in range(20_000)))
    with pytest.raises(InvalidFile, match=r"larger than|member id"):
        read(many)
    with pytest.raises(InvalidFile, match="larger than"):
        read(page("<!-- " + "x" * 200_000 + " -->"))


def test_a_huge_token_is_refused_before_it_is_held():
    """A tag, attribute or comment without end is refused after a megabyte."""

    class Endless(io.RawIOBase):
        """Never ends; counts what was read."""

        count = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            first = self.count == 0
            self.count += size
            return b'<queryResult x="' if first else b"a" * size

    stream = Endless()
    with pytest.raises(InvalidFile, match="markup is longer"):
        list(read_page(stream, "page.xml"))  # type: ignore[arg-type]
    assert stream.count < 4 << 20


@pytest.mark.parametrize("name", ENTRIES)
def test_damage_at_random_places_never_crashes(name: str):
    """A page with a byte changed, cut out or doubled is read or refused with its place, 200 times."""
    data = (DATA / name).read_bytes()
    chance = random.Random(name)
    for _ in range(200):
        at, kind = chance.randrange(len(data)), chance.randrange(4)
        damaged = {
            0: data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
            1: data[:at],
            2: data[:at] + data[at + chance.randrange(1, 40) :],
            3: data[:at] + data[max(0, at - 30) :],
        }[kind]
        found, place = attempt(damaged)
        assert place.startswith("line ")
        assert all(e.key and e.time.endswith("Z") for e in found)


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(data: bytes):
    """Whatever the bytes, there is an answer or an InvalidFile."""
    assert attempt(data)[1].startswith("line ")


@given(
    st.datetimes(min_value=datetime(1990, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Z", "+00:00", "+02:00", "-11:30"]),
    st.integers(0, 9),
)
def test_times_are_utc_with_microseconds(at, zone: str, digits: int):
    """Any RFC 3339 time is taken and written in one form."""
    fraction = f".{'123456789'[:digits]}" if digits else ""
    text = f"{at:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"
    try:
        [entry] = read(image(time=f"<timestamp>{text}</timestamp>"))
    except InvalidFile:
        assert at.year in {1990, 9999}
        return
    assert len(entry.time) == 27
    assert entry.time.endswith("Z")
