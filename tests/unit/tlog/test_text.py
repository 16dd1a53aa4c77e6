"""Numbers, digests and lines in one form each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import Malformed
from bus.tlog.text import format_base64, parse_base64, parse_decimal, parse_hash, parse_lines


@given(st.integers(0, 2**63 - 1))
def test_a_number_has_one_form(number: int) -> None:
    """Every number of 63 bits is read from its decimal form."""
    assert parse_decimal(str(number), "x") == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+5",
        "-0",
        "-1",
        "05",
        "00",
        "1_0",
        " 1",
        "1 ",
        "1\n",
        "\u0663",
        "\uff11",
        "²",
        "1.0",
        "0x1",
        str(2**63),
        "9" * 40,
    ],
)
def test_no_other_form_is_a_number(text: str) -> None:
    """Signs, zeros in front, underscores, foreign digits, spaces and what is too large are malformed."""
    with pytest.raises(Malformed, match="malformed: x"):
        parse_decimal(text, "x")


@given(st.binary(max_size=80))
def test_base64_has_one_form(data: bytes) -> None:
    """Bytes survive their base 64, and no other text stands for them."""
    text = format_base64(data)
    assert parse_base64(text, "x") == data
    for wrong in (text + "=", text + "\n", " " + text, text.replace("=", "") + "é"):
        with pytest.raises(Malformed):
            parse_base64(wrong, "x")


@pytest.mark.parametrize("text", ["QR==", "QQ=", "QQ", "Q===", "QUI", "-_-_", "QQ==QQ==", "Q Q=", "QQ\r\n=="])
def test_base64_that_loses_bits_or_has_strange_signs_is_malformed(text: str) -> None:
    """Last bits that are not zero, missing padding, URL-safe signs and white space are malformed."""
    with pytest.raises(Malformed):
        parse_base64(text, "x")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_digest_has_32_bytes(size: int) -> None:
    """Base 64 of any other number of bytes is no digest."""
    with pytest.raises(Malformed):
        parse_hash(format_base64(bytes(size)), "x")


def test_only_a_newline_ends_a_line() -> None:
    """Line separators of Unicode stand inside a line; control characters stand nowhere."""
    text = "a\u2028b\u0085c\n\nd\n"
    assert parse_lines(text.encode(), "x") == ["a\u2028b\u0085c", "", "d"]
    for wrong in (b"", b"a", b"a\r\n", b"a\x0b\n", b"a\tb\n", b"\x00\n", b"\xff\n", b"\xed\xa0\x80\n"):
        with pytest.raises(Malformed):
            parse_lines(wrong, "x")
