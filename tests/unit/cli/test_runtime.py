"""What a command that runs a coroutine writes to its log."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from bus.cli.runtime import configure_logs
configure_logs(logging.INFO)
def fail():
    plaintext = "what was sealed"
    raise ValueError("it broke")
try:
    fail()
except ValueError:
    structlog.get_logger("test").exception("test.failed")
"""


def said_on_a_terminal() -> str:
    """What a person who sits at a terminal sees of it."""
    ours, theirs = os.openpty()
    try:
        subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, stdout=theirs, check=True)
        return os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def said_to_a_file() -> str:
    """What stands in a log."""
    return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("said", [said_on_a_terminal, said_to_a_file])
def test_a_traceback_shows_lines_and_no_values(said):
    """Where something broke is told, on a terminal too; what stood in a variable there may be a key or a report."""
    text = said()
    assert "test.failed" in text
    assert "ValueError: it broke" in text
    assert "in fail" in text
    assert 'plaintext = "what was sealed"' not in text
    assert "what was sealed" not in text
