"""What travels over Kafka, as bytes: one record read, one to be written, one written."""

from __future__ import annotations

from msgspec import Struct

Headers = tuple[tuple[str, bytes], ...]
"""Kafka headers in order; names may repeat, and a reader must check that they do not."""


class Record(Struct, frozen=True, gc=False):
    """One record as read from a topic's only partition."""

    topic: str
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> bytes | None:
        """The value of the first header of that name, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Outgoing(Struct, frozen=True, gc=False):
    """One record to be written to a topic's only partition."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | list[tuple[str, bytes]]


class Sent(Struct, frozen=True, gc=False):
    """Where a record landed."""

    topic: str
    offset: int


class WriteFailed(Struct, frozen=True):
    """A record that the broker did not take, or may not have taken (``unknown``)."""

    topic: str
    error: str
    unknown: bool
    retriable: bool
