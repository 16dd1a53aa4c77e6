"""XARF v4 reports of the types ``csam`` and ``csem`` as ``Report`` events, and back. ``docs/adapters/xarf.md``.

XARF is what one organisation sends another about abuse: what was found, where, how, and what was done. It asks for
nothing and names no law, so it is a ``Report`` and no ``TakedownNotice``; it names what was found and no list, so it is
no ``HashHit``. Its classification is a verdict, and verdicts stand apart here: an ``Assessment`` of the report.

Source: the specification and JSON Schemas of xarf/xarf-spec.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from bus.adapters.bus_json import read_objects
from bus.adapters.documents import Envelope
from bus.adapters.drafts import Context, Draft, Input, ItemKey, Notice, Seen
from bus.adapters.fingerprints import LENGTHS, hexadecimal
from bus.adapters.listing import canonical, digest
from bus.adapters.times import rfc3339
from bus.adapters.xarf_out import write
from bus.errors import InvalidFile
from bus.events.ids import dashed

__all__ = ["ENVELOPE", "FORMAT", "drafts", "write"]

FORMAT = "xarf"
ENVELOPE = Envelope(b"", b"\n", b"\n")
MAX_REPORT = 16 << 20
"""Bytes of one report: evidence in it may be long, and is passed over."""

EXPLOITATION = {
    "grooming": "online_enticement",
    "solicitation": "online_enticement",
    "sextortion": "online_enticement",
    "trafficking": "sex_trafficking",
    "distribution": "csam",
    "production": "csam",
    "possession": "csam",
}
METHODS = {
    "csam": ("hash_match", "ai_detection", "manual_review", "user_report", "automated_scan"),
    "csem": ("behavioral_analysis", "keyword_detection", "user_report", "ai_detection", "manual_review",
             "law_enforcement_referral"),
}  # fmt: skip
FOUND = {"law_enforcement_referral": "found_law_enforcement"}
SCHEMES = {"baseline": ("iccam", "3"), **dict.fromkeys(("A1", "A2", "B1", "B2"), ("ncmec-esp", "2022-06"))}
AGES = ("infant", "toddler", "prepubescent", "pubescent", "unknown")

_VERSION = re.compile(r"4\.[0-9]{1,4}\.[0-9]{1,4}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NATION = re.compile(r"[A-Z]{2}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HASHES = {"md5": "MD5", "sha1": "SHA1", "sha256": "SHA256", "photodna": "PDNA"}
_MEDIA = ("image", "video", "audio", "text", "mixed")


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft a report, and the assessment of it, for each XARF report of a file: one object, a list, or one a line.

    Raises:
        InvalidFile: something is no XARF v4 report of these types.
    """
    ((stream, name),) = inputs
    for line, found in read_objects(stream, name, most=MAX_REPORT):
        fields = _Fields(found, name, f"line {line}", "")
        report_id = _known(fields)
        made = _Made(context, report_id, f"line {line}")
        report, first = made.report(*_report(fields, report_id, context))
        yield report
        verdict = _verdict(fields)
        if verdict is not None:
            yield made.assessment(verdict, first)


class _Fields:
    """One object: takes fields out and says which is wrong, by its path."""

    def __init__(self, found: Mapping[str, Any], name: str, place: str, path: str) -> None:
        self._found, self._name, self._place, self._path = found, name, place, path

    def wrong(self, key: str, rule: str) -> InvalidFile:
        """An error at a field."""
        return InvalidFile(self._name, self._place, f"{self._path}{key} {rule}")

    def left_out(self, context: Context, key: str, rule: str) -> None:
        """Tell that a field does not travel."""
        context.tell(Notice("left-out", self._name, self._place, f"{self._path}{key} {rule}"))

    def any(self, key: str) -> Any:
        """A field as it is; None if it is not there."""
        return self._found.get(key)

    def text(self, key: str, most: int = 2048) -> str:
        """A text that must be there."""
        found = self.maybe(key, most)
        if found is None:
            raise self.wrong(key, "must be a text")
        return found

    def maybe(self, key: str, most: int = 2048) -> str | None:
        """A text, if it is there."""
        found = self._found.get(key)
        if found is None:
            return None
        if not isinstance(found, str) or not found or _CONTROL.search(found):
            raise self.wrong(key, "must be a text")
        try:
            size = len(found.encode())
        except UnicodeEncodeError:
            raise self.wrong(key, "must be a text") from None
        if size > most:
            raise self.wrong(key, f"is longer than {most} bytes")
        return found

    def flag(self, key: str) -> bool:
        """Whether something is said to be so."""
        found = self._found.get(key)
        if found is not None and not isinstance(found, bool):
            raise self.wrong(key, "must be true or false")
        return found is True

    def one_of(self, key: str, allowed: Sequence[str], *, needed: bool = True) -> str | None:
        """A text of a list."""
        found = self.text(key) if needed else self.maybe(key)
        if found is not None and found not in allowed:
            raise self.wrong(key, f"must be one of {', '.join(allowed)}")
        return found

    def inside(self, key: str) -> _Fields | None:
        """An object in a field, if it is there."""
        found = self._found.get(key)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise self.wrong(key, "must be an object")
        return _Fields(cast("dict[str, Any]", found), self._name, self._place, f"{self._path}{key}.")


def _known(fields: _Fields) -> str:
    """See that it is a report of ours; its id."""
    if not _VERSION.fullmatch(fields.text("xarf_version")):
        raise fields.wrong("xarf_version", "must be 4.x.y")
    if fields.text("category") != "content":
        raise fields.wrong("category", "must be content")
    fields.one_of("type", tuple(METHODS))
    report_id = fields.text("report_id")
    if not _UUID.fullmatch(report_id):
        raise fields.wrong("report_id", "must be a UUID")
    return report_id.lower()


def _report(fields: _Fields, report_id: str, context: Context) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Step, body and sealed part of the report."""
    at = rfc3339(fields.text("timestamp"))
    if at is None:
        raise fields.wrong("timestamp", "must be an RFC 3339 time with its zone")
    number = fields.maybe("ncmec_report_id", 128)
    refs = [{"system": "xarf", "value": report_id}]
    body = _body(fields)
    if number is not None:
        refs.append({"system": "ncmec-cybertipline", "value": number})
        body["statutory_channel"] = "ncmec-cybertipline"
    where = _where(fields)
    sealed: dict[str, Any] = {"external_refs": refs, "incident_at": at, "persons": _persons(fields), **where}
    account = _suspect(fields, sealed)
    if account is not None:
        sealed["accounts"] = [{"role": "suspect", "id": account}]
    hashes = list(_hashes(fields, context))
    if hashes:
        sealed["hashes"] = hashes
    narrative = fields.maybe("description", 4000)
    if narrative is not None:
        sealed["narrative"] = narrative
    if fields.any("evidence"):
        fields.left_out(context, "evidence", "is not carried: no content of files travels here")
    return "opened" if number is None else "filed", body, sealed


def _body(fields: _Fields) -> dict[str, Any]:
    kind = fields.text("type")
    method = fields.one_of("detection_method", METHODS[kind])
    notes = [FOUND.get(str(method), f"found_{method}")]
    incident = "csam"
    if kind == "csem":
        exploitation = str(fields.one_of("exploitation_type", tuple(EXPLOITATION)))
        incident = EXPLOITATION[exploitation]
        notes.append(exploitation)
    notes += [name for name in ("content_removed", "account_suspended") if fields.flag(name)]
    body: dict[str, Any] = {"incident_types": [incident], "annotations": notes}
    media = fields.one_of("media_type", _MEDIA, needed=False)
    if media is not None:
        body["has_media"] = media != "text"
    country = fields.maybe("country_code")
    if country is not None:
        if not _NATION.fullmatch(country):
            raise fields.wrong("country_code", "must be two capital letters")
        body["jurisdictions"] = [{"country": country, "tie": "hosting"}]
    return body


def _where(fields: _Fields) -> dict[str, Any]:
    """The address of what was found, and of where it came from."""
    url, source, port = fields.text("url", 2083), fields.text("source_identifier", 2083), fields.any("source_port")
    if port is not None and (type(port) is not int or not 0 < port < 65536):
        raise fields.wrong("source_port", "must be a whole number from 1 to 65535")
    locators = [{"kind": "onion" if ".onion" in url.partition("//")[2].partition("/")[0] else "url", "value": url}]
    if _is_ip(source):
        return {"locators": locators, "ip_events": [{"address": source, **({"port": port} if port else {})}]}
    return {"locators": [*locators, {"kind": "url", "value": source}]}


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _persons(fields: _Fields) -> list[dict[str, Any]]:
    """Who reported and, if that is another, who sent it; a victim, of whom the age is all that is known."""
    found: list[dict[str, Any]] = []
    for key, role in (("reporter", "reporter"), ("sender", "other")):
        contact = fields.inside(key)
        if contact is None:
            raise fields.wrong(key, "must be an object")
        said = contact.text("org", 200), contact.text("contact", 254), contact.text("domain", 253)
        if not found or said != (found[0]["name"], found[0]["emails"][0], found[0]["note"].partition(": ")[2]):
            found.append({"role": role, "name": said[0], "emails": [said[1]], "note": f"{key}, domain: {said[2]}"})
    age = fields.one_of("victim_age_range", AGES, needed=False)
    if age is not None:
        found.append({"role": "victim", "note": f"age range: {age}"})
    return found


def _suspect(fields: _Fields, sealed: dict[str, Any]) -> str | None:
    """What is said of whoever did it; the account's id."""
    found = fields.inside("perpetrator_indicators")
    if found is None:
        return None
    addresses: Any = found.any("ip_addresses") or []
    if not isinstance(addresses, list) or len(cast("list[Any]", addresses)) > 60:
        raise found.wrong("ip_addresses", "must be a list of at most 60")
    for address in cast("list[Any]", addresses):
        if not isinstance(address, str) or not _is_ip(address):
            raise found.wrong("ip_addresses", "must hold network addresses")
        sealed.setdefault("ip_events", []).append({"address": address, "kind": "other"})
    pattern = found.maybe("pattern_of_behavior", 3000)
    if pattern is not None:
        sealed["persons"].append({"role": "suspect", "note": pattern})
    return found.maybe("account_id", 255)


def _hashes(fields: _Fields, context: Context) -> Iterator[dict[str, str]]:
    """Hashes of the content; ``file_hash`` is how the samples of ``csem`` write it."""
    for key in ("hash_values", "file_hash"):
        values = fields.inside(key)
        for name, algorithm in _HASHES.items() if values is not None else ():
            text = values.maybe(name) if values is not None else None
            value = None if text is None else hexadecimal(algorithm, text)
            if value is not None:
                yield {"algorithm": algorithm, "value": value}
            elif text is not None and algorithm == "PDNA":
                fields.left_out(context, f"{key}.{name}", f"must be {LENGTHS[algorithm]} bytes")
            elif text is not None:
                raise fields.wrong(f"{key}.{name}", f"must be {LENGTHS[algorithm]} bytes in hexadecimal")


def _verdict(fields: _Fields) -> dict[str, Any] | None:
    """Step and classification of the assessment; None if nothing is classified."""
    code = fields.one_of("classification", tuple(SCHEMES), needed=fields.text("type") == "csam")
    if code is None:
        return None
    scheme, version = SCHEMES[code]
    human = fields.text("detection_method") == "manual_review"
    rating: dict[str, Any] = {"scheme": scheme, "scheme_version": version, "code": code}
    return {"step": "asserted" if human else "proposed", "rating": rating | ({"human_reviewed": True} if human else {})}


class _Versions(NamedTuple):
    """What was published of one item, oldest first, and the journal's key of the next."""

    before: list[Seen]
    next: ItemKey


class _Made:
    """Makes the events of one report, and knows what was published of it before."""

    def __init__(self, context: Context, report_id: str, place: str) -> None:
        self._context, self._id, self._place = context, report_id, place

    def report(self, step: str, body: dict[str, Any], sealed: dict[str, Any]) -> tuple[Draft, bytes]:
        """The report's event and the id of the first about it; other content under its id supplements the first."""
        note = digest(step, canonical(body), canonical(sealed))
        versions = self._versions("report", note)
        event_id, item, about = self._place_of(versions, note)
        header: dict[str, Any] = {"event_id": dashed(event_id), "step": step}
        if about is not None:
            header |= {"step": "supplemented", "about": dashed(about)}
        event = {"type": "Report", "header": header, "body": body, "sealed": sealed}
        return Draft(self._place, event, item), about or event_id

    def assessment(self, verdict: dict[str, Any], first: bytes) -> Draft:
        """The verdict on the report; a later one supersedes the one before."""
        note = digest(canonical(verdict))
        versions = self._versions("assessment", note)
        event_id, item, _ = self._place_of(versions, note)
        header: dict[str, Any] = {"event_id": dashed(event_id), "step": verdict["step"]}
        earlier = [one for one in versions.before if one.event_id != event_id and one.outcome != "refused"]
        if earlier and item.key.endswith(f"@{len(versions.before) + 1}"):
            header["supersedes"] = dashed(earlier[-1].event_id)
        body = {"subject": {"event": dashed(first)}, "classifications": [verdict["rating"]]}
        return Draft(self._place, {"type": "Assessment", "header": header, "body": body}, item)

    def _versions(self, kind: str, note: str) -> _Versions:
        before: list[Seen] = []
        source = f"v4/{self._context.circle}"
        while (found := self._context.memory.find(self._key(kind, source, len(before) + 1))) is not None:
            before.append(found)
        return _Versions(before, self._key(kind, source, len(before) + 1, note))

    def _key(self, kind: str, source: str, number: int, note: str = "") -> ItemKey:
        return ItemKey(FORMAT, source, f"{self._id}/{kind}@{number}", note)

    def _place_of(self, versions: _Versions, note: str) -> tuple[bytes, ItemKey, bytes | None]:
        """Id and key of a version, known or new, and the first one that it follows."""
        standing = [one for one in versions.before if one.outcome != "refused"]
        for number, one in enumerate(versions.before, 1):
            if one.note == note:
                item = ItemKey(FORMAT, versions.next.source, versions.next.key.rpartition("@")[0] + f"@{number}", note)
                earlier = [other for other in versions.before[: number - 1] if other.outcome != "refused"]
                return one.event_id, item, earlier[0].event_id if earlier else None
        event_id = self._context.new_id()
        self._context.memory.put(versions.next, event_id)
        return event_id, versions.next, standing[0].event_id if standing else None
