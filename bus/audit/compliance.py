"""Whether a recall reached everyone it had to reach, and who did what it asks: counted from the ledger alone.

Who must answer stands in the recall's decision; what they answered are Acknowledgements that are about the recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bus.audit.words import when

COLUMNS = ("org", "reason", "fetched", "complied", "cannot", "minutes", "missing")
"""The columns of who answered a recall. ``minutes`` from the recall's entry to the answer's."""

ANSWERS = ("complied", "cannot")
_MINUTE_US = 60_000_000


def compliance(recall: Mapping[str, Any], decision: Sequence[Mapping[str, Any]], acks: Sequence[Any]) -> dict[str, Any]:
    """How a recall was answered.

    Args:
        recall: its entry.
        decision: its recipients.
        acks: the Acknowledgements about it, in order.

    Returns:
        ``recall`` (event id), ``index``, counts ``recipients``, ``fetched``, ``complied``, ``cannot`` and ``missing``
        (one that could not at first and then did has complied), and ``who`` with :data:`COLUMNS` of each.
    """
    who = [_answer(one, recall, [ack for ack in acks if ack["issuer"] == one["org"]]) for one in decision]
    counted = {name: sum(line[name] is not None for line in who) for name in ("fetched", *ANSWERS)}
    return {
        "recall": str(recall["event_id"]),
        "index": recall["index"],
        "recipients": sum(line["missing"] is not None for line in who),
        **counted,
        "missing": sum(bool(line["missing"]) for line in who),
        "who": who,
    }


def _answer(recipient: Mapping[str, Any], recall: Mapping[str, Any], acks: Sequence[Any]) -> dict[str, Any]:
    """One recipient's answer: the first of each fact; who was not told, as suspended, owes none."""
    first: dict[str, int] = {}
    for ack in acks:
        first.setdefault(ack["step"], ack["time_us"])
    if "complied" in first:
        first.pop("cannot", None)
    answered = next((first[step] for step in ANSWERS if step in first), None)
    return {
        "org": recipient["org"],
        "reason": recipient["reason"],
        **{step: when(first.get(step)) for step in ("fetched", *ANSWERS)},
        "minutes": None if answered is None else round((answered - recall["time_us"]) / _MINUTE_US, 2),
        "missing": answered is None if recipient["allow"] else None,
    }
