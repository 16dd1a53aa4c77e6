"""Ports for what the sandbox runs: chosen free once, kept for ever after."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import time
from collections.abc import Iterable

import psutil

from bus.errors import SandboxError

_HOST = "127.0.0.1"
_PATIENCE_S = 2.0
_FIRST, _LAST = 20_000, 32_000
"""Below the range from which systems give ports to outgoing connections, so that none takes ours meanwhile."""
_claims: list[int] = []
"""Descriptors of sockets whose names say which ports this process has chosen, as long as it lives."""


def is_free(port: int) -> bool:
    """Whether one could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_HOST, port)) == 0


def choose(names: Iterable[str], *, tries: int = 400) -> dict[str, int]:
    """A free port for each name, all different, and none that another process has just chosen.

    Raises:
        SandboxError: none was found.
    """
    found: dict[str, int] = {}
    for name in names:
        for _ in range(tries):
            port = _FIRST + secrets.randbelow(_LAST - _FIRST)
            if port not in found.values() and is_free(port) and _claim(port):
                found[name] = port
                break
        else:
            raise SandboxError("no free port was found", hint=f"Free one between {_FIRST} and {_LAST}.")
    return found


def _claim(port: int) -> bool:
    """Keep another process from choosing the same port before anything listens on it; whether none has it already.

    The claim is a name in Linux's abstract namespace: nothing lies in a folder, and it goes with the process.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
        try:
            claim.bind(f"\0safeguard-bus/port/{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        _claims.append(claim.detach())
    return True


async def require_free(role: str, port: int) -> None:
    """Say who has the port, if somebody has. A process that was just killed is given a moment to let go.

    Raises:
        SandboxError: the port is taken.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not is_free(port):
        if time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            continue
        raise SandboxError(
            f"port {port}, which {role} of this sandbox uses, is taken by {_owner(port)}",
            hint="End that process, or choose new ports with `bus sandbox up --fresh` (which begins a new ledger).",
        )


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp4"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
