"""``bus schema check``."""

from __future__ import annotations

import json

import pytest

from bus.events.registry import all_schemas

EVENTS = [info for info in all_schemas() if info.kind == "event"]


def example(bus, name: str, *options: str) -> dict:
    """An example event as the command prints it."""
    made = bus("schema", "example", name, "--as", "acme", "--to", "other", "--nation", "SE", *options, "-o", "json")
    return json.loads(made.stdout)


@pytest.mark.parametrize("info", EVENTS, ids=lambda info: info.name)
def test_every_example_holds(bus, info, tmp_path):
    """What the command itself prints passes, at every step."""
    file = tmp_path / "events.ndjson"
    events = [example(bus, info.name, "--step", step) for step in info.steps]
    for event in events:
        if event["header"].get("step") != info.steps[0]:
            event["header"].setdefault("about", "0199f3c0-0000-7000-8000-000000000000")
            event["header"].setdefault("thread", "00" * 16)
            event["header"].setdefault("lane", "bulk")
    file.write_text("\n".join(json.dumps(event) for event in events))
    result = bus("schema", "check", str(file))
    assert result.exit_code == 0, result.stdout + result.stderr


WRONG = {
    "an unknown field": (lambda e: e["body"].update(colour="SECRET-VALUE"), "body.colour"),
    "a bad code": (lambda e: e["header"].update(purpose="SECRET VALUE"), "header.purpose"),
    "a missing field": (lambda e: e["body"].pop("match"), "body.match"),
    "a hash cut short": (lambda e: e["sealed"]["hashes"][0].update(value="5ec2e7"), "sealed.hashes[0].value"),
    "a step of another type": (lambda e: e["header"].update(step="issued"), "header.step"),
    "a step without its subject": (lambda e: e["header"].update(step="confirmed"), "header.about"),
    "a type that is none": (lambda e: e.update(type="SECRET-TYPE"), "type"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_and_never_shown(bus, case, tmp_path):
    """Place, field path, rule and remedy; no value of the event is printed, and the exit code is 3."""
    change, field = WRONG[case]
    good, bad = example(bus, "HashHit"), example(bus, "HashHit")
    change(bad)
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    result = bus("schema", "check", str(file), "-o", "json")
    assert result.exit_code == 3
    [row] = json.loads(result.stdout)
    assert (row["place"], row["field"]) == ("line 2", field)
    assert row["rule"]
    assert row["remedy"]
    told = result.stdout + result.stderr
    assert not any(word in told for word in ("SECRET", "5ec2e7"))


def test_a_code_that_no_list_has_is_warned_of_and_holds(bus, tmp_path):
    """Lists are open: exit code 0, with a word on stderr and, in JSON, a row of the level 'warning'."""
    event = example(bus, "HashHit")
    event["header"]["purpose"] = "investigaton"
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))
    result = bus("schema", "check", str(file), "-o", "json")
    [row] = json.loads(result.stdout)
    assert (result.exit_code, row["level"], row["type"], row["field"]) == (0, "warning", "HashHit", "header.purpose")
    assert row["remedy"] == "Did you mean 'investigation'?"
    result = bus("schema", "check", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "'investigaton' is not in the list purpose, and goes as it is. Did you mean" in result.stderr


def test_what_breaks_a_rule_has_the_level_error(bus, tmp_path):
    """Whoever reads the rows can tell both kinds apart."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps({**example(bus, "HashHit"), "extra": 1}))
    [row] = json.loads(bus("schema", "check", str(file), "-o", "json").stdout)
    assert row["level"] == "error"
