"""Where documents are put, so that what was put is still there after a crash.

Two forms. A folder gets the files of each event as they come; a file gets the documents of all events, and is there
at the end or not at all. Both write under a temporary name, sync, and rename; files are for their owner alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

from bus.adapters.documents import Document, Envelope
from bus.adapters.formats import envelope
from bus.errors import UsageError

_HIDDEN = ".bus-"


class Outlet(Protocol):
    """Takes documents. A context manager; ``finish`` comes before its end if all went well."""

    at_once: bool
    """Whether what was put is durable when ``put`` returns; else when ``finish`` does."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def put(self, event_id: str, documents: Sequence[Document]) -> None:
        """Take an event's documents, the main one last.

        Raises:
            OSError: they could not be written.
        """
        ...

    def finish(self) -> None:
        """Make all of it durable, and visible under its name.

        Raises:
            OSError: it could not be.
        """
        ...


def open_outlet(form: str, path: str) -> Outlet:
    """The outlet for a format and what ``--out`` says.

    A path that ends with a slash, or is a folder, is a folder. Another is a file, if the format's documents can stand
    together in one, else a folder too.

    Raises:
        UsageError: the path is taken, or cannot be made.
    """
    around = envelope(form)
    place = Path(path)
    if around is None or path.endswith(os.sep) or place.is_dir():
        return Folder(place, around)
    return Single(place, around)


class Folder:
    """A folder: ``<event id>.<document's name>`` for each document.

    The names follow from the event, so that writing an event again after a crash replaces its files by equal ones.
    An event's main document is renamed last: who sees it sees the others.
    """

    at_once = True

    def __init__(self, path: Path, around: Envelope | None) -> None:
        self._path, self._around = path, around

    def __enter__(self) -> Self:
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError(f"--out {self._path}: no folder can be made there: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    def put(self, event_id: str, documents: Sequence[Document]) -> None:
        """Write an event's files; they are durable when this returns."""
        before, after = (self._around.before, self._around.after) if self._around else (b"", b"")
        made: list[tuple[str, Path]] = []
        try:
            for document in documents:
                stream, name = _temporary(self._path)
                made.append((name, self._path / f"{event_id}.{document.name}"))
                with stream:
                    stream.write(before + document.content + after)
                    _sync(stream)
            for name, place in made:
                Path(name).replace(place)
        finally:
            for name, _ in made:
                Path(name).unlink(missing_ok=True)
        _sync_folder(self._path)

    def finish(self) -> None:
        """All is durable already."""


class Single:
    """One file, which must not be there yet: what stands in one was taken from an inbox that no longer has it."""

    at_once = False

    def __init__(self, path: Path, around: Envelope) -> None:
        self._path, self._around = path, around
        self._count = 0

    def __enter__(self) -> Self:
        if os.path.lexists(self._path):
            raise UsageError(f"--out {self._path}: is there already", hint="Name a file that is not, or a folder.")
        try:
            self._stream, self._name = _temporary(self._path.parent)
        except OSError as error:
            raise UsageError(f"--out {self._path}: cannot be written there: {error.strerror}") from error
        self._stream.write(self._around.before)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        Path(self._name).unlink(missing_ok=True)

    def put(self, event_id: str, documents: Sequence[Document]) -> None:  # noqa: ARG002 - one file has one name
        """Add an event's documents; they are durable after ``finish``."""
        for document in documents:
            self._stream.write((self._around.between if self._count else b"") + document.content)
            self._count += 1

    def finish(self) -> None:
        """Give the file its name, unless somebody else did meanwhile; without a document there is no file."""
        if not self._count:
            return
        self._stream.write(self._around.after)
        _sync(self._stream)
        os.link(self._name, self._path)
        _sync_folder(self._path.parent)


def _temporary(folder: Path) -> tuple[BinaryIO, str]:
    """A new file that only its owner can read."""
    handle, name = tempfile.mkstemp(prefix=_HIDDEN, dir=folder)
    return cast("BinaryIO", os.fdopen(handle, "wb")), name


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
