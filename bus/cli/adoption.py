"""Prints the events by which a text comes into force, word for word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from bus.errors import UsageError


def print_adoption(kind: str, name: str, file: Path, check: Callable[[str], object]) -> None:
    """Check the text of a file, and print its events, one a line.

    Raises:
        UsageError: it is not UTF-8, or too long for its parts; or the check's own.
        OSError: it cannot be read.
    """
    from bus.files import read_upto
    from bus.trust.adoptions import MAX_PART_BYTES, MAX_PARTS, adoption

    try:
        text = read_upto(file, MAX_PARTS * MAX_PART_BYTES).decode()
        check(text)
        bodies = adoption(kind, name, text)
    except ValueError as error:  # UnicodeDecodeError is one
        raise UsageError(f"{file} cannot be adopted: it is not UTF-8, or too long for its parts") from error
    for body in bodies:
        click.echo(json.dumps({"type": "PolicyAdopted", "header": {"step": "adopted"}, "body": body}))
