"""Reading files that somebody else may have made: never more than was expected, and nothing that is no file.

A folder that comes from another hand can hold a pipe that never ends, a link to a device, or a file of any size in
the place of a tile.
"""

from __future__ import annotations

import errno
import os
from itertools import chain, count
from pathlib import Path
from stat import S_ISREG

from bus.errors import Malformed, UsageError
from bus.tlog.policy import MAX_POLICY, Policy


def read_regular(path: Path | str, limit: int) -> bytes | None:
    """The bytes of a regular file, at most ``limit`` + 1 of them: so that whoever asks sees that there are more.

    Returns:
        The bytes; None if nothing is there.

    Raises:
        OSError: it cannot be read, or is no regular file (``EINVAL``).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        known = os.fstat(handle)
        if not S_ISREG(known.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        found = os.read(handle, min(limit, known.st_size) + 1)
        while len(found) <= limit and (more := os.read(handle, limit + 1 - len(found))):
            found += more
    finally:
        os.close(handle)
    return found


def read_upto(file: Path, limit: int) -> bytes:
    """The bytes of a file or pipe that somebody named, at most ``limit`` + 1: whoever asks sees that there are more.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        return opened.read(limit + 1)


def load_policy(file: Path) -> Policy:
    """The policy of a log (c2sp.org/tlog-policy) in a file.

    Raises:
        UsageError: it cannot be read, or is no policy; which line breaks a rule is said.
    """
    hint = "docs/evidence.md shows what a policy looks like."
    try:
        return Policy.parse(read_upto(file, MAX_POLICY))
    except OSError as error:
        raise UsageError(f"policy {file} cannot be read: {error.strerror}", hint=hint) from error
    except Malformed as error:
        raise UsageError(f"{file} is not a policy: {error.detail.removeprefix('policy: ')}", hint=hint) from error


def lies(path: Path) -> bool:
    """Whether anything has this name, a link that leads nowhere too."""
    return os.path.lexists(path)


def unused(path: Path) -> Path:
    """A name that nothing has yet: what was kept by the last repair stays."""
    names = chain((path,), (path.with_name(f"{path.name}~{number}") for number in count(1)))
    return next(name for name in names if not lies(name))
