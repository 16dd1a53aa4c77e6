"""A ``Report`` as CyberTipline documents: a ``report``, and a ``fileDetails`` for each file that NCMEC has numbered.

Elements stand in the order of the format. What has no element of its own becomes a sentence of the report's
``additionalInfo``, behind the narrative.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from bus.adapters import cybertip_codes as codes
from bus.adapters.cybertip_in import URGENT
from bus.adapters.cybertip_people import OTHER_ACCOUNT
from bus.adapters.values import short_time

Json = Mapping[str, Any]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_URGENT = frozenset({"urgent", "immediate"})
_ENTITIES = {
    "suspect": ("personOrUserReported", "personOrUserReportedPerson"),
    "recipient": ("intendedRecipient", "intendedRecipientPerson"),
    "victim": ("victim", "victimPerson"),
}
_REPORTERS = ("reportingPerson", "contactPerson")
_AGES = frozenset({"age", "born"})
_VIEWED = (("by_provider", "fileViewedByEsp"), ("exif", "exifViewedByEsp"), ("public", "publiclyAvailable"))


def report_xml(event: Json, *, with_files: bool) -> bytes:
    """The ``report`` of an event; ``with_files`` says that its files have documents of their own."""
    header, body, sealed = event["header"], event["body"], event.get("sealed") or {}
    root = ET.Element("report")
    _incident(root, header, body, sealed)
    _pages(root, sealed)
    case = next((ref for ref in sealed.get("external_refs", []) if ref["system"] == codes.CASE_SYSTEM), None)
    if case is not None:
        _add(ET.SubElement(root, "lawEnforcement"), "caseNumber", case["value"])
    reporters = [person for person in sealed.get("persons", []) if person["role"] == "reporter"]
    reporter = ET.SubElement(root, "reporter")
    for name, person in zip(_REPORTERS, [*reporters, {}][:2] if len(reporters) < 2 else reporters, strict=False):
        if person or name == _REPORTERS[0]:
            _person(ET.SubElement(reporter, name), {k: v for k, v in person.items() if k not in _AGES}, estimated=None)
    sentences = [sealed["narrative"]] if sealed.get("narrative") else []
    sentences += _entities(root, sealed)
    sentences += _in_words(sealed, case, with_files=with_files)
    if sentences:
        _add(root, "additionalInfo", "\n".join(sentences))
    return _bytes(root)


def files_xml(event: Json) -> list[bytes]:
    """The ``fileDetails`` of an event; none unless it is certain which fingerprint is of which file."""
    body, sealed = event["body"], event.get("sealed") or {}
    refs = sealed.get("external_refs", [])
    number = next((ref["value"] for ref in refs if ref["system"] == codes.SYSTEM), None)
    ids = [ref["value"] for ref in refs if ref["system"] == codes.FILE_SYSTEM]
    groups = _by_file(sealed.get("hashes", []), len(ids))
    if number is None or groups is None or len(ids) != body.get("file_count"):
        return []
    return [_file(number, one, group, body) for one, group in zip(ids, groups, strict=True)]


def _by_file(hashes: Sequence[Json], files: int) -> list[Sequence[Json]] | None:
    """Fingerprints by file, where each file has the same kinds of them in the same order; else None."""
    if not files or len(hashes) % files:
        return None
    size = len(hashes) // files
    groups = [hashes[at : at + size] for at in range(0, len(hashes), size)] if size else [()] * files
    kinds = [[one["algorithm"] for one in group] for group in groups]
    plain = all(set(one) <= {"algorithm", "value"} and one["algorithm"] in codes.HASH_LENGTHS for one in hashes)
    same = all(kind == kinds[0] for kind in kinds) and len(set(kinds[0])) == size
    return list(groups) if plain and same else None


def _file(number: str, file_id: str, hashes: Sequence[Json], body: Json) -> bytes:
    root = ET.Element("fileDetails")
    _add(root, "reportId", number)
    _add(root, "fileId", file_id)
    viewed = body.get("viewed") or {}
    for field, name in _VIEWED:
        _add(root, name, viewed.get(field))
    if (body.get("ai") or {}).get("status") in codes.GENERATED:
        _add(ET.SubElement(root, "fileAnnotations"), "generativeAi", True)
    for one in hashes:
        _add(root, "originalFileHash", one["value"], hashType=one["algorithm"])
    return _bytes(root)


# --- the report -----------------------------------------------------------------------------------------------------


def incident_type(body: Json) -> str | None:
    """The CyberTipline's words for the first type of incident that it has words for."""
    words = {code: text for text, code in codes.INCIDENT_TYPES.items()}
    return next((words[code] for code in body.get("incident_types", []) if code in words), None)


def _incident(root: ET.Element, header: Json, body: Json, sealed: Json) -> None:
    summary = ET.SubElement(root, "incidentSummary")
    _add(summary, "incidentType", incident_type(body))
    if header["priority"] in _URGENT:
        why = ", ".join(body.get("priority_reasons", []))
        _add(summary, "escalateToHighPriority", f"{URGENT}{header['priority']}{': ' if why else ''}{why}")
    known = [code for code in codes.ANNOTATIONS.values() if code in body.get("annotations", [])]
    newer = [code for code in body.get("annotations", []) if code not in known]
    names = [name for code in (*known, *newer) if (name := codes.annotation_element(code)) is not None]
    group = ET.SubElement(summary, "reportAnnotations") if names else None
    for name in names if group is not None else []:
        _add(group, name, True)
    _add(summary, "incidentDateTime", short_time(sealed["incident_at"]))


def _pages(root: ET.Element, sealed: Json) -> None:
    urls = [one["value"] for one in sealed.get("locators", []) if one["kind"] in {"url", "onion"}]
    if urls:
        page = ET.SubElement(ET.SubElement(root, "internetDetails"), "webPageIncident")
        for url in urls:
            _add(page, "url", url)


def _entities(root: ET.Element, sealed: Json) -> list[str]:
    """People with their accounts; sentences for suspects beyond the one that there can be.

    One person of a role has the accounts of that role. Of several, it is not said whose an account is, so persons and
    accounts stand apart.
    """
    sentences: list[str] = []
    for role in _ENTITIES:
        persons = [person for person in sealed.get("persons", []) if person["role"] == role]
        accounts = [account for account in sealed.get("accounts", []) if account["role"] == role]
        if role == "suspect":
            sentences += [_sentence("another suspect", person) for person in persons[1:]]
            acts = (sealed.get("ip_events", []), sealed.get("devices", []))
            if persons or accounts or any(acts):
                _entity(root, role, persons[0] if persons else None, accounts, acts)
        else:
            _several(root, role, persons, accounts)
    return sentences


def _several(root: ET.Element, role: str, persons: Sequence[Json], accounts: Sequence[Json]) -> None:
    """Entities of a role of which there may be several. Only a victim has accounts tied to it."""
    one = persons[0] if len(persons) == 1 else None
    together = accounts if role == "victim" else accounts[:1]
    if len(persons) > 1 or (not persons and role != "victim"):
        together = accounts[:0]
    for person in persons if one is None else ():
        _entity(root, role, person, (), ((), ()))
    if one is not None or together:
        _entity(root, role, one, together, ((), ()))
    for account in accounts[len(together) :]:
        _entity(root, role, None, [account], ((), ()))


def _entity(
    root: ET.Element,
    role: str,
    person: Json | None,
    accounts: Sequence[Json],
    acts: tuple[Sequence[Json], Sequence[Json]],
) -> None:
    outer, inner = _ENTITIES[role]
    node = ET.SubElement(root, outer)
    seen_in = None
    if person is not None:
        lives = person.get("country") if "address" not in person else None
        seen_in = lives
        if any(key not in {"role", "note", "country"} for key in person) or (person.get("country") and not lives):
            _person(ET.SubElement(node, inner), person, estimated=lives)
    if accounts:
        _account(node, accounts[0])
    for event in acts[0]:
        _ip_event(ET.SubElement(node, "ipCaptureEvent"), event)
    for device in acts[1]:
        _device(ET.SubElement(node, "deviceId"), device)
    if seen_in:
        _add(ET.SubElement(node, "estimatedLocation"), "countryCode", seen_in)
    for account in accounts[1:]:
        _associated(ET.SubElement(node, "associatedAccount", type=OTHER_ACCOUNT), account)
    if person is not None:
        _add(node, "additionalInfo", person.get("note"))


def _person(node: ET.Element, person: Json, *, estimated: str | None) -> None:
    """The fields of a person; ``estimated`` is the country, where it stands elsewhere."""
    *first, last = person.get("name", "").split(" ")
    _add(node, "firstName", " ".join(first) or last)
    _add(node, "lastName", last if first else None)
    for phone in person.get("phones", []):
        _add(node, "phone", phone)
    for email in person.get("emails", []):
        _add(node, "email", email)
    country = None if estimated else person.get("country")
    if person.get("address") or country:
        address = ET.SubElement(node, "address")
        _add(address, "address", person.get("address"))
        _add(address, "country", country)
    _add(node, "age", person.get("age"))
    _add(node, "dateOfBirth", person.get("born"))


def _service_id(account: Json) -> str | None:
    """The service's id of an account, unless its name or address stands for it."""
    stands = account.get("screen_name") or account.get("profile_url")
    return None if stands == account["id"] else account["id"]


def _account(node: ET.Element, account: Json) -> None:
    _add(node, "espIdentifier", _service_id(account))
    _add(node, "espService", account.get("service"))
    _add(node, "compromisedAccount", account.get("compromised"))
    _add(node, "screenName", account.get("screen_name"))
    _add(node, "profileUrl", account.get("profile_url"))


def _associated(node: ET.Element, account: Json) -> None:
    _add(node, "espService", account.get("service"))
    _add(node, "espIdentifier", _service_id(account))
    _add(node, "profileUrl", account.get("profile_url"))
    _add(node, "screenName", account.get("screen_name"))
    _add(node, "compromisedAccount", account.get("compromised"))


def _ip_event(node: ET.Element, event: Json) -> None:
    names = {code: name for name, code in codes.IP_EVENTS.items()}
    _add(node, "ipAddress", event["address"])
    _add(node, "eventName", names.get(event.get("kind", "")))
    _add(node, "dateTime", short_time(event["at"]) if "at" in event else None)
    _add(node, "possibleProxy", event.get("possible_proxy"))
    _add(node, "port", event.get("port"))


def _device(node: ET.Element, device: Json) -> None:
    names = {code: name for name, code in codes.DEVICES.items()}
    _add(node, "idType", names.get(device["kind"]))
    _add(node, "idValue", device["value"])
    _add(node, "dateTime", short_time(device["at"]) if "at" in device else None)


# --- what has no element --------------------------------------------------------------------------------------------


def _in_words(sealed: Json, case: Json | None, *, with_files: bool) -> list[str]:
    """Sentences for what has no element."""
    roles = set(_ENTITIES)
    reporters = [person for person in sealed.get("persons", []) if person["role"] == "reporter"]
    others = [person for person in sealed.get("persons", []) if person["role"] not in {*roles, "reporter"}]
    numbered = {codes.SYSTEM, codes.FILE_SYSTEM} if with_files else set[str]()
    refs = [ref for ref in sealed.get("external_refs", []) if ref is not case and ref["system"] not in numbered]
    listed: list[tuple[str, Sequence[Json]]] = [
        ("person", [*reporters[2:], *others]),
        ("account", [account for account in sealed.get("accounts", []) if account["role"] not in roles]),
        ("reference", refs),
        ("place", [one for one in sealed.get("locators", []) if one["kind"] not in {"url", "onion"}]),
        ("fingerprint", [] if with_files else sealed.get("hashes", [])),
        ("custodian", [sealed["custodian"]] if sealed.get("custodian") else []),
    ]
    return [_sentence(label, item) for label, items in listed for item in items]


def _sentence(label: str, item: Json) -> str:
    """A record in words: its fields in order, without what is not said."""
    words = [f"{key} {_said(value)}" for key, value in item.items() if value not in (None, [])]
    return f"{label}: {', '.join(words)}"


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_sentence('', value).removeprefix(': ')})"  # pyright: ignore[reportUnknownArgumentType]
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType]


# --- XML ------------------------------------------------------------------------------------------------------------


def _add(parent: ET.Element | None, name: str, value: Any, **attributes: str) -> None:
    """An element, if there is a value. What XML has no character for becomes U+FFFD."""
    if value is None or value == "" or parent is None:
        return
    text = str(value).lower() if isinstance(value, bool) else str(value)
    ET.SubElement(parent, name, attributes).text = _NOT_XML.sub("\ufffd", text)


def _bytes(root: ET.Element) -> bytes:
    ET.indent(root)
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"
