"""What a collaboration of the library ``threatexchange`` says about the bus: which inbox, and which of it.

Annotations are evaluated here, unlike elsewhere: the library's command makes its flags from the types of the fields.
"""
# pyright: basic, reportMissingImports=false
# The library is installed on request only (docs/adr/0022).

from dataclasses import dataclass, field

from threatexchange.exchanges.collab_config import CollaborationConfigWithDefaults

NAME = "safeguard_bus"


@dataclass
class _Required:
    profile: str = field(metadata={"help": "the organisation's profile (TOML), as BUS_PROFILE names it"})


@dataclass
class BusCollabConfig(CollaborationConfigWithDefaults, _Required):
    """Which inbox, and which of it."""

    api: str = field(init=False, default=NAME)
    only_lists: set[str] = field(default_factory=set, metadata={"help": "match only entries of these lists"})
    only_issuers: set[str] = field(default_factory=set, metadata={"help": "match only what these organisations listed"})
