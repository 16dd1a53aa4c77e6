"""``bus audit`` as far as no ledger is needed: who may ask, and of what."""

from __future__ import annotations

import pytest

QUESTIONS = [["search"], ["show", "1"], ["trace", "1"], ["stats"]]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_without_a_sandbox_there_is_nothing_to_ask(bus, question: list[str]):
    """The next step is named."""
    result = bus("audit", *question)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "bus sandbox up" in result.stderr


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_sandbox_that_is_down_is_unavailable(bus, stopped, question: list[str]):
    """The database's absence ends with 5, and its login is not shown."""
    assert stopped
    result = bus("audit", *question)
    assert (result.exit_code, result.stdout) == (5, "") if question != ["search"] else (result.exit_code == 5)
    assert "secret" not in result.stderr


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_only_auditors_ask(bus, stopped, question: list[str]):
    """A platform is told so, and who would be allowed."""
    assert stopped
    result = bus("audit", *question, "--as", "tidewave")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "audit-one, audit-two" in result.stderr
    assert bus("audit", *question, BUS_AS="nobody").exit_code == 4


def test_elsewhere_somebody_must_ask(bus):
    """With a ledger of its own, an auditor says who asks."""
    dsn = "postgresql://desk@127.0.0.1:1/none"
    assert bus("audit", "stats", "--dsn", dsn).exit_code == 2
    assert bus("audit", "stats", BUS_LEDGER_DSN=dsn, BUS_AS="audit-office").exit_code == 5


@pytest.mark.parametrize(
    "url", ["garbage", "postgresql://desk:top/secret@127.0.0.1:1/x", "postgresql://127.0.0.1:1/?x"]
)
@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_url_that_is_none_ends_with_2(bus, question: list[str], url: str):
    """A slip in the login is no outage, and no piece of its password is shown."""
    result = bus("audit", *question, "--as", "audit-office", BUS_LEDGER_DSN=url)
    assert result.exit_code == 2, result.stderr
    assert "postgresql://USER:PASSWORD@HOST:PORT/NAME" in result.stderr
    assert "top" not in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["search", "--since", "yesterday"],
        ["search", "--type", "Gossip"],
        ["search", "--thread", "xyz"],
        ["search", "--outcome", "fine"],
        ["search", "--limit", "0"],
        ["show", "-1"],
        ["show", "01"],
        ["show", "+5"],
        ["show", "\u0661"],
        ["trace", "0199f3c0"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_ends_with_2(bus, stopped, args: list[str]):
    """A wrong time, type, thread, outcome or name of an entry is a usage error."""
    assert stopped
    result = bus("audit", *args)
    assert (result.exit_code, result.stdout) == (2, "")
