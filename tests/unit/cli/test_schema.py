"""``bus schema``."""

from __future__ import annotations

import json

import pytest

from bus.events.registry import all_schemas


def test_list_names_every_release(bus):
    """Each released schema is a row."""
    rows = json.loads(bus("schema", "list", "-o", "json").stdout)
    assert [(row["id"], row["type"]) for row in rows] == [(info.id, info.name) for info in all_schemas()]
    assert all(len(row["fingerprint"]) == 64 for row in rows)


def test_show_gives_fields_and_schema(bus):
    """A type is shown by its fields, or by the Avro that was released."""
    table = bus("schema", "show", "HashHit").stdout
    assert "body.match.distance" in table
    assert "if kind is near" in table
    found = json.loads(bus("schema", "show", "20", "-o", "json").stdout)
    assert found["schema"]["name"] == found["type"] == "HashHit"


@pytest.mark.parametrize("name", ["Hashhit", "99", "99999999999"])
def test_an_unknown_type_is_a_usage_error(bus, name: str):
    """What is not there ends with 2."""
    result = bus("schema", "show", name)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("info", [i for i in all_schemas() if i.kind == "event"], ids=lambda i: i.name)
def test_an_example_of_each_type_is_one_object_with_an_id(bus, info):
    """Every type and step has an example that ``bus publish`` could take."""
    for step in info.steps:
        result = bus("schema", "example", info.name, "--as", "acme", "--to", "other", "--nation", "SE", "--step", step)
        assert result.exit_code == 0, result.stderr
        event = json.loads(result.stdout)
        assert event["type"] == info.name
        assert event["header"]["step"] == step
        assert event["header"]["event_id"]


def test_examples_are_fresh(bus):
    """Two examples are two events."""
    ids = {
        json.loads(bus("schema", "example", "HashHit", "--as", "a-b", "--to", "c-d", "--nation", "SE").stdout)[
            "header"
        ]["event_id"]
        for _ in range(3)
    }
    assert len(ids) == 3


def test_the_profile_says_what_is_not_given(bus, stopped):
    """Nation and audience come from the profile."""
    assert stopped
    event = json.loads(bus("schema", "example", "HashHit", "--as", "tidewave").stdout)
    assert event["header"]["audience"] == ["hotline-north"]
    assert event["header"]["audit_nations"] == ["SE"]


@pytest.mark.parametrize(
    "args", [["--as", "nobody"], [], ["--as", "acme", "--nation", "SE"], ["--as", "tidewave", "--to", "NO"]]
)
def test_what_is_missing_is_a_usage_error(bus, stopped, args: list[str]):
    """Nobody to say it, or nobody to hear it, ends with 2."""
    assert stopped
    assert bus("schema", "example", "HashHit", *args).exit_code == 2


@pytest.mark.parametrize(
    "about", ["", "x", "0192F0C1-7E2A-7B3C-8D4E-5F6A7B8C9D0E", "0192f0c1-7e2a-7b3c-8d4e-5f6a7b8c9d0e"]
)
def test_an_example_is_about_what_its_organisation_knows(bus, stopped, about: str):
    """An event that was neither published nor consumed here, or what is no id at all, ends with 2 and a hint."""
    assert stopped
    result = bus("schema", "example", "Acknowledgement", "--as", "tidewave", "--about", about)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "neither published nor consumed" in result.stderr or "--about is no event id" in result.stderr


def test_an_example_about_an_event_of_ones_own_names_whom_that_named(bus, stopped):
    """Somebody who never got an event may not hear of it: the audience is the event's, and not the profile's."""
    from tests.unit.cli.published import keep

    target = keep(stopped, "tidewave", ["fernpost", "hotline-isles"])
    result = bus("schema", "example", "HashHit", "--as", "tidewave", "--step", "confirmed", "--about",
                 target["header"]["event_id"])  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["header"]["audience"] == ["fernpost", "hotline-isles"]


def test_a_list_of_codes_is_shown_by_the_name_that_fields_have(bus):
    """What a field's type calls 'code (priority)' is looked up by that word."""
    table = bus("schema", "show", "priority").stdout.splitlines()
    assert table[0].split() == ["code", "meaning", "source"]
    assert table[1].startswith("immediate  a child is in danger now")
    found = json.loads(bus("schema", "show", "refusal", "-o", "json").stdout)
    assert found["list"] == "refusal"
    assert set(found["codes"][0]) == {"code", "meaning", "remedy"}


def test_a_list_that_there_is_not_is_told_with_the_nearest(bus):
    """A slip in a list's name is as near as one in a type's."""
    result = bus("schema", "show", "action_reson")
    assert result.exit_code == 2
    assert "action_reason" in result.stderr
