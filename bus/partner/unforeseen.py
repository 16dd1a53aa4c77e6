"""What is logged of an error that nobody foresaw."""

from __future__ import annotations

import traceback


def trace() -> str:
    """The trace of the error that is being handled, as text.

    A log that is given the error itself writes it as the partner's program has set up. Structlog does, by default,
    with every variable of every frame: keys and opened content among them.
    """
    return traceback.format_exc()
