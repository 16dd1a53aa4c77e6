"""Code lists of NCMEC's CyberTipline, as the bus says them.

Source: the enumerations of NCMEC's XSD and of public clients of its reporting API; see ``docs/adapters/cybertip.md``.
"""

from __future__ import annotations

import re
from typing import Final

from bus.events.codes import codes
from bus.events.names import CODE_RE

SYSTEM: Final = "ncmec-cybertipline"
FILE_SYSTEM: Final = "ncmec-file"
CASE_SYSTEM: Final = "police-case"

INCIDENT_TYPES: Final = {
    "Child Pornography (possession, manufacture, and distribution)": "csam",
    "Child Sex Trafficking": "sex_trafficking",
    "Child Sex Tourism": "sex_tourism",
    "Child Sexual Molestation": "molestation",
    "Misleading Domain Name": "misleading_domain",
    "Misleading Words or Digital Images on the Internet": "misleading_words_or_images",
    "Online Enticement of Children for Sexual Acts": "online_enticement",
    "Unsolicited Obscene Material Sent to a Child": "unsolicited_obscene",
}
ANNOTATIONS: Final = {
    "sextortion": "sextortion",
    "csamSolicitation": "csam_solicitation",
    "minorToMinorInteraction": "minor_to_minor",
    "spam": "spam",
    "sadisticOnlineExploitation": "sadistic_online_exploitation",
    "informational": "informational",
}
"""In the order of the format."""
IP_EVENTS: Final = {name: name.lower() for name in ("Login", "Registration", "Purchase", "Upload", "Other", "Unknown")}
DEVICES: Final = {"IMEI": "imei", "ICCID": "iccid", "SSID": "ssid"}
GENERATED: Final = frozenset({"fully_synthetic", "partially_altered", "minimally_modified", "hybrid", "generated"})
"""Codes of ``ai_status`` that the annotation ``generativeAi`` stands for."""
NOT_NATIONS: Final = frozenset({"AP", "EU", "FX", "AN"})
"""Two letters in NCMEC's list of countries that are no nations of ISO 3166-1 (nor are A1, A2, O1)."""

HASH_LENGTHS: Final = {"MD5": 16, "SHA1": 20, "SHA256": 32, "PDQ": 32, "PDNA": 144}
"""Bytes of the fingerprints that travel by value."""
_HASH_NAMES: Final = {"SHA-1": "SHA1", "SHA-256": "SHA256", "PHOTODNA": "PDNA"}

_CAMEL_RE: Final = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)*", re.ASCII)
_SNAKE_RE: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*", re.ASCII)


def annotation(name: str) -> str | None:
    """The code of an annotation's element, also of one that is newer than this list; None if it makes none.

    A listed annotation that is not NCMEC's is somebody else's, and no element of NCMEC's.
    """
    known = ANNOTATIONS.get(name)
    if known is not None or not _CAMEL_RE.fullmatch(name):
        return known
    code = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
    return code if CODE_RE.fullmatch(code) and code not in codes("annotation") else None


def annotation_element(code: str) -> str | None:
    """The element of an annotation's code; None if the CyberTipline has none."""
    known = next((name for name, value in ANNOTATIONS.items() if value == code), None)
    if known is not None or code in codes("annotation") or not _SNAKE_RE.fullmatch(code):
        return known
    head, *rest = code.split("_")
    return head + "".join(word.capitalize() for word in rest)


def hash_algorithm(name: str) -> str:
    """A ``hashType`` as the bus spells it."""
    upper = name.upper()
    return _HASH_NAMES.get(upper, upper)
