"""The documentation as tests see it: files, fenced blocks, links, tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("tests/data",)
"""Folders of other people's texts."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every Markdown file of ours."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = [ROOT / name for name in tracked.stdout.splitlines()]
    if tracked.returncode != 0:
        found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.is_file() and not _name(page).startswith(FOREIGN)]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for name, text in _FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def first_cells(text: str) -> Iterator[str]:
    """The first cell of each row of each table."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield line.split("|")[1].strip()


def environment(home: Path | None = None) -> dict[str, str]:
    """A newcomer's shell: the command on the PATH, 80 columns, no settings but the state folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    state = {} if home is None else {"BUS_HOME": str(home)}
    return {**kept, "PATH": path, "COLUMNS": "80", "NO_COLOR": "1", **state}
