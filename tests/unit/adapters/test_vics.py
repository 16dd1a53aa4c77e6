"""VICS files as listings, and back: what is said of a file, whatever its dialect, and that nothing is said twice."""

from __future__ import annotations

import base64
import json
import random
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.adapters.documents import Unsaid, documents, pieces
from bus.adapters.formats import envelope
from bus.adapters.intake import Intake
from bus.adapters.jsonflow import tokens
from bus.adapters.source import open_source
from bus.adapters.vics_file import read_media
from bus.errors import InvalidFile

FORM = "vics"
MEDIA = Path(__file__).resolve().parents[2] / "data" / "vics"
CONTEXT = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media"
SAMPLES = ["NSRL-CAID-ART.json", "NSRL-CAID-MOV.json", "NSRL-CAID-TIF.json", "vics-2.0-media-synthetic.json",
           "vics-2.0-case-synthetic.json"]  # fmt: skip
COUNTS = dict(zip(SAMPLES, [1, 9, 31, 24, 4], strict=True))
MD5 = "AB" * 16


def row(**fields) -> dict:
    """A media object."""
    return {"MediaID": 1, "MD5": MD5, "Category": 1} | fields


def file(*rows: dict, context: str = CONTEXT) -> bytes:
    """A hash set."""
    return json.dumps({"@odata.context": context, "value": rows}).encode()


def bare(value: Any) -> Any:
    """A value without what is null or empty, which is the same as absent."""
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items() if inner not in (None, [])}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def meaning(told) -> list[dict]:
    """What events say beside their ids: the part that must survive a round trip."""
    names = {"salt", "entry", "list_id", "source_list"}
    return [
        bare({key: value for key, value in (one.event["body"] | one.event["sealed"]).items() if key not in names})
        for one in told
    ]


def test_a_set_in_the_2_0_layout_becomes_listings(desk):
    """Every row is listed: hashes sealed in lower case, the category with its version and nation, what is stated true."""
    told = desk.publish(MEDIA / "vics-2.0-media-synthetic.json", FORM)
    assert len(told) == COUNTS["vics-2.0-media-synthetic.json"]
    first = told[0].event
    assert first["header"]["step"] == "listed"
    assert first["header"]["purpose"] == "list_upkeep"
    assert first["body"]["list_id"] == first["body"]["source_list"] == "vics-2.0-us"
    [rating] = first["body"]["classifications"]
    assert (rating["scheme"], rating["scheme_version"], rating["country"], rating["code"]) == ("vics", "2.0", "US", "0")
    assert first["body"]["source_at"] == "2025-01-02T08:04:05.000000Z"
    assert first["body"]["flags"] == ["distributed", "victim_identified"]
    assert [h["algorithm"] for h in first["sealed"]["hashes"]] == ["MD5", "PDNA"]
    assert first["sealed"]["hashes"][0]["value"] == "f6fadfa7e5c15b629362da5cc13da58a"
    assert len(first["sealed"]["hashes"][1]["value"]) == 288
    assert first["sealed"]["series_ref"].startswith("Synthetic")
    assert not desk.notices


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("NSRL")])
def test_a_set_in_the_1_2_layout_becomes_listings(desk, name: str):
    """Rows that all have the id 0 are told apart by their hashes, and the category names no nation."""
    told = desk.publish(MEDIA / name, FORM)
    assert len(told) == len({t.event["body"]["entry"] for t in told}) == COUNTS[name]
    assert {t.event["body"]["list_id"] for t in told} == {"vics-1.2"}
    [rating] = told[0].event["body"]["classifications"]
    assert (rating["code"], rating["scheme_version"], rating.get("country")) == ("8", "1.2", None)
    assert [h["algorithm"] for h in told[0].event["sealed"]["hashes"]] == ["MD5", "SHA1"]


def test_the_same_numbers_as_caid_are_of_another_scale(desk):
    """Who publishes a file as CAID's says whose categories its numbers are."""
    told = desk.publish(MEDIA / "NSRL-CAID-ART.json", "caid")
    [rating] = told[0].event["body"]["classifications"]
    assert (rating["scheme"], rating["country"], rating["code"]) == ("caid", "GB", "8")
    assert told[0].event["body"]["list_id"] == "caid-1.2-gb"


def test_rows_of_a_case_are_proposed(desk):
    """What an investigation found is no entry of a list yet, and no category is not the category 0."""
    told = desk.publish(MEDIA / "vics-2.0-case-synthetic.json", FORM)
    assert [t.event["header"]["step"] for t in told] == ["proposed"] * 4
    assert [c["code"] for t in told for c in t.event["body"]["classifications"]] == ["1"]
    assert told[0].event["body"]["media"] == "image"
    assert told[0].event["body"]["flags"] == ["victim_identified"]


def test_a_row_of_a_case_that_changed_is_proposed_anew(desk):
    """A proposal is followed by another proposal that supersedes it, since only its owner's list could reclassify."""
    case = CONTEXT.replace("#Media", "#Cases")

    def cases(*rows):
        return json.dumps({"@odata.context": case, "value": [{"CaseID": "1", "Media": rows}]}).encode()

    [one] = desk.publish(cases(row()), FORM)
    [two] = desk.publish(cases(row(Category=2)), FORM)
    assert two.event["header"]["step"] == "proposed"
    assert two.event["header"]["supersedes"] == one.event_id
    assert "about" not in two.event["header"]


def test_no_digest_of_a_hash_stands_outside_the_sealed_part(desk):
    """What the hub reads has neither a hash nor anything that could be computed from one."""
    import hashlib

    [told] = desk.publish(file(row()), FORM)
    clear = json.dumps({"header": told.event["header"], "body": told.event["body"]}).lower()
    assert told.event["body"]["entry"] == told.event_id
    for form in (MD5.lower().encode(), bytes.fromhex(MD5), f"MD5:{MD5.lower()}".encode()):
        for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5):
            assert digest(form).hexdigest()[:16] not in clear
    assert MD5.lower() not in clear


def test_a_file_published_again_says_nothing_new(desk):
    """Every row keeps its event; a later file with one change says that change and nothing else."""
    first = desk.publish(file(row(), row(MD5="CD" * 16)), FORM)
    again = desk.publish(file(row(), row(MD5="CD" * 16)), FORM)
    assert [t.event_id for t in again] == [t.event_id for t in first]
    assert not any(t.new for t in again)
    told = desk.publish(file(row(DateUpdated="2026-01-01T00:00:00Z"), row(MD5="cd" * 16, Category=2)), FORM)
    [changed] = [t for t in told if t.new]
    assert changed.event["header"]["step"] == "reclassified"
    assert changed.event["header"]["about"] == changed.event["header"]["supersedes"] == first[1].event_id
    assert changed.event["body"]["entry"] == first[1].event["body"]["entry"]


def test_a_row_that_stands_twice_is_said_once(desk):
    """Several rows of one file are one entry; the second time it only says so."""
    [told] = desk.publish(file(row(), row(MediaID=7), row(MD5=MD5.lower())), FORM)
    assert told.new
    assert [n.kind for n in desk.notices] == ["unchanged", "unchanged"]
    assert len(desk.publish(file(row(), row()), FORM)) == 1


@pytest.mark.parametrize(
    ("said", "flags"),
    [(True, ["distributed"]), ("true", ["distributed"]), ("True", ["distributed"]), ("false", []), (False, []),
     ("", []), (None, [])],
)  # fmt: skip
def test_a_boolean_may_be_a_string(desk, said, flags):
    """The string "false" is not true, and what is not stated is not false either: both are silence."""
    [told] = desk.publish(file(row(IsDistributed=said)), FORM)
    assert told.event["body"]["flags"] == flags


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"Category": -1}, "Category must be null or a whole number from 0 to 99"),
        ({"Category": 1.5}, "Category must be"),
        ({"Category": "one"}, "Category must be"),
        ({"Category": True}, "Category must be"),
        ({"Category": 10**40}, "Category must be"),
        ({"Category": "\u0661"}, "Category must be"),
        ({"Category": {"a": 1}}, "Category must not be an object"),
        ({"MD5": ["a"]}, "MD5 must not be a list"),
        ({"MD5": "xyzw"}, "no hash of it can be used"),
        ({"MD5": ""}, "no hash of it can be used"),
        ({"MD5": 7}, "no hash of it can be used"),
        ({"IsDistributed": 1}, "IsDistributed must be true or false"),
        ({"IsDistributed": "yes"}, "IsDistributed must be true or false"),
        ({"Series": "x" * 5000}, "Series is longer than 4096 characters"),
        ({"AlternativeHashes": [{"HashName": "PDQ", "HashValue": "0"}] * 65}, "AlternativeHashes has more than 64"),
    ],
)
def test_a_row_that_breaks_a_rule_fails_the_file(desk, fields, rule: str):
    """The error names row and rule and no value, and nothing of the file is published."""
    found = desk.attempt(
        file(row(), row(MD5="CD" * 16, **{k: v for k, v in fields.items() if k != "MD5"}) | fields), FORM
    )
    assert isinstance(found, InvalidFile)
    assert (found.place, rule in found.rule) == ("media 2", True)
    assert not any(str(value) in found.diagnostics() for value in fields.values() if str(value) not in {"", "7", "1"})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"SHA1": "12"}, "SHA1 must be 20 bytes in hexadecimal"),
        ({"PhotoDNA": "AAAA"}, "PhotoDNA must be 144 bytes in hexadecimal or base64"),
        ({"DateUpdated": "2025-01-02T03:04:05"}, "DateUpdated must be an RFC 3339 time with its zone"),
        ({"DateUpdated": "0001-01-01T00:00:00+23:59"}, "DateUpdated must be"),
        ({"DateUpdated": 7}, "DateUpdated must be"),
        ({"Series": "x" * 129}, "Series must be plain text of at most 128 bytes"),
        ({"Series": "a\u0000b"}, "Series must be plain text"),
        ({"AlternativeHashes": [{"HashName": "Novel", "HashValue": "00"}]}, "an alternative hash of a kind"),
    ],
)
def test_a_field_that_cannot_travel_is_left_out_and_told_of(desk, fields, text: str):
    """The row is listed by what is left; the notice has place and rule, and not the value."""
    [told] = desk.publish(file(row(**fields)), FORM)
    assert [h["algorithm"] for h in told.event["sealed"]["hashes"]] == ["MD5"]
    [notice] = desk.notices
    assert (notice.kind, notice.place) == ("left-out", "media 1")
    assert notice.text.startswith(text)


def test_hashes_come_in_every_spelling(desk):
    """Either case, either form of PhotoDNA, and names of alternative hashes with or without a hyphen."""
    raw = bytes(range(144))
    others = [{"HashName": "SHA-256", "HashValue": "EF" * 32}, {"HashName": "pdq", "HashValue": "12" * 32}]
    [one] = desk.publish(file(row(PhotoDNA=raw.hex().upper(), AlternativeHashes=others)), FORM)
    assert [h["algorithm"] for h in one.event["sealed"]["hashes"]] == ["MD5", "PDNA", "PDQ", "SHA256"]
    assert desk.publish(file(row(PhotoDNA=base64.b64encode(raw).decode(), AlternativeHashes=others)), FORM) == [
        (one.event_id, False, desk.publish(file(row(PhotoDNA=raw.hex(), AlternativeHashes=others)), FORM)[0].event)
    ]


def test_the_empty_file_is_no_entry(desk):
    """A row whose hashes are those of the empty file would match everywhere; it is left out, and its SHA1 alone too."""
    empty = "D41D8CD98F00B204E9800998ECF8427E"
    assert desk.publish(file(row(MD5=empty)), FORM) == []
    assert [n.text for n in desk.notices] == ["it is the empty file, which everybody has"]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b'{"value": []}', "the context (@odata.context or odata.metadata) must stand before the media"),
        (b"[]", "a VICS file is one JSON object"),
        (b"{}", "no context and list of media"),
        (b'{"@odata.context": "http://example.org/x"}', "the context is none of VICS media or cases"),
        (b'{"@odata.context": 7}', "the context is none of VICS media or cases"),
        (json.dumps({"@odata.context": CONTEXT}).encode(), "no context and list of media"),
        (json.dumps({"@odata.context": CONTEXT, "value": {}}).encode(), "value must be a list"),
        (json.dumps({"@odata.context": CONTEXT, "value": [7]}).encode(), "a media object must be an object"),
        (json.dumps({"@odata.context": CONTEXT, "odata.metadata": CONTEXT, "value": []}).encode(), "two contexts"),
        (file(row()).replace(b'"Category": 1', b'"Category": 1, "Category": 2'), "a key stands twice"),
        (file(row()).replace(b'"Category": 1', b'"Category": NaN'), "not JSON"),
        (file(row()).replace(b'"Category": 1', b'"Category": ' + b"9" * 5000), "a number is too long"),
        (file(row(Exifs="x" * (3 << 20))), "a text or number is longer than 1 MiB"),
        (file(row(Exifs=json.loads("[" * 40 + "]" * 40))), "nested deeper than 32"),
        (file(row(Exifs={str(n): n for n in range(300)})), "an object has more than 256 keys"),
        (file(row()).decode().encode("utf-16"), "not JSON"),
        (file(row(Tags="x")).replace(b'"x"', b'"\xff"'), "not JSON"),
        (file(row()) + b"x", "not JSON"),
        (file(row())[:-9], "cut off: the file ends inside a value"),
        (b"\xef\xbb\xbf", "cut off"),
    ],
)
def test_what_is_no_such_file_is_refused(desk, data: bytes, rule: str):
    """Wrong, ambiguous, truncated or hostile files: a clear rule, and nothing is published."""
    found = desk.attempt(data, FORM)
    assert isinstance(found, InvalidFile)
    assert rule in found.rule
    assert desk.journal.counts() == {}


def test_a_byte_order_mark_is_passed_over(desk):
    """A file that begins with one is read like any other."""
    assert len(desk.publish(b"\xef\xbb\xbf" + file(row()), FORM)) == 1


def test_the_cut_off_download_publishes_nothing(desk):
    """Truncation is found in the first pass: none of the rows before it are published."""
    with pytest.raises(InvalidFile, match=r"near byte 1,612: cut off: the file ends inside a value"):
        desk.publish(MEDIA / "vics-2.0-media-synthetic-bom-truncated.json", FORM)
    assert desk.journal.counts() == {}


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_published_whole_or_not_at_all(desk, name: str):
    """Two hundred damaged files: each is refused with its place and nothing sent, or every event of it is valid."""
    data = (MEDIA / name).read_bytes()
    chance = random.Random(name)
    for _ in range(200):
        at = chance.randrange(len(data))
        damaged = data[:at] + bytes([chance.randrange(256)]) * chance.randrange(2) + data[at + 1 :]
        found = desk.attempt(damaged, FORM)
        if isinstance(found, InvalidFile):
            assert found.place.startswith(("media ", "near byte ", "the whole file"))
        else:
            lengths = {32, 40, 288}
            assert all(len(h["value"]) in lengths for told in found for h in (told.event.get("sealed") or {"hashes": []})["hashes"])  # fmt: skip
    for cut in range(0, len(data) - 3, max(1, len(data) // 40)):
        assert isinstance(desk.attempt(data[:cut], FORM), InvalidFile)


# -- out -----------------------------------------------------------------------------------------------------------


def joined(told, form: str) -> bytes:
    """One file of several events."""
    around, parts = envelope(form), []
    assert around is not None
    for one in told:
        said = pieces(one.event, form)
        assert not isinstance(said, Unsaid)
        assert said.lost == ()
        parts += [part.content for part in said.documents]
    return around.before + around.between.join(parts) + around.after


@pytest.mark.parametrize(
    ("name", "read_as", "written_as"),
    [
        ("vics-2.0-media-synthetic.json", "vics", "vics-us"),
        ("NSRL-CAID-MOV.json", "vics", "vics-1.2"),
        ("NSRL-CAID-TIF.json", "caid", "caid"),
    ],
)
def test_what_goes_out_reads_again_to_the_same(desk, name: str, read_as: str, written_as: str):
    """A set that came in goes out as one file, and that file says the same and publishes nothing new."""
    told = desk.publish(MEDIA / name, read_as)
    data = joined(told, written_as)
    again = desk.publish(data, read_as)
    assert meaning(again) == meaning(told)
    assert not any(t.new for t in again)
    assert json.loads(data)["value"][0]["MD5"].isupper() == (written_as == "vics-us")


def test_a_category_of_another_scale_does_not_go_out_as_a_number(desk):
    """The same integer means opposite things in two versions, so it is left out, and said to be."""
    told = desk.publish(MEDIA / "vics-2.0-media-synthetic.json", FORM)
    said = documents(told[1].event, "vics-1.2")
    assert not isinstance(said, Unsaid)
    assert said.lost == ("body.classifications",)
    assert json.loads(said.documents[0].content)["value"][0]["Category"] is None


@pytest.mark.parametrize("step", ["retracted", "withdrawn_by_survivor", "disputed"])
def test_what_is_taken_back_is_no_row(desk, step: str):
    """A file that hid a retraction among entries would be matched against."""
    [told] = desk.publish(file(row()), FORM)
    event = dict(told.event) | {"header": {**told.event["header"], "step": step}}
    assert documents(event, FORM) == Unsaid(f"VICS has no form for an entry that is {step}")


HEX = {"MD5": 16, "SHA1": 20, "SHA256": 32, "PDQ": 32, "PhotoDNA": 144}


def values(name: str):
    """Random values of one algorithm; the first byte keeps them off what means nothing."""
    return st.binary(min_size=HEX[name] - 1, max_size=HEX[name] - 1).map(lambda raw: (b"\x55" + raw).hex().upper())


ROWS = st.fixed_dictionaries(
    {"MD5": values("MD5"), "Category": st.one_of(st.none(), st.integers(0, 99))},
    optional={
        "SHA1": values("SHA1"),
        "PhotoDNA": values("PhotoDNA"),
        "AlternativeHashes": st.lists(
            st.one_of(*(st.fixed_dictionaries({"HashName": st.just(n), "HashValue": values(n)}) for n in ("SHA256", "PDQ"))),
            max_size=3,
        ),
        "Series": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
        "VictimIdentified": st.booleans(),
        "SelfGenerated": st.sampled_from(["true", "false"]),
        "MimeType": st.sampled_from(["image/png", "video/mp4", "application/zip"]),
        "DateUpdated": st.datetimes().map(lambda at: at.replace(year=max(at.year, 1971)).isoformat() + "Z"),
    },
)  # fmt: skip


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.lists(ROWS, max_size=5, unique_by=lambda one: one["MD5"]))
def test_whatever_comes_in_goes_out_and_comes_in_the_same(desk, rows):
    """Random rows survive the way in, out and in again."""
    context = CONTEXT.replace("/US/", "/Default/")
    told = desk.publish(file(*rows, context=context), FORM)
    assert meaning(desk.publish(joined(told, FORM), FORM)) == meaning(told)


# -- size ----------------------------------------------------------------------------------------------------------


def big(target: Path, rows: int) -> Path:
    """A set of so many rows, on one line."""
    noise = random.Random(1)
    with target.open("w") as out:
        out.write(f'{{"@odata.context": "{CONTEXT}", "value": [')
        for number in range(rows):
            exif = "x" * 400
            out.write(
                f'{"," * (number > 0)}{{"MediaID": {number}, "MD5": "{noise.randbytes(16).hex()}", "Category": 1, "Exifs": ["{exif}"]}}'
            )
        out.write("]}")
    return target


def test_a_file_is_read_in_memory_that_does_not_grow_with_it(tmp_path: Path):
    """Four times the rows take no more memory at their peak."""

    def peak(rows: int) -> int:
        source = big(tmp_path / f"{rows}.json", rows)
        tracemalloc.start()
        try:
            with source.open("rb") as stream:
                assert sum(1 for _ in read_media(stream, "big")) == rows + 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(2_000), peak(8_000)
    assert large < small * 1.3 + 100_000


def test_both_passes_stay_within_a_bound(desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What later rows may refer to goes into a file, so events of a long input do not pile up in memory."""
    monkeypatch.setattr("bus.adapters.shelf.IN_MEMORY", 100)

    def peak(rows: int) -> int:
        name = str(big(tmp_path / f"{rows}.json", rows))
        intake = Intake(desk.profile, desk.journal, form=FORM, to=None, clock=desk.clock, tell=desk.notices.append)
        with open_source(name, sys.stdin.buffer, tmp_path) as source:
            tracemalloc.start()
            try:
                assert intake.check(source) == rows
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    first = peak(200)
    assert peak(800) < first * 1.3 + 200_000


@pytest.mark.deep
def test_a_hundred_megabytes_go_through_under_a_low_ceiling(tmp_path: Path):
    """A process that may have little memory checks the whole of a file far larger than that."""
    source = big(tmp_path / "big.json", 210_000)
    assert source.stat().st_size > 95_000_000
    program = Path(__file__).with_name("check_file.py")
    run = subprocess.run(
        [sys.executable, str(program), str(source), FORM, str(tmp_path)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (160 << 20, 160 << 20)),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout)
    assert told["events"] == 210_000
    assert told["peak_kib"] < 160 << 10


def test_tokens_are_refused_without_being_kept():
    """A text without an end is refused long before all of it is read."""

    class Endless:
        read_bytes = 0

        def read(self, size: int) -> bytes:
            self.read_bytes += size
            return b'"' + b"x" * (size - 1) if self.read_bytes == size else b"x" * size

    endless = Endless()
    with pytest.raises(InvalidFile, match="longer than 1 MiB"):
        list(tokens(endless, "endless"))  # pyright: ignore[reportArgumentType]
    assert endless.read_bytes < 2 << 20
