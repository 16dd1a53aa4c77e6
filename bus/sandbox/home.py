"""The sandbox's state folder: where each file stands, secrets that only their owner reads, and one lock.

::

    .bus/sandbox.json            state, and what other programs read of it
    .bus/lock                    held by whoever starts or stops
    .bus/jars  .bus/tmp          Kafka's jars; temporary files of the JVM
    .bus/kafka  .bus/postgres    their settings, passwords and data
    .bus/hub                     hub.toml, origin, keys.json, password, policy.toml, governance-*.json
    .bus/organisations/<org>     profile.toml, keys.json, recovery.json, password
    .bus/demo                    evidence that the demonstration proved; where it goes on, if it was interrupted
    .bus/journal  .bus/logs      publishers' journals; <role>.log
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from msgspec import Struct

from bus.errors import SandboxError
from bus.sandbox.world import ORIGIN

_FOLDERS = (
    "kafka", "postgres", "hub", "publisher", "witnesses", "organisations", "journal", "logs", "demo", "jars", "tmp",
)  # fmt: skip
_FILES = ("sandbox.json", "lock")
_NEIGHBOURS = ("witness",)
"""What other commands keep in the state folder by default: left alone, never erased."""
_UNFIT = re.compile(r"""["'`,:;\\*\x00-\x1f]""")
_LOCK_TIMEOUT_S = 120.0
_LOG_KEEP_BYTES = 8 << 20


class Home(Struct, frozen=True):
    """A state folder, absolute. Nothing is made before :meth:`make`."""

    root: Path

    @classmethod
    def at(cls, root: Path | str) -> Home:
        """The state folder at this path."""
        return cls(Path(os.path.abspath(Path(root).expanduser())))  # noqa: PTH100 - resolve() would follow links

    @property
    def state_file(self) -> Path:
        """What is up, on which ports."""
        return self.root / "sandbox.json"

    @property
    def jars(self) -> Path:
        """Kafka's jars; ``BUS_SANDBOX_JARS`` names a folder that several sandboxes share."""
        shared = os.environ.get("BUS_SANDBOX_JARS")
        return Path(shared).absolute() if shared else self.root / "jars"

    @property
    def kafka(self) -> Path:
        """The broker's folder."""
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        """The database's folder."""
        return self.root / "postgres"

    @property
    def hub(self) -> Path:
        """The hub's folder."""
        return self.root / "hub"

    @property
    def origin(self) -> str:
        """The log's name: what the first ``up`` was given."""
        file = self.hub / "origin"
        return file.read_text(encoding="ascii").strip() if file.is_file() else ORIGIN

    @property
    def publisher(self) -> Path:
        """The publisher's folder: its key, what it signed, and the log's files."""
        return self.root / "publisher"

    @property
    def tmp(self) -> Path:
        """Temporary files of what runs here."""
        return self.root / "tmp"

    def organisation(self, org: str) -> Path:
        """An organisation's folder."""
        return self.root / "organisations" / org

    def log(self, role: str) -> Path:
        """A role's log."""
        return self.root / "logs" / f"{role}.log"

    def make(self) -> None:
        """Make the folders, for their owner alone.

        Raises:
            SandboxError: they cannot be made, their path holds what Kafka's settings cannot, or something else
                is kept here.
        """
        self.check()
        if _UNFIT.search(str(self.root)):
            raise SandboxError(
                "the state folder's path holds a character that Java or PostgreSQL take for a separator",
                hint="Give another folder with --home: no quotes, commas, colons, semicolons, backslashes or stars.",
            )
        try:
            make_private(self.root)
            for name in _FOLDERS:
                make_private(self.root / name)
        except OSError as error:
            raise SandboxError(
                f"{error.filename} cannot be made: {error.strerror}", hint="Give another folder with --home."
            ) from error

    def check(self) -> None:
        """See that the folder is new, empty or a sandbox's: its rights are changed and its content can be erased.

        Raises:
            SandboxError: something else is kept here.
        """
        foreign = sorted(set(_names_in(self.root)) - {*_FOLDERS, *_FILES, *_NEIGHBOURS})
        if foreign:
            raise SandboxError(
                f"{self.root} is no sandbox's folder: {foreign[0]} is kept there",
                hint="Give a folder of its own with --home or BUS_HOME.",
            )

    def erase(self, *, keep_jars: bool) -> None:
        """Remove what a sandbox puts here, and the folder if nothing else is in it."""
        for name in _FOLDERS:
            if not (keep_jars and name == "jars"):
                shutil.rmtree(self.root / name, ignore_errors=True)
        for name in _FILES:
            if not (keep_jars and name == "lock"):
                (self.root / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()

    @contextlib.asynccontextmanager
    async def lock(self, say: Callable[[str], None]) -> AsyncGenerator[None]:
        """Hold the sandbox alone: two commands at once would start things twice.

        Raises:
            SandboxError: another command did not end in time, or this is no sandbox's folder.
        """
        deadline, told = time.monotonic() + _LOCK_TIMEOUT_S, False
        while True:
            self.check()
            make_private(self.root)
            with (self.root / "lock").open("w") as file:
                if _try_lock(file.fileno(), self.root / "lock"):
                    yield
                    return
            if time.monotonic() > deadline:
                raise SandboxError(
                    "another command has been starting or stopping this sandbox for two minutes",
                    hint="Wait for it or end it, then run this again.",
                )
            if not told:
                say("another command is starting or stopping this sandbox; waiting for it")
                told = True
            await asyncio.sleep(0.1)


def _names_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if not path.name.startswith((".", "jars.part"))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SandboxError(f"{folder} cannot be used: {error.strerror}", hint="Give another with --home.") from error


def _try_lock(descriptor: int, path: Path) -> bool:
    """Whether the lock is ours now. One whose file was meanwhile removed, with the sandbox, keeps nobody out."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter; an existing one is closed to others."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Replace a file at once and durably, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def secret(path: Path) -> str:
    """The password of this file; made if there is none. The file holds it alone, without a line end."""
    with contextlib.suppress(FileNotFoundError):
        found = path.read_text(encoding="utf-8").strip()
        if found:
            return found
    made = secrets.token_urlsafe(24)
    write_private(path, made)
    return made


def trim_log(path: Path) -> None:
    """Set a large log aside as ``.1``, in place of the one set aside before."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_KEEP_BYTES:
            path.replace(path.with_suffix(".log.1"))
