"""Whatever lies in a published file's place is named, written again, and kept aside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bus.files import lies, read_regular
from bus.hub.tilefiles import RightEdge, write_files
from bus.repair.files import damaged, keep_aside, read_file
from tests.unit.verify.support import leaves

SIZE = 300
TILE, BUNDLE = "tile/0/000", "tile/entries/000"


class Ledger:
    """A ledger that has the leaves."""

    def __init__(self) -> None:
        self._leaves = leaves(SIZE)

    async def fetch(self, _query: str, low: int, high: int) -> list[dict[str, bytes]]:
        """Some of them."""
        return [{"leaf": leaf} for leaf in self._leaves[low:high]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What was published."""
    write_files(tmp_path / "log", RightEdge().grow(leaves(SIZE)))
    return tmp_path / "log"


def folder(place: Path) -> None:
    """A folder where a file belongs."""
    place.unlink()
    (place / "deep").mkdir(parents=True)


def pipe(place: Path) -> None:
    """A pipe that nobody writes into: reading it would never end."""
    place.unlink()
    os.mkfifo(place)


def endless(place: Path) -> None:
    """A link to what never ends."""
    place.unlink()
    place.symlink_to("/dev/zero")


def huge(place: Path) -> None:
    """A file of a gigabyte that takes no room."""
    with place.open("r+b") as file:
        file.truncate(1 << 30)


def lost_link(place: Path) -> None:
    """A link to nothing."""
    place.unlink()
    place.symlink_to("nowhere")


def flipped(place: Path) -> None:
    """One byte is another."""
    data = place.read_bytes()
    place.write_bytes(b"?" + data[1:])


async def mended(log: Path) -> list[str]:
    """What was wrong and is not any more."""
    edge = RightEdge()
    edge.grow(leaves(SIZE))
    store: Any = Ledger()
    roots = {SIZE: edge.frontier.root()}
    found = await damaged(store, log, roots, mend=log.parent / "damaged")
    assert await damaged(store, log, roots) == []
    return found


@pytest.mark.parametrize("hurt", [folder, pipe, endless, huge, lost_link, flipped])
async def test_whatever_lies_in_a_files_place_is_put_aside(log: Path, hurt: Callable[[Path], None]) -> None:
    """It is never waited for nor read to its end; the right file stands there afterwards."""
    good = {name: (log / name).read_bytes() for name in (TILE, BUNDLE)}
    for name in good:
        hurt(log / name)
    assert sorted(await mended(log)) == [TILE, BUNDLE]
    assert {name: (log / name).read_bytes() for name in good} == good
    assert all(lies(log.parent / "damaged" / name) for name in good)


async def test_a_file_in_a_folders_place_is_put_aside(log: Path) -> None:
    """Everything below is written again."""
    (log / "tile").rename(log / "gone")
    (log / "tile").write_bytes(b"x")
    assert len(await mended(log)) == 5
    assert (log.parent / "damaged" / "tile").read_bytes() == b"x"


async def test_what_was_kept_before_stays(log: Path) -> None:
    """A second repair of the same file does not overwrite what the first one kept."""
    for content in (b"one", b"two", b"three"):
        (log / TILE).write_bytes(content)
        assert await mended(log) == [TILE]
    aside = log.parent / "damaged" / "tile" / "0"
    assert [(aside / name).read_bytes() for name in ("000", "000~1", "000~2")] == [b"one", b"two", b"three"]


def test_what_is_replaced_is_copied_first(tmp_path: Path) -> None:
    """A file stays where it is until the new one stands there; what is no file is moved."""
    note, aside = tmp_path / "note", tmp_path / "aside"
    note.write_bytes(b"old")
    keep_aside(note, aside)
    assert note.read_bytes() == (aside / "note").read_bytes() == b"old"
    note.unlink()
    note.mkdir()
    keep_aside(note, aside)
    assert not note.exists()
    assert (aside / "note~1").is_dir()


def test_a_file_is_read_no_further_than_was_asked(tmp_path: Path) -> None:
    """One byte more than the limit shows that there is more; what is not there is None, and what is no file an error."""
    path = tmp_path / "file"
    assert read_regular(path, 3) is None
    assert read_regular(path / "below", 3) is None
    for data in (b"", b"123", b"1234", b"12345"):
        path.write_bytes(data)
        assert read_regular(path, 3) == data[:4]
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path, 3)
    assert read_file(tmp_path) is None
