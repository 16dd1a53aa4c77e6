"""What every command here shares: settings, options with ``BUS_*`` variables, examples in the help.

A command is made with :func:`command`, a group with :func:`group`; both take ``examples``, shown
verbatim under ``--help``; a command also takes ``lists``, by their headings. Options come from :func:`option`,
which names their variable in the help. Commands return ``None`` for exit code 0, or the exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from bus.nearest import did_you_mean, nearest

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_HOME = ".bus"
OUTPUT_FORMS = ("table", "json", "ndjson", "csv", "pretty")


class ReaderGone(BrokenPipeError):
    """Whoever read our output has gone; ``exit_code`` says what became of the rest."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class Settings:
    """What holds for the whole call: the state folder, and how much to say."""

    def __init__(self) -> None:
        self.home: Path | None = None
        self.verbose = False

    @property
    def state(self) -> Path:
        """The state folder: ``--home``, ``BUS_HOME``, or ``.bus`` here; absolute."""
        return (self.home or Path(DEFAULT_HOME)).expanduser().absolute()


def settings() -> Settings:
    """The settings of the running command."""
    return click.get_current_context().ensure_object(Settings)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Keep a shared option in the settings; one given on the command line beats a variable."""
    kept = ctx.ensure_object(Settings)
    name = param.name or ""
    given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    if value and (given or not getattr(kept, name)):
        setattr(kept, name, value)
    return value


def _shared_options() -> list[click.Parameter]:
    home = click.Option(
        ["--home"],
        type=click.Path(path_type=Path, file_okay=False),
        envvar="BUS_HOME",
        show_envvar=True,
        expose_value=False,
        callback=_keep,
        is_eager=True,
        help=f"State folder.  [default: ./{DEFAULT_HOME}]",
    )
    verbose = click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        envvar="BUS_VERBOSE",
        show_envvar=True,
        expose_value=False,
        callback=_keep,
        is_eager=True,
        help="Say more on stderr: logs, and the traceback of an error.",
    )
    return [home, verbose]


class _WithExamples(click.Command):
    """A command whose help ends with lists and examples, and that takes the shared options."""

    def __init__(
        self,
        *args: Any,
        examples: str = "",
        lists: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)
        self.lists = dict(lists or {})
        self.examples = [line.strip() for line in examples.strip().splitlines()]
        self.params.extend(_shared_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lists, and the examples as they are, one to a line."""
        super().format_epilog(ctx, formatter)
        for heading, rows in self.lists.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class BusCommand(_WithExamples):
    """A command of ``bus``."""


class LazyGroup(_WithExamples, click.Group):
    """A group whose commands are imported when they are called, not when they are listed.

    ``lazy`` maps a command's name to its import path (``package.module:attribute``) and its line
    in the group's help.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in the order they were given."""
        return [*super().list_commands(ctx), *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command if it is a lazy one."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        return getattr(import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, the lazy ones by the lines given for them, without importing one."""
        lines = [(name, self.commands[name].get_short_help_str(100)) for name in super().list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([*lines, *((name, line) for name, (_, line) in self.lazy.items())])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, say what is near."""
        name = args[0]
        if name.startswith("-") or self.get_command(ctx, name) is not None or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        meant = did_you_mean(nearest(name, self.list_commands(ctx)))
        raise click.UsageError(f"no such command {name!r}. {meant}".rstrip(), ctx)


command = partial(click.command, cls=BusCommand)
group = partial(click.group, cls=LazyGroup)


class _Near(click.Choice[str]):
    """A choice that says which of its words a wrong one is most like."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, which must be one of the choices."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            meant = did_you_mean(nearest(str(value), self.choices))
            self.fail(f"{error.message} {meant}".rstrip(), param, ctx)


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """An option whose help names its variable, and which a shell completes by its metavar."""
    from bus.cli.complete import usual

    attributes.setdefault("shell_complete", usual(attributes.get("metavar", ""), attributes.get("help", "")))
    if isinstance(choice := attributes.get("type"), click.Choice):
        attributes["type"] = _Near(cast("click.Choice[str]", choice).choices)
    return click.option(*names, show_envvar=True, **attributes)


def argument(name: str, **attributes: Any) -> Callable[[F], F]:
    """An argument which a shell completes by its metavar."""
    from bus.cli.complete import usual

    attributes.setdefault("shell_complete", usual(attributes.get("metavar", ""), ""))
    return click.argument(name, **attributes)


def as_option(*, required: bool = True, text: str = "The organisation to act as.", role: str = "") -> Callable[[F], F]:
    """``--as ORG``, passed as ``as_org``; a shell completes organisations of the sandbox, or those with a role."""
    from bus.cli.complete import organisations

    return option(
        "--as", "as_org", metavar="ORG", required=required, envvar="BUS_AS", help=text,
        shell_complete=organisations(role),
    )  # fmt: skip


class _OutputOption(click.Option):
    """``-o``. Its variable holds for all commands, so a form that this one does not have leaves it at its default."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable's value, unless it is a form of other commands only; that is said once."""
        value = super().resolve_envvar_value(ctx)
        if value not in OUTPUT_FORMS or value in cast("click.Choice[str]", self.type).choices:
            return value
        if not ctx.resilient_parsing and not ctx.meta.setdefault("bus.output.said", False):
            ctx.meta["bus.output.said"] = True
            say(f"BUS_OUTPUT={value} is no form of this command, which prints '{self.default}'.", colour="yellow")
        return None


def output_option(*forms: str, default: str = "table") -> Callable[[F], F]:
    """``-o FORM``, passed as ``output``."""
    return option(
        "-o", "--output", type=click.Choice(forms), default=default, show_default=True, envvar="BUS_OUTPUT",
        help="How to print.", cls=_OutputOption,
    )  # fmt: skip


def say(message: str = "", *, colour: str | None = None) -> None:
    """Talk to the person, on stderr; coloured on a terminal only, and never under ``NO_COLOR``."""
    if colour and use_colour(sys.stderr):
        message = click.style(message, fg=colour)
    click.echo(message, err=True)


def use_colour(stream: Any) -> bool:
    """Whether to colour what goes to this stream."""
    import os

    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and bool(stream.isatty())
