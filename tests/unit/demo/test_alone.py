"""The process that checks evidence reaches nothing."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.demo import proof
from bus.demo.alone import REACHED
from bus.demo.proof import ALONE, Jail

GUARD = Jail((sys.executable, "-I", str(ALONE), "--guard"), "guard")
FREE = Jail((sys.executable, "-I", str(ALONE)), "free")


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_what_is_free_reaches_the_port(tmp_path: Path, port: int):
    """Else the next tests would say nothing."""
    assert await proof.run(FREE, ["--probe", str(port)], tmp_path) == (REACHED, f"port {port}: reached\n")


async def test_the_guard_refuses_to_connect(tmp_path: Path, port: int):
    """A port that answers is out of reach."""
    code, said = await proof.run(GUARD, ["--probe", str(port)], tmp_path)
    assert (code, "reached" in said) == (0, False)


async def test_what_the_machine_gives_refuses_to_connect(tmp_path: Path, port: int):
    """A namespace of its own where the kernel gives one, else the guard."""
    code, said = await proof.run(await proof.find_jail(), ["--probe", str(port)], tmp_path)
    assert (code, "reached" in said) == (0, False)


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', {port}))",
        "import socket; socket.getaddrinfo('localhost', {port})",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {{}})",
        "import os; os.execv('/bin/true', ['true'])",
    ],
)
async def test_the_guard_refuses_every_way_out(tmp_path: Path, port: int, attempt: str):
    """Connections, names, datagrams and other processes; without the guard each of them works."""
    program = tmp_path / "attempt.py"
    program.write_text(attempt.format(port=port) + "\n")
    assert (await proof.run(GUARD, [str(program)], tmp_path))[0] == 1
    assert (await proof.run(FREE, [str(program)], tmp_path))[0] == 0


async def test_without_namespaces_it_is_the_guard(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch):
    """Where there is no ``unshare``, and it says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    jail = await proof.find_jail()
    assert "guard" in jail.name
    assert (await proof.run(jail, ["--probe", str(port)], tmp_path))[0] == 0


async def test_the_environment_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No variable that could name a login is handed down."""
    monkeypatch.setenv("BUS_LEDGER_DSN", "postgresql://somewhere")
    program = tmp_path / "look.py"
    program.write_text("import os; print(sorted(n for n in os.environ if n != 'LC_CTYPE'))\n")
    assert await proof.run(await proof.find_jail(), [str(program)], tmp_path) == (0, "['LANG', 'LC_ALL']\n")


async def test_a_module_is_run_with_its_arguments(tmp_path: Path):
    """The command itself, under the guard."""
    code, said = await proof.run(GUARD, ["bus", "--version"], tmp_path)
    assert (code, said.split()[0]) == (0, "bus")
