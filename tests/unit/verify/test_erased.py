"""Content that is gone, and the Erasures that let it go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from bus.events.ids import dashed
from bus.verify.erased import Erased
from bus.verify.fault import Wrong
from tests.forge import Forge

FORGE = Forge("ledger.test.example/safeguard", {}, lambda _: (THREAD.bytes, "bulk"))
THREAD = UUID("0199f3c0-0000-7000-8000-000000000000")
EVENT = UUID("0199f3c0-0000-7000-8000-000000000007").bytes


def gone(index: int, event_id: bytes = EVENT) -> tuple[Any, Any]:
    """An accepted entry of the thread whose content is not there."""
    row = {"index": index, "content_index": None, "schema_id": 1, "thread": THREAD}
    return row, SimpleNamespace(event_id=event_id)


def erasure(index: int, step: str, *, thread: UUID = THREAD, event: bytes = EVENT, **less: None) -> tuple[Any, Any]:
    """An accepted Erasure that names an event."""
    said = FORGE.event("fernpost", ("hotline-isles",), "Erasure", step=step, about=dashed(event), thread=THREAD.hex)
    said["body"]["event"] = dashed(event)
    made = FORGE.compose("fernpost", said)
    row = {"index": index, "content_index": index, "schema_id": made.info.id, "thread": thread, "step": step}
    return {**row, "header": made.h, "body": made.b, **less}, SimpleNamespace(event_id=made.header.event_id)


def missing(*entries: tuple[Any, Any]) -> int:
    """How many contents went by an Erasure, after entries in their order.

    Raises:
        Wrong: one went without.
    """
    erased = Erased()
    for row, leaf in entries:
        erased.entry(row, leaf)
    erased.end()
    return erased.count


@pytest.mark.parametrize("step", ["approved", "live_done", "copies_done"])
def test_content_that_an_agreed_erasure_names_is_erased(step: str) -> None:
    """Once two organisations have agreed, content may be gone; it is counted once, however many steps name it."""
    assert missing(gone(7), erasure(9, step)) == 1
    assert missing(gone(7), erasure(9, "approved"), erasure(10, step)) == 1
    assert missing(erasure(9, step)) == 0


@pytest.mark.parametrize(
    "entries",
    [
        (gone(7),),
        (gone(7), erasure(9, "requested")),
        (gone(7), erasure(9, "blocked_by_hold")),
        (erasure(3, "approved"), gone(7)),
        (gone(7), erasure(9, "approved", event=bytes(16))),
        (gone(7), erasure(9, "approved", thread=UUID(int=1))),
        (gone(7), erasure(9, "approved", header=None)),
        (gone(7), erasure(9, "approved"), gone(11, bytes(16)), gone(12, bytes(15) + b"\1")),
    ],
    ids=["none", "asked for", "held", "earlier", "another", "elsewhere", "removed", "others"],
)
def test_content_that_no_agreed_erasure_names_is_missing(entries: tuple[tuple[Any, Any], ...]) -> None:
    """A request alone, one that came before, or one that names another event lets nothing go: the first is named."""
    with pytest.raises(Wrong, match="is gone, and no approved Erasure in the ledger names it") as caught:
        missing(*entries)
    fault, several = caught.value.fault, len(entries) == 4
    assert (fault.check, fault.index, fault.place) == ("content-missing", 11 if several else 7, "ledger.content")
    assert ("nor that of 1 more" in fault.sentence) == several


def test_an_erasure_that_cannot_be_read_lets_nothing_go() -> None:
    """What is no Erasure in its one form is named, and is no crash."""
    row, leaf = erasure(9, "approved")
    with pytest.raises(Wrong, match="Entry 9 is an Erasure that cannot be read"):
        missing(gone(7), ({**row, "body": row["body"][:-1]}, leaf))
