"""Runs a command's coroutine: uvloop where there is one, logs to stderr, signals that lose nothing."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from bus.cli.base import settings, use_colour

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], *, level: int = logging.ERROR) -> T:
    """Run ``main`` to its end. Ctrl-C and SIGTERM cancel it, so that it closes what it opened.

    Args:
        main: the command's work.
        level: which logs to write; all of them under ``--verbose``.
    """
    configure_logs(logging.DEBUG if settings().verbose else level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_until_told(main))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def _until_told(main: Coroutine[Any, Any, T]) -> T:
    """Let SIGTERM end the work as Ctrl-C does, also where a shell started us with SIGINT ignored."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await main


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def configure_logs(level: int) -> None:
    """Logs go to stderr: readable on a terminal, else one JSON object a line."""
    logging.basicConfig(stream=sys.stderr, level=max(level, logging.INFO), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL if level > logging.DEBUG else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL if level > logging.INFO else logging.INFO)
    last = (
        structlog.dev.ConsoleRenderer(  # its own traceback shows every variable: keys, and what was sealed
            colors=use_colour(sys.stderr), exception_formatter=structlog.dev.plain_traceback
        )
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if sys.stderr.isatty() else [structlog.processors.format_exc_info]),
            last,
        ],
    )
