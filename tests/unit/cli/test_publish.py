"""``bus publish`` and ``bus consume`` as far as no broker is needed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from unittest.mock import ANY

import pytest

from bus.cli.publish import explain
from bus.events.examples import example
from bus.trust.directory import Directory, KeyEntry, Organisation

PAGES = Path(__file__).resolve().parents[2] / "data" / "ncmec-hashsharing"


def events(count: int) -> str:
    """That many events, one a line."""
    return "".join(
        json.dumps(
            example(
                "HashHit", issuer="tidewave", audience=["hotline-north"], nations=["SE"], now_us=1_800_000_000_000_000
            )
        )
        + "\n"
        for _ in range(count)
    )


def test_check_reads_everything_and_sends_nothing(bus, stopped):
    """--check needs no broker; it says how many events there are and what would be left out."""
    result = bus("publish", "-", "--as", "tidewave", "--check", stdin=events(3))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "3 events could be published" in result.stderr
    page = bus("publish", str(PAGES / "entries.xml"), "--format", "ncmec-hashes", "--as", "tidewave", "--check")
    assert "2 events could be published" in page.stderr
    assert "entries.xml, line 12: entry 42/image1: pdna must be 144 bytes" in page.stderr
    assert "2 deleted entries were never published here" in page.stderr
    assert list((stopped / "tmp").iterdir()) == []


def test_a_check_looks_up_who_is_named(bus, stopped, monkeypatch):
    """What would be refused because the directory has no such organisation does not pass the check; JSON is one value."""

    async def read(*_: object) -> Directory:
        known = Organisation("hotline-north", "hotline-north", "SE", (), None, 1)
        key = KeyEntry(known.org, "sealing", b"k" * 16, b"p" * 1216, 0, None, 0, 2)
        return Directory(organisations={known.org: known}, sealing={known.org: (key,)})

    monkeypatch.setattr("bus.adapters.intake.read_directory", read)
    check = ("publish", "-", "--as", "tidewave", "--check", "-o", "json")
    passed = bus(*check, stdin=events(2))
    assert passed.exit_code == 0, passed.stderr
    told = json.loads(passed.stdout)
    assert (told["checked"], told["audience"], told["looked_up"]) == (2, ["hotline-north"], True)
    wrong = bus(*check, "--to", "hotline-norht", stdin=events(1))
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "line 1: header.audience: the directory has no hotline-norht" in wrong.stderr
    assert "Did you mean 'hotline-north'?" in wrong.stderr


def test_codes_that_no_list_has_are_told_once_with_their_number(bus, stopped):
    """A slip in every line is one warning; the events could be published all the same."""
    slips = events(3).replace('"investigation"', '"investigaton"')
    result = bus("publish", "-", "--as", "tidewave", "--check", stdin=slips)
    assert result.exit_code == 0
    said = "'investigaton' is not in the list purpose, and goes as it is. Did you mean 'investigation'? (3 times)"
    assert result.stderr.splitlines() == [
        f"standard input, line 1: header.purpose: {said}",
        ANY,  # the broker is away, so who is named was not looked up
        "3 events could be published to hotline-north.",
    ]


def test_a_broken_input_is_refused_before_the_broker_is_asked(bus, stopped):
    """A bad line ends with 1 and its place, whether or not Kafka is up."""
    assert stopped
    result = bus("publish", "-", "--as", "tidewave", "-o", "ndjson", stdin=events(2) + "{}\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: standard input, line 3: type:")
    assert "Nothing was published" in result.stderr


def test_a_file_in_another_format_is_told_of_the_flag(bus, stopped):
    """Whoever forgets --format learns of it from the error."""
    result = bus("publish", str(PAGES / "entries.xml"), "--as", "tidewave")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "say which with --format" in result.stderr


def test_json_in_another_format_is_told_of_the_flag(bus, stopped):
    """An object with none of an event's parts is no event with unknown fields: it is something else."""
    result = bus("publish", "-", "--as", "tidewave", stdin='{"@odata.context": "x", "value": []}')
    assert (result.exit_code, result.stdout) == (1, "")
    assert "neither type nor header" in result.stderr
    assert "say which with --format" in result.stderr


def test_of_a_known_id_it_is_said_what_is_wrong_or_differs(bus, stopped):
    """A mistake in an event that was published before is named as in any other; a slip in --to by its field."""
    from tests.unit.cli.published import keep

    event = keep(stopped, "tidewave", ["hotline-north"])
    publish = ("publish", "-", "--as", "tidewave")
    slip = bus(*publish, "--to", "hotline-norht", stdin=json.dumps(event))
    assert slip.exit_code == 1
    assert "already published with other content: what differs is header.audience\n" in slip.stderr
    assert "hotline-norht" not in slip.stderr
    event["body"].pop("match")
    result = bus(*publish, stdin=json.dumps(event))
    assert result.exit_code == 1
    assert "body.match" in result.stderr
    assert "other content" not in result.stderr


@pytest.mark.parametrize("flags", [["--follow"], ["--ack", "fetched"], ["--format", "vics", "--out", "x/"]])
def test_a_look_into_the_inbox_takes_nothing_and_writes_nothing(bus, stopped, flags: list[str]):
    """What is done with what is consumed does not go with --peek."""
    result = bus("consume", "--as", "tidewave", "--peek", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--peek consumes nothing" in result.stderr


def test_a_slip_in_a_choice_is_told_with_the_nearest(bus, stopped):
    """A format is asked for by a name that nobody knows by heart."""
    result = bus("publish", "-", "--as", "tidewave", "--format", "cybertipline", stdin="{}")
    assert result.exit_code == 2
    assert "Did you mean 'cybertip'?" in result.stderr


def test_breaking_off_the_check_says_that_nothing_was_published(bus, stopped, monkeypatch):
    """Ctrl-C before the first event is sent leaves no doubt."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("bus.adapters.intake.Intake.check", interrupted)
    result = bus("publish", "-", "--as", "tidewave", stdin=events(1))
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith("Nothing was published.\n")


@pytest.mark.parametrize("content", ["", "<a>", "[", '{"a":1,"a":2}'])
@pytest.mark.parametrize("form", ["bus", "ncmec-hashes"])
def test_no_input_crashes_it(bus, stopped, content: str, form: str):
    """Whatever comes in, there is a sentence and exit code 1."""
    assert stopped
    result = bus("publish", "-", "--as", "tidewave", "--format", form, stdin=content)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr


def test_a_page_without_entries_publishes_nothing(bus, stopped):
    """Nothing to say is no error, and an empty list in every form."""
    assert stopped
    args = ["publish", str(PAGES / "entries-no-data.xml"), "--format", "ncmec-hashes", "--as", "tidewave"]
    result = bus(*args, "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "events": [], "published": 0, "accepted": 0, "repeated": 0, "refused": 0, "unknown": 0, "warnings": [],
    }  # fmt: skip
    assert bus(*args, "-o", "ndjson").stdout == ""


def test_an_absent_broker_ends_with_5(bus, stopped):
    """Unavailable is told apart from wrong."""
    (stopped / "organisations" / "tidewave" / "keys.json").write_text("{}")
    result = bus("publish", "-", "--as", "tidewave", stdin=events(2))
    assert result.exit_code == 5, result.stderr
    assert "error: Kafka at 127.0.0.1:1 cannot be reached\n" in result.stderr
    assert "`bus sandbox up`" in result.stderr


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["-", "--as", "nobody"], 2),
        (["-"], 2),
        (["nowhere.json", "--as", "tidewave"], 2),
        (["-", "--as", "tidewave", "--to", "NOT AN ORG"], 2),
        (["-", "--as", "tidewave", "--format", "mystery"], 2),
    ],
)
def test_wrong_usage_ends_with_2(bus, stopped, args: list[str], code: int):
    """Who, what and for whom must be right before anything is read."""
    assert stopped
    assert bus("publish", *args, stdin=events(1)).exit_code == code


def test_who_acts_may_come_from_the_environment(bus, stopped, tmp_path: Path):
    """BUS_AS names the organisation, and BUS_PROFILE its profile anywhere."""
    profile = stopped / "organisations" / "tidewave" / "profile.toml"
    assert bus("publish", "-", "--check", stdin=events(1), BUS_AS="tidewave").exit_code == 0
    assert bus("publish", "-", "--check", stdin=events(1), BUS_PROFILE=str(profile)).exit_code == 0
    assert bus("publish", "-", "--check", stdin=events(1), BUS_PROFILE=str(profile), BUS_AS="other").exit_code == 2
    assert bus("publish", "-", "--check", "--to", "clearing-house", stdin=events(1), BUS_AS="tidewave").exit_code == 0


@pytest.mark.parametrize("args", [["--as", "nobody"], [], ["--ack", "loudly"]])
def test_consume_wants_to_know_whose_inbox(bus, stopped, args: list[str]):
    """Without an organisation there is no inbox."""
    assert stopped
    assert bus("consume", *args).exit_code == 2


def test_a_refusal_names_steps_only_where_there_are_some(capsys):
    """What no other line says is not pointed to, and a command names first the steps that it offers itself."""
    explain(Counter({"step-role": 1}))
    assert capsys.readouterr().err.splitlines() == [
        "step-role (1): the issuer's role does not take this step of this type. No step is open to its issuer now."
    ]
    explain(Counter({"step-order": 1, "allowed.removed": 1, "allowed.reappeared": 1}), {"removed"})
    assert capsys.readouterr().err.splitlines() == [
        "step-order (1): the step does not follow from the subject's last one.",
        "allowed now: removed",
        "allowed now, but with `bus publish` alone: reappeared",
    ]
