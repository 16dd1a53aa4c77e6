"""The organisations of the sandbox: all of them made up, in five nations.

Imputing lateness to real ones would be defamation, so names, ids and domains belong to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

ORIGIN = "ledger.sandbox.example/safeguard"
HUB = "hub"


class Organisation(Struct, frozen=True):
    """One member of the demonstration. ``audience`` is whom it speaks to unless told otherwise."""

    id: str
    name: str
    nation: str
    roles: tuple[str, ...]
    audience: tuple[str, ...] = ()
    source_kind: str = "industry"
    legal_basis: str = "member-agreement@2024"


def _platform(org: str, name: str, nation: str, *audience: str) -> Organisation:
    return Organisation(org, name, nation, ("platform",), audience, "industry", "voluntary-detection@2024")


def _hotline(org: str, name: str, nation: str) -> Organisation:
    audience = ("clearing-house", "fernpost", "glimmerchat", "mirage-models", "tidewave")
    return Organisation(org, name, nation, ("hotline",), audience, "hotline", "hotline-mandate@2024")


def _police(org: str, name: str, nation: str, *audience: str) -> Organisation:
    return Organisation(org, name, nation, ("police",), audience, "police", "police-act@2024")


def _auditor(org: str, name: str, nation: str) -> Organisation:
    return Organisation(org, name, nation, ("auditor",), (), "government", "audit-act@2024")


WORLD: tuple[Organisation, ...] = (
    _platform("fernpost", "Fernpost (fictional platform)", "IE", "clearing-house", "hotline-isles"),
    _platform("glimmerchat", "Glimmerchat (fictional platform)", "US", "clearing-house", "hotline-lowlands"),
    _platform("tidewave", "Tidewave Video (fictional platform)", "SE", "clearing-house", "hotline-north"),
    Organisation(
        "mirage-models", "Mirage Models (fictional model provider)", "US", ("model-provider",),
        ("clearing-house", "hotline-isles"), "industry", "voluntary-detection@2024",
    ),
    _hotline("hotline-isles", "Hotline of the Isles (fictional)", "GB"),
    _hotline("hotline-lowlands", "Lowlands Hotline (fictional)", "NL"),
    _hotline("hotline-north", "Northern Hotline (fictional)", "SE"),
    Organisation(
        "clearing-house", "Continental Clearing House (fictional)", "US", ("clearing-house",),
        ("police-isles", "police-lowlands", "police-north"), "hotline", "clearing-house-act@2024",
    ),
    _police("police-isles", "Police of the Isles (fictional)", "GB", "clearing-house", "hotline-isles"),
    _police("police-lowlands", "Lowlands Police (fictional)", "NL", "clearing-house", "hotline-lowlands"),
    _police("police-north", "Northern Police (fictional)", "SE", "clearing-house", "hotline-north"),
    Organisation(
        "ministry-isles", "Ministry for Online Safety (fictional)", "GB", ("authority",),
        ("fernpost", "glimmerchat", "tidewave"), "government", "online-safety-act@2024",
    ),
    Organisation(
        "open-door", "Open Door, agent of survivors (fictional)", "IE", ("survivor-agent",),
        ("hotline-isles", "hotline-lowlands", "hotline-north"), "survivor", "survivor-request@2024",
    ),
    _auditor("audit-isles", "Audit Office of the Isles (fictional)", "GB"),
    _auditor("audit-north", "Northern Audit Office (fictional)", "SE"),
    _auditor("audit-lowlands", "Lowlands Court of Audit (fictional)", "NL"),
)  # fmt: skip


def header_defaults(organisation: Organisation) -> Mapping[str, Any]:
    """What an organisation's header says unless the event does: the profile's ``[defaults]``."""
    return {
        "handling": {"tlp": "AMBER", "police_codes": [], "onward": "none", "onward_to": []},
        "audit_nations": [organisation.nation],
        "purpose": "victim_identification" if "police" in organisation.roles else "prevention",
        "compulsion": "voluntary",
        "source_kind": organisation.source_kind,
        "legal_basis": organisation.legal_basis,
        "compartment": "csam",
        "priority": "routine",
        **({"source_eval": "A", "info_eval": "1"} if "police" in organisation.roles else {}),
    }
