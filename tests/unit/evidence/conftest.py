"""One small published ledger for all tests that only read it."""

from __future__ import annotations

import pytest
from msgspec import Struct

from bus.evidence.exhibit import Evidence
from tests.unit.evidence.support import Ledger


class Story(Struct):
    """A ledger in which an event stands between two checkpoints, and many behind it."""

    ledger: Ledger
    index: int
    many: list[int]

    @property
    def evidence(self) -> Evidence:
        """The evidence of the event."""
        return self.ledger.prove(self.index)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The ledger; do not write to it."""
    ledger = Ledger(tmp_path_factory.mktemp("published") / "publisher")
    ledger.publish()
    (index,) = ledger.say(to=("lighthouse", "polder-police"))
    ledger.publish()
    many = ledger.say(300)
    ledger.publish()
    return Story(ledger, index, many)


@pytest.fixture(scope="session")
def data(story: Story) -> bytes:
    """The bytes of the event's evidence."""
    return story.evidence.encode()
