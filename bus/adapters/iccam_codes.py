"""Code lists of INHOPE's ICCAM, version 3, as a public hotline tool maps them. Assumed: ``docs/adapters/iccam.md``.

Every list is open: an id that is not in it travels as a code of its own (``iccam-action-9``), and goes out as that id.
"""

from __future__ import annotations

import re
from typing import Final

SYSTEM: Final = "iccam"
SCHEME: Final = "iccam"
SCHEME_VERSION: Final = "3"

CLASSIFICATIONS: Final = {1: "baseline", 2: "nationally_illegal", 4: "not_illegal"}
AGES: Final = {1: "undetermined", 2: "infant", 3: "prepubescent", 4: "pubescent"}
SEXES: Final = {1: "unidentified", 2: "girl", 3: "boy", 4: "both"}
CATEGORIES: Final = {
    "virtualContentCategorization": "virtual",
    "userGeneratedContentCategorization": "user_generated",
    "childModelingCategorization": "child_modeling",
}
"""Questions that are answered with 0 or 1: each is a further category of an item."""
NOT: Final = "not_"
ACTIONS: Final = {
    1: "reported_to_police",
    2: "reported_to_host",
    3: "content_removed",
    4: "content_unavailable",
    0: "content_moved",
    6: "not_illegal",
}
WITH_REASON: Final = frozenset({"content_unavailable", "not_illegal"})
REASONS: Final = {
    1: "other",
    2: "content_not_found",
    3: "referrer_not_known",
    4: "unable_to_access",
    5: "password_protected",
    6: "account_disabled",
    7: "legally_unable_to_access",
    8: "link_expired",
    9: "site_down",
    10: "temporarily_unavailable",
    11: "premium_account_needed",
    12: "missing_parts",
    13: "removed_before_assessment",
    14: "adult",
    15: "nudism",
    16: "below_threshold",
    17: "images_too_small",
    18: "virtual_material",
    19: "linking_not_illegal",
    20: "age_unclear",
    21: "age_over_national_threshold",
}
MEDIA: Final = {1: True, 2: False}
"""``contentType``: media, or a website."""

_OTHER: Final = re.compile(r"iccam-[a-z]+-(\d{1,4})", re.ASCII)


def code(names: dict[int, str], number: int, kind: str) -> str:
    """The code of an id."""
    return names.get(number, f"iccam-{kind}-{number}")


def number(names: dict[int, str], code: str) -> int | None:
    """The id of a code; None if ICCAM has none."""
    found = next((one for one, name in names.items() if name == code), None)
    other = _OTHER.fullmatch(code)
    return int(other[1]) if found is None and other else found
