"""The images of the forum, as numbers: on which service each turns up, and what becomes of it. Pure, and seeded.

Nothing is kept of an item: all of it follows from the seed and its number. How many there are of each kind is exact;
who has which is chance. Made-up organisations and fillers only: no hash here is of anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from hashlib import sha256
from math import gcd
from typing import Any, Final

from msgspec import Struct

from bus.demo.edition import ASSESSMENT, HIT, LISTING, Edition
from bus.demo.proportions import PROHIBITED_LAW, PSEUDO_LAW, Counts
from bus.events.ids import dashed

FORUM_LIST: Final = "forum-2023-10"
ISLES_LIST: Final = "isles-images"
ASSESSOR: Final = "hotline-isles"
CLEARING: Final = "clearing-house"
SERVICES: Final = ("fernpost", "glimmerchat", "tidewave", "mirage-models")
LIST_READERS: Final = (CLEARING, "fernpost", "glimmerchat", "hotline-lowlands", "hotline-north", "mirage-models",
                       "tidewave")  # fmt: skip

_SURFACES = ("upload", "stored", "search", "link")
_MODEL_SURFACES = ("prompt", "output")
_COMMON: dict[str, Any] = {"compartment": "genai_csam", "purpose": "investigation"}


class Item(Struct, frozen=True, gc=False):
    """One image.

    Attributes:
        number: from 0.
        service: where it turns up.
        kind: ``set_aside``, ``not_criminal``, or the law under which it is criminal.
        synthetic: what the service's machine says of its making.
        likeness: whose likeness it is, if anyone's.
        agrees: what a person says of the machine's rank.
        chance: 32 bytes that the rest is drawn from.
    """

    number: int
    service: str
    kind: str
    synthetic: str
    likeness: str
    agrees: str
    chance: bytes

    @property
    def criminal(self) -> bool:
        """Whether one of the two acts forbids it."""
        return self.kind in {PSEUDO_LAW, PROHIBITED_LAW}


class Items:
    """All images of an edition."""

    def __init__(self, edition: Edition, counts: Counts) -> None:
        self.edition, self.counts = edition, counts
        chance = random.Random(edition.seed)  # noqa: S311 - a story, not a secret
        self._start, self._stride = chance.randrange(counts.found), _coprime(chance, counts.found)
        self._bounds = (
            (counts.pseudo, PSEUDO_LAW),
            (counts.criminal, PROHIBITED_LAW),
            (counts.selected, "not_criminal"),
            (counts.found, "set_aside"),
        )

    def __iter__(self) -> Iterator[Item]:
        return map(self.item, range(self.counts.found))

    def item(self, number: int) -> Item:
        """One of them."""
        place = (self._start + number * self._stride) % self.counts.found
        kind = next(kind for bound, kind in self._bounds if place < bound)
        chance = sha256(f"{self.edition.seed}/{number}".encode()).digest()
        return Item(
            number,
            SERVICES[_pick(chance[0], (90, 160, 226))],
            kind,
            ("fully_synthetic", "partially_altered", "undetermined")[_pick(chance[1], (180, 218))],
            ("none", "known_victim", "public_figure")[_pick(chance[2], (228, 246))],
            "yes" if kind == "set_aside" else ("yes", "raised", "lowered")[_pick(chance[3], (220, 243))],
            chance,
        )

    def hits(self, service: str) -> Iterator[dict[str, Any]]:
        """A service's hits as events."""
        return (self.hit(item) for item in self if item.service == service)

    def hit(self, item: Item) -> dict[str, Any]:
        """A fingerprint met one of the forum's images; nobody has seen the file."""
        chance = item.chance
        surfaces = _MODEL_SURFACES if item.service == "mirage-models" else _SURFACES
        return {
            "type": "HashHit",
            "header": _COMMON | {
                "event_id": dashed(self.edition.event_id(HIT, item.number)),
                "step": "detected",
                "audience": sorted((ASSESSOR, CLEARING)),
                "compulsion": "statutory_duty",
            },
            "body": {
                "source": {"list_id": FORUM_LIST, "list_version": self.edition.version,
                           "list_entry": f"f-{item.number:07}", "source_member": ASSESSOR},
                "match": {"kind": "near", "algorithm": "PDQ", "distance": chance[4] % 31, "threshold": 31},
                "context": {"surface": surfaces[chance[5] % len(surfaces)], "media": "image", "count": 1},
                "review": {"human_reviewed": False},
                "ai": {"status": item.synthetic, "likeness": item.likeness, "evidence": ["detector", "forum_claim"]}
                | ({"technique": ["de_aged"]} if item.likeness == "public_figure" else {}),
            },
            "sealed": {"hashes": [{"algorithm": "PDQ", "value": chance.hex(), "quality": 60 + chance[6] % 41}]},
        }  # fmt: skip

    def assessments(self) -> Iterator[dict[str, Any]]:
        """The analysts' verdicts as events, in the order of the hits."""
        return map(self.assessment, self)

    def assessment(self, item: Item) -> dict[str, Any]:
        """A person's verdict on a hit. Set aside: no child, or clearly no crime; else what each of two acts says."""
        hit = self.edition.event_id(HIT, item.number)
        aside = item.kind == "set_aside"
        event: dict[str, Any] = {
            "type": "Assessment",
            "header": _COMMON | {
                "event_id": dashed(self.edition.event_id(ASSESSMENT, item.number)),
                "step": "asserted", "audience": sorted((CLEARING, item.service)),
                "about": dashed(hit), "thread": hit.hex(), "lane": "bulk",
            },
            "body": {
                "subject": {"event": dashed(hit)},
                "legality": [] if aside else _legality(item),
                "ai": _ai(item),
                "opened_by_assessor": True,
                "mitigation": ["blurred_preview"] if aside else ["blurred_preview", "progressive_reveal"],
                "view_seconds_bucket": "under_5" if aside else "5_to_30",
                "tool": {"id": "rank-model", "version": "4.2", "confidence": 500 + item.chance[7]},
                "human_agrees": item.agrees,
                "rank": item.number,
                "rank_reasons": ["synthetic_likely" if item.likeness == "none" else "new_material"],
            },
        }  # fmt: skip
        if item.likeness == "public_figure" and not aside:
            event["sealed"] = {"note": f"De-aged likeness of {FIGURES[item.chance[8] % len(FIGURES)]}."}
        return event

    def listings(self) -> Iterator[dict[str, Any]]:
        """An entry of the hotline's list for every criminal item."""
        return (self.listing(item) for item in self if item.criminal)

    def listing(self, item: Item) -> dict[str, Any]:
        """A criminal item becomes an entry that every service can match against."""
        return {
            "type": "HashListing",
            "header": _COMMON | {
                "event_id": dashed(self.edition.event_id(LISTING, item.number)),
                "step": "listed", "audience": list(LIST_READERS), "purpose": "list_upkeep",
            },
            "body": {
                "list_id": ISLES_LIST, "list_version": self.edition.version, "source_list": ISLES_LIST,
                "entry": f"isles-{item.number:07}", "media": "image", "legality": _legality(item),
                "assessors_agreeing": 2, "ai": _ai(item), "list_terms": "members_matching_only",
            },
            "sealed": {"hashes": [{"algorithm": "SHA256", "value": sha256(item.chance).hexdigest()}]},
        }  # fmt: skip


FIGURES: Final = ("Mirabel Quince", "Oskar Thornapple", "Ludmila Fenwick")
"""Public figures who never lived. They are named inside sealed parts only; a test looks for them everywhere else."""


def _legality(item: Item) -> list[Mapping[str, str]]:
    return [
        {"country": "GB", "law_id": law, "outcome": "criminal" if item.kind == law else "not_criminal"}
        for law in (PSEUDO_LAW, PROHIBITED_LAW)
    ]


def _ai(item: Item) -> dict[str, Any]:
    realism = {PSEUDO_LAW: "photorealistic", PROHIBITED_LAW: "low"}.get(item.kind)
    found = {"status": "fully_synthetic", "likeness": item.likeness, "evidence": ["analyst", "forum_claim"]}
    return found | ({"realism": realism} if realism else {})


def _pick(byte: int, bounds: tuple[int, ...]) -> int:
    """Which part of 256 a byte falls into."""
    return sum(byte >= bound for bound in bounds)


def _coprime(chance: random.Random, n: int) -> int:
    """A stride that visits each of ``n`` places once."""
    while True:
        stride = chance.randrange(1, n + 1)
        if gcd(stride, n) == 1:
            return stride
