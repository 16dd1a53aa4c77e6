"""The last act: answers are proved, and the proof is checked by a process without network and database."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from bus.errors import CheckFailed, Unavailable
from bus.evidence.gather import Prover, open_snapshot
from bus.evidence.published import Published
from bus.files import load_policy

COVERED_TIMEOUT_S = 180.0
CHILD_TIMEOUT_S = 600.0
ALONE = Path(__file__).parent / "alone.py"
TOOL = Path(__file__).resolve().parents[2] / "tools" / "verify_evidence.py"
_ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


class Jail(Struct, frozen=True):
    """How a process is kept from everything: words before the command, and what to call it."""

    prefix: Sequence[str]
    name: str


class Proof(Struct, frozen=True):
    """What was proved and checked.

    Attributes:
        folder: where the files are.
        files: the evidence, in the order it was asked for.
        reports: what ``bus evidence verify`` says of each, as its JSON.
        second: what the program that shares no code with the bus says of each; empty outside a checkout.
        jail: how the checkers were kept from the network.
        probed: what came of the attempts to reach broker and database from there.
    """

    folder: Path
    files: list[Path]
    reports: list[dict[str, Any]]
    second: list[str]
    jail: str
    probed: list[str]


async def prove(facts: Mapping[str, Any], published: Path, folder: Path, events: Sequence[UUID | int]) -> list[Path]:
    """Write evidence of events, and the policy, to a folder.

    Args:
        facts: the sandbox's status.
        published: the publisher's folder.
        folder: where to write.
        events: ids or entries of accepted events.

    Raises:
        Unavailable: no checkpoint that the policy accepts covers them in time.
    """
    policy = Path(facts["log"]["policy"])
    _begin(folder, policy)
    files: list[Path] = []
    deadline = time.monotonic() + COVERED_TIMEOUT_S
    for event in events:
        index, data = await _proved(facts["postgres"]["dsn"], published, policy, event, deadline)
        files.append(_write(folder / f"{index}.evidence", data))
    return files


def _begin(folder: Path, policy: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(policy, folder / "policy")


def _write(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


async def _proved(dsn: str, published: Path, policy: Path, event: UUID | int, deadline: float) -> tuple[int, bytes]:
    """One event's evidence, once a cosigned checkpoint covers it."""
    while True:
        try:
            async with open_snapshot(dsn) as connection:
                found = await Prover(connection, Published(published, load_policy(policy))).prove(event)
                return found.event.index, found.encode()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def check(folder: Path, files: Sequence[Path], ports: Sequence[int]) -> Proof:
    """Verify evidence in processes that have no network and an empty environment.

    Args:
        folder: where evidence and policy are.
        files: the evidence.
        ports: of broker and database; they are tried from there, and must be out of reach.

    Raises:
        CheckFailed: something is false, or a port could be reached.
    """
    jail = await find_jail()
    code, probed = await run(jail, ["--probe", *map(str, ports)], folder)
    if code:
        raise CheckFailed("the process that checks evidence could reach the broker or the database")
    names = [file.name for file in files]
    code, said = await run(jail, ["bus", "evidence", "verify", *names, "--policy", "policy", "-o", "json"], folder)
    reports: list[dict[str, Any]] = msgspec.json.decode(said) if said else []
    if code or len(reports) != len(files) or not all(report["holds"] for report in reports):
        raise CheckFailed("evidence does not hold", hint=f"`bus evidence verify {folder}/*.evidence` says what.")
    second = await _second(jail, folder, names)
    return Proof(folder, list(files), reports, second, jail.name, probed.splitlines())


async def _second(jail: Jail, folder: Path, names: Sequence[str]) -> list[str]:
    """What the stand-alone verifier says; it is there in a checkout only."""
    if not TOOL.is_file():
        return []
    code, said = await run(jail, [str(TOOL), "policy", *names], folder)
    if code or len(said.splitlines()) != len(names):
        raise CheckFailed("the stand-alone verifier does not find that the evidence holds")
    return said.splitlines()


async def find_jail() -> Jail:
    """A network namespace of its own where the kernel gives one, else a guard inside the interpreter."""
    unshare = shutil.which("unshare")
    kernel = "in a network namespace of its own, with nothing in it"
    alone = (sys.executable, "-I", str(ALONE))
    for flags in (("--net",), ("--user", "--map-root-user", "--net")) if unshare else ():
        jail = Jail((str(unshare), *flags, "--", *alone), kernel)
        if (await run(jail, ["--probe"], ALONE.parent))[0] == 0:
            return jail
    return Jail((*alone, "--guard"), "under a guard that refuses every connection and every new process")


async def run(jail: Jail, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a command in a jail with an empty environment; its exit code, and what it printed."""
    child = await asyncio.create_subprocess_exec(
        *jail.prefix, *arguments, cwd=folder, env=_ENVIRONMENT, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(CHILD_TIMEOUT_S):
            out, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, out.decode()
