"""Asks a person for what a command needs, or takes it from flags: the same rules for both.

On a terminal what was not given is asked for, with the choices and their meaning. Elsewhere a missing flag is a usage
error that names the flag. Questions go to stderr. What may be sealed comes from a file or a prompt, and stands in
no error and no log.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from bus.cli.base import say
from bus.errors import UsageError
from bus.nearest import did_you_mean, nearest

T = TypeVar("T")

UNSAID = "Nothing was said."
"""How an act ends that was broken off before it was confirmed."""

MOST_TEXT = 64 * 1024
"""Bytes of a file of prose or addresses: no event has room for more."""


def on_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Form:
    """One command's questions. ``asks`` is whether there is somebody to ask."""

    def __init__(self, *, asks: bool | None = None) -> None:
        self.asks = on_terminal() if asks is None else asks

    def one(self, flag: str, given: str | None, list_name: str, question: str,
            *, among: Sequence[str] | Mapping[str, str] = ()) -> str:  # fmt: skip
        """One code of a list.

        Args:
            flag: the flag that gives it.
            given: what it gave.
            list_name: the code list that has the meanings.
            question: what to ask.
            among: the codes to choose from, with their own meanings or the list's; all of the list if there are none.

        Raises:
            UsageError: there is no such code, or nobody to ask.
        """
        return self.many(flag, () if given is None else (given,), list_name, question, among=among, most=1)[0]

    def many(
        self,
        flag: str,
        given: Sequence[str],
        list_name: str,
        question: str,
        *,
        among: Sequence[str] | Mapping[str, str] = (),
        most: int = 8,
        optional: bool = False,
    ) -> list[str]:
        """Some codes of a list, in the order given, each once; at least one, unless it is ``optional``.

        Raises:
            UsageError: one is no such code, there are too many, or nobody to ask.
        """
        from bus.events.codes import codes

        known = codes(list_name)
        own = among if isinstance(among, Mapping) else known
        choices = {code: own.get(code, "") for code in among or known}

        def check(words: Sequence[str]) -> list[str]:
            found = list(dict.fromkeys(words))
            for word in found:
                if word not in choices:
                    raise UsageError(_no_such(flag, word, choices), hint=f"One of: {', '.join(choices)}.")
            if not found and not optional:
                raise UsageError(f"{flag}: choose one at least")
            if len(found) > most:
                raise UsageError(f"{flag}: {most} at most")
            return found

        if given:
            return check(given)
        if optional and not self.asks:
            return []
        self._menu(question, choices)
        several = "several with spaces between, " if most > 1 else ""
        rest = "Enter alone for none" if optional else "by name or number"
        return self._ask(flag, f"{several}{rest}", lambda text: check(_picked(text, choices)),
                         "" if optional else None)  # fmt: skip

    def text(self, flag: str, given: str | None, question: str, rule: Callable[[str], T], default: str = "") -> T:
        """One value that a rule reads; a default is taken where nobody is asked.

        Raises:
            UsageError: the rule's own, or nobody to ask.
        """
        if given is None and default and not self.asks:
            given = default
        return rule(given) if given is not None else self._ask(flag, question, rule, default)

    def prose(self, flag: str, path: str | None, question: str) -> str | None:
        """Words that will be sealed: from a file, or asked for; None if there are none.

        Raises:
            UsageError: the file cannot be read.
        """
        if path is not None:
            return read_text(flag, path).strip() or None
        if not self.asks:
            return None
        return self._ask(flag, f"{question} (Enter for none)", lambda text: text.strip() or None, "")

    def lines(self, flag: str, path: str | None, question: str, rule: Callable[[int, str], T]) -> list[T]:
        """Lines that will be sealed, each read by a rule with its number: from a file, or asked for one by one.

        Raises:
            UsageError: the rule's own for a file, the file cannot be read, or there is nobody to ask.
        """
        if path is not None:
            given = [line for line in (raw.strip() for raw in read_text(flag, path).split("\n")) if line]
            return [rule(number, line) for number, line in enumerate(given, 1)]
        found: list[T] = []
        while True:
            number = len(found) + 1
            read = self._ask(flag, f"{question} ({number}; Enter to end)", _or_none(lambda t, n=number: rule(n, t)), "")
            if read is None:
                return found
            found.append(read)

    def confirm(self, summary: Sequence[tuple[str, str]], question: str, *, sure: bool) -> None:
        """Show what will be said and ask whether to say it; nobody is asked who said so already, or who is not there.

        Raises:
            click.Abort: no; it says that nothing was said.
        """
        width = max(len(name) for name, _ in summary)
        for name, value in summary:
            say(f"  {name:<{width}}  {value}")
        if self.asks and not sure and not self.sure(question):
            raise click.Abort(UNSAID)

    def sure(self, question: str) -> bool:
        """Yes or no, where there is somebody to ask; no with Enter.

        Raises:
            click.Abort: neither, but Ctrl-C; it says that nothing was said.
        """
        return _answered(lambda: click.confirm(question, err=True))

    def _menu(self, question: str, choices: Mapping[str, str]) -> None:
        if not self.asks:
            return
        say(f"{question}:")
        width = max(map(len, choices))
        for number, (code, meaning) in enumerate(choices.items(), 1):
            say(f"  {number:>2}  {code:<{width}}  {meaning}")

    def _ask(self, flag: str, question: str, rule: Callable[[str], T], default: str | None = None) -> T:
        """Ask until the answer follows the rule."""
        if not self.asks:
            raise UsageError(f"{flag} is needed", hint="On a terminal it is asked for; `--help` says what it takes.")
        shown = default or ("" if default is not None else None)
        while True:
            answer = _answered(partial(click.prompt, question, default=shown, show_default=bool(default), err=True))
            try:
                return rule(answer)
            except UsageError as error:
                say(_sentences(error.message, error.hint), colour="yellow")


def _sentences(*parts: str) -> str:
    """Each part that is there with its full stop, unless it asks."""
    return " ".join(part if part.endswith("?") else part.rstrip(". ") + "." for part in parts if part)


def _answered(ask: Callable[[], T]) -> T:
    """Ask one question; Ctrl-C and the end of the input leave, and say that nothing was said."""
    try:
        return ask()
    except click.Abort:
        say("")  # below the question that stands open
        raise click.Abort(UNSAID) from None


def read_text(flag: str, path: str) -> str:
    """A small text file, or standard input for ``-``. Nothing of it stands in an error.

    Raises:
        UsageError: it cannot be read, is too long, or is no UTF-8.
    """
    from bus.files import read_upto

    try:
        data = sys.stdin.buffer.read(MOST_TEXT + 1) if path == "-" else read_upto(Path(path), MOST_TEXT)
    except OSError as error:
        raise UsageError(f"{flag} {path}: {error.strerror}") from None
    if len(data) > MOST_TEXT:
        raise UsageError(f"{flag} {path}: more than 64 KiB", hint="Leave long content with a custodian.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{flag} {path}: it is no UTF-8") from None


def _or_none(rule: Callable[[str], T]) -> Callable[[str], T | None]:
    """A rule that takes no answer as well."""
    return lambda text: rule(text.strip()) if text.strip() else None


def _picked(text: str, choices: Mapping[str, str]) -> list[str]:
    """Codes by name or by number."""
    names = list(choices)
    return [
        names[int(word) - 1] if re.fullmatch(r"[1-9][0-9]?", word) and int(word) <= len(names) else word
        for word in text.replace(",", " ").split()
    ]


def _no_such(flag: str, word: str, choices: Mapping[str, str]) -> str:
    meant = did_you_mean(nearest(word, choices))
    return f"{flag}: no such code" + (f". {meant}" if meant else "")
