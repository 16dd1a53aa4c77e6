"""The root of the command line: its commands, and how an error ends a call.

Exit codes: 0 done, 1 error, 2 usage, 3 checked and found false, 4 not allowed, 5 unavailable,
130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from bus import __version__
from bus.cli.base import LazyGroup, ReaderGone, Settings, say
from bus.errors import BusError

INTERRUPTED = 130

COMMANDS = {
    "sandbox": ("bus.cli.sandbox:sandbox", "Start, stop and look at a whole hub on this machine."),
    "demo": ("bus.cli.demo:demo", "Watch events travel from platforms to hotlines and police."),
    "publish": ("bus.cli.publish:publish", "Publish events from a file; print a receipt for each."),
    "consume": ("bus.cli.consume:consume", "Print an organisation's inbox, one event a line."),
    "convert": ("bus.cli.convert:convert", "Write events of files as documents of another format."),
    "notice": ("bus.cli.notice:notice", "Ask one addressee to take something down."),
    "recall": ("bus.cli.recall:recall", "Take an event back from everyone who got it."),
    "ack": ("bus.cli.ack:ack", "Tell an event's issuer what became of it."),
    "takedown": ("bus.cli.takedown:takedown", "Say what was done about a takedown notice."),
    "refer": ("bus.cli.refer:refer", "Pass a report on to the police of each nation."),
    "audit": ("bus.cli.audit:audit", "Ask the ledger: what was said, who knew, what was refused."),
    "evidence": ("bus.cli.evidence:evidence", "Check evidence of an event, offline."),
    "schema": ("bus.cli.schema:schema", "The vocabulary: list, show, and print an example."),
    "hub": ("bus.cli.hub:hub", "Run the hub's roles."),
    "witness": ("bus.cli.witness:witness", "Cosign a log's checkpoints: what each nation runs."),
    "completion": ("bus.cli.completion:completion", "Print a shell's completion script."),
}

EXAMPLES = """
bus demo
bus sandbox up
bus schema example HashHit --as ORG --to ORG | bus publish - --as ORG
bus consume --as ORG --follow
bus audit search --outcome refused
"""


class Root(LazyGroup):
    """The root group. It turns every ending of a call into an exit code and a sentence."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run, and exit with the code that design §6 gives the outcome."""
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        kept = extra.setdefault("obj", Settings())
        try:
            code = run(*args, standalone_mode=False, **extra)
            sys.stdout.flush()
        except BrokenPipeError as error:
            _leave_pipe(error.exit_code if isinstance(error, ReaderGone) else 1)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where all end
            code = report(error, verbose=kept.verbose)
        sys.exit(code if isinstance(code, int) else 0)


def _leave_pipe(code: int) -> NoReturn:
    """The reader of our output has gone (``| head``): leave quietly, as a filter does."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def report(error: BaseException, *, verbose: bool) -> int:
    """Say on stderr what went wrong and what to do next; return the exit code."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        if not error.args and sys.stderr.isatty():
            say("")  # below the question that stands open, or the terminal's own ^C
        say(str(error) or "interrupted", colour="yellow")
        return INTERRUPTED
    if verbose and not isinstance(error, click.ClickException):
        import traceback

        say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, BusError):
        return _tell(error.message, error.hint, error.exit_code)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return error.exit_code
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "bus"
        return _tell(error.format_message(), f"`{where} --help` shows how.", error.exit_code)
    if isinstance(error, click.ClickException):
        return _tell(error.format_message(), "", error.exit_code)
    if isinstance(error, OSError) and str(error):
        name = f"{error.filename}: " if error.filename else ""
        return _tell(f"{name}{error.strerror or error}", "", 1)
    hint = "This is a fault of ours. Run again with -v and report what it prints."
    return _tell(f"{type(error).__name__}: {error}".removesuffix(": "), hint, 1)


def _tell(message: str, hint: str, code: int) -> int:
    say(f"error: {message}", colour="red")
    if hint:
        say(f"hint: {hint}")
    return code


@click.group("bus", cls=Root, lazy=COMMANDS, examples=EXAMPLES, context_settings={
    "auto_envvar_prefix": "BUS", "help_option_names": ["-h", "--help"], "max_content_width": 100,
})  # fmt: skip
@click.version_option(__version__, prog_name="bus", message="%(prog)s %(version)s")
def cli() -> None:
    """A message bus and an audit ledger for agencies that protect children together.

    Data goes to stdout and talk to stderr. No imagery ever travels here.
    """
