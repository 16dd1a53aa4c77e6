"""Fingerprints as other formats spell them: of one length, in hexadecimal of either case, PhotoDNA in base64 too."""

from __future__ import annotations

import base64
import binascii
import re

LENGTHS = {"MD5": 16, "SHA1": 20, "SHA256": 32, "PDQ": 32, "VPDQ": 32, "PDNA": 144}
"""Bytes of each algorithm whose values travel (``schemas/codes/hash_algorithm.csv``)."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)
_EMPTY = frozenset(
    {
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
)
_FLAT = frozenset({"0" * 64, "f" * 64})


def hexadecimal(algorithm: str, text: str) -> str | None:
    """A fingerprint in lower-case hexadecimal; None if it is none of this algorithm.

    Args:
        algorithm: one of :data:`LENGTHS`.
        text: hexadecimal of either case; of PDNA also base64.
    """
    length = LENGTHS[algorithm]
    if len(text) == 2 * length and _HEX.fullmatch(text):
        return text.lower()
    if algorithm == "PDNA" and len(text) == 4 * length // 3:
        try:
            return base64.b64decode(text, validate=True).hex()
        except (binascii.Error, ValueError):
            return None
    return None


def means_nothing(algorithm: str, value: str) -> bool:
    """Whether a value matches what it should not: the digest of the empty file, the PDQ of a plain surface.

    Args:
        algorithm: one of :data:`LENGTHS`.
        value: in lower-case hexadecimal.
    """
    return value in _EMPTY or (algorithm in {"PDQ", "VPDQ"} and value in _FLAT)
