"""Codes that no list has: found wherever they stand, and told with the code that is most like them."""

from __future__ import annotations

from typing import Any

import pytest

from bus.events.examples import example
from bus.events.jsonform import Fill, Parts, parse_event
from bus.events.registry import all_schemas
from bus.events.unlisted import Unlisted, nearest_in, unlisted

NOW_US = 1_800_000_000_000_000
EVENTS = [info.name for info in all_schemas() if info.kind == "event"]


def made(name: str) -> dict[str, Any]:
    """An example event."""
    return example(name, issuer="tidewave", audience=["hotline-north"], nations=["SE"], now_us=NOW_US)


def parsed(event: dict[str, Any]) -> Parts:
    """The event with all its fields."""
    return parse_event(
        event, Fill("ledger.test/safeguard", "tidewave", NOW_US, {}, None, lambda _: (bytes(16), "bulk"))
    )


@pytest.mark.parametrize("name", EVENTS)
def test_examples_have_codes_of_the_lists_alone(name: str):
    """What the command itself prints is not warned of."""
    event = made(name)
    if "about" in event["header"]:
        event["header"] |= {"thread": "00" * 16, "lane": "bulk"}
    assert unlisted(parsed(event)) == []


def test_a_slip_is_told_with_its_field_and_the_nearest_code():
    """In the header, in a record of the body, and in a list, each with the path of its field."""
    event = made("HashHit")
    event["header"]["purpose"] = "investigaton"
    event["body"]["context"]["surface"] = "uplaod"
    event["body"]["platform_action"] = ["removed", "zzzz"]
    found = {one.field: (one.list, one.code, one.near) for one in unlisted(parsed(event))}
    assert found["header.purpose"] == ("purpose", "investigaton", "investigation")
    assert found["body.context.surface"] == ("surface", "uplaod", "upload")
    assert found["body.platform_action[]"] == ("platform_action", "zzzz", None)


def test_nothing_of_the_sealed_part_is_repeated():
    """A person may have typed anything there; the field, its list and what may have been meant are enough."""
    event = made("HashHit")
    event["sealed"]["hashes"][0]["algorithm"] = "SECRET-NAME"
    assert unlisted(parsed(event)) == [Unlisted("HashHit", "sealed.hashes[].algorithm", "hash_algorithm", None, None)]


def test_scales_of_others_are_not_looked_at():
    """Our list of classifications is a sample of the schemes' own; a number of a police scale is no slip."""
    event = made("HashListing")
    event["body"]["classifications"] = [{
        "scheme": "vics", "scheme_version": "2.0", "code": "7", "asserted_by": "x", "asserted_at": "2026-01-01T00:00:00Z",
    }]  # fmt: skip
    assert [one.field for one in unlisted(parsed(event))] == []


def test_the_nearest_code_is_found_in_any_case():
    """A standard's capitals do not hide what was meant."""
    assert nearest_in("content_removd", "visibility") == "CONTENT_REMOVED"
    assert nearest_in("qqqq", "priority") is None
