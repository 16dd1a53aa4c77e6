"""Hash-sharing pages as listings: what is said of an entry, and that nothing is said twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bus.errors import InvalidFile, UsageError

FORM = "ncmec-hashes"
HEAD = '<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2"><videos>'
TAIL = "</videos></queryResult>"


def video(*, key: str = "v1", grade: str = "A1", md5: str = "aa" * 16, second: int = 0, more: str = "") -> str:
    """An entry."""
    return (
        f'<video><member id="7">M</member><timestamp>2024-01-01T00:00:{second:02}Z</timestamp><id>{key}</id>'
        f"<classification>{grade}</classification><fingerprints><md5>{md5}</md5>{more}</fingerprints></video>"
    )


def gone(*, key: str = "v1", second: int = 0) -> str:
    """A tombstone."""
    return (
        f'<deletedVideo><member id="7">M</member><timestamp>2024-01-01T00:00:{second:02}Z</timestamp>'
        f"<id>{key}</id></deletedVideo>"
    )


def page(*entries: str) -> bytes:
    """A page of videos."""
    return (HEAD + "\n".join(entries) + TAIL).encode()


def steps(told) -> list[tuple[str, str, bool]]:
    """Entry, step and whether it is new, of each."""
    return [(t.event["body"]["entry"], t.event["header"]["step"], t.new) for t in told]


def test_the_sample_page_becomes_listings(desk, pages: Path):
    """Entries are listed with their hashes sealed; wrong fingerprints and unknown tombstones are told of."""
    told = desk.publish(pages / "entries.xml", FORM)
    assert steps(told) == [("42:image1", "listed", True), ("42:video1", "listed", True)]
    first = told[0].event
    assert first["type"] == "HashListing"
    assert first["body"]["list_id"] == "ncmec-hash-sharing-v2"
    assert first["body"]["source_member"] == "42"
    assert first["body"]["media"] == "image"
    assert first["body"]["classifications"][0]["code"] == "A1"
    assert first["body"]["classifications"][0]["asserted_at"] == "2017-10-24T15:00:00.000000Z"
    assert [(h["algorithm"], h["value"]) for h in first["sealed"]["hashes"]] == [
        ("MD5", "a1" * 16),
        ("SHA1", "a1" * 20),
    ]
    assert told[1].event["body"]["classifications"] == []
    assert [(n.kind, n.place) for n in desk.notices] == [
        ("left-out", "line 12"),
        ("unknown-tombstone", "line 30"),
        ("unknown-tombstone", "line 46"),
    ]
    assert desk.notices[0].text == "entry 42/image1: pdna must be 144 bytes (288 hexadecimal digits)"


def test_large_fingerprints_are_referred_to_and_their_links_are_not_kept(desk, pages: Path):
    """A fingerprint that the source gives as a link names custodian, entry and algorithm, and no address."""
    [told] = desk.publish(pages / "entries-large-fingerprints.xml", FORM)
    hashes = {h["algorithm"]: h for h in told.event["sealed"]["hashes"]}
    assert hashes["TMK_PDQF"]["custodian"] == {"custodian": "ncmec", "reference": "101/largetags/TMK_PDQF"}
    assert hashes["VIDENTIFIER"]["custodian"]["reference"] == "101/largetags/VIDENTIFIER"
    assert "/v2/" not in str(told.event)


def test_a_later_page_reclassifies_and_retracts(desk, pages: Path):
    """A known entry of another class is reclassified, and the tombstone of a known one retracts it."""
    listed = desk.publish(pages / "entries3.xml", FORM)
    changed = desk.publish(pages / "entries4.xml", FORM)
    assert steps(listed) == [("101:willupdate", "listed", True), ("101:willdelete", "listed", True)]
    assert steps(changed) == [("101:willupdate", "reclassified", True), ("101:willdelete", "retracted", True)]
    for before, after in zip(listed, changed, strict=True):
        header = after.event["header"]
        assert header["about"] == header["supersedes"] == before.event_id
        assert header["thread"] == before.event["header"]["thread"]
    assert changed[1].event["body"]["reason"] == "source_removed"
    assert changed[1].event.get("sealed") is None


def test_pages_published_again_in_any_order_say_nothing_new(desk, pages: Path):
    """Each version of an entry keeps its event, whatever came in between."""
    names = ["entries.xml", "entries3.xml", "entries4.xml"]
    first = [t.event_id for name in names for t in desk.publish(pages / name, FORM)]
    for order in (names, names[::-1], ["entries3.xml", "entries3.xml"]):
        again = [t for name in order for t in desk.publish(pages / name, FORM)]
        assert not any(t.new for t in again)
        assert {t.event_id for t in again} <= set(first)


def test_two_versions_in_one_page_follow_each_other(desk):
    """Within one page the second version of an entry is about the first, and a tombstone retracts it."""
    told = desk.publish(page(video(), video(grade="B2", second=1), gone(second=2)), FORM)
    assert [s for _, s, _ in steps(told)] == ["listed", "reclassified", "retracted"]
    assert told[1].event["header"]["about"] == told[0].event_id
    assert told[2].event["header"]["about"] == told[0].event_id
    assert told[2].event["header"]["supersedes"] == told[1].event_id
    assert not any(t.new for t in desk.publish(page(video(), video(grade="B2", second=1), gone(second=2)), FORM))


def test_other_fingerprints_of_the_same_class_list_the_entry_anew(desk):
    """A change of fingerprints alone is a new listing about the first."""
    [first] = desk.publish(page(video()), FORM)
    [second] = desk.publish(page(video(md5="bb" * 16, second=1)), FORM)
    assert second.event["header"]["step"] == "listed"
    assert second.event["header"]["about"] == first.event_id


def test_another_time_alone_says_nothing(desk):
    """An entry that was only touched at its source is told of as unchanged."""
    desk.publish(page(video()), FORM)
    assert desk.publish(page(video(second=5)), FORM) == []
    assert [n.kind for n in desk.notices] == ["unchanged"]


def test_an_entry_that_comes_back_begins_anew(desk):
    """After a retraction the same entry is listed again, about nothing before."""
    desk.publish(page(video()), FORM)
    desk.publish(page(gone(second=1)), FORM)
    assert desk.publish(page(gone(second=2)), FORM) == []
    [again] = desk.publish(page(video(second=3)), FORM)
    assert again.event["header"]["step"] == "listed"
    assert "about" not in again.event["header"]
    [changed] = desk.publish(page(video(second=4, grade="A2")), FORM)
    assert changed.event["header"]["about"] == again.event_id


def test_a_refused_listing_is_no_subject(desk):
    """What the hub refused cannot be updated: the next version begins anew."""
    desk.publish(page(video()), FORM, outcome="refused")
    [told] = desk.publish(page(video(second=1, grade="A2")), FORM)
    assert told.event["header"]["step"] == "listed"
    assert "about" not in told.event["header"]
    assert desk.publish(page(gone(key="v2")), FORM) == []


def test_another_audience_has_listings_of_its_own(desk):
    """An update is only ever about an event that its audience has."""
    [one] = desk.publish(page(video()), FORM, to=["police-north"])
    [two] = desk.publish(page(video()), FORM, to=["police-isles", "police-north"])
    assert two.new
    assert one.event["header"]["audience"] == ["police-north"]
    [update] = desk.publish(page(video(grade="A2", second=1)), FORM, to=["police-north"])
    assert update.event["header"]["about"] == one.event_id


def test_an_entry_left_with_no_fingerprint_fails_the_page(desk):
    """Nothing of a page is published if one of its entries cannot be told by any fingerprint."""
    with pytest.raises(InvalidFile, match=r"standard input, line 2, entry 7/v2: no fingerprint of it can be used"):
        desk.publish(page(video(), video(key="v2", md5="aa")), FORM)
    assert desk.journal.counts() == {}


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("<pdna>zz</pdna>", "pdna must be 144 bytes"),
        ("<sha1>" + "a" * 41 + "</sha1>", "sha1 must be 20 bytes"),
        ("<sha1>" + "\u0661" * 40 + "</sha1>", "sha1 must be 20 bytes"),
        ("<pdq></pdq>", "pdq must be 32 bytes"),
        ("<netclean>xyz</netclean>", "netclean must be hexadecimal"),
        ("<tmk-pdqf>AAAA</tmk-pdqf>", "too large to travel"),
        ("<novel>aa</novel>", "no kind of fingerprint"),
    ],
)
def test_a_fingerprint_that_cannot_travel_is_left_out_and_told_of(desk, more: str, rule: str):
    """The others of the entry are published; the notice has place and rule, and not the value."""
    [told] = desk.publish(page(video(more=more)), FORM)
    assert [h["algorithm"] for h in told.event["sealed"]["hashes"]] == ["MD5"]
    [notice] = desk.notices
    assert (notice.kind, notice.place) == ("left-out", "line 1")
    assert rule in notice.text


def test_photodna_may_be_hexadecimal_or_base64(desk):
    """Both spellings of the 144 bytes are the same fingerprint."""
    import base64

    raw = bytes(range(144))
    both = f"<pdna>{raw.hex().upper()}</pdna><pdna>{base64.b64encode(raw).decode()}</pdna>"
    [told] = desk.publish(page(video(more=both)), FORM)
    assert [h["value"] for h in told.event["sealed"]["hashes"] if h["algorithm"] == "PDNA"] == [raw.hex()]


def test_ids_that_are_no_references_travel_by_digest(desk):
    """An id with other characters keeps its identity without being written down."""
    [told] = desk.publish(page(video(key="weird!id")), FORM)
    assert told.event["body"]["entry"].startswith("sha256:")
    assert not desk.publish(page(video(key="weird!id")), FORM)[0].new


def test_an_audience_must_be_named(desk, profile):
    """Without --to and without an audience in the profile nothing is read."""
    import msgspec

    desk.profile = msgspec.structs.replace(profile, audience=None)
    with pytest.raises(UsageError, match="nobody is named"):
        desk.publish(page(video()), FORM)


def test_a_page_published_in_part_is_completed(desk):
    """After a crash between two events the same page sends the first again and the second for the first time."""
    desk.publish(page(video()), FORM, outcome="unknown")
    told = desk.publish(page(video(), video(key="v2")), FORM)
    assert [t.new for t in told] == [False, True]


@pytest.mark.parametrize("name", ["entries.xml", "entries3.xml", "entries4.xml", "entries-large-fingerprints.xml"])
def test_damaged_pages_are_published_whole_or_not_at_all(desk, pages: Path, name: str):
    """Two hundred damaged pages: each is refused with its place and nothing sent, or every event of it is valid."""
    data = (pages / name).read_bytes()
    chance = random.Random(name)
    for _ in range(200):
        at = chance.randrange(len(data))
        damaged = data[:at] + bytes([chance.randrange(32, 127)]) * chance.randrange(2) + data[at + 1 :]
        found = desk.attempt(damaged, FORM)
        if isinstance(found, InvalidFile):
            assert found.place.startswith("line ")
        else:
            hashes = [h for told in found for h in (told.event.get("sealed") or {"hashes": []})["hashes"]]
            assert all(h.get("custodian") or len(h["value"]) in {32, 40, 64, 288} for h in hashes)
