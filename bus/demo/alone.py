"""Runs a program without network, or shows that there is none: ``python -I alone.py [--guard] (--probe PORT… | …)``.

What follows is either a module's name or a file, with its arguments. ``--guard`` is for where the kernel gives no
network namespace: then the interpreter itself refuses, in this process, whatever would open a connection or start
another process. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import runpy
import socket
import sys
from typing import Any

REFUSED = frozenset({
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "socket.bind", "socket.connect",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.sendmsg", "socket.sendto", "subprocess.Popen",
})  # fmt: skip
"""Audit events (https://docs.python.org/3/library/audit_events.html) that reach out of the process."""

REACHED = 3


def guard(event: str, _args: tuple[Any, ...]) -> None:
    """An audit hook; there is no way to take it away again.

    Raises:
        PermissionError: the event would reach out of the process.
    """
    if event in REFUSED:
        raise PermissionError(f"{event} is refused here")


def probe(ports: list[int]) -> int:
    """Try each port of this machine; whether one can be reached, as an exit code."""
    for port in ports:
        try:
            with socket.socket() as connection:
                connection.settimeout(5)
                connection.connect(("127.0.0.1", port))
                sys.stdout.write(f"port {port}: reached\n")
                return REACHED
        except OSError as error:
            sys.stdout.write(f"port {port}: {error.strerror or error}\n")
    return 0


def main(argv: list[str]) -> int:
    """Do as the arguments say; the exit code, where the program does not exit by itself."""
    if argv[:1] == ["--guard"]:
        sys.addaudithook(guard)
        argv = argv[1:]
    if argv[:1] == ["--probe"]:
        return probe([int(port) for port in argv[1:]])
    sys.argv = argv
    if argv[0].endswith(".py"):
        runpy.run_path(argv[0], run_name="__main__")
    else:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
