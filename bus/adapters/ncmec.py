"""NCMEC hash sharing, version 2, as ``HashListing`` events. What maps to what: ``docs/adapters/ncmec-hashes.md``.

Each entry of a list has a chain of versions in the journal, ``member/id@1``, ``@2`` and so on, one per event that
this organisation published about it for one audience. A version that is known is published again under its own
id, byte for byte; so pages may come again, in any order, and nothing is published twice.

=====================  ===================================  ============================================
the page has           the journal knows                    the event's step
=====================  ===================================  ============================================
an entry               nothing, or a retraction             ``listed``
an entry               the entry with another class         ``reclassified``
an entry               the entry with other fingerprints    ``listed``, about the first, superseding the last
an entry               the same content                     none: there is nothing new to say
a tombstone            the entry                            ``retracted``
a tombstone            nothing                              none: counted
=====================  ===================================  ============================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from bus.adapters.drafts import Context, Draft, Input, ItemKey, Memory, Notice, Seen, Tell
from bus.adapters.ncmec_pages import Entry, Fingerprint, read_page
from bus.errors import InvalidFile
from bus.events.ids import dashed

FORMAT = "ncmec-hashes"
LIST_ID = "ncmec-hash-sharing-v2"
CUSTODIAN = "ncmec"
SCHEME = "ncmec-esp"
SCHEME_VERSION = "2022-06"
MAPPING = 1
"""Counted up when entries map to other events than before: it makes every entry a new version."""

_LENGTHS = {
    "md5": ("MD5", 16),
    "sha1": ("SHA1", 20),
    "sha256": ("SHA256", 32),
    "pdq": ("PDQ", 32),
    "pdna": ("PDNA", 144),
}
_NETCLEAN_MAX = 144
_LARGE = {
    "videntifier": "VIDENTIFIER",
    "tmk-pdqf": "TMK_PDQF",
    "ssvh-pdna": "SSVH_PDNA",
    "ssvh-safer-hash": "SSVH_SAFER_HASH",
    "tmk-safer-hash": "SSVH_SAFER_HASH",
}
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=-]{0,62}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]{0,31}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)


class Version(Struct, frozen=True, gc=False):
    """One event about an entry, as the journal's note has it: step, digest of version, of content, of class."""

    event_id: bytes
    step: str
    version: str
    content: str
    rating: str
    outcome: str

    @classmethod
    def of(cls, seen: Seen) -> Version:
        """Read a journal's note."""
        step, version, content, rating = seen.note.split()
        return cls(seen.event_id, step, version, content, rating, seen.outcome)


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Read one page and draft an event for each entry that has something to say.

    Another audience has listings of its own.

    Raises:
        InvalidFile: the page cannot be read, or an entry is left without any fingerprint.
    """
    ((stream, name),) = inputs
    memory, new_id, tell = context.memory, context.new_id, context.tell
    for entry in read_page(stream, name):
        chain = _Chain(memory, f"{LIST_ID}/{context.circle}", entry.key)
        draft = _retract(entry, chain, new_id) if entry.deleted else _list(entry, name, chain, new_id, tell)
        if isinstance(draft, str):
            kind, _, text = draft.partition(": ")
            tell(Notice(kind, name, f"line {entry.line}", f"entry {entry.key}: {text}"))
        else:
            yield draft


class _Chain:
    """The versions of one entry, oldest first, and how the next is put at its end."""

    def __init__(self, memory: Memory, source: str, key: str) -> None:
        self._memory, self._source, self._key = memory, source, key
        self.versions: list[Version] = []
        while (seen := memory.find(self._item(len(self.versions) + 1))) is not None:
            self.versions.append(Version.of(seen))

    def _item(self, number: int, note: str = "") -> ItemKey:
        return ItemKey(FORMAT, self._source, f"{self._key}@{number}", note)

    def standing(self, before: int | None = None) -> list[Version]:
        """The versions since the last retraction that the hub has not refused."""
        found: list[Version] = []
        for version in self.versions[:before]:
            if version.outcome != "refused":
                found = [] if found and found[-1].step == "retracted" else found
                found.append(version)
        return found

    def find(self, version: str) -> int | None:
        """The place of a version by its digest."""
        return next((i for i, v in enumerate(self.versions) if v.version == version), None)

    def known(self, place: int) -> tuple[Version, ItemKey]:
        """A version that is published again."""
        found = self.versions[place]
        note = f"{found.step} {found.version} {found.content} {found.rating}"
        return found, self._item(place + 1, note)

    def append(self, event_id: bytes, step: str, version: str, content: str, rating: str) -> ItemKey:
        """A new version at the end."""
        item = self._item(len(self.versions) + 1, f"{step} {version} {content} {rating}")
        self._memory.put(item, event_id)
        return item


def _list(entry: Entry, name: str, chain: _Chain, new_id: Callable[[], bytes], tell: Tell) -> Draft | str:
    """The draft for an entry, or why there is none."""
    hashes = _hashes(entry, name, tell)
    rating = _digest(entry.classification)
    content = _digest(MAPPING, entry.video, rating, *(repr(sorted(h.items(), key=str)) for h in hashes))
    version = _digest(content, entry.time)
    body = _body(entry, name)
    place = chain.find(version)
    if place is not None:
        before = chain.standing(place)
        found, item = chain.known(place)
        return _draft(entry, found.event_id, found.step, before=before, item=item, body=body, hashes=hashes)
    before = chain.standing()
    if before and before[-1].step != "retracted" and before[-1].content == content:
        return "unchanged: nothing new since it was published"
    changed = bool(before) and before[-1].step != "retracted" and before[-1].rating != rating
    step, event_id = "reclassified" if changed else "listed", new_id()
    item = chain.append(event_id, step, version, content, rating)
    return _draft(entry, event_id, step, before=before, item=item, body=body, hashes=hashes)


def _retract(entry: Entry, chain: _Chain, new_id: Callable[[], bytes]) -> Draft | str:
    """The draft for a tombstone, or why there is none."""
    version = _digest("deleted", entry.time)
    place = chain.find(version)
    body = _identity(entry) | {"reason": "source_removed"}
    if place is not None:
        found, item = chain.known(place)
        before = chain.standing(place)
        return _draft(entry, found.event_id, found.step, before=before, item=item, body=body, hashes=[])
    before = chain.standing()
    if not before:
        return "unknown-tombstone: deleted there, and never published here"
    if before[-1].step == "retracted":
        return "unchanged: retracted already"
    event_id = new_id()
    item = chain.append(event_id, "retracted", version, "-", "-")
    return _draft(entry, event_id, "retracted", before=before, item=item, body=body, hashes=[])


def _draft(
    entry: Entry,
    event_id: bytes,
    step: str,
    *,
    before: list[Version],
    item: ItemKey,
    body: dict[str, Any],
    hashes: list[dict[str, Any]],
) -> Draft:
    """The event: about the first listing since the last retraction, superseding the last event."""
    header: dict[str, Any] = {"event_id": dashed(event_id), "step": step, "purpose": "list_upkeep"}
    if before and before[-1].step != "retracted":
        header["about"] = dashed(before[0].event_id)
        header["supersedes"] = dashed(before[-1].event_id)
    event: dict[str, Any] = {"type": "HashListing", "header": header, "body": body}
    if hashes:
        event["sealed"] = {"hashes": hashes}
    return Draft(f"line {entry.line}, entry {entry.key}", event, item)


def _identity(entry: Entry) -> dict[str, Any]:
    """The fields that say which entry of which list this is."""
    member = entry.key.partition("/")[0]
    return {
        "list_id": LIST_ID,
        "entry": _ref(entry.key.replace("/", ":", 1)),
        "source_list": LIST_ID,
        "source_member": _ref(member),
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
    if tag not in _LENGTHS:
        return f"{tag} is no kind of fingerprint that the bus knows"
    algorithm, length = _LENGTHS[tag]
    raw = _bytes(fingerprint.value, length)
    if raw is None:
        return f"{tag} must be {length} bytes ({2 * length} hexadecimal digits)"
    return {"algorithm": algorithm, "value": raw.hex()}


def _bytes(text: str, length: int) -> bytes | None:
    """The bytes of a fingerprint: hexadecimal, or for PhotoDNA also base64, of exactly this length."""
    if len(text) == 2 * length and _HEX.fullmatch(text.lower()):
        return bytes.fromhex(text)
    if length == 144 and len(text) == 192:
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
    return None


def _ref(text: str) -> str:
    """An id as a reference; one with other characters, or too long, by its digest."""
    return text if _REF.fullmatch(text) else f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:48]}"


def _digest(*parts: object) -> str:
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:24]
