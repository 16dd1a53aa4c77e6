"""What a shell may complete: codes with their meanings, event types, steps, organisations of the sandbox, files.

Nothing here talks to a hub, and what it needs is imported when a shell asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from bus.cli.base import Settings
from bus.errors import BusError

Completer = Callable[[click.Context, click.Parameter, str], list[Any]]

_LIST = re.compile(r"code of (?:schemas/codes/)?([a-z_]+)")


def usual(metavar: str, text: str) -> Completer | None:
    """What completes an option or argument of this metavar. A code's list is the one that the help names."""
    named = _LIST.search(text)
    if metavar == "CODE" and named is not None:
        return codes_of(named[1])
    if metavar in {"FILE|-", "FILE|-…", "PATH"}:
        return files
    return {"ORG": organisations(), "TYPE": types, "TYPE|ID|LIST": types_and_lists, "STEP": steps}.get(metavar)


def codes_of(name: str) -> Completer:
    """The codes of a list, with their meanings."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from bus.events.codes import codes

        return _items(codes(name), incomplete)

    return complete


def words(found: Mapping[str, str]) -> Completer:
    """Words with their meanings."""
    return lambda _ctx, _param, incomplete: _items(found, incomplete)


def refusals(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Why records are refused."""
    from bus.events.refusals import refusals as known

    return _items({code: meaning for code, (meaning, _) in known().items()}, incomplete)


def types(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Event types, in any case: a person may not know where the capitals are."""
    from bus.events.registry import all_schemas

    start = incomplete.casefold()
    return [info.name for info in all_schemas() if info.name.casefold().startswith(start)]


def types_and_lists(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What ``bus schema show`` takes."""
    from bus.cli.codelist import names

    return [*types(ctx, param, incomplete), *_starting(names(), incomplete)]


def steps(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The steps of the type that is given beside it, else of all."""
    from bus.events.registry import all_schemas

    typed = {*ctx.args, *(value for value in ctx.params.values() if isinstance(value, str))}
    named = [info.steps for info in all_schemas() if info.name in typed] or [info.steps for info in all_schemas()]
    return _starting(sorted({step for steps in named for step in steps}), incomplete)


def organisations(role: str = "") -> Completer:
    """The organisations of the sandbox in the state folder, or those with a role."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from bus.cli.sandboxed import organisations as known

        try:
            found = known(ctx.ensure_object(Settings).state)
        except BusError:
            return []
        fit = {org: facts.get("name", "") for org, facts in found.items() if not role or role in facts.get("roles", ())}
        return _items(fit, incomplete)

    return complete


def deadlines(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The rows of the shipped deadlines."""
    import tomllib

    from bus.paths import ops_dir

    text = Path(ops_dir() / "deadlines.toml").read_text(encoding="utf-8")
    return _starting(tomllib.loads(text)["deadline"], incomplete)


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Whatever the shell itself says of files."""
    return [CompletionItem(incomplete, type="file")]


def _items(found: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(code, help=meaning) for code, meaning in found.items() if code.startswith(incomplete)]


def _starting(found: Iterable[str], incomplete: str) -> list[str]:
    return [one for one in found if one.startswith(incomplete)]
