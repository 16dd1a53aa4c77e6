"""What the entries before those that are read must be, so that the rest can be judged."""

from __future__ import annotations

from typing import Any

import pytest

from bus.events import registry
from bus.verify.course import Course
from bus.verify.fault import Wrong


@pytest.mark.parametrize("lacks", ["header", "body", "schema_id"])
def test_an_event_of_the_directory_that_is_gone_is_named(lacks: str) -> None:
    """Since a checkpoint only the directory is read from before: what is missing there is false, and no crash."""
    row: dict[str, Any] = {
        "index": 5, "schema_id": registry.by_name("LogOpened").id, "header": b"x", "body": b"x", lacks: None,
    }  # fmt: skip
    with pytest.raises(Wrong, match="Entry 5 is an event of the directory that cannot be read") as caught:
        Course("ledger.test.example/safeguard", whole=False).directory([row])
    assert (caught.value.fault.check, caught.value.fault.index) == ("directory", 5)
