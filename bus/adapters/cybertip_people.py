"""The people of a CyberTipline report: who they are, their accounts, from where and with what they acted."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from bus.adapters import cybertip_codes as codes
from bus.adapters.picking import Picker, Piece
from bus.adapters.values import size
from bus.adapters.xmltree import Node
from bus.events.names import NATION_RE

_PERSON = {
    "suspect": "personOrUserReportedPerson",
    "recipient": "intendedRecipientPerson",
    "victim": "victimPerson",
}
_ADDRESS = ("address", "city", "zipCode", "state", "nonUsaState")
_MOST_EACH = 8
OTHER_ACCOUNT = "Other"
"""The type of an associated account that says nothing."""


class Entity(Struct, frozen=True):
    """Somebody in a report, in the JSON form of the event.

    ``person`` is None where the report has no more than accounts, addresses of the network or devices; ``notes`` are
    what has no field, and ``words`` what goes into the narrative instead.
    """

    file: str
    line: int
    label: str
    role: str
    person: dict[str, Any] | None
    accounts: list[dict[str, Any]]
    ip_events: list[dict[str, Any]]
    devices: list[dict[str, Any]]
    notes: list[Piece]
    words: tuple[Piece, ...] | list[Piece] = ()


def read_entity(picker: Picker, node: Node, role: str, label: str, *, alone: bool) -> Entity:
    """Read a reported person, an intended recipient or a victim.

    Only of the reported person are network addresses and devices fields of the event: those of others are
    sentences, so that nobody takes a victim's address for a suspect's.

    Args:
        picker: reads the file.
        node: the element.
        role: suspect, recipient or victim.
        label: what to call it in the narrative.
        alone: whether it is the only one of its role; else its note says which account is its.
    """
    inner = picker.one(node, _PERSON[role])
    person = {"role": role} | ({} if inner is None else _person(picker, inner))
    _estimated_country(picker, node, person)
    accounts = _accounts(picker, node, role)
    suspect = role == "suspect"
    ip_events = _ip_events(picker, node) if suspect else []
    devices = _devices(picker, node) if suspect else []
    own = [Piece(picker.file, node.line, "additionalInfo", t) for t in picker.texts(node, "additionalInfo", 3000, 8)]
    rest = list(picker.rest(node))
    _use_all(picker, node)
    somebody = len(person) > 1 or bool(own or rest) or not (accounts or ip_events or devices)
    links = [] if alone else [_link(picker, node, account) for account in accounts]
    return Entity(
        file=picker.file,
        line=node.line,
        label=label,
        role=role,
        person=person if somebody else None,
        accounts=accounts,
        ip_events=ip_events,
        devices=devices,
        notes=own + links + rest if somebody else [],
    )


def _link(picker: Picker, node: Node, account: dict[str, Any]) -> Piece:
    """Whose an account is, which its fields do not say."""
    words = " ".join(filter(None, [account.get("service"), account["id"]]))
    return Piece(picker.file, node.line, "account", f"account: {words}")


def settle(entities: list[Entity]) -> list[Entity]:
    """Entities of one role, so that nobody is taken for the holder of another's account.

    Where one of several is somebody and the others are accounts alone, an event with one person and some accounts
    would say that they are that person's. So those accounts become sentences.
    """
    if len(entities) < 2 or sum(entity.person is not None for entity in entities) != 1:
        return entities
    return [entity if entity.person is not None else _in_words(entity) for entity in entities]


def _in_words(entity: Entity) -> Entity:
    sentences = [
        Piece(entity.file, entity.line, "account", "account: " + ", ".join(f"{k} {v}" for k, v in account.items()))
        for account in entity.accounts
    ]
    return structs.replace(entity, accounts=[], words=sentences)


def read_reporter(picker: Picker, node: Node) -> list[Entity]:
    """Read who reported, and whom to contact."""
    found: list[Entity] = []
    for name in ("reportingPerson", "contactPerson"):
        inner = picker.one(node, name)
        person = {} if inner is None else _person(picker, inner, aged=False)
        if inner is not None and person:
            found.append(
                Entity(picker.file, inner.line, f"reporter.{name}", "reporter", {"role": "reporter"} | person,
                       accounts=[], ip_events=[], devices=[], notes=[])
            )  # fmt: skip
    return found


def _use_all(picker: Picker, node: Node) -> None:
    """What an entity says is said: nothing of it is left to the narrative, its container least of all."""
    for child in node.children:
        picker.use(child)
        for name in child.attributes:
            picker.attribute(child, name)
        _use_all(picker, child)


def _person(picker: Picker, node: Node, *, aged: bool = True) -> dict[str, Any]:
    """The fields of a person; who reports has no age in this format."""
    found: dict[str, Any] = {
        "name": _name(picker, node),
        "age": picker.number(node, "age", 0, 150) if aged else None,
        "born": picker.day(node, "dateOfBirth") if aged else None,
        "emails": picker.texts(node, "email", 254, _MOST_EACH),
        "phones": _phones(picker, node),
    }
    for address in list(node.all("address"))[:1]:
        found |= _address(picker, address)
    return {key: value for key, value in found.items() if value is not None and value != []}


def _name(picker: Picker, node: Node) -> str | None:
    """First, middle and last name as one."""
    parts = [child for name in ("firstName", "middleName", "lastName") if (child := picker.one(node, name)) is not None]
    name = " ".join(" ".join(picker.leaf(part).split()) for part in parts if part.text)
    if not name or size(name) > 200:
        return None
    picker.use(*parts)
    return name


def _phones(picker: Picker, node: Node) -> list[str]:
    """Numbers with their country's code and extension."""
    found: list[str] = []
    for child in node.all("phone"):
        code, extension = child.attributes.get("countryCallingCode", ""), child.attributes.get("extension", "")
        number = picker.leaf(child)
        text = " ".join(filter(None, [code, number, extension and f"ext. {extension}"]))
        if not number or size(text) > 32 or len(found) >= _MOST_EACH:
            continue
        picker.use(child)
        picker.attribute(child, "countryCallingCode")
        picker.attribute(child, "extension")
        found.append(text)
    return found


def _address(picker: Picker, node: Node) -> dict[str, Any]:
    """A postal address as one text, and its nation."""
    found: dict[str, Any] = {}
    parts = [child for name in _ADDRESS if (child := picker.one(node, name)) is not None and picker.leaf(child)]
    text = ", ".join(part.text for part in parts)
    if text and size(text) <= 300:
        picker.use(*parts)
        found["address"] = text
    country = _country(picker, node, "country")
    if country:
        found["country"] = country
    return found


def _country(picker: Picker, node: Node, name: str) -> str | None:
    """A nation of ISO 3166-1; other codes of NCMEC's list are left to the rest."""
    child = picker.one(node, name)
    text = "" if child is None else picker.leaf(child)
    if child is None or not NATION_RE.fullmatch(text) or text in codes.NOT_NATIONS:
        return None
    picker.use(child)
    return text


def _estimated_country(picker: Picker, node: Node, person: dict[str, Any]) -> None:
    """Where a person was seen, if no address says where it lives."""
    place = picker.one(node, "estimatedLocation")
    if place is not None and "country" not in person and "address" not in person:
        country = _country(picker, place, "countryCode")
        if country:
            person["country"] = country


def _accounts(picker: Picker, node: Node, role: str) -> list[dict[str, Any]]:
    """The account of an entity, and those tied to it."""
    found = [_account(picker, node, role)]
    for other in node.all("associatedAccount"):
        found.append(_account(picker, other, role))
        if other.attributes.get("type") == OTHER_ACCOUNT:
            picker.attribute(other, "type")
    return [account for account in found if account is not None]


def _account(picker: Picker, node: Node, role: str) -> dict[str, Any] | None:
    """An account; where the service's id of it is not given, by its name or address."""
    shown, urls = picker.one(node, "screenName"), list(node.all("profileUrl"))[:1]
    given = picker.one(node, "espIdentifier")
    candidates = [child for child in (given, shown, *urls) if child is not None and 0 < size(picker.leaf(child)) <= 255]
    if not candidates:
        return None
    picker.use(candidates[0])
    service = picker.text(node, "espService", 100)
    found: dict[str, Any] = {
        "role": role,
        "service": service,
        "id": candidates[0].text,
        "screen_name": picker.text(node, "screenName", 256),
        "profile_url": next(iter(picker.texts(node, "profileUrl", 2083, 1)), None),
        "compromised": picker.boolean(node, "compromisedAccount"),
    }
    return {key: value for key, value in found.items() if value is not None}


def _ip_events(picker: Picker, node: Node) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for event in node.all("ipCaptureEvent"):
        address = picker.text(event, "ipAddress", 45)
        if address is None:
            continue
        said = {
            "address": address,
            "kind": _coded(picker, event, "eventName", codes.IP_EVENTS),
            "at": picker.time(event, "dateTime"),
            "port": picker.number(event, "port", 1, 65535),
            "possible_proxy": picker.boolean(event, "possibleProxy"),
        }
        found.append({key: value for key, value in said.items() if value is not None})
    return found


def _devices(picker: Picker, node: Node) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for device in node.all("deviceId"):
        value = picker.text(device, "idValue", 128)
        if value is None:
            continue
        kind = _coded(picker, device, "idType", codes.DEVICES)
        said = {"kind": kind or "other", "value": value, "at": picker.time(device, "dateTime")}
        found.append({key: text for key, text in said.items() if text is not None})
    return found


def _coded(picker: Picker, node: Node, name: str, known: dict[str, str]) -> str | None:
    """The code of a word of a list; another word is left to the rest."""
    child = picker.one(node, name)
    code = None if child is None else known.get(picker.leaf(child))
    if child is not None and code is not None:
        picker.use(child)
    return code
