"""What a continued log says of the old one, against what was kept of it in a folder that may come from anybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, sign_note
from bus.tlog.vkey import Kind, NoteKey
from bus.trust.directory import Continued
from bus.verify.continued import continues
from bus.verify.fault import Wrong
from bus.verify.report import Report

ORIGIN = "ledger.test.example/old"
ROOT = b"r" * 32


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What was kept: a policy, and a checkpoint of 7 entries."""
    folder = tmp_path / "continues"
    folder.mkdir()
    key = NoteKey(ORIGIN, Kind.ED25519, bytes(32))
    text = Checkpoint(ORIGIN, 7, ROOT).encode()
    (folder / "policy").write_text(f"log {key.verifier.encode()}\nquorum none\n")
    (folder / "checkpoint").write_bytes(Note(text, (sign_note(text, key),)).encode())
    return folder


def said(size: int = 7) -> Continued:
    """What the entry says."""
    return Continued(ORIGIN, size, ROOT, None, None, "disk_lost", 3)


def test_what_was_kept_bears_the_entry_out(kept: Path) -> None:
    """The old log stands in the report, as the entry names it."""
    found = continues(said(), kept.parent, Report())
    assert (found["origin"], found["size"], found["lost"]) == (ORIGIN, 7, None)


def test_an_entry_that_says_less_than_was_signed_is_found(kept: Path) -> None:
    """Entries of the old log that were signed cannot be left out of the account."""
    with pytest.raises(Wrong, match="is of 7 entries and does not fit"):
        continues(said(6), kept.parent, Report())


@pytest.mark.parametrize("name", ["policy", "checkpoint"])
@pytest.mark.parametrize("instead", ["a pipe", "a device", "nothing"])
def test_what_is_no_file_is_not_waited_for(kept: Path, name: str, instead: str) -> None:
    """A pipe that nobody writes to, and a device that never ends, hold no verification up."""
    (kept / name).unlink()
    if instead == "a pipe":
        os.mkfifo(kept / name)
    elif instead == "a device":
        (kept / name).symlink_to("/dev/zero")
    with pytest.raises(Wrong, match="cannot be read"):
        continues(said(), kept.parent, Report())
