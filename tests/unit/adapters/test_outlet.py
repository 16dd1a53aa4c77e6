"""Where documents are put: durable, whole, never over another's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bus.adapters import outlet
from bus.adapters.documents import Document, Envelope
from bus.adapters.outlet import Folder, Single, open_outlet
from bus.errors import UsageError

DOCUMENTS = (Document("part.xml", b"part"), Document("main.xml", b"main"))
AROUND = Envelope(b"[", b",", b"]")


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_has_the_files_of_each_event(tmp_path: Path):
    """Files are named after event and document, only their owner reads them, and an event again replaces its own."""
    place = tmp_path / "made" / "on the way"
    for _ in range(2):
        with Folder(place, None) as folder:
            folder.put("e1", DOCUMENTS)
            folder.put("e2", DOCUMENTS[:1])
            folder.finish()
    assert content(place) == {"e1.part.xml": b"part", "e1.main.xml": b"main", "e2.part.xml": b"part"}
    assert stat.S_IMODE((place / "e1.main.xml").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_file_of_a_folder_stands_in_its_own_envelope(tmp_path: Path):
    """Where documents could share a file, one alone is still a whole document."""
    with Folder(tmp_path, AROUND) as folder:
        folder.put("e1", DOCUMENTS)
    assert content(tmp_path) == {"e1.part.xml": b"[part]", "e1.main.xml": b"[main]"}


def test_one_file_is_there_at_the_end_or_not_at_all(tmp_path: Path):
    """A single file has all documents when it is finished, and leaves nothing behind when it is not."""
    with Single(tmp_path / "all.json", AROUND) as single:
        single.put("e1", DOCUMENTS)
        single.put("e2", DOCUMENTS[:1])
        single.finish()
    assert content(tmp_path) == {"all.json": b"[part,main,part]"}
    with Single(tmp_path / "other.json", AROUND) as single:
        single.put("e1", DOCUMENTS)
    assert list(content(tmp_path)) == ["all.json"]


def test_without_a_document_there_is_no_file(tmp_path: Path):
    """A file with nothing but its envelope would be no document, and would stand in the way of the next run."""
    for _ in range(2):
        with Single(tmp_path / "all.json", AROUND) as single:
            single.finish()
    assert content(tmp_path) == {}


def test_nobodys_file_is_overwritten(tmp_path: Path):
    """A name that is taken is refused at once, and also if it was taken meanwhile."""
    place = tmp_path / "all.json"
    with Single(place, AROUND) as single:
        single.put("e1", DOCUMENTS)
        place.write_bytes(b"another's")
        with pytest.raises(FileExistsError):
            single.finish()
    assert content(tmp_path) == {"all.json": b"another's"}
    with pytest.raises(UsageError, match="is there already"), Single(place, AROUND):
        pass


def test_a_failed_write_shows_no_part_of_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """If the second document cannot be made durable, the first is not shown either, and nothing is left lying."""
    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), Folder(tmp_path, None) as folder:
        folder.put("e1", DOCUMENTS)
    assert content(tmp_path) == {}


def test_documents_are_synced_before_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each file is synced while it still has another name; then the folder is."""
    seen: list[tuple[str, list[str]]] = []

    def note(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        seen.append((kind, sorted(name for name in content(tmp_path) if not name.startswith(".bus-"))))

    monkeypatch.setattr(outlet.os, "fsync", note)
    with Folder(tmp_path, None) as folder:
        folder.put("e1", DOCUMENTS)
    assert seen == [("file", []), ("file", []), ("folder", ["e1.main.xml", "e1.part.xml"])]


def test_what_out_says_is_a_folder_or_a_file(tmp_path: Path):
    """A format whose documents cannot stand together always gets a folder; and no folder is made of a file."""
    assert isinstance(open_outlet("cybertip", str(tmp_path / "new")), Folder)
    assert isinstance(open_outlet("cybertip", str(tmp_path)), Folder)
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match="no folder can be made there"),
        open_outlet("cybertip", str(tmp_path / "file")),
    ):
        pass
