"""Pages of StopNCII's FetchHashes as ``HashListing`` events. ``docs/adapters/stopncii.md``.

A person who fears that an intimate picture of theirs is shared makes its hash and opens a case. One hash may have many
cases, and the person decides: what is withdrawn must be deleted.

==================================================  =======================================================
``hashStatus``                                      the event's step
==================================================  =======================================================
``Received``, ``Active``, ``Unknown``, a new one     ``listed``; another status later: ``reclassified``
``Withdrawn``                                       ``withdrawn_by_survivor``, reason ``survivor_request``
``Deleted``                                         ``retracted``, reason ``source_removed``
==================================================  =======================================================

A status that this version does not know travels as it is spelled; the hash stands until it is known to be withdrawn.

Source: the client of facebook/ThreatExchange; StopNCII's own documentation needs an account.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from bus.adapters.drafts import Context, Draft, Input, Notice, Tell
from bus.adapters.fingerprints import LENGTHS, hexadecimal, means_nothing
from bus.adapters.listing import Entry, Lister
from bus.adapters.strict_json import load
from bus.adapters.times import unix_seconds
from bus.errors import InvalidFile

FORMAT = LIST_ID = "stopncii"
SCHEME = "stopncii"
SCHEME_VERSION = "v1"
MAX_BYTES = 64 << 20
MAX_CASES = 10_000

_SIGNALS = {"ImagePDQ": ("PDQ", "image"), "VideoMD5": ("MD5", "video")}
_ENDS = {"Withdrawn": ("withdrawn_by_survivor", "survivor_request"), "Deleted": ("retracted", "source_removed")}
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]{0,31}", re.ASCII)


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft a listing, or its end, for each record of a page.

    Raises:
        InvalidFile: it is no page, or a record cannot be read.
    """
    ((stream, name),) = inputs
    page = load(stream, name, most=MAX_BYTES)
    records = cast("dict[str, Any]", page).get("hashRecords") if isinstance(page, dict) else None
    if not isinstance(records, list):
        raise InvalidFile(name, "the whole file", "it has no list hashRecords: no page of FetchHashes")
    lister = Lister(FORMAT, LIST_ID, name, context)
    for number, record in enumerate(cast("list[Any]", records), 1):
        entry = _entry(record, name, f"record {number}", context.tell)
        draft = None if entry is None else lister.draft(entry)
        if draft is not None:
            yield draft


def _entry(record: Any, name: str, place: str, tell: Tell) -> Entry | None:
    """One record as an entry; None, and a notice, if its kind of signal cannot travel."""
    if not isinstance(record, dict):
        raise InvalidFile(name, place, "a record must be an object")
    fields = cast("dict[str, Any]", record)
    kind, value, status = (_text(fields, key, name, place) for key in ("signalType", "hashValue", "hashStatus"))
    if kind not in _SIGNALS:
        tell(Notice("left-out", name, place, "a signal of a kind that does not travel"))
        return None
    algorithm, media = _SIGNALS[kind]
    found = hexadecimal(algorithm, value)
    if found is None:
        raise InvalidFile(name, place, f"hashValue must be {LENGTHS[algorithm]} bytes in hexadecimal")
    if means_nothing(algorithm, found):
        tell(Notice("left-out", name, place, "the hash of nothing, which matches what it should not"))
        return None
    time = unix_seconds(fields.get("lastModtimestamp"))
    if time is None:
        raise InvalidFile(name, place, "lastModtimestamp must be whole seconds since 1970")
    key = hashlib.sha256(f"{algorithm}:{found}".encode()).hexdigest()[:32]
    body: dict[str, Any] = {"source_at": time, "media": media}
    state = _state(fields, status, name, place)
    if state in _ENDS:
        step, reason = _ENDS[state]
        return Entry(key, place, time=time, body=body | {"reason": reason}, ended=step)
    rating = {"scheme": SCHEME, "scheme_version": SCHEME_VERSION, "code": state, "asserted_at": time}
    body["classifications"] = [rating]
    sealed = {"hashes": [{"algorithm": algorithm, "value": found}]}
    return Entry(key, place, time=time, rating=state, body=body, sealed=sealed)


def _state(fields: dict[str, Any], status: str, name: str, place: str) -> str:
    """The record's own status, which StopNCII sums up from its cases. A status that is not known stays as it is."""
    if not _CODE.fullmatch(status):
        raise InvalidFile(name, place, "hashStatus must be a plain code")
    cases: Any = fields.get("caseNumbers", {})
    if not isinstance(cases, dict) or len(cast("dict[str, Any]", cases)) > MAX_CASES:
        raise InvalidFile(name, place, f"caseNumbers must be an object of at most {MAX_CASES:,} cases")
    if not all(isinstance(state, str) for state in cast("dict[str, Any]", cases).values()):
        raise InvalidFile(name, place, "each case must have a status")
    return status


def _text(fields: dict[str, Any], key: str, name: str, place: str) -> str:
    found = fields.get(key)
    if not isinstance(found, str):
        raise InvalidFile(name, place, f"{key} must be a text")
    return found
