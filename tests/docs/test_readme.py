"""Whatever a page tells a newcomer to type is typed here, and what it shows is what comes."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from bus.sandbox.lifecycle import Sandbox
from tests.arrival import arrived, published
from tests.docs.support import ROOT, blocks, environment, pages

README = ROOT / "README.md"
LEFT_OUT = ("export ", "bus sandbox down")
"""Lines that would change the shell, or end the sandbox under the other tests."""


def _shown() -> list[tuple[str, str]]:
    """Each command whose output a page shows, with that output."""
    texts = [text for page in pages() for text in blocks(page, "console")]
    pieces = [piece for text in texts for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in (piece.partition("\n") for piece in pieces)]


def _typed(command: str, home: Path | None = None) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(("command", "output"), _shown(), ids=[command for command, _ in _shown()])
def test_help_is_shown_as_it_is(command: str, output: str) -> None:
    """A page's help text is the command's own."""
    assert _typed(command) == output


@pytest.mark.integration
async def test_first_five_minutes_go_as_written(sandbox: Sandbox, tmp_path: Path) -> None:
    """Every line of the README's shell blocks succeeds, and the second publish of one file is a repeat."""
    lines = [line for text in blocks(README, "sh") for line in text.splitlines() if line.strip()]
    wanted = [line.replace("/tmp/", f"{tmp_path}/") for line in lines if not line.startswith(LEFT_OUT)]
    assert len(wanted) >= 9
    said: list[tuple[str, str]] = []
    for line in wanted:
        said.append((line, _typed(line, sandbox.home.root)))
        await arrived(sandbox)  # who reads and types is slower than the hub
        await published(sandbox)
    told = [text for line, text in said if line.startswith("bus publish") and "hit.json" in line]
    assert len(told) == 2
    assert " accepted " in told[0]
    assert " repeated " in told[1]
    event_id = told[0].splitlines()[1].split()[0]
    assert any(event_id in text for line, text in said if line.startswith("bus consume"))


@pytest.mark.integration
async def test_programs_of_the_readme_run_as_written(sandbox: Sandbox, tmp_path: Path) -> None:
    """The Publisher's example has an event accepted, and the Subscriber's example gets it."""
    publisher, subscriber = blocks(README, "python")
    said = _run(publisher, sandbox, tmp_path)
    assert said.startswith("accepted ")
    index = said.split()[1]
    await arrived(sandbox)
    heard = _run(subscriber, sandbox, tmp_path)
    assert re.search(rf"^{index} ok ", heard, re.MULTILINE)


@pytest.mark.integration
async def test_hub_cannot_read_what_the_example_sealed(sandbox: Sandbox, tmp_path: Path) -> None:
    """G7: the sealed hash is in no file of broker, database, hub, logs or journal; what is in the body is found."""
    sealed, body = secrets.token_bytes(32), f"list-{secrets.token_hex(8)}"
    program = blocks(README, "python")[0].replace('"00" * 32', f'"{sealed.hex()}"').replace("list-7", body)
    assert _run(program, sandbox, tmp_path).startswith("accepted ")
    await _written_down(sandbox)
    stores = {name: _holding(sandbox.home.root / name, body.encode()) for name in ("kafka", "postgres", "journal")}
    assert all(stores.values()), stores
    for form in (sealed, sealed.hex().encode(), sealed.hex().upper().encode()):
        assert not _holding(sandbox.home.root, form)


async def _written_down(sandbox: Sandbox) -> None:
    """Until Postgres has its tables' pages in their files: in its log a row may be parted by the edge of a page."""
    connection = await asyncpg.connect(sandbox.status()["postgres"]["admin_dsn"])
    try:
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _holding(folder: Path, marker: bytes) -> list[Path]:
    """The files that hold these bytes."""
    # os.walk goes on where a folder went away meanwhile.
    files = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    files = [path for path in files if path.is_file() and not path.is_symlink()]
    return [path for path in files if marker in _content(path)]


def _content(path: Path) -> bytes:
    """A file's bytes; none if it went away meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _run(program: str, sandbox: Sandbox, folder: Path) -> str:
    file = folder / "example.py"
    file.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", file],
        cwd=folder, env=environment(sandbox.home.root), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_programs_of_the_readme_are_short() -> None:
    """An example is a screenful: what it shows is not in the noise."""
    for program in blocks(README, "python"):
        assert len(program.splitlines()) <= 30
