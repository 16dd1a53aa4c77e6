"""Reports, assessments and actions in the shape of ICCAM, in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.adapters import iccam_codes as codes
from bus.adapters.documents import Unsaid, Written, documents
from bus.adapters.losses import plain
from bus.errors import InvalidFile
from tests.unit.adapters.hostile import check_error, damaged

FORM = "iccam"
DATA = Path(__file__).resolve().parents[3] / "tests" / "data" / "iccam"
REPORT, ACTION = (DATA / "report.json").read_bytes(), (DATA / "action.json").read_bytes()
FIELDS = json.loads((DATA / "fields.json").read_text())
SECRETS = {
    "Erika", "Muster", "Voorbeeld", "HL-2026", "public", "guest-of", "let-me-in", "gallery", "198.51.100", "Example H",
    "password now", "referrer",
}  # fmt: skip


def content(event: Any) -> Any:
    """What an event says, apart from its ids and what was random."""
    body = {key: value for key, value in event["body"].items() if key not in {"salt", "subject"}}
    kept = {key: event["header"][key] for key in ("step", "effect_at") if key in event["header"]}
    return plain([event["type"], kept, body, event.get("sealed") or {}])


def written(event: Any, *known: Any) -> Written:
    """The document of an event that can be said."""
    said = documents(event, FORM, subject={one["header"]["event_id"]: one for one in known}.get)
    assert isinstance(said, Written), said
    return said


def object_of(said: Written) -> Any:
    """The one object of a document."""
    [document] = said.documents
    [found] = json.loads(document.content)
    return found


def test_the_code_lists_are_those_of_the_source():
    """Every id of the source's lists has a code, and each code its id."""
    lists = {
        "classification": codes.CLASSIFICATIONS, "ageCategorization": codes.AGES, "genderCategorization": codes.SEXES,
        "action": codes.ACTIONS, "actionReasons": codes.REASONS,
    }  # fmt: skip
    for name, table in lists.items():
        assert {row["id"] for row in FIELDS["fields"][name]} == set(table), name
        assert all(codes.number(table, code) == number for number, code in table.items())
    assert set(codes.CATEGORIES) == {name for name in FIELDS["assessmentShape"] if name.endswith("tCategorization")
                                     or name.startswith("childModeling")}  # fmt: skip


def test_each_address_is_a_report_with_what_was_assessed_and_done(desk):
    """One report of two addresses: two Reports of a case, an Assessment, and two actions about the first."""
    told = desk.publish(REPORT, FORM)
    first, assessment, police, gone, second = (one.event for one in told)
    assert [one.event["type"] for one in told] == ["Report", "Assessment", "Report", "Report", "Report"]
    assert first["header"]["step"] == second["header"]["step"] == "opened"
    assert first["header"]["case"] == second["header"]["case"] == first["header"]["event_id"].replace("-", "")
    assert first["header"]["effect_at"] == "2026-01-15T10:00:00.000000Z"
    assert first["body"]["jurisdictions"] == [{"country": "NL", "tie": "hosting"}]
    assert (first["body"]["has_media"], second["body"]["has_media"]) == (True, False)
    assert first["sealed"]["locators"] == [{"kind": "url", "value": "https://gallery.example.invalid/one"}]
    assert second["sealed"]["locators"][0]["kind"] == "onion"
    assert [ref["value"] for ref in first["sealed"]["external_refs"]] == ["HL-2026-00017", "HL-2026-00017-1"]
    assert "hostingOrganization: organizationName Example Holding" in first["sealed"]["narrative"]
    assert assessment["body"]["subject"]["event"] == first["header"]["event_id"]
    assert [one["code"] for one in assessment["body"]["classifications"]] == [
        "baseline", "not_virtual", "user_generated", "not_child_modeling",
    ]  # fmt: skip
    assert (assessment["sealed"]["age_band"], assessment["sealed"]["sex"]) == ("prepubescent", "girl")
    assert police["header"]["about"] == gone["header"]["about"] == first["header"]["event_id"]
    assert (police["body"]["outcome"], gone["body"]["outcome"]) == ("reported_to_police", "content_unavailable")
    assert gone["body"]["annotations"] == ["password_protected"]
    assert gone["sealed"]["narrative"] == "Asks for a password now."


def test_nothing_that_names_an_address_or_a_person_is_open(desk):
    """Header and body hold codes alone."""
    for told in desk.publish(REPORT, FORM):
        text = json.dumps([told.event["header"], told.event["body"]])
        assert not [secret for secret in SECRETS if secret in text]


def test_the_same_file_again_is_the_same_events(desk):
    """Nothing is published twice, in one file or in two; an action of another file finds its report."""
    first = desk.publish(REPORT, FORM)
    again = desk.publish(REPORT + b"\n" + REPORT, FORM)
    assert [one.event_id for one in again] == [one.event_id for one in first]
    assert not any(one.new for one in again)
    assert len(desk.notices) == 5
    [done] = desk.publish(ACTION, FORM)
    assert done.event["header"]["about"] == first[-1].event_id
    assert done.event["body"]["outcome"] == "content_removed"


def test_another_content_under_a_reference_supplements_it(desk):
    """A report that comes with other words is about the first."""
    first = desk.publish(REPORT, FORM)
    second = desk.publish(REPORT.replace(b"Two galleries", b"Three galleries"), FORM)
    changed = [one for one in second if one.new]
    assert [one.event["header"]["step"] for one in changed] == ["supplemented", "supplemented"]
    assert changed[0].event["header"]["about"] == first[0].event_id


def test_what_goes_out_reads_equal(desk, tmp_path: Path):
    """Every event of the sample goes out, loses nothing, and comes in again as the same."""
    events = [one.event for one in desk.publish(REPORT, FORM)]
    for event in events:
        said = written(event, *events)
        assert said.lost == ()
        about = event["header"].get("about") or event["body"].get("subject", {}).get("event")
        parent = [one for one in events if one["header"]["event_id"] == about]
        objects = [*(object_of(written(one)) for one in parent), object_of(said)]
        file = tmp_path / f"{event['header']['event_id']}.json"
        file.write_text(json.dumps(objects))
        again = desk.publish(file, FORM, to=["police-north"])
        assert content(again[-1].event) == content(event)


BAD = {
    "no addresses": ({"urls": []}, "1 to 1000 addresses"),
    "addresses no list": ({"urls": "x"}, "must be a list"),
    "address no object": ({"urls": ["x"]}, "must be an object"),
    "no reference": ({"hotlineReference": None}, "must be given"),
    "no url": ({"urls": [{}]}, "urlString: must be given"),
    "long url": ({"urls": [{"urlString": "x" * 2084}]}, "at most 2083 bytes"),
    "time without zone": ({"hotlineReceivedDate": "2026-01-15T10:00:00"}, "must be a time"),
    "time no text": ({"hotlineReceivedDate": 5}, "must be a text"),
    "code no id": ({"urls": [{"urlString": "x", "contentType": "media"}]}, "id of its code list"),
    "code a fraction": ({"urls": [{"urlString": "x", "contentType": 1.5}]}, "id of its code list"),
    "odd key": ({"\u202ekey": 1}, "no plain name"),
    "deep": ({"x": [[[[[[1]]]]]]}, "nested too deeply"),
    "surrogate": ({"memo": "\ud800"}, "not Unicode"),
    "control character": ({"memo": "\x00"}, "sealed.narrative"),
    "action of nothing": ({"hotlineReceivedDate": None, "urls": [{"urlString": "x", "actions": [{"actionType": 1}]}]}, "not published here"),
    "nothing at all": ({"hotlineReceivedDate": None}, "neither a report"),
    "action without type": ({"urls": [{"urlString": "x", "actions": [{}]}]}, "actionType: must be given"),
    "assessment without class": ({"urls": [{"urlString": "x", "assessment": {}}]}, "classification: must be given"),
    "maybe": ({"urls": [{"urlString": "x", "assessment": {"classification": 1, "childModelingCategorization": 2}}]}, "0 or 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_the_shape_is_named_with_its_place(desk, name: str):
    """Each mistake ends with file, line and field, without a value, and nothing is sent."""
    changes, rule = BAD[name]
    one = {
        "hotlineReference": "R-1",
        "hotlineReceivedDate": "2026-01-15T10:00:00Z",
        "urls": [{"urlString": "x-secret"}],
    }
    error = desk.attempt(REPORT + json.dumps(one | changes).encode(), FORM)
    check_error(error, SECRETS | {"x-secret", "R-1"})
    assert rule in error.rule


def test_ids_that_are_new_travel_and_go_out_again(desk):
    """Every list is open: an id that nobody knew is a code of its own, and the same id outside."""
    text = REPORT.replace(b'"classification": 1', b'"classification": 3').replace(
        b'"actionType": 1', b'"actionType": 5'
    )
    events = [one.event for one in desk.publish(text.replace(b'"reasonId": 5', b'"reasonId": 99'), FORM)]
    assert events[1]["body"]["classifications"][0]["code"] == "iccam-class-3"
    assert events[2]["body"]["outcome"] == "iccam-action-5"
    assert events[3]["body"]["annotations"] == ["iccam-reason-99"]
    documents_out = [object_of(written(one, *events))["urls"][0] for one in events]
    assert documents_out[1]["assessment"]["classification"] == 3
    assert documents_out[2]["actions"][0]["actionType"] == 5
    assert documents_out[3]["actions"][0]["reasonId"] == 99


def test_what_cannot_be_said_has_a_reason():
    """A report of no one address, an assessment of an unknown report, a supplement without an action: each unsaid."""
    from bus.events.examples import example

    def made(kind: str, **more: Any) -> dict[str, Any]:
        return example(
            kind, issuer="tidewave", audience=["x-org"], nations=["US"], now_us=1_800_000_000_000_000, **more
        )

    for event in (made("Report"), made("Assessment"), made("Report", step="supplemented")):
        assert isinstance(documents(event, FORM), Unsaid)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("data", [REPORT, ACTION], ids=["report", "action"])
def test_damaged_files_are_refused_or_read_as_what_they_say(desk, data: bytes, seed: int):
    """Two hundred damaged copies: each refused without a value and nothing sent, or whole events."""
    if data is ACTION:
        desk.publish(REPORT, FORM)
    for copy in damaged(data, seed, 200):
        found = desk.attempt(copy, FORM)
        if isinstance(found, InvalidFile):
            check_error(found, SECRETS)
        else:
            assert found or desk.notices


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
IDS = st.integers(0, 9999)


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT, st.none() | TEXT, st.booleans(), IDS, IDS, st.none() | IDS, st.integers(10**9, 4 * 10**9))
def test_what_the_shape_can_carry_goes_out_and_comes_back(
    reference: str, url: str, memo: str | None, media: bool, kind: int, action: int, reason: int | None, second: int
):
    """Any report with an assessment and an action: what is written says the same when it is read again."""
    from bus.adapters.drafts import Context, Input, Memory
    from bus.adapters.formats import reader
    from bus.adapters.shelf import Shelf
    from bus.events.clock import format_us
    from bus.events.ids import uuid7

    def read(*objects: Any) -> list[Any]:
        import io
        import secrets

        memory = Memory(lambda key: None, Shelf(Path("unused")))
        context = Context(memory, ("x",), lambda: uuid7(1, secrets.token_bytes(8)), lambda _: None)
        stream = io.BytesIO("\n".join(map(json.dumps, objects)).encode())
        return [draft.event for draft in reader(FORM)([Input(stream, "f")], context)]

    at = format_us(second * 10**6)
    done = {"actionType": action, "actionDate": at, **({} if reason is None else {"reasonId": reason})}
    item = {
        "urlString": url,
        "contentType": 1 if media else 2,
        "assessment": {"classification": kind},
        "actions": [done],
    }
    first = read({"hotlineReference": reference, "hotlineReceivedDate": at, "memo": memo, "urls": [item]})
    said = [written(event, *first) for event in first]
    assert all(one.lost == () for one in said)
    again = read(*(object_of(one) for one in said))
    assert [content(event) for event in again] == [content(event) for event in first]


def test_what_does_not_fit_is_told_without_its_words(desk):
    """A memo that is too long for a narrative is left out and named by its key, not by how it begins."""
    one = {"hotlineReference": "R-1", "hotlineReceivedDate": "2026-01-15T10:00:00Z", "urls": [{"urlString": "x"}]}
    [told] = desk.publish(json.dumps(one | {"memo": "Muster: " + "x" * 16_000}).encode(), FORM)
    assert "narrative" not in told.event["sealed"]
    assert [notice.text for notice in desk.notices] == ["memo: there is no room for it"]
