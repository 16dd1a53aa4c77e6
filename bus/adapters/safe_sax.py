"""XML of others, parsed as it comes, so that nothing of it can do harm: no document type, no entity, a bounded size.

What the elements mean is a handler's; how bytes become its events, and the parser's errors ours, stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from bus.errors import InvalidFile

_CHUNK = 64 << 10


class Handler(ContentHandler):
    """Takes a parser's events, and knows the line that is being read.

    Args:
        file: what to call the file in an error.
    """

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self._locator: Any = None

    def setDocumentLocator(self, locator: Any) -> None:  # noqa: N802 - SAX's name
        """Keep what tells the line."""
        self._locator = locator

    def line(self) -> int:
        """The line that is being read."""
        return (self._locator.getLineNumber() if self._locator is not None else None) or 1

    def wrong(self, rule: str, line: int | None = None) -> InvalidFile:
        """An error at the line that is being read, or at another."""
        return InvalidFile(self.file, f"line {self.line() if line is None else line}", rule)

    def received(self, size: int) -> None:
        """So many bytes are about to be parsed."""


def parse(stream: BinaryIO, handler: Handler, *, most: int) -> Iterator[None]:
    """Feed a document to a handler, piece by piece.

    Args:
        stream: its bytes, from the beginning.
        handler: takes the events; its errors end the parsing.
        most: how many bytes the document may have.

    Yields:
        After each piece, and at the end: what the handler has may be taken.

    Raises:
        InvalidFile: it is empty, not well-formed or too large, or the handler says so.
    """
    parser: Any = DefusedExpatParser(forbid_dtd=True, forbid_entities=True, forbid_external=True)
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    handler.setDocumentLocator(parser)
    total = 0
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
        if total > most:
            raise handler.wrong(f"the file is larger than {most >> 20} MiB")
        handler.received(len(chunk))
        _step(handler, parser.feed, chunk)
        yield
    if not total:
        raise InvalidFile(handler.file, "line 1", "the file is empty")
    _step(handler, parser.close)
    yield


def _step(handler: Handler, step: Callable[..., None], *args: bytes) -> None:
    """One step of the parser, its errors as ours, with the line."""
    try:
        step(*args)
    except SAXParseException as error:
        line, column = error.getLineNumber() or 1, error.getColumnNumber() or 0
        rule = f"not well-formed XML: {error.getMessage()}"
        raise InvalidFile(handler.file, f"line {line}, column {column + 1}", rule) from None
    except DefusedXmlException as error:
        raise handler.wrong(f"document types and entities are not allowed ({type(error).__name__})") from None
    except (SAXException, ValueError, LookupError) as error:
        raise handler.wrong(f"not XML that can be read ({type(error).__name__})") from None
