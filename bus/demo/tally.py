"""What the survey's numbers are, counted from events themselves. Pure: it is fed from inboxes and from the ledger.

A hit counts as found if it is of the edition's issue of the forum's list; a verdict if it is about such a hit. What
was selected has been held against the law; what was set aside has not.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from bus.demo.edition import HIT, LISTING, Edition
from bus.demo.items import FORUM_LIST, ISLES_LIST
from bus.demo.proportions import PROHIBITED_LAW, PSEUDO_LAW
from bus.events.types import Header

NUMBERS: Final = ("found", "selected", "set_aside", "criminal", PSEUDO_LAW, PROHIBITED_LAW)
"""The survey's numbers, in the order of the work."""


class Tally(Struct):
    """Counts of one source: an inbox, or the ledger."""

    found: int = 0
    selected: int = 0
    set_aside: int = 0
    criminal: int = 0
    pca1978_pseudo: int = 0
    cja2009_prohibited: int = 0
    listed: int = 0
    raised: int = 0
    lowered: int = 0
    known_victim: int = 0
    public_figure: int = 0
    synthetic: int = 0

    def take(self, edition: Edition, kind: str, header: Header, body: Any) -> None:
        """Count one event, if it is of the survey."""
        if kind == "HashHit" and header.step == "detected":
            source = body.source
            if (source.list_id, source.list_version) == (FORUM_LIST, edition.version):
                self._hit(body)
        elif kind == "Assessment" and header.step == "asserted" and header.about is not None:
            place = edition.number(header.about)
            if place is not None and place[0] == HIT:
                self._verdict(body)
        elif kind == "HashListing" and (body.list_id, body.list_version) == (ISLES_LIST, edition.version):
            place = edition.number(header.event_id)
            self.listed += header.step == "listed" and place is not None and place[0] == LISTING

    def _hit(self, body: Any) -> None:
        self.found += 1
        self.synthetic += body.ai.status == "fully_synthetic"
        self.known_victim += body.ai.likeness == "known_victim"
        self.public_figure += body.ai.likeness == "public_figure"

    def _verdict(self, body: Any) -> None:
        laws = {one.law_id for one in body.legality if one.outcome == "criminal"}
        self.selected += bool(body.legality)
        self.set_aside += not body.legality
        self.criminal += bool(laws)
        self.pca1978_pseudo += PSEUDO_LAW in laws
        self.cja2009_prohibited += PROHIBITED_LAW in laws
        self.raised += body.human_agrees == "raised"
        self.lowered += body.human_agrees == "lowered"

    def numbers(self) -> dict[str, int]:
        """The survey's numbers by name."""
        return {name: getattr(self, name) for name in NUMBERS}


def claimed(body: Any) -> dict[str, int]:
    """The same numbers as a survey's own body states them."""
    stages = {stage.name: stage for stage in body.stages}
    found, selected, criminal = (stages[name].n for name in ("found", "selected", "criminal"))
    laws = {one.law_id: one.n for one in stages["criminal"].by_law}
    return {
        "found": found, "selected": selected, "set_aside": found - selected, "criminal": criminal,
        PSEUDO_LAW: laws[PSEUDO_LAW], PROHIBITED_LAW: laws[PROHIBITED_LAW],
    }  # fmt: skip
