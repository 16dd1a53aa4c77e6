"""The state folder keeps secrets, refuses what is not its own, and lets one command in at a time."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest

from bus.errors import SandboxError
from bus.sandbox.home import Home, make_private, secret, trim_log, write_private
from bus.sandbox.lifecycle import Sandbox


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A state folder that was made."""
    found = Home.at(tmp_path / "state")
    found.make()
    return found


def test_folders_are_closed_to_others(home: Home) -> None:
    """Every folder is its owner's alone."""
    assert {path.stat().st_mode & 0o777 for path in [home.root, *home.root.iterdir()]} == {0o700}


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    """A folder that others could enter is closed to them."""
    (tmp_path / "open").mkdir(mode=0o755)
    make_private(tmp_path / "open")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o700


def test_a_secret_is_made_once_and_stands_alone_in_its_file(home: Home) -> None:
    """Asked again it is the same; the file holds nothing else and only its owner reads it."""
    path = home.hub / "password"
    made = secret(path)
    assert len(made) >= 32
    assert secret(path) == made == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_private_file_is_replaced_whole(home: Home) -> None:
    """The new text stands there, closed to others, and no draft is left."""
    path = home.hub / "hub.toml"
    write_private(path, "old")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in home.hub.iterdir()] == ["hub.toml"]


def test_another_programs_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    """A folder with something else in it is neither closed nor filled."""
    (tmp_path / "thesis.txt").write_text("mine")
    tmp_path.chmod(0o755)
    with pytest.raises(SandboxError, match=r"thesis\.txt"):
        Home.at(tmp_path).make()
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["with'quote", "with,comma", "with:colon", "with*star", "with\\slash"])
def test_a_path_that_java_would_split_is_refused(tmp_path: Path, name: str) -> None:
    """Better no sandbox than one that writes into half of its path."""
    with pytest.raises(SandboxError, match="separator"):
        Home.at(tmp_path / name).make()


def test_a_path_with_a_space_is_fine(tmp_path: Path) -> None:
    """People have such folders."""
    Home.at(tmp_path / "my folder").make()


def test_erase_leaves_what_is_not_ours(home: Home) -> None:
    """A file that somebody put there stays, and so does the folder then."""
    (home.root / "notes.txt").write_text("mine")
    home.erase(keep_jars=False)
    assert [entry.name for entry in home.root.iterdir()] == ["notes.txt"]


def test_erase_removes_the_folder_when_nothing_else_is_there(home: Home) -> None:
    """Nothing lies about."""
    home.erase(keep_jars=False)
    assert not home.root.exists()


def test_fresh_keeps_the_jars(home: Home) -> None:
    """They are the same for every ledger."""
    (home.jars / "kafka.jar").touch()
    secret(home.hub / "password")
    home.erase(keep_jars=True)
    assert (home.jars / "kafka.jar").exists()
    assert not home.hub.exists()


async def test_one_command_waits_for_the_other(home: Home) -> None:
    """Who comes second is told so, and goes on when the first is done."""
    order: list[str] = []

    async def enter(name: str, hold_s: float) -> None:
        async with home.lock(lambda _line: order.append(f"{name} waits")):
            order.append(f"{name} in")
            await asyncio.sleep(hold_s)
            order.append(f"{name} out")

    await asyncio.gather(enter("first", 0.2), enter("second", 0.0))
    assert order == ["first in", "second waits", "first out", "second in", "second out"]


async def test_a_lock_that_was_removed_with_the_sandbox_keeps_nobody_out(home: Home) -> None:
    """Who waited for a sandbox that was destroyed shares its place with nobody who comes after."""
    order: list[str] = []
    removed, entered = asyncio.Event(), asyncio.Event()

    async def destroy() -> None:
        async with home.lock(order.append):
            await asyncio.sleep(0.2)
            home.erase(keep_jars=False)
        removed.set()

    async def wait() -> None:
        async with home.lock(lambda _line: order.append("second waits")):
            entered.set()
            await asyncio.sleep(0.3)
            order.append("second out")

    async def come() -> None:
        await removed.wait()
        await entered.wait()
        async with home.lock(lambda _line: order.append("third waits")):
            order.append("third in")

    await asyncio.gather(destroy(), wait(), come())
    assert order == ["second waits", "third waits", "second out", "third in"]


async def test_nobody_enters_before_all_is_removed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts a sandbox while it is destroyed does not lose what it has begun."""
    locked: list[bool] = []
    erase = Home.erase

    def watched(self: Home, *, keep_jars: bool) -> None:
        with (self.root / "lock").open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked.append(True)
        erase(self, keep_jars=keep_jars)

    monkeypatch.setattr(Home, "erase", watched)
    await Sandbox(home.root).down(destroy=True)
    assert locked == [True]
    assert not home.root.exists()


def test_a_large_log_is_set_aside(home: Home) -> None:
    """A log begins anew when it has grown large, and its last run is kept."""
    log = home.log("kafka")
    log.write_bytes(b"x" * (9 << 20))
    trim_log(log)
    assert not log.exists()
    assert log.with_suffix(".log.1").stat().st_size == 9 << 20
