r"""Where logs reach a witness: what its operator said, else the address that it listened on last.

::

    <folder>/address     two lines: where it listens, and the public URL, which may be empty

What stands before a witness on the Internet has a name that the witness cannot know, so nobody guesses one.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from bus.errors import Unavailable, UsageError
from bus.files import read_regular
from bus.witness.home import Home

MAX_ADDRESS = 4096
SAY_IT = "Say it with --url or BUS_WITNESS_URL; `bus witness run --url URL` keeps it for later."


def checked(url: str) -> str:
    """A URL as a policy names it (c2sp.org/tlog-policy): what ``/add-checkpoint`` is appended to, without a slash.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_ADDRESS // 4:
        raise UsageError("--url: it is no URL that a policy can name", hint="Such as https://witness.example/north.")
    return url.rstrip("/")


def note(home: Home, listens: str, url: str | None) -> None:
    """Keep where a witness listens, and its public URL; one that was given before stays.

    Raises:
        Unavailable: the folder cannot be written.
    """
    kept = _read(home)[1] if url is None else checked(url)
    draft = home.folder / ".address.part"
    try:
        draft.write_text(f"{listens}\n{kept}\n", encoding="ascii")
        draft.replace(home.folder / "address")
    except OSError as error:
        raise Unavailable(f"{home.folder}: {error.strerror}") from error


def reached_at(home: Home) -> str:
    """The public URL that was given, else the address that the witness listened on last.

    Raises:
        UsageError: neither is known, or it listened on every address of its machine.
    """
    listens, url = _read(home)
    if not (url or listens):
        raise UsageError("where logs reach this witness is not known", hint=SAY_IT)
    if not url and _is(listens, "is_unspecified"):
        raise UsageError("this witness listens on every address of its machine, and none is said", hint=SAY_IT)
    return checked(url or listens)


def is_local(url: str) -> bool:
    """Whether only programs on the same machine reach it."""
    return urlsplit(url).hostname == "localhost" or _is(url, "is_loopback")


def _is(url: str, what: str) -> bool:
    try:
        return bool(getattr(ipaddress.ip_address(urlsplit(url).hostname or ""), what))
    except ValueError:
        return False


def _read(home: Home) -> tuple[str, str]:
    """The two lines; empty where there are none."""
    path = home.folder / "address"
    try:
        lines = (read_regular(path, MAX_ADDRESS) or b"\n\n").decode("ascii").split("\n")
    except (OSError, UnicodeDecodeError):
        lines = []
    if len(lines) != 3:
        raise UsageError(f"{path} is not what a witness writes", hint=f"Remove it. {SAY_IT}")
    return lines[0], lines[1]
