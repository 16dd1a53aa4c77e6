"""A witness's key is one file for one purpose, which nobody else can read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bus.errors import Unavailable, UsageError
from bus.tlog.vkey import Kind, NoteKey
from bus.witness.home import Home
from tests.unit.witness.support import NAME


def test_a_new_witness_has_a_secret_key_and_an_empty_memory(tmp_path: Path) -> None:
    """Both are readable by their owner alone, and the key that is read is the key that was made."""
    home = Home(tmp_path / "a" / "witness")
    made = home.make(NAME)
    assert (made.verifier.name, made.verifier.kind) == (NAME, Kind.COSIGNATURE)
    assert home.key().encode() == made.encode()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.key_file, home.memory)} == {0o600}
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    store = home.store(made)
    assert store.logs() == []
    store.close()


def test_two_witnesses_never_have_one_key(tmp_path: Path) -> None:
    """Of one name, too."""
    assert Home(tmp_path / "a").make(NAME).encode() != Home(tmp_path / "b").make(NAME).encode()


def test_nothing_is_made_anew_beside_what_is_left(tmp_path: Path) -> None:
    """Neither a key without its memory nor a memory without its key is completed: a witness must not forget."""
    for lost in ("key", "witness.db"):
        home = Home(tmp_path / lost)
        home.make(NAME)
        (home.folder / lost).unlink()
        with pytest.raises(UsageError, match="has a witness already"):
            home.make(NAME)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Group and others may not even look."""
    home = Home(tmp_path / "witness")
    home.make(NAME)
    for mode in (0o640, 0o604, 0o660):
        home.key_file.chmod(mode)
        with pytest.raises(UsageError, match="read by others") as refused:
            home.key()
        assert "chmod 600" in refused.value.hint
    home.key_file.chmod(0o400)
    assert home.key().verifier.name == NAME


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    """A log's key, noise, and nothing at all do not make a witness."""
    home = Home(tmp_path)
    with pytest.raises(UsageError, match="no witness in"):
        home.key()
    log = NoteKey("log.example/one", Kind.ED25519, bytes(32))
    for text, words in (
        (f"{log.encode()}\n", "not a witness's key"),
        ("noise\n", "holds no key"),
        ("", "holds no key"),
    ):
        home.key_file.write_text(text, encoding="utf-8")
        home.key_file.chmod(0o600)
        with pytest.raises(UsageError, match=words):
            home.key()
    home.key_file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="holds no key"):
        home.key()
    home.key_file.unlink()
    home.key_file.mkdir()
    with pytest.raises(UsageError, match="directory"):
        home.key()


def test_a_name_is_a_key_name(tmp_path: Path) -> None:
    """No plus, no space, not empty; and a folder that cannot be made is said."""
    for name in ("", "a b", "a+b", "a\u00a0b", "a\nb"):
        with pytest.raises(UsageError, match="no spaces and no plus"):
            Home(tmp_path / "x").make(name)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Unavailable):
        Home(tmp_path / "file" / "witness").make(NAME)
