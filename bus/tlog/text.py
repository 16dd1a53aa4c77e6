"""Numbers, digests and lines as the text formats of transparency logs write them, in one form each.

Python's own parsers are too kind: ``int`` takes "+5", "1_0" and Arabic digits, ``splitlines`` breaks at U+2028,
U+0085 and more, and ``b64decode`` takes "QR==", whose last bits are lost. What is parsed here is formatted again
and compared.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final

from bus.errors import Malformed

MAX_NUMBER: Final = (1 << 63) - 1
_MAX_DIGITS: Final = 19


def malformed(what: str) -> Malformed:
    """The one error of every parser here: what it is not, and nothing of its bytes."""
    return Malformed("malformed", what)


def parse_decimal(text: str, what: str) -> int:
    """A number from 0 to 2^63 - 1 in ASCII digits, without leading zeros.

    Raises:
        Malformed: it is none.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        raise malformed(what)
    number = int(text)
    if number > MAX_NUMBER or str(number) != text:
        raise malformed(what)
    return number


def format_base64(data: bytes) -> str:
    """Base 64 of RFC 4648 §4, padded."""
    return b64encode(data).decode("ascii")


def parse_base64(text: str, what: str) -> bytes:
    """The bytes of their one base 64 form.

    Raises:
        Malformed: it is not that form.
    """
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise malformed(what) from None
    if format_base64(data) != text:
        raise malformed(what)
    return data


def parse_hash(text: str, what: str) -> bytes:
    """A SHA-256 digest in base 64.

    Raises:
        Malformed: it is none.
    """
    digest = parse_base64(text, what)
    if len(digest) != 32:
        raise malformed(what)
    return digest


def parse_lines(data: bytes, what: str) -> list[str]:
    """The lines of UTF-8 text, each of which ends with a newline; no other control character may stand in it.

    Raises:
        Malformed: it is no such text, or there is none.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed(what) from None
    if not text.endswith("\n") or any(char < " " and char != "\n" for char in text):
        raise malformed(what)
    return text[:-1].split("\n")
