"""An input that can be read twice: once to check all of it, once to send.

A regular file is kept open and must not change in between; anything else (standard input, a pipe) is spooled to a
nameless file in the state folder, which is gone when the program is, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import BinaryIO

from bus.errors import InvalidFile, UsageError

STDIN = "-"
MAX_FILES = 512
MAX_SPOOL = 4 << 30
_CHUNK = 1 << 20


class Source:
    """A seekable input and what to call it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self.name = name
        self._stamp = self._state()

    def _state(self) -> tuple[int, int]:
        found = os.fstat(self._stream.fileno())
        return found.st_size, found.st_mtime_ns

    def again(self) -> BinaryIO:
        """The input from its beginning.

        Raises:
            InvalidFile: it was changed since it was opened.
        """
        self.check_unchanged()
        self._stream.seek(0)
        return self._stream

    def check_unchanged(self) -> None:
        """See that the input is what it was when it was opened.

        Raises:
            InvalidFile: it is not.
        """
        if self._state() != self._stamp:
            raise InvalidFile(
                self.name, "the whole file", "was changed while it was read", hint="Run again when it is complete."
            )


@contextlib.contextmanager
def open_source(file: str, stdin: BinaryIO, spool_folder: Path) -> Generator[Source]:
    """Open a file, or standard input for ``-``.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        if file == STDIN:
            yield Source(stack.enter_context(_spool(stdin, spool_folder)), "standard input")
            return
        try:
            stream = stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            yield Source(stream, file)
        else:
            yield Source(stack.enter_context(_spool(stream, spool_folder)), file)


@contextlib.contextmanager
def open_sources(files: Sequence[str], stdin: BinaryIO, spool_folder: Path) -> Generator[tuple[Source, ...]]:
    """Open several files at once.

    Raises:
        UsageError: one cannot be read, standard input is named twice, or there are too many.
    """
    if len(files) > MAX_FILES:
        raise UsageError(f"more than {MAX_FILES} files", hint="Publish them in several runs.")
    if files.count(STDIN) > 1:
        raise UsageError("standard input is named twice")
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(open_source(file, stdin, spool_folder)) for file in files)


@contextlib.contextmanager
def _spool(stream: BinaryIO, folder: Path) -> Generator[BinaryIO]:
    """A copy of a stream in a file without a name."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder) as spooled:
        shutil.copyfileobj(stream, spooled, _CHUNK)
        if spooled.tell() > MAX_SPOOL:
            raise UsageError(f"the input is larger than {MAX_SPOOL >> 30} GiB", hint="Give it as a file.")
        spooled.flush()
        yield spooled
