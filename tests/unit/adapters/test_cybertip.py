"""CyberTipline reports in and out, with the published sample documents and hostile ones."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.adapters import xmltree
from bus.adapters.cybertip import drafts
from bus.adapters.documents import Unsaid, Written, documents
from bus.adapters.drafts import Context, Input, Memory
from bus.adapters.losses import lost, plain
from bus.adapters.shelf import Shelf
from bus.errors import InvalidFile
from bus.events.clock import format_us
from bus.events.examples import example
from tests.unit.adapters.hostile import check_error, damaged, wrapped

FORM = "cybertip"
DATA = Path(__file__).resolve().parents[3] / "tests" / "data" / "cybertipline"
FILES = [DATA / f"filedetails-maximal-{letter}.xml" for letter in "abc"]
INPUTS = {
    "minimal": [DATA / "report-minimal.xml"],
    "batched": [DATA / "report-batched.xml", DATA / "filedetails-batched-meme.xml"],
    "maximal": [DATA / "report-maximal.xml"],
    "maximal with files": [DATA / "report-maximal.xml", *FILES],
    "one file": [DATA / "report-minimal.xml", DATA / "filedetails-minimal.xml"],
}
HEAD = "<report><incidentSummary><incidentType>Child Sex Tourism</incidentType>"
INCIDENT = f"{HEAD}<incidentDateTime>2026-01-15T10:00:00Z</incidentDateTime></incidentSummary>"


def texts(*files: Path) -> set[str]:
    """Every value of documents that is long enough to be told apart from a word of ours."""
    found: set[str] = set()
    for file in files:
        for node in ET.parse(file).iter():
            found |= {(node.text or "").strip(), *node.attrib.values()}
    return {text for text in found if len(text) > 6}


def report(inside: str = "", head: str = INCIDENT) -> bytes:
    """A report with something in it."""
    return f"{head}{inside}</report>".encode()


def written(told: Any) -> Written:
    """The documents of an event that can be said."""
    said = documents(told.event, FORM)
    assert isinstance(said, Written)
    return said


def read_back(said: Written, organisation: str = "tidewave") -> dict[str, Any]:
    """The event that documents make when they are read."""
    context = Context(
        Memory(lambda key: None, Shelf(Path("unused"))), ("x",), lambda: bytes(16), lambda _: None, organisation
    )
    inputs = [Input(io.BytesIO(one.content), one.name) for one in (said.documents[-1], *said.documents[:-1])]
    [draft] = drafts(inputs, context)
    return draft.event


# --- in -------------------------------------------------------------------------------------------------------------


def test_a_minimal_report_is_opened(desk):
    """A report that NCMEC has not numbered is opened, with type, time and who reports."""
    [told] = desk.publish(INPUTS["minimal"], FORM)
    event = told.event
    assert (event["type"], event["header"]["step"], event["header"]["purpose"]) == ("Report", "opened", "investigation")
    assert event["body"]["incident_types"] == ["csam"]
    assert event["body"]["statutory_channel"] == "ncmec-cybertipline"
    assert event["sealed"]["incident_at"] == "2026-01-15T10:00:00.000000Z"
    assert plain(event["sealed"]["persons"]) == [{"role": "reporter", "name": "John Smith"}]
    assert desk.notices == []


def test_every_branch_of_a_report_has_its_place(desk):
    """A report with all that there may be: people, accounts, addresses, devices; and nothing is left out."""
    [told] = desk.publish(INPUTS["maximal with files"], FORM)
    header, body, sealed = told.event["header"], told.event["body"], told.event["sealed"]
    assert desk.notices == []
    assert (header["step"], header["priority"], header["lane"]) == ("filed", "urgent", "urgent")
    assert body["annotations"] == [
        "sextortion", "csam_solicitation", "minor_to_minor", "spam", "sadistic_online_exploitation",
    ]  # fmt: skip
    assert (body["victim_count_min"], body["suspect_count"], body["minor_suspect"]) == (2, 1, False)
    assert (body["has_media"], body["file_count"]) == (True, 3)
    assert body["viewed"] == {"by_provider": True, "exif": True, "public": True, "stated_by": "tidewave"}
    assert {"country": "US", "tie": "victim"} in body["jurisdictions"]
    roles = [person["role"] for person in sealed["persons"]]
    assert roles == ["suspect", "recipient", "recipient", "victim", "victim", "reporter", "reporter"]
    suspect = sealed["persons"][0]
    assert (suspect["name"], suspect["age"], suspect["born"]) == ("Charlie Reported", 25, "2000-01-01")
    assert suspect["phones"] == ["+1 1112223333", "+1 4445556666 ext. 789"]
    assert suspect["address"] == "987 Reported St, Reported City, 90004, TX"
    assert "vehicleDescription: Test vehicle description" in suspect["note"]
    assert {account["role"] for account in sealed["accounts"]} == {"suspect", "recipient", "victim"}
    assert sealed["ip_events"][0] == {
        "address": "192.168.1.1", "kind": "login", "at": "2026-01-15T10:00:00.000000Z", "port": 12345,
        "possible_proxy": True,
    }  # fmt: skip
    assert [device["kind"] for device in sealed["devices"]] == ["imei", "ssid"]
    assert [ref["system"] for ref in sealed["external_refs"]] == [
        "ncmec-cybertipline", "ncmec-file", "ncmec-file", "ncmec-file", "police-case",
    ]  # fmt: skip
    assert [one["algorithm"] for one in sealed["hashes"]] == ["MD5", "SHA256"] * 3


def test_a_victims_address_of_the_network_is_never_the_suspects(desk):
    """Addresses and devices of others than the reported person are sentences about those."""
    [told] = desk.publish(INPUTS["maximal"], FORM)
    assert "10.0.0.3" not in json.dumps(told.event["sealed"]["ip_events"])
    victim = next(person for person in told.event["sealed"]["persons"] if person["role"] == "victim")
    assert "10.0.0.3" in victim["note"]


@pytest.mark.parametrize("name", INPUTS)
def test_all_that_could_name_somebody_is_sealed(desk, name: str):
    """Header and body, which the hub reads, hold no text of a report but its codes."""
    [told] = desk.publish(INPUTS[name], FORM)
    open_part = json.dumps([told.event["header"], told.event["body"]])
    assert not [text for text in texts(*INPUTS[name]) if text in open_part]


@pytest.mark.parametrize("name", INPUTS)
def test_nothing_of_a_report_is_dropped(desk, name: str):
    """Every text of every document stands somewhere in the event, as it was or as a code."""
    from bus.adapters import cybertip_codes as codes

    [told] = desk.publish(INPUTS[name], FORM)
    said = json.dumps(told.event, ensure_ascii=False)
    coded = {*codes.INCIDENT_TYPES, *codes.IP_EVENTS, *codes.DEVICES}
    for text in texts(*INPUTS[name]) - coded:
        at = text.replace("Z", ".000000Z")
        assert text in said or at in said or json.dumps(text)[1:-1] in said, text


def test_what_does_not_fit_is_told_and_the_rest_is_kept(desk):
    """Where notes and narrative are full, each thing left out is named with its line, without its text."""
    inside = "".join(f"<internetDetails><chatImIncident><content>{c * 5000}</content></chatImIncident></internetDetails>"
                     for c in "abcd")  # fmt: skip
    [told] = desk.publish(report(inside), FORM)
    assert len(told.event["sealed"]["narrative"]) > 15_000
    [notice] = desk.notices
    assert notice.text == "internetDetails 4.chatImIncident.content: there is no room for all of it"
    assert notice.kind == "left-out"


def test_files_that_differ_are_not_lumped_together(desk, tmp_path: Path):
    """Who viewed which file is said of the report only where it holds for all files; else for each in words."""
    files = []
    for number, viewed in ((1, "true"), (2, "false")):
        file = tmp_path / f"{number}.xml"
        marks = "<fileAnnotations><generativeAi>true</generativeAi></fileAnnotations>" if number == 1 else ""
        file.write_text(f"<fileDetails><reportId>7</reportId><fileId>f{number}</fileId>"
                        f"<fileViewedByEsp>{viewed}</fileViewedByEsp>{marks}</fileDetails>")  # fmt: skip
        files.append(file)
    [told] = desk.publish([DATA / "report-minimal.xml", *files], FORM)
    assert told.event["body"].get("viewed") is None
    assert told.event["body"].get("ai") is None
    assert "file 1: fileViewedByEsp: true" in told.event["sealed"]["narrative"].replace("file 1 ", "file 1: ")
    [one] = desk.publish([DATA / "report-minimal.xml", files[0]], FORM)
    assert one.event["body"]["ai"]["status"] == "generated"


def test_an_account_is_never_given_to_another_person(desk):
    """Of two victims, one an account alone: the account does not become the other's."""
    inside = ("<victim><victimPerson><firstName>A</firstName></victimPerson></victim>"
              "<victim><espIdentifier>id-of-the-other</espIdentifier></victim>")  # fmt: skip
    [told] = desk.publish(report(inside), FORM)
    assert told.event["sealed"]["accounts"] == []
    assert "victim 2.account: role victim, id id-of-the-other" in told.event["sealed"]["narrative"]


# --- the same report again ------------------------------------------------------------------------------------------


def test_the_same_report_again_is_the_same_event(desk):
    """A report is known by its content, whatever its bytes; to another audience it is another event."""
    [first] = desk.publish(INPUTS["minimal"], FORM)
    [again] = desk.publish((DATA / "report-minimal.xml").read_bytes().replace(b"  ", b"\t"), FORM)
    assert (again.event_id, again.new) == (first.event_id, False)
    [other] = desk.publish(INPUTS["minimal"], FORM, to=["police-north"])
    assert other.event_id != first.event_id


def test_another_content_under_a_known_number_supplements_it(desk):
    """A numbered report that comes with more is about the first; each version comes again as it was."""
    [first] = desk.publish(INPUTS["one file"], FORM)
    more = [DATA / "report-maximal.xml", DATA / "filedetails-minimal.xml"]
    [second] = desk.publish(more, FORM)
    assert second.event["header"]["step"] == "supplemented"
    assert second.event["header"]["about"] == first.event_id
    assert [desk.publish(one, FORM)[0].event_id for one in (INPUTS["one file"], more)] == [
        first.event_id, second.event_id,
    ]  # fmt: skip
    assert desk.journal.counts() == {"accepted": 2}


def test_what_the_hub_refused_is_no_subject(desk):
    """After a refusal the next version is filed anew."""
    desk.publish(INPUTS["one file"], FORM, outcome="refused")
    [second] = desk.publish([DATA / "report-maximal.xml", DATA / "filedetails-minimal.xml"], FORM)
    assert second.event["header"]["step"] == "filed"


# --- bad input ------------------------------------------------------------------------------------------------------

BAD = {
    "no incident": (report(head="<report>"), "incidentSummary"),
    "two incidents": (report(f"{HEAD[8:]}</incidentSummary>"), "stands twice"),
    "unknown type": (report(head=INCIDENT.replace("Tourism", "Secretism")), "one of the CyberTipline's eight"),
    "no time": (report(head=f"{HEAD}</incidentSummary>"), "incidentDateTime"),
    "time without zone": (report(head=INCIDENT.replace("00Z", "00")), "with its zone"),
    "time before time": (report(head=INCIDENT.replace("2026", "1926")), "with its zone"),
    "day that is not": (report("<victim><victimPerson><dateOfBirth>2010-02-30</dateOfBirth></victimPerson></victim>"), "dateOfBirth"),
    "age of a tree": (report("<victim><victimPerson><age>999</age></victimPerson></victim>"), "0 to 150"),
    "age in Arabic digits": (report("<victim><victimPerson><age>١٤</age></victimPerson></victim>"), "0 to 150"),
    "port": (report("<personOrUserReported><ipCaptureEvent><ipAddress>::1</ipAddress><port>0</port></ipCaptureEvent></personOrUserReported>"), "1 to 65535"),
    "perhaps": (report("<victim><espIdentifier>x</espIdentifier><compromisedAccount>perhaps</compromisedAccount></victim>"), "true or false"),
    "two suspects": (report("<personOrUserReported/><personOrUserReported/>"), "stands twice"),
    "elements for text": (report("<lawEnforcement><caseNumber><a/></caseNumber></lawEnforcement>"), "text is asked for"),
    "control character": (report("<additionalInfo>a&#127;b</additionalInfo>"), "sealed.narrative"),
    "file alone": ((DATA / "filedetails-minimal.xml").read_bytes(), "exactly one report"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_the_format_is_named_with_its_line(desk, name: str):
    """Each mistake ends with file, line and rule, without a value, and nothing is sent."""
    data, rule = BAD[name]
    error = desk.attempt(data, FORM)
    check_error(error, {"Secretism", "perhaps", "1926", "999"})
    assert rule in error.rule


@pytest.mark.parametrize("name", wrapped("report"))
def test_hostile_documents_are_refused(desk, name: str):
    """No entity, document type, size, depth or encoding gets past the reader, as report or as a file of one."""
    check_error(desk.attempt(wrapped("report")[name], FORM), {"root:", "xxxxxxxx"})
    file = desk.folder / "file.xml"
    file.write_bytes(wrapped("fileDetails")[name])
    with pytest.raises(InvalidFile) as error:
        desk.publish([DATA / "report-minimal.xml", file], FORM)
    assert error.value.file == str(file)
    assert desk.journal.counts() == {}


def test_files_of_another_report_or_twice_are_refused(desk, tmp_path: Path):
    """All files are of one report, and each stands once."""
    other = tmp_path / "other.xml"
    other.write_text("<fileDetails><reportId>1</reportId><fileId>1</fileId></fileDetails>")
    for extra, rule in (
        (other, "another report"),
        (FILES[0], "stands above"),
        (DATA / "report-batched.xml", "one report"),
    ):
        with pytest.raises(InvalidFile, match=rule):
            desk.publish([DATA / "report-minimal.xml", FILES[0], extra], FORM)
    assert desk.journal.counts() == {}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_that_xml_names_are_read(desk, encoding: str):
    """A byte order mark or a declared encoding changes nothing of the event."""
    text = (DATA / "report-minimal.xml").read_text()
    declared = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "latin-1": "ISO-8859-1"}[encoding]
    [told] = desk.publish(text.replace("UTF-8", declared).replace("John", "J\u00f6hn").encode(encoding), FORM)
    assert told.event["sealed"]["persons"][0]["name"] == "J\u00f6hn Smith"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ["report-minimal.xml", "report-batched.xml", "report-maximal.xml"])
def test_damaged_reports_are_refused_or_read_as_what_they_say(desk, name: str, seed: int):
    """Two hundred damaged copies: each refused without a value and nothing sent, or an event that goes out and back."""
    data = (DATA / name).read_bytes()
    secrets = texts(DATA / name)
    for copy in damaged(data, seed, 100):
        found = desk.attempt(copy, FORM)
        if isinstance(found, InvalidFile):
            check_error(found, secrets)
        else:
            assert len(found) == 1
            assert not written(found[0]).lost if found[0].new else True


@pytest.mark.parametrize(
    "name",
    [
        "filedetails-minimal.xml",
        "filedetails-maximal-a.xml",
        "filedetails-maximal-b.xml",
        "filedetails-maximal-c.xml",
        "filedetails-batched-meme.xml",
    ],
)
def test_damaged_files_are_refused_or_read_as_what_they_say(desk, tmp_path: Path, name: str):
    """Two hundred damaged copies of each fileDetails, beside a report that is whole."""
    file = tmp_path / "damaged.xml"
    for copy in damaged((DATA / name).read_bytes(), 3):
        file.write_bytes(copy)
        before = desk.journal.counts()
        try:
            found = desk.publish([DATA / "report-minimal.xml", file], FORM)
        except InvalidFile as error:
            check_error(error, texts(DATA / name))
            assert desk.journal.counts() == before
        else:
            assert len(found) == 1


def test_a_document_that_is_too_large_is_refused(desk, monkeypatch: pytest.MonkeyPatch):
    """A document is read whole, so its size has a bound."""
    monkeypatch.setattr(xmltree, "MAX_BYTES", 10_000)
    error = desk.attempt((DATA / "report-maximal.xml").read_bytes(), FORM)
    check_error(error, set())
    assert "larger than" in error.rule


# --- out ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INPUTS)
def test_what_goes_out_reads_equal(desk, name: str):
    """A report that came in goes out as documents that say the same event, byte for byte the second time."""
    [told] = desk.publish(INPUTS[name], FORM)
    said = written(told)
    assert said.lost == ()
    again = read_back(said)
    assert lost(told.event, again) == ()
    assert lost(again, told.event) == ()
    assert again["header"]["step"] == told.event["header"]["step"]
    assert again["header"].get("priority", "routine") == told.event["header"]["priority"]


NOTED = {"personOrUserReported": ["estimatedLocation", "allEmailsReported", "associatedAccount", "additionalInfo"]}
"""What public clients say of the order beside what the samples show."""
OPEN = {"reportAnnotations"}
"""Elements whose children NCMEC adds to."""
Pairs = dict[str, set[tuple[str, str]]]


def orders() -> tuple[Pairs, dict[str, set[str]]]:
    """For each element of the samples, which child stands before which, and which children there are."""
    pairs: Pairs = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    rows = [(node.tag, [child.tag for child in node]) for file in DATA.glob("*.xml") for node in ET.parse(file).iter()]
    for tag, children in [*rows, *NOTED.items()]:
        names[tag] |= set(children)
        pairs[tag] |= {(a, b) for at, a in enumerate(children) for b in children[at + 1 :] if a != b}
    return pairs, names


PAIRS, NAMES = orders()


def check_order(document: bytes) -> None:
    """Every element is one that the samples have there, and stands where they have it."""
    for node in ET.fromstring(document).iter():
        children = [child.tag for child in node]
        assert node.tag in OPEN or set(children) <= NAMES[node.tag], f"{node.tag} has no {children}"
        for at, name in enumerate(children):
            for after in children[at + 1 :]:
                wrong = (after, name) in PAIRS[node.tag] and (name, after) not in PAIRS[node.tag]
                assert not wrong, f"{name} stands before {after} in {node.tag}"


def test_the_order_of_elements_would_be_seen():
    """The checker of order takes the samples and finds two elements that were swapped."""
    for file in DATA.glob("*.xml"):
        check_order(file.read_bytes())
    text = (DATA / "report-minimal.xml").read_text()
    first, last = "<firstName>John</firstName>", "<lastName>Smith</lastName>"
    swapped = text.replace(first, "@").replace(last, first).replace("@", last)
    with pytest.raises(AssertionError, match="lastName stands before firstName"):
        check_order(swapped.encode())


@pytest.mark.parametrize("name", INPUTS)
def test_elements_stand_in_the_formats_order(desk, name: str):
    """NCMEC refuses elements out of order: none of ours is."""
    [told] = desk.publish(INPUTS[name], FORM)
    for document in written(told).documents:
        check_order(document.content)


def made(**changes: Any) -> dict[str, Any]:
    """A report of the bus's own, not read from a document."""
    event = example(
        "Report", issuer="tidewave", audience=["clearing-house"], nations=["US"], now_us=1_800_000_000_000_000
    )
    return event | changes


def test_what_has_no_element_is_said_in_words_and_told():
    """An event of the bus's own: nothing of its sealed part is missing, and each field that is not carried is named."""
    event = made()
    said = documents(event, FORM)
    assert isinstance(said, Written)
    [report_out] = said.documents
    check_order(report_out.content)
    text = report_out.content.decode()
    assert "reference: system ncmec-cybertipline, value filler-190022" in text
    assert "place: kind message, value conversation 4471" in text
    assert "fingerprint: algorithm SHA256" in text
    assert "priority: urgent: ongoing_threat" in text
    assert {"body.ai", "body.file_count", "body.viewed", "sealed.hashes", "sealed.custodian"} <= set(said.lost)
    assert "sealed.narrative" not in said.lost
    assert "body.priority_reasons" not in said.lost


def test_other_peoples_annotations_are_no_elements():
    """A code that the bus has from elsewhere is not made an element; one that nobody knows goes out as it came."""
    event = made()
    event["body"] = event["body"] | {"annotations": ["sextortion", "financial", "password_protected", "newer_thing"]}
    said = documents(event, FORM)
    assert isinstance(said, Written)
    group = ET.fromstring(said.documents[-1].content).find("incidentSummary/reportAnnotations")
    assert group is not None
    assert [node.tag for node in group] == ["sextortion", "newerThing"]
    assert "body.annotations" in said.lost


def test_an_event_without_type_or_time_cannot_be_said():
    """The CyberTipline must know what and when; a step that says neither is unsaid, and no error."""
    event = made()
    assert isinstance(documents(event | {"body": event["body"] | {"incident_types": []}}, FORM), Unsaid)
    assert isinstance(documents(event | {"sealed": None}, FORM), Unsaid)


def test_characters_that_xml_lacks_are_replaced_and_told():
    """What XML has no character for does not break the document, and is not passed over in silence."""
    event = made()
    event["sealed"] = event["sealed"] | {"narrative": "before\ufffeafter"}
    said = documents(event, FORM)
    assert isinstance(said, Written)
    assert "before\ufffdafter" in said.documents[-1].content.decode()
    assert "sealed.narrative" in said.lost


WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=8
)
TEXT = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
TIME = st.integers(10**15, 4 * 10**15).map(format_us)


def record(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A record with some of its fields; those whose name ends with an underscore are always there."""
    needed = {name[:-1]: value for name, value in fields.items() if name.endswith("_")}
    return st.fixed_dictionaries(needed, optional={k: v for k, v in fields.items() if not k.endswith("_")})


def person(role: str) -> st.SearchStrategy[dict[str, Any]]:
    """A person of a role; one who reports has no note, and something else."""
    fields: dict[str, Any] = {
        "age": st.integers(0, 150),
        "born": st.dates(date(1900, 1, 1)).map(str),
        "emails": st.lists(TEXT, min_size=1, max_size=3),
        "phones": st.lists(WORD, min_size=1, max_size=3),
        "address": TEXT,
        "country": st.sampled_from(["US", "IE", "SE"]),
    }
    if role == "reporter":
        without_age = {name: value for name, value in fields.items() if name not in {"age", "born"}}
        return record(role_=st.just(role), name_=TEXT, **without_age)
    return record(role_=st.just(role), name=TEXT, note=TEXT, **fields).filter(lambda one: len(one) > 1)


def account(role: str) -> st.SearchStrategy[dict[str, Any]]:
    """An account of somebody."""
    return record(
        role_=st.just(role), id_=TEXT, service=TEXT, screen_name=TEXT, profile_url=TEXT, compromised=st.booleans()
    )


@st.composite
def contents(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Body, sealed part and priority of a report that the CyberTipline has a place for."""
    persons, accounts = [], []
    for role, most in (("suspect", 1), ("recipient", 3), ("victim", 3)):
        persons += draw(st.lists(person(role), max_size=most))
        alone = role == "recipient" and sum(one["role"] == role for one in persons) == 1
        accounts += draw(st.lists(account(role), max_size=1 if alone else 3))
    persons += draw(st.lists(person("reporter"), max_size=2))
    files = draw(st.integers(0, 3))
    kinds = draw(st.lists(st.sampled_from(["MD5", "SHA1", "SHA256", "PDQ"]), unique=True, max_size=3)) if files else []
    sizes = {"MD5": 16, "SHA1": 20, "SHA256": 32, "PDQ": 32}
    value = {kind: st.binary(min_size=size, max_size=size).map(bytes.hex) for kind, size in sizes.items()}
    number = [{"system": "ncmec-cybertipline", "value": draw(WORD)}] if files else []
    ids = draw(st.lists(WORD, min_size=files, max_size=files, unique=True))
    sealed = {
        "incident_at": draw(TIME),
        "persons": persons,
        "accounts": accounts,
        "external_refs": number + [{"system": "ncmec-file", "value": one} for one in ids],
        "ip_events": draw(st.lists(record(address_=WORD, kind=st.sampled_from(["login", "upload", "unknown"]), at=TIME,
                                          port=st.integers(1, 65535), possible_proxy=st.booleans()), max_size=2)),
        "devices": draw(st.lists(record(kind_=st.sampled_from(["imei", "ssid", "other"]), value_=TEXT, at=TIME), max_size=2)),
        "locators": draw(st.lists(WORD.map(lambda url: {"kind": "url", "value": f"https://{url}.example"}), max_size=2)),
        "hashes": [{"algorithm": kind, "value": draw(value[kind])} for _ in range(files) for kind in kinds],
    }  # fmt: skip
    if draw(st.booleans()):
        sealed["narrative"] = draw(TEXT)
    victims = sum(one["role"] == "victim" for one in persons)
    some = victims or any(one["role"] == "victim" for one in accounts)
    body = {
        "incident_types": [draw(st.sampled_from(["csam", "online_enticement"]))],
        "annotations": draw(
            st.sampled_from([[], ["sextortion"], ["csam_solicitation", "informational", "newer_thing"]])
        ),
        "statutory_channel": "ncmec-cybertipline",
        "victim_count_min": max(victims, 1) if some else None,
    }
    if files:
        body |= {"has_media": True, "file_count": files}
        body |= draw(st.sampled_from([{}, {"viewed": {"by_provider": False, "stated_by": "tidewave"}}]))
        body |= draw(st.sampled_from([{}, {"ai": {"status": "generated"}}]))
    priority = draw(st.sampled_from(["routine", "urgent", "immediate"]))
    if priority != "routine":
        body["priority_reasons"] = draw(st.sampled_from([[], ["child_in_danger", "self_harm"]]))
    return body, sealed, priority


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(contents())
def test_what_the_format_can_carry_goes_out_and_comes_back(content: tuple[dict[str, Any], dict[str, Any], str]):
    """Any report within the format's reach: its documents say the same, in order, and lose nothing."""
    body, sealed, priority = content
    said = documents({"type": "Report", "header": {"priority": priority}, "body": body, "sealed": sealed}, FORM)
    assert isinstance(said, Written)
    assert said.lost == ()
    again = read_back(said)
    assert again["header"].get("priority", "routine") == priority
    assert {k: v for k, v in again["body"].items() if k not in {"jurisdictions", "suspect_count", "minor_suspect"}} == {
        k: v for k, v in body.items() if v is not None and v != []
    }  # fmt: skip
    for document in said.documents:
        check_order(document.content)
