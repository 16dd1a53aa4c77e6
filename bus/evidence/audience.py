"""Are those who were decided on those whom the issuer addressed?

The audience names organisations, which are decided on as they are, and agreements, whose members are. A recall
reaches more (docs/adr/0017): everyone who had got what it recalls. An event of the directory is for all who read that
(docs/adr/0003); nobody is decided on by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bus.events.names import HUB, is_agreement
from bus.events.registry import SchemaInfo
from bus.events.types import Decision, Header
from bus.evidence.report import Check, listed

Members = Callable[[str], Sequence[str] | None]
"""From an agreement's id to its members as of the entry; None where the evidence does not show them."""

_NAME: Final = "audience"
_RECALL: Final = "Recall"
_FALSE: Final = Check(_NAME, "false", "Those are not whom the issuer addressed.")


def check_audience(info: SchemaInfo, header: Header, decision: Decision, members: Members) -> Check:
    """Compare a decision with the audience that was signed.

    Args:
        info: the event's schema.
        header: what the issuer signed.
        decision: what the hub decided.
        members: of the agreements.
    """
    decided, named = {one.org for one in decision.recipients}, set(header.audience)
    if info.directory:
        holds = named == {HUB} and not decided
        return Check(_NAME, "holds", "It is addressed to the directory, which all read.") if holds else _FALSE
    if named & {HUB, header.issuer}:
        return Check(_NAME, "false", "The issuer addressed itself or the hub, which no accepted event does.")
    circles = {one: members(one) for one in named if is_agreement(one)}
    if None in circles.values():
        return Check(_NAME, "not shown", "The issuer addressed an agreement; who its members were is not shown.")
    meant = (named - circles.keys()).union(*(circle or () for circle in circles.values())) - {header.issuer}
    if info.name == _RECALL and decided > meant:
        text = (
            f"Whom the issuer addressed is among them. {listed(sorted(decided - meant))} too: everyone is told who had"
            " got what is recalled. That they had is not shown."
        )
        return Check(_NAME, "not shown", text)
    if decided != meant:
        return Check(_NAME, "false", f"{_FALSE.text[:-1]}: the agreement had other members.") if circles else _FALSE
    if circles:
        return Check(_NAME, "holds", "Those are whom the issuer addressed: the members of the agreement as of then.")
    return Check(_NAME, "holds", "Those are whom the issuer addressed, all of them and no others.")
