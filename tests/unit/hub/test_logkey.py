"""The publisher's note of what it signed last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus.errors import NotAllowed, StartRefused, Unavailable, UsageError
from bus.hub.config import HubConfig, PublisherConfig
from bus.hub.logkey import last_signed, load_key, note_signed
from bus.hub.rotation import begin, finished
from bus.hub.tilefiles import alone_in
from bus.kafka.connection import Connection
from bus.tlog.checkpoint import Checkpoint
from tests.unit.tlog.support import signed

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


def test_a_note_with_its_digest_is_the_one_that_was_written_or_unreadable(tmp_path: Path) -> None:
    """No bit of it can turn over and make it say another size or root, so that it can be written again."""
    note_signed(tmp_path, SIGNED.encode())
    note = tmp_path / "last-signed"
    data = note.read_bytes()
    assert data.startswith(SIGNED.encode())
    assert last_signed(tmp_path) == SIGNED
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        note.write_bytes(bytes(changed))
        with pytest.raises(StartRefused, match="is unreadable"):
            last_signed(tmp_path)
    for cut in range(len(data)):
        note.write_bytes(data[:cut])
        assert _read(tmp_path) in {None, SIGNED}


def test_an_older_note_of_what_was_signed_is_refused(tmp_path: Path) -> None:
    """Entries that were signed could be replaced under it; files that this log has not signed count for nothing."""
    key = load_key(tmp_path / "log.key", SIGNED.origin)
    kept, note = tmp_path / "checkpoints", tmp_path / "last-signed"
    kept.mkdir()
    note.write_bytes(SIGNED.encode())
    for name in ("1235", "9999", "1235.old", "3x"):
        (kept / name).write_bytes(b"not signed")
    assert last_signed(tmp_path) == SIGNED
    (kept / "1235").write_bytes(signed(replace(SIGNED, size=1235), key).encode())
    with pytest.raises(StartRefused, match="1234 entries, but a checkpoint of 1235 is kept"):
        last_signed(tmp_path)


def test_a_key_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    """Its public half tells that it was there; that half stays what it was."""
    load_key(tmp_path / "log.key", SIGNED.origin)
    before = (tmp_path / "log.vkey").read_bytes()
    (tmp_path / "log.key").unlink()
    with pytest.raises(UsageError, match=r"log\.key is gone"):
        load_key(tmp_path / "log.key", SIGNED.origin)
    assert (tmp_path / "log.vkey").read_bytes() == before


def test_a_change_of_keys_that_was_cut_short_is_finished_once(tmp_path: Path) -> None:
    """With the next key in the old one's place, what is left is done; after that there is no next key."""
    old = load_key(tmp_path / "log.key", SIGNED.origin).verifier
    new = load_key(tmp_path / "next.key", SIGNED.origin).verifier
    kept = tmp_path / f"old-{old.key_id.hex()}.key"
    (tmp_path / "log.key").rename(kept)
    (tmp_path / "next.key").rename(tmp_path / "log.key")
    assert finished(tmp_path, SIGNED.origin) == (new, kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((kept.name, "log.key", "log.vkey"))
    assert (tmp_path / "log.vkey").read_text() == f"{new.encode()}\n"
    with pytest.raises(UsageError, match="no next key"):
        finished(tmp_path, SIGNED.origin)


def test_a_log_key_is_not_made_anew_where_something_was_signed(tmp_path: Path) -> None:
    """With both its halves gone, what it has signed still tells that it was there."""
    (tmp_path / "last-signed").write_bytes(SIGNED.encode())
    with pytest.raises(UsageError, match=r"log\.key is gone, and last-signed says"):
        load_key(tmp_path / "log.key", SIGNED.origin)
    (tmp_path / "last-signed").unlink()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "1234").write_bytes(b"")
    with pytest.raises(UsageError, match=r"log\.key is gone, and 1234 says"):
        load_key(tmp_path / "log.key", SIGNED.origin)


def test_a_checkpoint_that_is_served_was_signed(tmp_path: Path) -> None:
    """With the note and all kept checkpoints gone, the one that everybody can read still counts."""
    key = load_key(tmp_path / "log.key", SIGNED.origin)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "checkpoint").write_bytes(signed(SIGNED, key).encode())
    with pytest.raises(StartRefused, match="is gone, but a checkpoint of 1234 entries was signed"):
        last_signed(tmp_path)
    (tmp_path / "last-signed").write_bytes(replace(SIGNED, size=1000).encode())
    with pytest.raises(StartRefused, match="1000 entries, but a checkpoint of 1234 is kept"):
        last_signed(tmp_path)


def test_a_note_that_is_no_file_is_unreadable(tmp_path: Path) -> None:
    """A folder or a pipe in its place stops the start with the same sentence, and is not waited for."""
    note = tmp_path / "last-signed"
    note.mkdir()
    with pytest.raises(StartRefused, match="is unreadable"):
        last_signed(tmp_path)
    note.rmdir()
    os.mkfifo(note)
    with pytest.raises(StartRefused, match="is unreadable"):
        last_signed(tmp_path)


def rotating(tmp_path: Path) -> HubConfig:
    """A hub of which only the publisher's folder is there."""
    load_key(tmp_path / "log.key", SIGNED.origin)
    policy = f"log {(tmp_path / 'log.vkey').read_text().strip()}\nquorum none\n"
    (tmp_path / "policy").write_text(policy)
    kafka = Connection(bootstrap="", security_protocol="", sasl_mechanism="", username="", password="", ca_file=None)
    return HubConfig(SIGNED.origin, kafka, "", "", tmp_path, None, PublisherConfig("", tmp_path, None))


def test_a_next_key_that_is_lost_is_not_made_anew(tmp_path: Path) -> None:
    """Witnesses may trust it already: a second one under its name would be a third that nobody knows."""
    config = rotating(tmp_path)
    begin(config)
    (tmp_path / "next.key").unlink()
    with pytest.raises(UsageError, match=r"next\.key is gone, and next\.vkey says"):
        begin(config)
    assert not (tmp_path / "next.key").exists()


def test_no_key_follows_before_the_last_change_is_finished(tmp_path: Path) -> None:
    """Cut short between the replacement and its end, ``new`` names ``finish``; after that the next change can begin."""
    config = rotating(tmp_path)
    begin(config)
    (tmp_path / "log.key").rename(tmp_path / "old-12345678.key")
    (tmp_path / "next.key").rename(tmp_path / "log.key")
    with pytest.raises(UsageError, match="cut short") as caught:
        begin(config)
    assert "log-key finish" in caught.value.hint
    finished(tmp_path, SIGNED.origin)
    begin(config)


def test_one_change_of_keys_at_a_time(tmp_path: Path) -> None:
    """A second one is told; the publisher, which holds the folder, is in nobody's way."""
    config = rotating(tmp_path)
    (tmp_path / ".log-key").mkdir()
    with alone_in(tmp_path):
        with alone_in(tmp_path / ".log-key"), pytest.raises(NotAllowed, match="another `bus hub log-key`"):
            begin(config)
        begin(config)


def test_one_publisher_works_in_a_folder(tmp_path: Path) -> None:
    """A second one is told; when the first has ended it may."""
    with alone_in(tmp_path), pytest.raises(Unavailable, match="another publisher"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass


def _read(folder: Path) -> Checkpoint | None:
    """What the note says; None if it is refused as unreadable."""
    try:
        return last_signed(folder)
    except StartRefused as error:
        return None if "is unreadable" in error.message else SIGNED
