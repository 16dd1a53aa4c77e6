"""Ports are free when chosen, apart from one another, and whoever takes one later is named."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys

import pytest

from bus.errors import SandboxError
from bus.sandbox import ports


def test_chosen_ports_differ_and_are_free() -> None:
    """One for each name, below the range of outgoing connections."""
    found = ports.choose(["kafka", "controller", "postgres"])
    assert len(set(found.values())) == 3
    assert all(20_000 <= port < 32_000 and ports.is_free(port) for port in found.values())


def test_two_processes_never_choose_the_same() -> None:
    """What is chosen here is not chosen elsewhere, though nobody listens on it yet."""
    ours = ports.choose(["one"])["one"]
    program = "from bus.sandbox import ports\nports._FIRST, ports._LAST = {}, {}\nprint(ports.choose(['one']))"
    call = [sys.executable, "-c", program.format(ours, ours + 1)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert "no free port was found" in done.stderr
    assert ports.is_free(ours)


async def test_a_free_port_is_no_trouble() -> None:
    """Nothing is said of it."""
    await ports.require_free("postgres", ports.choose(["one"])["one"])


async def test_whoever_has_the_port_is_named() -> None:
    """The error says the role, the port and the process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.answers(port)
        said = re.compile(rf"port {port}, which postgres .* process {os.getpid()}")
        with pytest.raises(SandboxError, match=said):
            await ports.require_free("postgres", port)
