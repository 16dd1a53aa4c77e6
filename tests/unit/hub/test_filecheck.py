"""What the publisher sees of its files when it starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.hub.filecheck import first_wrong
from bus.hub.tilefiles import RightEdge, prune_partials, write_files
from bus.tlog import tree

SIZE = 20 * 256 + 37


def entries() -> list[bytes]:
    """Leaves of the right length."""
    return [index.to_bytes(4) * 93 + b"ab" for index in range(SIZE)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published files of a log."""
    folder, edge, leaves = tmp_path_factory.mktemp("log"), RightEdge(), entries()
    for at in range(0, SIZE, 1000):
        files = edge.grow(leaves[at : at + 1000])
        write_files(folder, files)
        prune_partials(folder, files)
    return folder


def found(folder: Path, size: int = SIZE) -> str | None:
    """What is wrong below a signed size."""
    leaves = entries()[:size]
    full = size // 256
    roots = [tree.root(tree.leaf_hashes(leaves[256 * n : 256 * n + 256])) for n in range(full)]
    return first_wrong(folder, roots, leaves[256 * full :])


@pytest.mark.parametrize("size", [0, SIZE, 1000, 3000, 5000])
def test_whole_files_pass_also_where_narrow_ones_were_pruned(size: int, whole: Path) -> None:
    """The files of a larger tree are those of a smaller one that was signed before a crash."""
    assert found(whole, size) is None


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Leave out the end."""
    path.write_bytes(path.read_bytes()[:-1])


def test_a_file_that_is_missing_short_or_changed_is_named(whole: Path, tmp_path: Path) -> None:
    """The right edge, the levels above and the newest whole files byte for byte; old ones by their size."""
    cases: list[tuple[str, Callable[[Path], None]]] = [
        (name, hurt)
        for name in ("tile/0/020.p/37", "tile/entries/020.p/37", "tile/1/000.p/20", "tile/0/019", "tile/entries/019")
        for hurt in (flip, cut, Path.unlink)
    ]
    cases += [(name, hurt) for name in ("tile/0/000", "tile/entries/000") for hurt in (cut, Path.unlink)]
    for name, hurt in cases:
        copy = tmp_path / "copy"
        shutil.copytree(whole, copy)
        hurt(copy / name)
        assert found(copy) == name
        shutil.rmtree(copy)


def test_two_files_that_changed_places_are_not_taken_for_each_other(whole: Path, tmp_path: Path) -> None:
    """A bundle that leads to another tile is wrong although each file alone is sound."""
    shutil.copytree(whole, tmp_path / "copy")
    shutil.copy(whole / "tile/entries/018", tmp_path / "copy/tile/entries/017")
    assert found(tmp_path / "copy") == "tile/entries/017"
