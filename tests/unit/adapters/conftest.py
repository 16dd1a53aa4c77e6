"""An organisation with a journal, as `bus publish` has one."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bus.adapters.drafts import Notice
from bus.adapters.intake import Intake
from bus.adapters.source import open_sources
from bus.errors import InvalidFile
from bus.events.ids import dashed
from bus.events.jsonform import Parts, to_json
from bus.partner.compose import Draft, given_id
from bus.partner.journal import Journal, NewEvent, Settled
from bus.partner.profile import Profile
from bus.testing.clock import ManualClock

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "tests" / "data" / "ncmec-hashsharing"
DEFAULTS = {
    "handling": {"tlp": "AMBER", "onward": "none"},
    "audit_nations": ["US"],
    "purpose": "prevention",
    "compulsion": "voluntary",
    "source_kind": "industry",
    "legal_basis": "voluntary-detection@2024",
    "compartment": "csam",
    "priority": "routine",
}


@pytest.fixture
def pages() -> Path:
    """The published sample pages."""
    return PAGES


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """An organisation's profile that points nowhere."""
    return Profile(
        organisation="tidewave",
        nation="US",
        origin="ledger.test.example/safeguard",
        hub_key=bytes(32),
        bootstrap="127.0.0.1:1",
        key_file=tmp_path / "keys.json",
        journal_home=tmp_path,
        defaults=DEFAULTS,
        audience=("clearing-house",),
    )


@pytest.fixture
def journal(profile: Profile):
    """Its journal, on disk."""
    with Journal(profile.journal_file) as opened:
        yield opened


class Desk:
    """Publishes inputs as far as the journal, as the publisher would; keeps what was told."""

    def __init__(self, profile: Profile, journal: Journal, folder: Path) -> None:
        self.profile, self.journal, self.clock, self.folder = profile, journal, ManualClock(), folder
        self.notices: list[Notice] = []

    def publish(
        self, file: str | Path | bytes | list[Path], form: str, *, to=None, outcome: str = "accepted"
    ) -> list[Told]:
        """Check, then send: what each event is, and whether it was there before."""
        stdin = io.BytesIO(file) if isinstance(file, bytes) else io.BytesIO()
        files = file if isinstance(file, list) else ["-" if isinstance(file, bytes) else file]
        intake = Intake(self.profile, self.journal, form=form, to=to, clock=self.clock, tell=self.notices.append)
        self.notices.clear()
        with open_sources([str(name) for name in files], stdin, self.folder / "tmp") as sources:
            count = intake.check(*sources)
            told = [self._send(draft, outcome) for draft in intake.ready(*sources)]
        assert len(told) == count
        self.clock.advance(seconds=1)
        return told

    def attempt(self, file: bytes, form: str) -> list[Told] | InvalidFile:
        """Publish, or say why not; what is refused has sent nothing."""
        before = self.journal.counts()
        try:
            return self.publish(file, form)
        except InvalidFile as error:
            assert self.journal.counts() == before
            return error

    def _send(self, draft: Draft, outcome: str) -> Told:
        given, content = draft.event, draft.content
        assert content is not None
        event_id = given_id(given)
        assert event_id is not None
        if not isinstance(given, Parts):
            assert self.journal.check(event_id, content) is not None
            return Told(dashed(event_id), False, given)
        header = given.header
        event = NewEvent(event_id, content, "out.tidewave", header.thread, header.lane, b"value", b"sig", draft.item)
        self.journal.keep([event])
        self.journal.settle([Settled(event_id, outcome, 1)])
        return Told(dashed(event_id), True, to_json(given.info, header, given.body, given.plaintext))


class Told(NamedTuple):
    """One event that was sent."""

    event_id: str
    new: bool
    event: Mapping[str, Any]


@pytest.fixture
def desk(profile: Profile, journal: Journal, tmp_path: Path) -> Desk:
    """Somebody at that organisation who publishes files."""
    return Desk(profile, journal, tmp_path)
