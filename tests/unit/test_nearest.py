"""What is not known is answered with what may have been meant, in the same words everywhere."""

from __future__ import annotations

import pytest

from bus.nearest import did_you_mean, nearest

KNOWN = ("publish", "publisher", "recall", "SHA256")


@pytest.mark.parametrize(
    ("word", "most", "near"),
    [
        ("publsh", 2, ["publish", "publisher"]),
        ("publsh", 1, ["publish"]),
        ("PUBLISH", 1, ["publish"]),
        ("sha265", 2, ["SHA256"]),
        ("", 2, []),
        ("something else", 2, []),
        ("x" * 1_000_000, 2, []),
    ],
)
def test_the_likest_words_come_first(word: str, most: int, near: list[str]):
    """In whatever case, so many at most; a huge word costs no more than a long one."""
    assert nearest(word, KNOWN, most) == near


def test_one_question_names_them():
    """Each in quotes, and nothing is asked where nothing is like it."""
    assert did_you_mean(["a", "b"]) == "Did you mean 'a' or 'b'?"
    assert did_you_mean(["a"]) == "Did you mean 'a'?"
    assert did_you_mean([]) == ""
