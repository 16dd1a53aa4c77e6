"""NCMEC hash sharing, version 2, as ``HashListing`` events. What maps to what: ``docs/adapters/ncmec-hashes.md``.

How an entry's versions follow each other, and how nothing is published twice: :mod:`bus.adapters.listing`. A
``timestamp`` is the version's time, a ``classification`` its rating, and a tombstone ends the entry as ``retracted``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bus.adapters import listing
from bus.adapters.drafts import Context, Draft, Input, Notice, Tell
from bus.adapters.fingerprints import LENGTHS, hexadecimal
from bus.adapters.listing import Lister, ref
from bus.adapters.ncmec_pages import Entry, Fingerprint, read_page
from bus.errors import InvalidFile

FORMAT = "ncmec-hashes"
LIST_ID = "ncmec-hash-sharing-v2"
CUSTODIAN = "ncmec"
SCHEME = "ncmec-esp"
SCHEME_VERSION = "2022-06"
MAPPING = 1
"""Counted up when entries map to other events than before: it makes every entry a new version."""

_ALGORITHMS = {"md5": "MD5", "sha1": "SHA1", "sha256": "SHA256", "pdq": "PDQ", "pdna": "PDNA"}
_NETCLEAN_MAX = 144
_LARGE = {
    "videntifier": "VIDENTIFIER",
    "tmk-pdqf": "TMK_PDQF",
    "ssvh-pdna": "SSVH_PDNA",
    "ssvh-safer-hash": "SSVH_SAFER_HASH",
    "tmk-safer-hash": "SSVH_SAFER_HASH",
}
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]{0,31}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Read one page and draft an event for each entry that has something to say.

    Another audience has listings of its own.

    Raises:
        InvalidFile: the page cannot be read, or an entry is left without any fingerprint.
    """
    ((stream, name),) = inputs
    lister = Lister(FORMAT, LIST_ID, name, context, mapping=MAPPING)
    for entry in read_page(stream, name):
        draft = lister.draft(_entry(entry, name, context.tell))
        if draft is not None:
            yield draft


def _entry(entry: Entry, name: str, tell: Tell) -> listing.Entry:
    """An entry of a page, or its tombstone, as one of a list."""
    place, label = f"line {entry.line}", f"entry {entry.key}"
    if entry.deleted:
        body = _identity(entry) | {"reason": "source_removed"}
        return listing.Entry(entry.key, place, label, entry.time, body=body, ended="retracted")
    sealed = {"hashes": _hashes(entry, name, tell)}
    return listing.Entry(
        entry.key, place, label, entry.time, rating=entry.classification, body=_body(entry, name), sealed=sealed
    )


def _identity(entry: Entry) -> dict[str, Any]:
    """The fields that say which entry of which list this is."""
    member = entry.key.partition("/")[0]
    return {
        "list_id": LIST_ID,
        "entry": ref(entry.key.replace("/", ":", 1)),
        "source_list": LIST_ID,
        "source_member": ref(member),
        "source_at": entry.time,
        "media": "video" if entry.video else "image",
    }


def _body(entry: Entry, name: str) -> dict[str, Any]:
    body = _identity(entry)
    if entry.classification:
        if not _CODE.fullmatch(entry.classification):
            raise InvalidFile(name, f"line {entry.line}, entry {entry.key}", "classification is no code")
        body["classifications"] = [
            {
                "scheme": SCHEME,
                "scheme_version": SCHEME_VERSION,
                "code": entry.classification,
                "asserted_by": body["source_member"],
                "asserted_at": entry.time,
            }
        ]
    return body


def _hashes(entry: Entry, name: str, tell: Tell) -> list[dict[str, Any]]:
    """The fingerprints that can travel; each that cannot is told of."""
    found: list[dict[str, Any]] = []
    for fingerprint in entry.fingerprints:
        mapped = _hash(entry, fingerprint)
        if isinstance(mapped, str):
            tell(Notice("left-out", name, f"line {fingerprint.line}", f"entry {entry.key}: {mapped}"))
        elif mapped not in found:
            found.append(mapped)
    if not found:
        place = f"line {entry.line}, entry {entry.key}"
        raise InvalidFile(name, place, "no fingerprint of it can be used")
    return sorted(found, key=lambda h: (h["algorithm"], h.get("value", "")))


def _hash(entry: Entry, fingerprint: Fingerprint) -> dict[str, Any] | str:
    """A fingerprint as the bus has it, or why it is left out."""
    tag = fingerprint.tag.replace("_", "-")
    if tag in _LARGE:
        if not fingerprint.linked:
            return f"{tag} is too large to travel, and no link to it is given"
        reference = f"{entry.key}/{_LARGE[tag]}"
        return {"algorithm": _LARGE[tag], "custodian": {"custodian": CUSTODIAN, "reference": reference}}
    if tag == "netclean":
        value = fingerprint.value.lower()
        if not _HEX.fullmatch(value) or len(value) > 2 * _NETCLEAN_MAX:
            return f"netclean must be hexadecimal, at most {_NETCLEAN_MAX} bytes"
        return {"algorithm": "NETCLEAN", "value": value}
    if tag not in _ALGORITHMS:
        return f"{tag} is no kind of fingerprint that the bus knows"
    algorithm = _ALGORITHMS[tag]
    value = hexadecimal(algorithm, fingerprint.value)
    if value is None:
        length = LENGTHS[algorithm]
        return f"{tag} must be {length} bytes ({2 * length} hexadecimal digits)"
    return {"algorithm": algorithm, "value": value}
