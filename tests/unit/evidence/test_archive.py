"""The container."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.evidence.archive import pack, unpack

names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
archives = st.dictionaries(names, st.binary(max_size=40), max_size=5)


@given(archives)
def test_files_survive_their_archive(files: dict[str, bytes]) -> None:
    """Packing and unpacking give the same files, and the order they came in decides nothing."""
    data = pack(files)
    assert unpack(data) == files
    assert pack(dict(reversed(files.items()))) == data


@given(archives.filter(lambda files: not any("/" in name or "\\" in name or "." in name for name in files)))
def test_any_tool_reads_the_archive(files: dict[str, bytes]) -> None:
    """The standard library's reader finds it whole, stored, and dated 1980."""
    with zipfile.ZipFile(io.BytesIO(pack(files))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == files
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_every_bit_counts() -> None:
    """With any one bit changed the archive is malformed, or holds other files."""
    files = {"event": b"what was said", "folder/leaf": b"\x00" * 20}
    data = pack(files)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert _unpacked(bytes(changed)) != files


def _unpacked(data: bytes) -> dict[str, bytes] | None:
    try:
        return unpack(data)
    except Malformed:
        return None


@given(archives, st.binary(min_size=1, max_size=30))
def test_nothing_stands_before_between_or_behind(files: dict[str, bytes], more: bytes) -> None:
    """Bytes added anywhere outside the files, and noise, are malformed."""
    data = pack(files)
    central = data.find(b"PK\x01\x02")
    for wrong in (data + more, more + data, data[:-1], data[:central] + more + data[central:], more):
        with pytest.raises(Malformed, match="evidence archive"):
            unpack(wrong)


def test_archives_of_other_tools_are_malformed() -> None:
    """The same files with other dates, attributes or compression are not in the one form."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", compression) as archive:
            archive.writestr("event", b"what was said" * 9)
        with pytest.raises(Malformed):
            unpack(out.getvalue())


def test_a_name_that_stands_twice_is_malformed() -> None:
    """Two files of one name cannot hide one behind the other."""
    first, second = pack({"event": b"shown"}), pack({"event": b"meant"})
    body = first[: first.find(b"PK\x01\x02")] + second[: second.find(b"PK\x01\x02")]
    with pytest.raises(Malformed):
        unpack(body + second[second.find(b"PK\x01\x02") :])


def test_an_archive_has_bounds() -> None:
    """Too many files or names that are not ASCII are a mistake of the caller; too many bytes are malformed."""
    for wrong in ({str(n): b"" for n in range(1001)}, {"é": b""}):
        with pytest.raises(ValueError, match="ASCII"):
            pack(wrong)
    with pytest.raises(Malformed):
        unpack(bytes(33 << 20))
