"""Hash sets and cases of the VICS data model as ``HashListing`` events, and back. ``docs/adapters/vics.md``.

A row of a hash set (``#Media``) is an entry of a list: ``listed``. A row of a case (``#Cases``) is something that an
investigation found: ``proposed``. No row has an id that means anything beyond its file (NIST's all have 0), so an entry
is known by its first digest, and only to this organisation's journal.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from bus.adapters import listing
from bus.adapters.documents import Document, Envelope, Event, Subjects, Unsaid, Written
from bus.adapters.drafts import Context, Draft, Input, Notice, Tell
from bus.adapters.fingerprints import LENGTHS, hexadecimal, means_nothing
from bus.adapters.times import rfc3339
from bus.adapters.vics_file import Context as Head
from bus.adapters.vics_file import Media, read_media
from bus.errors import InvalidFile

FORMAT = "vics"
MAPPING = 1

_HASHES = {"MD5": "MD5", "SHA1": "SHA1", "SHA256": "SHA256", "PhotoDNA": "PDNA"}
_OTHERS = {"md5": "MD5", "sha1": "SHA1", "sha256": "SHA256", "pdq": "PDQ", "photodna": "PDNA"}
_FLAGS = {
    "SelfGenerated": "self_generated",
    "VictimIdentified": "victim_identified",
    "OffenderIdentified": "offender_identified",
    "IsDistributed": "distributed",
}
_WORDS = {"true": True, "false": False, "": False}
_NATIONS = {"UK": "GB"}
_CATEGORY = re.compile(r"0|[1-9][0-9]?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SERIES = 128


class Scale(NamedTuple):
    """Whose categories a file's numbers are; ``country`` None where the file's own profile says it."""

    scheme: str
    country: str | None


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft a listing for each media object of a file, with its categories as those of its national profile.

    Raises:
        InvalidFile: the file cannot be read, or an object is left without any hash.
    """
    return media_drafts(inputs, context, FORMAT, Scale("vics", None))


def media_drafts(inputs: Sequence[Input], context: Context, form: str, scale: Scale) -> Iterator[Draft]:
    """As :func:`drafts`, for a format whose categories are of a scale of their own."""
    ((stream, name),) = inputs
    found = read_media(stream, name)
    head = next(found, None)
    if not isinstance(head, Head):
        raise InvalidFile(name, "the whole file", "it has no context and list of media: no VICS file")
    country = scale.country or _NATIONS.get(head.profile, head.profile if len(head.profile) == 2 else None)
    rated = {"scheme": scale.scheme, "scheme_version": head.version, **({"country": country} if country else {})}
    list_id = "-".join(filter(None, (scale.scheme, head.version, (country or head.profile).lower())))
    first = "proposed" if head.cases else "listed"
    lister = listing.Lister(form, list_id, name, context, mapping=MAPPING, first=first)
    for media in found:
        assert isinstance(media, Media)
        entry = _entry(media, rated, name, context.tell)
        draft = None if entry is None else lister.draft(entry)
        if draft is not None:
            yield draft


def _entry(media: Media, rated: dict[str, str], name: str, tell: Tell) -> listing.Entry | None:
    """One media object as an entry; None, and a notice, if none of its hashes tells anything."""

    def left_out(what: str) -> None:
        tell(Notice("left-out", name, media.place, what))

    hashes = list(_hashes(media, left_out))
    if not hashes:
        raise InvalidFile(name, media.place, "no hash of it can be used")
    telling = [one for one in hashes if not means_nothing(one["algorithm"], one["value"])]
    if not telling:
        left_out("it is the empty file, which everybody has")
        return None
    time = _time(media, left_out)
    category = _category(media, name)
    stated = {"source_at": time} if time else {}
    body: dict[str, Any] = {**stated, "flags": sorted(_flags(media, name))}
    kind = _kind(media)
    if kind:
        body["media"] = kind
    if category is not None:
        asserted = {"asserted_at": time} if time else {}
        body["classifications"] = [{**rated, "code": category, **asserted}]
    sealed: dict[str, Any] = {"hashes": telling, **_series(media, left_out)}
    rating = f"{category} {rated}"
    return listing.Entry(_key(telling), media.place, time=time, rating=rating, body=body, sealed=sealed)


def _key(hashes: list[dict[str, str]]) -> str:
    """The journal's name of an entry: a digest of its first hash, in the order of the model."""
    by = {one["algorithm"]: one["value"] for one in hashes}
    algorithm = next(name for name in LENGTHS if name in by)
    return hashlib.sha256(f"{algorithm}:{by[algorithm]}".encode()).hexdigest()[:32]


def _hashes(media: Media, left_out: Any) -> Iterator[dict[str, str]]:
    """The hashes that can travel, each once, in order."""
    found = [(_HASHES[name], name, media.fields.get(name, "")) for name in _HASHES]
    for name, value in media.others:
        algorithm = _OTHERS.get(name.lower().replace("-", "").replace("_", ""))
        if algorithm is None:
            left_out("an alternative hash of a kind that does not travel")
        else:
            found.append((algorithm, f"alternative {algorithm}", value))
    seen: set[tuple[str, str]] = set()
    for algorithm, name, text in sorted(found, key=lambda one: one[0]):
        if text == "":
            continue
        value = hexadecimal(algorithm, text) if isinstance(text, str) else None
        if value is None:
            left_out(f"{name} must be {LENGTHS[algorithm]} bytes in hexadecimal{_or_base64(algorithm)}")
        elif (algorithm, value) not in seen:
            seen.add((algorithm, value))
            yield {"algorithm": algorithm, "value": value}


def _or_base64(algorithm: str) -> str:
    return " or base64" if algorithm == "PDNA" else ""


def _category(media: Media, name: str) -> str | None:
    """The category's number; null is none, which is not the number 0."""
    found = media.fields.get("Category")
    if found is None or found == "":
        return None
    text = str(found) if isinstance(found, str) or type(found) is int else ""
    if not _CATEGORY.fullmatch(text):
        raise InvalidFile(name, media.place, "Category must be null or a whole number from 0 to 99")
    return text


def _flags(media: Media, name: str) -> Iterator[str]:
    """What is said to be so. Not said, and said not to be so, are both silence here."""
    for field, flag in _FLAGS.items():
        found = media.fields.get(field, False)
        said = _WORDS.get(found.lower()) if isinstance(found, str) else found
        if not isinstance(said, bool):
            raise InvalidFile(name, media.place, f"{field} must be true or false")
        if said:
            yield flag


def _kind(media: Media) -> str | None:
    found = media.fields.get("MimeType")
    kind = found.partition("/")[0].lower() if isinstance(found, str) else ""
    return kind if kind in {"image", "video", "audio"} else None


def _time(media: Media, left_out: Any) -> str:
    found = media.fields.get("DateUpdated", "")
    time = rfc3339(found) if isinstance(found, str) else None
    if time is None and found != "":
        left_out("DateUpdated must be an RFC 3339 time with its zone")
    return time or ""


def _series(media: Media, left_out: Any) -> dict[str, str]:
    found = media.fields.get("Series", "")
    if found == "":
        return {}
    if not isinstance(found, str) or len(found.encode("utf-8", "replace")) > _SERIES or _CONTROL.search(found):
        left_out(f"Series must be plain text of at most {_SERIES} bytes")
        return {}
    return {"series_ref": found}


# -- out -----------------------------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """A shape to write: its context, whose categories it takes, and how hexadecimal is spelled."""

    context: str
    scheme: str
    version: str
    country: str | None
    upper: bool

    def envelope(self) -> Envelope:
        """What stands around the media objects of one file."""
        key = "@odata.context" if self.upper else "odata.metadata"
        head = orjson.dumps({key: self.context})[:-1] + b',"value":[\n'
        return Envelope(head, b",\n", b"\n]}\n")


DEFAULT = Layout(
    "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media", "vics", "2.0", None, True
)
ENVELOPE = DEFAULT.envelope()

_KEPT = frozenset({"list_id", "entry", "source_list", "source_at", "media", "classifications", "flags", "salt"})
_RATED = frozenset({"scheme", "scheme_version", "country", "code", "asserted_at"})
_OUT = {"MD5": "MD5", "SHA1": "SHA1", "PDNA": "PhotoDNA"}


def write(event: Event, subject: Subjects) -> Written | Unsaid:
    """A listing as a media object of VICS 2.0, profile ``Default``."""
    del subject
    return write_media(event, DEFAULT)


def write_media(event: Event, layout: Layout) -> Written | Unsaid:
    """A listing as a media object of one layout."""
    step, body, sealed = event["header"]["step"], event["body"], event.get("sealed") or {}
    if step in {"retracted", "withdrawn_by_survivor", "disputed"}:
        return Unsaid(f"VICS has no form for an entry that is {step}")
    lost: list[str] = []
    media: dict[str, Any] = {"MediaID": 0}
    rating = _rating(body, layout, lost)
    media["Category"] = None if rating is None else int(rating["code"])
    if not _put_hashes(media, sealed.get("hashes") or [], layout, lost):
        return Unsaid("VICS knows a file by its MD5 or SHA1, and the listing has neither")
    if body.get("source_at"):
        media["DateUpdated"] = body["source_at"]
    if body.get("media") in {"image", "video", "audio"}:
        media["MimeType"] = f"{body['media']}/*"
    elif body.get("media"):
        lost.append("body.media")
    said = set(body.get("flags") or [])
    media |= {name: "true" if layout.upper else True for name, flag in _FLAGS.items() if flag in said}
    if said - set(_FLAGS.values()):
        lost.append("body.flags")
    if sealed.get("series_ref"):
        media["Series"] = sealed["series_ref"]
    lost += [f"body.{name}" for name, value in body.items() if name not in _KEPT and value not in (None, [])]
    return Written((Document("media.json", orjson.dumps(media)),), tuple(sorted(set(lost))))


def _rating(body: dict[str, Any], layout: Layout, lost: list[str]) -> dict[str, Any] | None:
    """The classification that the layout's own numbers are; any other would be read as another number's meaning."""
    own = (layout.scheme, layout.version, layout.country)
    found = [
        c for c in body.get("classifications") or [] if own == (c["scheme"], c["scheme_version"], c.get("country"))
    ]
    found = [c for c in found if _CATEGORY.fullmatch(c["code"])]
    if len(found) != 1 or len(found) != len(body.get("classifications") or []):
        lost.extend(["body.classifications"] if body.get("classifications") else [])
        return found[0] if len(found) == 1 else None
    said = {key: value for key, value in found[0].items() if value is not None}
    if set(said) - _RATED or said.get("asserted_at") != body.get("source_at"):
        lost.append("body.classifications")
    return found[0]


def _put_hashes(media: dict[str, Any], hashes: list[dict[str, Any]], layout: Layout, lost: list[str]) -> bool:
    """Put the hashes into a media object; whether it is known by one of them."""
    others: list[dict[str, str]] = []
    for one in hashes:
        algorithm, value = one["algorithm"], one.get("value")
        if value is None or algorithm not in LENGTHS or algorithm == "VPDQ":
            lost.append("sealed.hashes")
        elif algorithm in _OUT and _OUT[algorithm] not in media:
            spelled = value.upper() if layout.upper else value
            media[_OUT[algorithm]] = base64.b64encode(bytes.fromhex(value)).decode() if algorithm == "PDNA" else spelled
        else:
            others.append({"HashName": algorithm, "HashValue": value.upper() if layout.upper else value})
    if others:
        media["AlternativeHashes"] = others
    return "MD5" in media or "SHA1" in media
