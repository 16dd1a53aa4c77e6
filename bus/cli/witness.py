"""``bus witness``: what a nation runs, so that nobody can show two people two histories of a log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bus.cli.base import F, command, group, option, output_option, say, settings

if TYPE_CHECKING:
    from bus.tlog.vkey import VerifierKey
    from bus.witness.home import Home
    from bus.witness.witness import Witness

COLUMNS = ("origin", "size", "root", "cosigned_at", "keys", "forks")

_LAZY = {
    "key": ("bus.cli.witness:key", "Make the witness's key, or show the public half."),
    "trust": ("bus.cli.witness:trust", "Cosign a log from now on, or no more."),
    "run": ("bus.cli.witness:run_witness", "Answer logs that ask for cosignatures, until stopped."),
    "status": ("bus.cli.witness:status", "What was cosigned, and whether a log has forked."),
    "policy": ("bus.cli.witness:policy", "The line that others put into their policy."),
}


@group(lazy=_LAZY, examples="""
bus witness key --name witness.example/north
bus witness trust ledger.example/safeguard+5a9e4cd7+AQ…
bus witness run
""")  # fmt: skip
def witness() -> None:
    """Cosign a log's checkpoints while it only grows.

    A witness is a key and a memory of what it has cosigned. Both live in one folder, ./.bus/witness or
    where --dir says.
    """


def dir_option() -> Callable[[F], F]:
    """``--dir DIR``, passed as ``folder``."""
    return option(
        "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), envvar="BUS_WITNESS_DIR",
        help="The witness's folder.  [default: witness, in the state folder]",
    )  # fmt: skip


@command("key", examples="""
bus witness key --name witness.example/north
bus witness key
""")  # fmt: skip
@option("--name", envvar="BUS_WITNESS_NAME", help="Make a new witness of this name, best a URL without its scheme.")
@dir_option()
def key(name: str | None, folder: Path | None) -> None:
    """Make the witness's key, or show the public half.

    A key belongs to one witness, one folder and this purpose only. Asked again for the same name, it
    shows the key that is there.
    """
    home = _home(folder)
    made = home.make(name) if name and not home.key_file.exists() else home.key()
    if name and made.verifier.name != name:
        from bus.errors import UsageError

        raise UsageError(f"{home.folder} is {made.verifier.name}'s", hint="Name another folder with --dir.")
    click.echo(made.verifier.encode())


@command("trust", examples="""
bus witness trust ledger.example/safeguard+5a9e4cd7+AQ…
bus witness trust ledger.example/safeguard+5a9e4cd7+AQ… --vouched checkpoint
bus witness trust --remove ledger.example/safeguard+5a9e4cd7+AQ…
""")  # fmt: skip
@click.argument("vkey")
@option("--origin", help="The log's origin.  [default: the key's name]")
@option("--remove", is_flag=True, help="Cosign no more what this key signs. What was cosigned stays remembered.")
@option("--vouched", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="CHECKPOINT",
        help="Only if this checkpoint is signed by VKEY and by a key of the log that is trusted already.")  # fmt: skip
@dir_option()
def trust(vkey: str, origin: str | None, remove: bool, vouched: Path | None, folder: Path | None) -> None:
    """Cosign from now on what a log signs with the key VKEY.

    A witness that runs takes it up at once. A log may have several keys. With --vouched the old key speaks
    for the new one; without it, compare VKEY over a second channel.
    """
    from bus.files import read_upto
    from bus.tlog.note import MAX_NOTE

    log_key = _vkey(vkey)
    with _opened(folder) as found:
        if vouched is not None:
            found.is_vouched(log_key, read_upto(vouched, MAX_NOTE), origin)
        if remove:
            found.distrust(log_key, origin)
            say(f"no longer trusted: {log_key.name}")
        else:
            say(f"trusted: {found.trust(log_key, origin)}")


@command("run", examples="""
bus witness run
bus witness run --url https://witness.example/north
bus witness run --host 0.0.0.0 --port 8080 --dir /var/lib/witness
""")  # fmt: skip
@option("--host", default="127.0.0.1", show_default=True, envvar="BUS_WITNESS_HOST", help="The address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=7380, show_default=True, envvar="BUS_WITNESS_PORT",
        help="The port; 0 takes one that is free.")  # fmt: skip
@option("--ready-file", type=click.Path(path_type=Path, dir_okay=False),
        help="Written once it listens: process id and URL; removed at the end.")  # fmt: skip
@option("--url", envvar="BUS_WITNESS_URL", metavar="URL",
        help="Where logs reach it, if not where it listens; kept for 'bus witness policy'.")  # fmt: skip
@dir_option()
def run_witness(host: str, port: int, ready_file: Path | None, url: str | None, folder: Path | None) -> None:
    """Answer logs that ask for cosignatures, until SIGTERM or Ctrl-C.

    It speaks plain HTTP. On the Internet, a web server with TLS stands before it; --url is that server's.
    """
    from bus.cli.runtime import run
    from bus.witness.service import run as serve

    run(serve(_home(folder), host, port, ready_file, url), level=logging.INFO)


@command("status", examples="""
bus witness status
bus witness status -o json
""")  # fmt: skip
@output_option("table", "json", "ndjson", "csv")
@dir_option()
def status(output: str, folder: Path | None) -> int:
    """What was cosigned, and whether a log has forked.

    Exit code 3 if the witness keeps the proof that a log has signed two trees of one size.
    """
    from bus.cli.output import RowWriter

    with _opened(folder) as found:
        logs, forks = found.store.logs(), found.store.forks()
        verifier = found.key.verifier
    if output == "table":
        say(f"witness {verifier.encode()}")
    with RowWriter(output, COLUMNS, envelope="logs") as rows:
        for one in logs:
            forked = sum(fork.origin == one.origin for fork in forks)
            rows.write({
                "origin": one.origin, "size": one.newest.size, "root": one.newest.root.hex(),
                "cosigned_at": _time(one.time_s) if one.time_s else None, "keys": len(one.keys), "forks": forked,
            })  # fmt: skip
        rows.finish(name=verifier.name, vkey=verifier.encode(), forks=[_shown(fork) for fork in forks])
    for fork in forks:
        say(f"{fork.origin} has signed two trees of size {fork.size}; -o json prints both notes", colour="red")
    return 3 if forks else 0


@command("policy", examples="""
bus witness policy
bus witness policy --url https://witness.example/north
""")  # fmt: skip
@option("--url", envvar="BUS_WITNESS_URL", metavar="URL",
        help="Where logs reach this witness.  [default: what 'run' was told, else where it listened last]")  # fmt: skip
@dir_option()
def policy(url: str | None, folder: Path | None) -> None:
    """The line that others put into their policy (c2sp.org/tlog-policy).

    It names the address that logs ask. Nothing is guessed: a witness that never ran is given one by --url.
    """
    from bus.witness.address import SAY_IT, checked, is_local, reached_at

    home = _home(folder)
    verifier = home.key().verifier
    url = reached_at(home) if url is None else checked(url)
    if is_local(url):
        say(f"Only programs on this machine reach it at {url}. {SAY_IT}", colour="yellow")
    click.echo(f"witness {verifier.name} {verifier.encode()} {url}")


def _home(folder: Path | None) -> Home:
    from bus.witness.home import Home

    return Home((folder or settings().state / "witness").expanduser().absolute())


def _vkey(text: str) -> VerifierKey:
    from bus.errors import Malformed, UsageError
    from bus.tlog.vkey import VerifierKey

    try:
        return VerifierKey.decode(text)
    except Malformed:
        raise UsageError(
            "VKEY is no verifier key", hint="It is one line: name, 8 hex digits and base 64, with a plus between."
        ) from None


@contextmanager
def _opened(folder: Path | None) -> Generator[Witness]:
    from bus.witness.witness import Witness

    home = _home(folder)
    own = home.key()
    store = home.store(own)
    try:
        yield Witness(own, store)
    finally:
        store.close()


def _time(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def _shown(fork: Any) -> dict[str, Any]:
    notes = {"note": fork.note.decode(), "cosigned_note": fork.cosigned_note.decode()}
    return {"origin": fork.origin, "size": fork.size, "seen_at": _time(fork.time_s), **notes}
