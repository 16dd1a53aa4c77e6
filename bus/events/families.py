"""Which family each type of event belongs to: what an agreement may be limited to (``schemas/codes/family.csv``)."""

from __future__ import annotations

from typing import Final

_TYPES: Final = {
    "hash_hits": "HashHit HashListing HashListSnapshot Assessment",
    "reports": "Report",
    "takedowns": "TakedownNotice TakedownAction",
    "victims": "VictimIdentification",
    "accountability": "Acknowledgement Recall Preservation Deconfliction Appeal Consent Overdue Erasure",
    "public": "Commitment Advisory Survey Exposure",
}
DIRECTORY: Final = "directory"
"""All the rest: organisations, keys, agreements, laws, mandates, policies, access."""

FAMILIES: Final = {type_: family for family, types in _TYPES.items() for type_ in types.split()}


def family_of(type_name: str) -> str:
    """The family of a type."""
    return FAMILIES.get(type_name, DIRECTORY)
