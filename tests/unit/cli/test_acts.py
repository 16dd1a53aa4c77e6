"""The acts by hand as far as no broker is needed: what is asked, what is refused, and what would be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bus.cli.ack import STEPS
from bus.cli.form import Form
from bus.cli.takedown import STEPS as TAKEDOWN
from bus.errors import UsageError
from bus.events.codes import codes
from bus.events.registry import by_name
from bus.paths import schemas_dir
from bus.trust.directory import Directory, Organisation

EVENT = "0199f3c0-0000-7000-8000-000000000000"
MARKER = "https://images.example.invalid/secret-marker"
NOTICE = (
    "notice",
    "--as",
    "tidewave",
    "--to",
    "fernpost",
    "--form",
    "notice",
    "--target",
    "host",
    "--measure",
    "remove",
)


@pytest.fixture
def urls(tmp_path: Path) -> Path:
    """A file with two items."""
    path = tmp_path / "urls.txt"
    path.write_text(f"{MARKER}/1\n\nonion {MARKER}/2\n")
    return path


def test_every_code_list_can_be_read():
    """Each list has codes, and each code a meaning."""
    for path in (schemas_dir() / "codes").glob("*.csv"):
        if path.stem != "refusal":
            assert codes(path.stem), path.stem


@pytest.mark.parametrize(
    ("args", "flag"),
    [
        (("recall", EVENT, "--do", "delete"), "--reason"),
        (("recall", EVENT, "--reason", "error"), "--do"),
        (("ack", EVENT), "--step"),
        (("takedown", EVENT), "--step"),
        (("takedown", EVENT, "--step", "refused"), "--reason"),
        (("ack", EVENT, "--step", "cannot"), "--reason"),
        (("refer", EVENT), "--to"),
        (("notice",), "--to"),
        (("notice", "--to", "fernpost"), "--form"),
        (("notice", "--to", "fernpost", "--form", "notice", "--target", "host"), "--measure"),
        (NOTICE[3:] and ("notice", *NOTICE[3:]), "--locators"),
        (("notice", *NOTICE[3:], "--platform-wide"), "--why-not-preserved"),
        (("notice", *NOTICE[3:], "--platform-wide", "--preserve", "logs"), "--process"),
    ],
)
def test_without_a_terminal_a_missing_flag_is_named(bus, stopped, args: tuple[str, ...], flag: str):
    """A script learns which flag is missing, with exit code 2, and nothing is asked."""
    result = bus(*args, "--as", "tidewave")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{flag} is needed" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("recall", "42", "--reason", "error", "--do", "delete"), "EVENT: it is no event id"),
        (("recall", EVENT, "--reason", "eror", "--do", "delete"), "--reason: no such code. Did you mean 'error'?"),
        (("recall", EVENT, "--reason", "error", "--do", "x"), "--do: no such code"),
        (("recall", EVENT, "--reason", "error", "--do", "delete", "--to", "A B"), "--to: no organisation"),
        (("ack", EVENT, "--step", "delivered"), "--step: no such code"),
        (("ack", EVENT, "--step", "cannot", "--reason", "lazy"), "--reason: no such code"),
        (("takedown", EVENT, "--step", "gone"), "--step: no such code"),
        (("takedown", EVENT, "--step", "refused", "--reason", "adlt"), "Did you mean 'adult'?"),
        (("takedown", EVENT, "--step", "removed", "--at", "2999-01-01T00:00:00Z"), "--at: that time is yet to come"),
        (("refer", EVENT, "--to", "police-isles"), "it is not ORG:NATION:TIE"),
        (("refer", EVENT, "--to", "police-isles:gb:victim"), "two capital letters"),
        (("refer", EVENT, "--to", "police-isles:GB:nothing"), "no such code"),
        (("refer", EVENT, "--to", "@police:GB:victim"), "not an agreement"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--due", "tomorrow"), "--due: it is no time"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--due", "2020-01-01T00:00:00Z"), "has passed"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--due", "2020-01-01"), "has passed"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--due", "2099-02-30"), "--due: it is no time"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--deadline", "soon"), "--deadline: no such row"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--preserve", "logs"), "three ways"),
        ((*NOTICE, "--platform-wide", "--preservation", "seven"), "--preservation: it is no event id"),
        ((*NOTICE, "--platform-wide", "--preservation", "none"), "Say why with --why-not-preserved CODE"),
        ((*NOTICE, "--platform-wide", "--why-not-preserved", "lazy"), "--why-not-preserved: no such code"),
        ((*NOTICE, "--platform-wide", "--preserve", "logs", "--process", "statute", "--preserve-until", "2020-01-01"),
         "that day has passed"),
        ((*NOTICE, "--locators", "nowhere.txt"), "--locators nowhere.txt: No such file"),
        ((*NOTICE, "--locators", "urls.txt", "--platform-wide", "--why-not-preserved", "no_evidence_value"), "two ways"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_before_anything_is_asked_of_a_broker(bus, stopped, args: tuple[str, ...], words: str):
    """Exit code 2, the flag, and what would do; the broker of this sandbox is down."""
    result = bus(*args, *(() if "--as" in args else ("--as", "tidewave")))
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


@pytest.mark.parametrize(
    "text", [f"{MARKER}\nnothing {MARKER}\n", f"url\n{MARKER}", "\n".join(f"{MARKER}/{n}" for n in range(17)), "\n"]
)
def test_no_address_is_echoed(bus, stopped, tmp_path: Path, text: str):
    """What is wrong with a file of addresses is said with the item's number, and never with the address."""
    path = tmp_path / "urls.txt"
    path.write_text(text)
    result = bus(*NOTICE, "--locators", str(path), "--why-not-preserved", "no_evidence_value")
    assert result.exit_code == 2
    assert "secret-marker" not in result.output
    assert "--locators" in result.stderr


def test_a_huge_or_binary_file_is_refused(bus, stopped, tmp_path: Path):
    """Neither is read whole, and neither is a stack trace."""
    path = tmp_path / "big"
    path.write_bytes(b"x" * 70_000)
    assert (
        "more than 64 KiB" in bus(*NOTICE, "--locators", str(path), "--why-not-preserved", "no_evidence_value").stderr
    )
    path.write_bytes(b"\xff\xfe\x00")
    assert "no UTF-8" in bus(*NOTICE, "--locators", str(path), "--why-not-preserved", "no_evidence_value").stderr


def test_a_dry_run_prints_events_that_could_be_published(bus, stopped, urls: Path):
    """Both events of a notice with preservation, whole: `bus publish --check` takes them as they are."""
    result = bus(
        *NOTICE, "--cc", "hotline-north", "--locators", str(urls), "--due", "+24h", "--preserve", "content",
        "--process", "preservation_order", "--preserve-until", "2099-01-01", "--dry-run",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    kept, notice = [json.loads(line) for line in result.stdout.splitlines()]
    assert (kept["type"], notice["type"]) == ("Preservation", "TakedownNotice")
    assert notice["body"]["preservation"] == kept["header"]["event_id"]
    assert notice["header"]["audience"] == ["fernpost", "hotline-north"]
    assert (notice["header"]["addressee"], notice["header"]["deadline"]) == ("fernpost", "stated")
    assert notice["header"]["due_at"] > notice["header"]["issued_at"]
    assert [one["kind"] for one in notice["sealed"]["locators"]] == ["url", "onion"]
    assert kept["sealed"] == {"accounts": [], "locators": notice["sealed"]["locators"]}
    checked = bus("publish", "-", "--as", "tidewave", "--check", stdin=result.stdout)
    assert "2 events could be published" in checked.stderr


def test_a_date_is_due_at_its_end(bus, stopped):
    """Who is given a day has all of it."""
    result = bus(
        *NOTICE, "--platform-wide", "--why-not-preserved", "no_evidence_value", "--due", "2099-01-31", "--dry-run"
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["header"]["due_at"].startswith("2099-01-31T23:59:59")


def test_variables_stand_in_for_flags(bus, stopped, urls: Path):
    """Each flag has its BUS_ variable, as everywhere."""
    env = {
        "BUS_AS": "tidewave", "BUS_NOTICE_TO": "fernpost", "BUS_NOTICE_FORM": "notice", "BUS_NOTICE_TARGET": "host",
        "BUS_NOTICE_MEASURE": "remove", "BUS_NOTICE_LOCATORS": str(urls), "BUS_NOTICE_WHY_NOT_PRESERVED": "no_evidence_value",
        "BUS_NOTICE_DRY_RUN": "1",
    }  # fmt: skip
    result = bus("notice", **env)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["header"]["addressee"] == "fernpost"


def test_an_event_of_ones_own_is_recalled_as_the_journal_knows_it(bus, stopped, urls: Path):
    """Thread, lane and audience follow the target, which this organisation published before."""
    from tests.unit.cli.published import keep

    target = keep(stopped, "tidewave", ["fernpost", "hotline-north"])
    result = bus("recall", target["header"]["event_id"], "--as", "tidewave", "--reason", "error", "--do", "delete",
                 "--explanation", "-", "--dry-run", stdin="It was somebody else.")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    recall = json.loads(result.stdout)
    header = recall["header"]
    assert header["audience"] == ["fernpost", "hotline-north"]
    assert (header["about"], header["thread"]) == (
        target["header"]["event_id"], target["header"]["event_id"].replace("-", ""),
    )  # fmt: skip
    assert recall["sealed"] == {"explanation": "It was somebody else."}


@pytest.mark.parametrize(
    "act",
    [("ack", "--step", "fetched"), ("refer", "--to", "police-isles:GB:victim"), ("takedown", "--step", "removed")],
)
def test_an_event_of_ones_own_is_called_so(bus, stopped, monkeypatch, act: tuple[str, ...]):
    """Whoever answers an event that it published itself is told that, and what can be done with such an event."""
    from tests.unit.cli.published import keep

    monkeypatch.setattr("bus.cli.act.received", lambda *_: None)
    own = keep(stopped, "tidewave", ["fernpost"])["header"]["event_id"]
    command, *flags = act
    result = bus(command, own, "--as", "tidewave", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "this organisation published that HashHit itself" in result.stderr
    assert "neither" not in result.stderr


def test_an_event_that_nobody_sent_is_looked_for_by_name(bus, stopped, monkeypatch):
    """The command of the hint names the organisation, so that it runs as it is printed."""
    monkeypatch.setattr("bus.cli.act.received", lambda *_: None)
    result = bus("ack", EVENT, "--as", "tidewave", "--step", "fetched")
    assert result.exit_code == 2
    assert "neither published that event nor has it in its inbox" in result.stderr
    assert "`bus consume --as tidewave --from-start --peek`" in result.stderr


# --- on a terminal ----------------------------------------------------------------------------------------------------


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits at a terminal."""
    monkeypatch.setattr("bus.cli.form.on_terminal", lambda: True)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the hub's directory would say: it has two organisations."""

    async def read(*_: object) -> Directory:
        orgs = [Organisation(org, org, "SE", (), None, 1) for org in ("fernpost", "police-north")]
        return Directory(organisations={one.org: one for one in orgs})

    monkeypatch.setattr("bus.partner.known.read_directory", read)


def asked(typed: str, question: Any) -> tuple[Any, str]:
    """What a question gives when somebody types this, and what they saw."""

    @click.command()
    def ask() -> None:
        found.append(question(Form(asks=True)))

    found: list[Any] = []
    result = CliRunner().invoke(ask, input=typed, catch_exceptions=False)
    return (found[0] if found else None), result.stderr


def test_choices_come_with_their_meaning_and_are_taken_by_name_or_number():
    """A wrong answer says what is wrong and asks again."""
    value, seen = asked("nonsense\n\n ,\n2, delete\n", lambda form: form.many("--do", (), "recall_do", "What is asked"))
    assert value == ["delete"]
    assert "stop_using    use it no more" in seen
    assert "no such code" in seen
    assert "choose one at least" in seen
    value, _ = asked("1 3\n", lambda form: form.many("--do", (), "recall_do", "What is asked"))
    assert value == ["stop_using", "reassess"]


def test_what_may_be_left_out_says_how():
    """The words of the question name no answer that it would not take."""
    value, seen = asked(
        "\n", lambda form: form.many("--preserve", (), "preservation_scope", "What is to be kept", optional=True)
    )
    assert value == []
    assert "Enter alone for none" in seen


def test_too_many_are_refused():
    """A list has a bound, asked or given."""
    with pytest.raises(UsageError, match="2 at most"):
        Form(asks=False).many("--do", ("delete", "stop_using", "reassess"), "recall_do", "", most=2)


def test_a_notice_is_asked_for_step_by_step_and_confirmed(bus, stopped, typing, directory):
    """Questions, choices and the summary go to stderr; whoever says no has said nothing."""
    answers = "fernpost\nnotice\nhost\nremove\n" + MARKER + "\n\n+24h\n\n1\n\nn\n"
    result = bus("notice", "--as", "tidewave", stdin=answers)
    assert result.exit_code == 130, result.stderr
    assert result.stdout == ""
    assert "Say it as tidewave?" in result.stderr
    assert "1, sealed" in result.stderr
    assert "not preserved: already_preserved" in result.stderr
    assert result.stderr.endswith("Nothing was said.\n")


def test_an_organisation_that_the_directory_has_not_is_asked_for_again(bus, stopped, typing, directory):
    """A typo is told at its own question, with who is most like it, and not after the last one."""
    result = bus("notice", "--as", "tidewave", stdin="fernpst\nsomebody-else\nfernpost\n")
    assert "the directory has no fernpst. Did you mean 'fernpost'?\n" in result.stderr
    assert "the directory has no somebody-else. Nobody of that id was admitted.\n" in result.stderr
    assert result.stderr.count("To whom") == 3
    assert result.stderr.count("What is it:") == 1


def test_a_flags_typo_is_told_before_anything_is_said(bus, stopped, directory, urls: Path):
    """A script is told who is most like the name that it gave, and nothing has been said."""
    wrong = ["fernpst" if word == "fernpost" else word for word in NOTICE]
    result = bus(*wrong, "--locators", str(urls), "--why-not-preserved", "no_evidence_value")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("error: the directory has no fernpst\nhint: Did you mean 'fernpost'?\n")


def test_no_item_asks_whether_it_is_the_whole_platform(bus, stopped, typing, directory):
    """Enter at the first address loses no answer: it is asked what was meant, and no asks for addresses again."""
    answers = f"fernpost\nnotice\nhost\nremove\n\nn\n{MARKER}\n\n\n\n1\n\nn\n"
    result = bus("notice", "--as", "tidewave", stdin=answers)
    assert "is the notice about the whole platform?" in result.stderr
    assert "1, sealed" in result.stderr
    answers = "fernpost\nnotice\nhost\nremove\n\ny\n\n\n1\n\nn\n"
    assert "the whole platform\n" in bus("notice", "--as", "tidewave", stdin=answers).stderr


def test_whoever_leaves_a_question_open_has_said_nothing_and_reads_so(bus, stopped, typing, directory):
    """Ctrl-C and the end of the input end an act with exit code 130 and the sentence that nothing was said."""
    result = bus("notice", "--as", "tidewave", stdin="fernpost\n")
    assert result.exit_code == 130
    assert result.stderr.endswith("\nNothing was said.\n")


def test_the_steps_of_an_answer_are_those_of_its_type():
    """Each can be said, and those of police, of the issuer and of anybody are not offered to the addressee."""
    steps = by_name("TakedownAction").steps
    assert set(TAKEDOWN) == set(steps) - {"le_hold", "hold_lifted", "verified_removed", "reappeared"}


def test_nobody_is_asked_about_an_event_that_cannot_be_looked_up(bus, stopped, typing):
    """The event comes first: what is wrong with it is known before the first question."""
    for act in ("ack", "takedown", "recall", "refer"):
        result = bus(act, EVENT, "--as", "tidewave", stdin="1\n1\n1\n")
        assert result.exit_code in {2, 5}, act
        assert result.stderr.startswith("error: "), act


@pytest.mark.parametrize(("nation", "words"), [("UK", "Kingdom is GB"), ("ZZ", "ISO 3166-1")])
def test_a_nation_that_there_is_not_is_refused(bus, stopped, nation: str, words: str):
    """Two capitals are not enough: a referral for a nation that is none would be found by no auditor of any."""
    result = bus("refer", EVENT, "--as", "tidewave", "--to", f"police-north:{nation}:victim")
    assert result.exit_code == 2
    assert "no nation has that code" in result.stderr
    assert words in result.stderr


def test_a_wrong_address_or_time_is_asked_for_again(bus, stopped, typing, directory):
    """A slip of the finger costs one answer, and not all that were given before it; the address is not echoed."""
    answers = f"fernpost\nnotice\nhost\nremove\nnowhere {MARKER}\n{MARKER}\n\ntomorrow\n+24h\n\n1\n\nn\n"
    result = bus("notice", "--as", "tidewave", stdin=answers)
    assert result.exit_code == 130, result.stderr
    assert "--locators, item 1: it is no URL" in result.stderr
    assert "--due: it is no time" in result.stderr
    assert "1, sealed" in result.stderr
    assert all(MARKER not in line for line in result.stderr.splitlines() if "--locators" in line)


def test_steps_of_an_acknowledgement_come_with_their_meaning():
    """Whoever is asked what became of an event reads what each step says."""
    value, seen = asked("taken\n", lambda form: form.one("--step", None, "step", "What became of it", among=STEPS))
    assert value == "taken"
    assert "fetched   it came in" in seen
    assert "returned  it goes back" in seen


def test_a_dry_run_on_a_terminal_confirms_nothing(bus, stopped, typing, urls: Path):
    """What is only printed needs no consent."""
    result = bus(
        *NOTICE, "--locators", str(urls), "--why-not-preserved", "no_evidence_value", "--dry-run", stdin="\n\n"
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["type"] == "TakedownNotice"
