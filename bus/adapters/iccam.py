"""Reports, assessments and actions in the shape of INHOPE's ICCAM, in and out. Assumed: ``docs/adapters/iccam.md``.

Each address of a report is a ``Report`` of its own, so that it is certain which assessment and which action is of which
address; those of one report share a case. An assessment is an ``Assessment`` of that event. An action is a ``Report``
``supplemented``, about it, whose ``outcome`` is what was done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from bus.adapters import iccam_codes as codes
from bus.adapters.bus_json import read_objects
from bus.adapters.cybertip_in import MAX_NARRATIVE, locator
from bus.adapters.drafts import Context, Draft, Input, Notice
from bus.adapters.fields import Fields, Word
from bus.adapters.iccam_out import ANALYST, ENVELOPE, write
from bus.adapters.values import size
from bus.adapters.versions import digest_of, first_of, version
from bus.errors import InvalidFile
from bus.events.ids import dashed, parse_uuid

__all__ = ["ENVELOPE", "FORMAT", "drafts", "write"]

FORMAT = "iccam"
MAPPING = 1
MAX_URLS = 1000
_NOTE = 4000
_URL = 2083


def drafts(inputs: Sequence[Input], context: Context) -> Iterator[Draft]:
    """Draft the events of each report of a file: one object, a list, or one object a line.

    Raises:
        InvalidFile: something cannot be read, or speaks of a report that is not known.
    """
    ((stream, name),) = inputs
    for line, value in read_objects(stream, name):
        place = f"line {line}"
        try:
            for draft in _report(Fields(value, name, place), context):
                if draft.item is not None and context.memory.first_time(parse_uuid(draft.event["header"]["event_id"])):
                    yield draft
                else:
                    context.tell(Notice("unchanged", name, place, "it stands above already"))
        except UnicodeEncodeError:
            raise InvalidFile(name, place, "a text is not Unicode") from None


def _report(report: Fields, context: Context) -> Iterator[Draft]:
    """The events of one object."""
    reference = report.text("hotlineReference", 128)
    head = _head(report) if report.has("hotlineReceivedDate") else None
    urls = report.objects("urls")
    if not 0 < len(urls) <= MAX_URLS:
        raise report.wrong("urls", f"must hold 1 to {MAX_URLS} addresses")
    words = _words(report)
    if head is None:
        _leave_out(report, words, context)
    case = None
    for url in urls:
        refs = [ref for ref in (reference, url.text("hotlineReference", 128)) if ref is not None]
        if not refs:
            raise url.wrong("hotlineReference", "must be given, here or in the report")
        item = _Item(url, list(dict.fromkeys(refs)), context)
        if head is not None:
            drafted = item.report(head, words, case if len(urls) > 1 else None)
            case = case or drafted.event["header"]["event_id"].replace("-", "")
            if len(urls) > 1 and "about" not in drafted.event["header"]:
                drafted.event["header"].setdefault("case", case)
            yield drafted
        else:
            item.check_alone()
        yield from item.parts()


def _head(report: Fields) -> dict[str, Any]:
    """What holds for every address of a report."""
    analyst = report.text("reportingAnalystName", 200)
    persons = [] if analyst is None else [{"role": "reporter", "name": analyst}]
    return {"effect_at": report.time("hotlineReceivedDate"), "persons": persons}


def _words(given: Fields) -> list[Word]:
    """The memo, and what has no field."""
    memo = given.text("memo", 1 << 20)
    return ([] if memo is None else [Word("memo", memo)]) + given.rest()


def _word(key: str, text: str | None) -> list[Word]:
    return [] if text is None else [Word(key, text)]


def _leave_out(given: Fields, words: Sequence[Word], context: Context) -> None:
    for word in words:
        context.tell(Notice("left-out", given.file, given.place, f"{word.key}: there is no room for it"))


class _Item:
    """One address of a report, under which its events are known."""

    def __init__(self, url: Fields, refs: list[str], context: Context) -> None:
        self._url, self._refs, self._context = url, refs, context
        address = url.text("urlString", _URL, needed=True)
        assert address is not None
        self._locator = locator(address)
        self._key = f"{refs[-1]}/{sha256(address.encode()).hexdigest()[:32]}"
        self._assessment = url.object("assessment")
        self._actions = url.objects("actions")

    def _base(self) -> dict[str, Any]:
        refs = [{"system": codes.SYSTEM, "value": ref} for ref in self._refs]
        return {"external_refs": refs, "locators": [self._locator]}

    def _text(self, words: Sequence[Word], most: int) -> str | None:
        """Words as one text; those that do not fit are told."""
        kept = ""
        for word in words:
            text = f"{kept}\n{word.text}" if kept else word.text
            if size(text) <= most:
                kept = text
            else:
                _leave_out(self._url, [word], self._context)
        return kept or None

    def report(self, head: dict[str, Any], words: Sequence[Word], case: str | None) -> Draft:
        """The report of this address."""
        country, media = self._url.text("hostingCountryCode", 2), self._url.number("contentType")
        body: dict[str, Any] = {"incident_types": ["csam"]}
        if country is not None:
            body["jurisdictions"] = [{"country": country, "tie": "hosting"}]
        if media in codes.MEDIA:
            body["has_media"] = codes.MEDIA[media]
        sealed = self._base()
        if head["persons"]:
            sealed["persons"] = head["persons"]
        extra = [] if media is None or media in codes.MEDIA else [Word("contentType", f"contentType: {media}")]
        narrative = self._text([*words, *_words(self._url), *extra], MAX_NARRATIVE)
        if narrative:
            sealed["narrative"] = narrative
        header: dict[str, Any] = {"step": "opened", "effect_at": head["effect_at"]}
        if case is not None:
            header["case"] = case
        return self._draft("report", "Report", header, body, sealed)

    def check_alone(self) -> None:
        """See that what comes without its report says something about it; the rest of it is told.

        Raises:
            InvalidFile: it says nothing.
        """
        if self._assessment is None and not self._actions:
            raise self._url.wrong("", "is neither a report, which has hotlineReceivedDate, nor assessed or acted on")
        _leave_out(self._url, _words(self._url), self._context)

    def parts(self) -> Iterator[Draft]:
        """What was assessed and done, about the report that stands above or was published before."""
        if self._assessment is None and not self._actions:
            return
        about = first_of(self._context, FORMAT, f"{self._key}/report")
        if about is None:
            raise self._url.wrong("", "speaks of a report that was not published here, and does not stand above")
        if self._assessment is not None:
            yield self._assess(self._assessment, dashed(about))
        for action in self._actions:
            yield self._act(action, dashed(about))

    def _assess(self, given: Fields, about: str) -> Draft:
        classification = given.number("classification")
        if classification is None:
            raise given.wrong("classification", "must be given")
        said = [codes.code(codes.CLASSIFICATIONS, classification, "class")]
        for key, name in codes.CATEGORIES.items():
            answer = given.number(key)
            if answer not in {None, 0, 1}:
                raise given.wrong(key, "must be 0 or 1")
            said += [] if answer is None else [name if answer else codes.NOT + name]
        scale = {"scheme": codes.SCHEME, "scheme_version": codes.SCHEME_VERSION}
        body = {"subject": {"event": about}, "classifications": [{**scale, "code": one} for one in said]}
        age, sex = given.number("ageCategorization"), given.number("genderCategorization")
        sealed: dict[str, Any] = {}
        if age is not None:
            sealed["age_band"] = codes.code(codes.AGES, age, "age")
        if sex is not None:
            sealed["sex"] = codes.code(codes.SEXES, sex, "sex")
        analyst = given.text("assessingAnalystName", 200)
        note = self._text([*_word("assessingAnalystName", analyst and ANALYST + analyst), *given.rest()], _NOTE)
        if note:
            sealed["note"] = note
        return self._draft("assessment", "Assessment", {"step": "asserted"}, body, sealed or None)

    def _act(self, given: Fields, about: str) -> Draft:
        action = given.number("actionType")
        if action is None:
            raise given.wrong("actionType", "must be given")
        at, reason, analyst = (
            given.time("actionDate"),
            given.number("reasonId"),
            given.text("actioningAnalystName", 200),
        )
        body: dict[str, Any] = {"outcome": codes.code(codes.ACTIONS, action, "action")}
        if reason is not None:
            body["annotations"] = [codes.code(codes.REASONS, reason, "reason")]
        sealed = self._base()
        if analyst is not None:
            sealed["persons"] = [{"role": "other", "name": analyst}]
        text = given.text("reasonText", 1 << 20)
        narrative = self._text([*_word("reasonText", text), *given.rest()], MAX_NARRATIVE)
        if narrative:
            sealed["narrative"] = narrative
        header: dict[str, Any] = {"step": "supplemented", "about": about}
        if at is not None:
            header["effect_at"] = at
        return self._draft(f"action/{digest_of(action, at)}", "Report", header, body, sealed)

    def _draft(self, part: str, kind: str, header: dict[str, Any], body: dict[str, Any], sealed: Any) -> Draft:
        """An event under the id of the same version; another version of a report supplements it."""
        content = {key: value for key, value in header.items() if key != "case"}
        found = version(self._context, FORMAT, f"{self._key}/{part}", digest_of(MAPPING, kind, content, body, sealed))
        if part == "report" and found.standing:
            header = {**content, "step": "supplemented", "about": dashed(found.standing[0].event_id)}
        whole = {"event_id": dashed(found.event_id), "purpose": "removal", **header}
        event: dict[str, Any] = {"type": kind, "header": whole, "body": body}
        if sealed is not None:
            event["sealed"] = sealed
        return Draft(self._url.place, event, found.item)
