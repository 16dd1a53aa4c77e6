"""The list of formats, and what holds for every one of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bus.adapters.documents import Unsaid, documents
from bus.adapters.formats import FORMATS, READING, WRITING, envelope, in_words, reader, writer
from bus.errors import InvalidFile, UsageError
from bus.events.examples import example
from bus.events.registry import by_name

NOW_US = 1_800_000_000_000_000


def event(kind: str) -> dict:
    """A valid event of a type."""
    return example(kind, issuer="tidewave", audience=["clearing-house"], nations=["US"], now_us=NOW_US)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_the_parts_that_its_line_promises(name: str):
    """What reads has a reader, what writes has a writer of types that exist, and each is told of in a line."""
    form = FORMATS[name]
    assert form.reads or form.writes
    assert not form.reads or callable(reader(name))
    assert not form.writes or callable(writer(name))
    assert all(by_name(kind) for kind in form.writes)
    assert (envelope(name) is not None) == form.joint
    assert in_words((name,))[0][1].startswith(form.title)


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("data", [b"", b"\x00", b"<a", b"{", b"[[[[", b"\xff\xfe<\x00a\x00", b"null", b"<a/>"])
def test_no_reader_takes_what_is_not_its_format(desk, name: str, data: bytes):
    """Input that is nothing of the kind is refused with a place, and nothing is sent."""
    found = desk.attempt(data, name)
    assert isinstance(found, InvalidFile)
    assert found.file == "standard input"
    assert found.place


@pytest.mark.parametrize("name", [name for name in READING if not FORMATS[name].names_audience])
def test_somebody_must_be_named_where_files_cannot_say_who_hears(desk, name: str):
    """A format without audiences needs one from the profile or from --to."""
    from msgspec import structs

    desk.profile = structs.replace(desk.profile, audience=None)
    with pytest.raises(UsageError, match="nobody is named to hear it"):
        desk.publish(b"<a/>", name)


def test_nothing_is_written_in_a_format_that_only_comes_in():
    """A format that does not go out is a usage error that names those that do."""
    with pytest.raises(UsageError, match="nothing is written in the format ncmec-hashes"):
        documents(event("HashListing"), "ncmec-hashes")


@pytest.mark.parametrize("name", WRITING)
def test_a_type_that_a_format_has_no_form_for_is_unsaid(name: str):
    """What a format cannot say is told apart from what it can, and no error."""
    said = documents(event("Survey"), name)
    assert said == Unsaid(f"{name} has no form for this type of event")


def test_listing_formats_imports_no_adapter():
    """Help and completion list the formats without loading a parser."""
    program = (
        "import sys, json; import bus.adapters.formats\n"
        "print(json.dumps([m for m in sys.modules if m.startswith(('bus.adapters.', 'msgspec', 'orjson', 'xml'))]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["bus.adapters.formats"]


def test_several_files_are_checked_before_any_is_sent(desk, tmp_path, pages):
    """A second file that is broken stops the first; each error names its own file."""
    broken = tmp_path / "second.xml"
    broken.write_bytes(b"<a>")
    with pytest.raises(InvalidFile) as error:
        desk.publish([pages / "entries.xml", broken], "ncmec-hashes")
    assert error.value.file == str(broken)
    assert desk.journal.counts() == {}
    told = desk.publish([pages / "entries.xml", pages / "entries2.xml"], "ncmec-hashes")
    assert [t.event_id for t in told] == [
        t.event_id
        for page in ("entries.xml", "entries2.xml")
        for t in desk.publish(pages / page, "ncmec-hashes")
    ]  # fmt: skip
