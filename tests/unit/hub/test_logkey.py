"""The publisher's note of what it signed last."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.errors import StartRefused
from bus.hub.logkey import last_signed
from bus.tlog.checkpoint import Checkpoint

SIGNED = Checkpoint("ledger.test.example/safeguard", 1234, bytes(range(32)))


def test_a_changed_note_of_what_was_signed_is_never_taken_for_the_one_that_was(tmp_path: Path) -> None:
    """With any bit changed it is unreadable, or says another name, size or root; gone, it is missed."""
    note, data = tmp_path / "last-signed", SIGNED.encode()
    note.write_bytes(data)
    assert last_signed(tmp_path) == SIGNED
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        note.write_bytes(bytes(changed))
        assert _read(tmp_path) != SIGNED
    note.unlink()
    assert last_signed(tmp_path) is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "1234").write_bytes(b"")
    with pytest.raises(StartRefused, match="is gone, but a checkpoint of 1234 entries was signed"):
        last_signed(tmp_path)


def _read(folder: Path) -> Checkpoint | None:
    """What the note says; None if it is refused as unreadable."""
    try:
        return last_signed(folder)
    except StartRefused as error:
        return None if "is unreadable" in error.message else SIGNED
