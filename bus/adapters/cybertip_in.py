"""A CyberTipline report and its files as the content of a ``Report``: body and sealed part.

Every value of the documents goes one of three ways. It has a field; or it becomes a sentence in the note of its person
or in the narrative; or it does not fit there either and is told as left out. Nothing is dropped in silence. A person,
an account, an address, a fingerprint and every sentence stand in the sealed part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from bus.adapters import cybertip_codes as codes
from bus.adapters.cybertip_files import Files, read_files
from bus.adapters.cybertip_people import Entity, read_entity, read_reporter, settle
from bus.adapters.drafts import Notice, Tell
from bus.adapters.picking import Picker, Piece
from bus.adapters.values import cut, size
from bus.adapters.xmltree import Node
from bus.errors import InvalidFile
from bus.events.names import CODE_RE

MAX_NARRATIVE = 16_000
MAX_NOTE = 3_000
_PEOPLE, _ACCOUNTS, _IP_EVENTS, _DEVICES, _LOCATORS = 16, 32, 64, 16, 32
_NATIONS = 16
_ANY = 1 << 20
URGENT = "priority: "
"""How a document of ours says a priority, where another holds a person's words."""
_LAST = ("reporter.termsOfService", "reporter.legalURL", "reporter.companyTemplate")
"""What every report of a company repeats: it is the first to be left out where there is no room."""


class Content(Struct, frozen=True):
    """What a report says, in the JSON form of an event."""

    number: str | None
    priority: str | None
    body: dict[str, Any]
    sealed: dict[str, Any]


def read_content(report: Node, file: str, files: Sequence[tuple[Node, str]], organisation: str, tell: Tell) -> Content:
    """Read a report with its files.

    Args:
        report: the ``report`` element.
        file: the file that it is in.
        files: the ``fileDetails`` elements, each with its file.
        organisation: who states what the provider has viewed.
        tell: hears of what is left out.

    Raises:
        InvalidFile: a value breaks the format.
    """
    picker = Picker(file)
    incident = picker.one(report, "incidentSummary")
    if incident is None:
        raise picker.wrong(report, "a report must have an incidentSummary")
    priority, reasons = _priority(picker, incident)
    body: dict[str, Any] = {
        "incident_types": [_incident_type(picker, incident)],
        "annotations": _annotations(picker, incident),
        "statutory_channel": codes.SYSTEM,
        "priority_reasons": reasons,
    }
    incident_at = picker.time(incident, "incidentDateTime")
    if incident_at is None:
        raise picker.wrong(incident, "a report must have an incidentDateTime")
    words = _Words(tell)
    locators = _locators(picker, report)
    case = _case(picker, report)
    people = _people(picker, report)
    details = read_files(files, organisation, _LOCATORS - len(locators), 15 - len(case))
    sealed: dict[str, Any] = {
        "external_refs": details.refs + case,
        "incident_at": incident_at,
        **_gather(people, words),
        "locators": locators + details.locators,
        "hashes": details.hashes,
    }
    own = [
        Piece(file, report.line, "additionalInfo", text) for text in picker.texts(report, "additionalInfo", _ANY, 16)
    ]
    rest = list(picker.rest(report))
    company = [piece for piece in rest if piece.path in _LAST]
    sealed["narrative"] = words.narrative([
        *own, *(piece for piece in rest if piece not in company), *details.rest, *words.later, *company
    ])  # fmt: skip
    body |= _counts(people, sealed) | _of_files(details)
    return Content(details.number, priority, _without_nothing(body), _without_nothing(sealed))


def _without_nothing(given: dict[str, Any]) -> dict[str, Any]:
    """Without what is null or an empty list: the same event, in its shortest form."""
    return {key: value for key, value in given.items() if value is not None and value != []}


class _Words:
    """Sentences for the narrative, and what did not fit."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.later: list[Piece] = []

    def narrative(self, pieces: Sequence[Piece]) -> str | None:
        """Sentences as one text; those that do not fit are left out, the first of all is cut."""
        found = ""
        for piece in pieces:
            text = f"{found}\n{piece.text}" if found else piece.text
            if size(text) <= MAX_NARRATIVE:
                found = text
                continue
            found = found or cut(text, MAX_NARRATIVE).rstrip(" \t\n\r")
            self.tell(piece)
        return found or None

    def tell(self, piece: Piece) -> None:
        """Say that a sentence was left out, or cut."""
        self._tell(
            Notice("left-out", piece.file, f"line {piece.line}", f"{piece.path}: there is no room for all of it")
        )


# --- the incident ---------------------------------------------------------------------------------------------------


def _incident_type(picker: Picker, incident: Node) -> str:
    node = picker.one(incident, "incidentType")
    code = None if node is None else codes.INCIDENT_TYPES.get(picker.leaf(node))
    if node is None or code is None:
        raise picker.wrong(node or incident, "incidentType must be one of the CyberTipline's eight")
    picker.use(node)
    return code


def _annotations(picker: Picker, incident: Node) -> list[str]:
    group = picker.one(incident, "reportAnnotations")
    found: list[str] = []
    for node in group.children if group is not None else []:
        code = codes.annotation(node.name)
        if code is None or node.children or len(found) >= 16:
            continue
        if picker.boolean(group or incident, node.name) is not False and code not in found:
            picker.use(node)
            found.append(code)
    order = list(codes.ANNOTATIONS.values())
    return sorted(found, key=lambda code: order.index(code) if code in order else len(order))


def _priority(picker: Picker, incident: Node) -> tuple[str | None, list[str]]:
    """A report that asks for haste is urgent; one of ours says how and why."""
    node = picker.one(incident, "escalateToHighPriority")
    if node is None or not picker.leaf(node):
        return None, []
    said, _, why = node.text.removeprefix(URGENT).partition(": ")
    reasons = why.split(", ") if why else []
    if not node.text.startswith(URGENT) or said not in {"urgent", "immediate"} or len(reasons) > 8:
        return "urgent", []
    if not all(map(CODE_RE.fullmatch, reasons)):
        return "urgent", []
    picker.use(node)
    return said, reasons


def _locators(picker: Picker, report: Node) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for details in report.all("internetDetails"):
        for page in details.all("webPageIncident"):
            found += [locator(url) for url in picker.texts(page, "url", 2083, _LOCATORS - len(found))]
    return found


def locator(url: str) -> dict[str, Any]:
    """An address, as an onion address where it is one."""
    host = url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]
    return {"kind": "onion" if host.lower().endswith(".onion") else "url", "value": url}


def _case(picker: Picker, report: Node) -> list[dict[str, Any]]:
    police = picker.one(report, "lawEnforcement")
    number = None if police is None else picker.text(police, "caseNumber", 128)
    return [] if number is None else [{"system": codes.CASE_SYSTEM, "value": number}]


# --- people ---------------------------------------------------------------------------------------------------------


def _people(picker: Picker, report: Node) -> list[Entity]:
    found: list[Entity] = []
    for name, role in (("personOrUserReported", "suspect"), ("intendedRecipient", "recipient"), ("victim", "victim")):
        nodes = list(report.all(name))
        if role == "suspect":
            picker.one(report, name)
        labels = [f"{name} {number}" if len(nodes) > 1 else name for number in range(1, len(nodes) + 1)]
        found += settle([
            read_entity(picker, node, role, label, alone=len(nodes) == 1)
            for node, label in zip(nodes, labels, strict=True)
        ])  # fmt: skip
    reporter = picker.one(report, "reporter")
    return found + ([] if reporter is None else read_reporter(picker, reporter))


def _gather(people: Sequence[Entity], words: _Words) -> dict[str, Any]:
    """The lists of the sealed part; what is beyond their bounds is left to the narrative, and then told."""
    found: dict[str, list[Any]] = {"persons": [], "accounts": [], "ip_events": [], "devices": []}
    for entity in people:
        person = entity.person
        note, overflow = _note(entity.notes)
        words.later += [piece._replace(text=f"{entity.label}.{piece.text}") for piece in (*overflow, *entity.words)]
        if person is not None or note:
            found["persons"].append({**(person or {"role": entity.role}), **({"note": note} if note else {})})
        found["accounts"] += entity.accounts
        found["ip_events"] += entity.ip_events
        found["devices"] += entity.devices
    for name, most in (("persons", _PEOPLE), ("accounts", _ACCOUNTS), ("ip_events", _IP_EVENTS), ("devices", _DEVICES)):
        for _ in found[name][most:]:
            first = people[0]
            words.tell(Piece(first.file, first.line, f"{name} beyond {most}", ""))
        del found[name][most:]
    return dict(found)


def _note(pieces: Sequence[Piece]) -> tuple[str, list[Piece]]:
    """What fits into a person's note, and the rest."""
    note, overflow = "", []
    for piece in pieces:
        text = f"{note}\n{piece.text}" if note else piece.text
        if size(text) <= MAX_NOTE:
            note = text
        else:
            overflow.append(piece)
    return note, overflow


def _counts(people: Sequence[Entity], sealed: dict[str, Any]) -> dict[str, Any]:
    """How many victims and suspects there are at least, and the nations that persons tie the report to."""
    persons = sealed["persons"]
    roles = {entity.role for entity in people}
    victims = sum(person["role"] == "victim" for person in persons)
    ages = [person["age"] for person in persons if person["role"] == "suspect" and "age" in person]
    ties: list[dict[str, Any]] = []
    for person in persons:
        tie = {"country": person.get("country"), "tie": person["role"]}
        if person["role"] in {"victim", "suspect"} and "country" in person and tie not in ties:
            ties.append(tie)
    return {
        "victim_count_min": max(victims, 1) if "victim" in roles else None,
        "suspect_count": 1 if "suspect" in roles else None,
        "minor_suspect": ages[0] < 18 if ages else None,
        "jurisdictions": ties[:_NATIONS],
    }


def _of_files(details: Files) -> dict[str, Any]:
    """What the files say of the report as a whole."""
    return {
        "has_media": True if details.count else None,
        "file_count": details.count or None,
        "viewed": details.viewed,
        "ai": {"status": "generated"} if details.generated else None,
    }


def check_roots(roots: Sequence[tuple[Node, str]]) -> tuple[tuple[Node, str], list[tuple[Node, str]]]:
    """The report among documents, and its files.

    Raises:
        InvalidFile: there is not exactly one report, or a document is neither.
    """
    for node, file in roots:
        if node.name not in {"report", "fileDetails"}:
            raise InvalidFile(file, f"line {node.line}", "the outer element must be report or fileDetails")
    reports = [root for root in roots if root[0].name == "report"]
    if len(reports) != 1:
        node, file = reports[1] if reports else roots[0]
        found = "a second report" if reports else "fileDetails, and no report beside them"
        raise InvalidFile(
            file, f"line {node.line}", f"{found}: the files must hold exactly one report",
            hint="Give a report's files together with it, and one report at a time. Nothing was published.",
        )  # fmt: skip
    return reports[0], [root for root in roots if root[0].name == "fileDetails"]
