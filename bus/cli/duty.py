"""What whoever hears a recall owes: what to type, and by when."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bus.partner import Delivery
    from bus.policy.deadlines import Deadline

RECALL = "Recall"
_MINUTE_US = 60_000_000


def due_us(delivery: Delivery) -> int | None:
    """By when a delivery asks for something, as far as that is known here; else None.

    A date of the event itself is taken as it is. A recall without one is due so long after its delivery as the shipped
    table says; counted from its entry in the ledger, which is a little before the hub delivered it.
    """
    if delivery.decoded is None:
        return None
    stated: int | None = delivery.decoded.header.due_at
    if delivery.decoded.info.name != RECALL or delivery.leaf is None:
        return stated
    length_us = _row().length_us
    assert length_us is not None
    counted = delivery.leaf.time_us + length_us
    return counted if stated is None else min(stated, counted)


def answer(organisation: str, recall_id: bytes, due: int | None = None, *, fetched: bool = False) -> str:
    """What a recipient types to answer a recall, and by when.

    Args:
        organisation: the recipient.
        recall_id: the recall, which is what is answered; of the event that it recalls an answer does not count.
        due: the instant, in microseconds, if it is known.
        fetched: whether the recipient said already that the recall came in.
    """
    from bus.events.clock import format_us
    from bus.events.ids import dashed

    when = within() if due is None else f"due {format_us(due // 1_000_000 * 1_000_000)}"
    command = f"`bus ack {dashed(recall_id)} --as {organisation} --step"
    if fetched:
        return f"Answer it: {command} complied` (or cannot), {when}."
    return f"Answer it: {command} fetched`, then the same with `--step complied` (or cannot), {when}."


def within() -> str:
    """How long whoever hears a recall has, in words."""
    length_us = _row().length_us
    assert length_us is not None
    return f"due {length_us // _MINUTE_US} minutes after it is delivered"


@cache
def _row() -> Deadline:
    """The row of the shipped table that every recipient of a recall owes."""
    from bus.paths import ops_dir
    from bus.policy.deadlines import parse

    table = parse((ops_dir() / "deadlines.toml").read_text(encoding="utf-8"))
    rows = [row for row in table.every(RECALL) if row.length_us is not None]
    return min(rows, key=lambda row: row.length_us or 0)
