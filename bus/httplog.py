"""The log of an HTTP server that strangers reach."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


def server_log(name: str) -> logging.Logger:
    """A log for aiohttp's server, which writes a fault of ours and nothing of what a stranger sends.

    Bytes that are no HTTP are answered with 400. By default each of them is an error with a trace and with the bytes:
    anybody could fill the disk, and write what they like into it.
    """
    found = logging.getLogger(name)
    found.addFilter(_is_ours)
    return found


def _is_ours(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)
