"""A platform's matcher on a real hub: what a hotline lists is matched, and what was matched is told."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.arrival import arrived
from tests.docs.support import ROOT, blocks
from tests.exchange import require_threatexchange
from tests.patience import PATIENT_S

require_threatexchange()

from threatexchange.signal_type.pdq.signal import PdqSignal  # noqa: E402

from bus.adapters.intake import Intake  # noqa: E402
from bus.adapters.source import open_source  # noqa: E402
from bus.events.clock import SystemClock  # noqa: E402
from bus.exchange.api import BusCollabConfig, BusSignalExchangeAPI  # noqa: E402
from bus.exchange.facts import Thread  # noqa: E402
from bus.exchange.hits import hash_hit  # noqa: E402
from bus.partner import Journal, Profile, Publisher, Subscriber  # noqa: E402
from bus.sandbox.lifecycle import Sandbox  # noqa: E402

DATA = Path(__file__).resolve().parents[1] / "data" / "pdq"
LISTER, PLATFORM, HEARER = "hotline-isles", "fernpost", "hotline-north"


def profile_of(sandbox: Sandbox, org: str, journals: Path) -> Profile:
    """An organisation's profile, with an empty journal."""
    found = Profile.load(sandbox.status()["organisations"][org]["profile"])
    return structs.replace(found, journal_home=journals)


def lines(name: str) -> list[str]:
    """The hashes of a file."""
    return (DATA / name).read_text(encoding="ascii").split()


async def publish_file(profile: Profile, file: Path, form: str, to: str) -> int:
    """What `bus publish FILE --format FORM --to ORG` does; how many events were accepted."""
    with Journal(profile.journal_file) as journal, open_source(str(file), io.BytesIO(), profile.journal_home) as source:
        intake = Intake(profile, journal, form=form, to=[to], clock=SystemClock(), tell=lambda _: None)
        intake.check(source)
        async with Publisher(profile, receipt_timeout_s=120) as publisher:
            return sum([one.outcome == "accepted" async for one in publisher.publish_many(intake.ready(source))])


def fetched(profile: Profile) -> dict[str, Thread]:
    """All that the platform's inbox says of hashes."""
    state: dict[str, Thread] = {}
    api = BusSignalExchangeAPI(profile)
    for delta in api.fetch_iter([PdqSignal], None):
        api.naive_fetch_merge(state, delta.updates)
    return state


def hits(haystack: dict[str, Any], needles: list[str]) -> dict[str, list[tuple[str, int]]]:
    """What the library's index finds for each needle: value and distance."""
    index = PdqSignal.get_index_cls().build((value, value) for value in haystack)
    return {
        needle: sorted((match.metadata, match.similarity_info.distance) for match in index.query(needle))
        for needle in needles
    }


async def test_needles_are_found_in_an_inbox_as_in_the_plain_file(sandbox: Sandbox, tmp_path: Path):
    """The published haystack, listed by a hotline, matches the published needles exactly as the library does alone."""
    lister, platform = (profile_of(sandbox, org, tmp_path) for org in (LISTER, PLATFORM))
    plain, needles = dict.fromkeys(lines("haystack.txt")), lines("needles.txt")
    assert await publish_file(lister, DATA / "haystack.txt", "pdq", PLATFORM) == len(plain) == 1350
    collab = BusCollabConfig(name="bus", profile=str(platform.path), only_lists={"pdq"}, only_issuers={LISTER})
    await arrived(sandbox)
    state = await asyncio.to_thread(fetched, platform)
    signals = BusSignalExchangeAPI.naive_convert_to_signal_type([PdqSignal], collab, state)[PdqSignal]
    assert set(signals) == set(plain)
    found, expected = hits(signals, needles), hits(plain, needles)
    assert found == expected
    assert sum(len(one) for one in expected.values()) > 100
    met = [(needle, *one) for needle, matches in found.items() for one in matches][:50]
    events = [
        hash_hit(signals[value].listings[0], "pdq", needle, distance=distance, threshold=31, surface="upload")
        | {"header": {"step": "detected", "audience": [HEARER]}}
        for needle, value, distance in met
    ]
    async with Publisher(platform, receipt_timeout_s=120) as publisher:
        outcomes = [outcome async for outcome in publisher.publish_many(iter(events))]
    assert {one.outcome for one in outcomes} == {"accepted"}
    heard = await _heard(profile_of(sandbox, HEARER, tmp_path), {one.event_id for one in outcomes})
    assert sorted(
        (one["sealed"]["hashes"][0]["value"], one["body"]["match"].get("distance") or 0) for one in heard
    ) == sorted((needle, distance) for needle, _, distance in met)
    assert {one["body"]["source"]["list_entry"] for one in heard} == {
        signals[value].listings[0].entry for _, value, _ in met
    }


async def _heard(profile: Profile, ids: set[bytes]) -> list[dict[str, Any]]:
    """The deliveries of these events."""
    found: dict[bytes, dict[str, Any]] = {}
    async with asyncio.timeout(PATIENT_S), Subscriber(profile, from_start=True) as subscriber:
        async for delivery in subscriber:
            if delivery.event_id in ids and delivery.event is not None:
                found[delivery.event_id] = delivery.event
            if len(found) == len(ids):
                return list(found.values())
    raise AssertionError("the inbox ended")


async def test_the_librarys_own_command_fetches_and_matches(sandbox: Sandbox, tmp_path: Path):
    """`threatexchange` takes the extension, fetches from the inbox, and matches a hash that was listed there."""
    lister, platform = profile_of(sandbox, LISTER, tmp_path / "lister"), profile_of(sandbox, PLATFORM, tmp_path)
    sample = DATA / "threatexchange-sample-signals.txt"
    await publish_file(lister, sample, "pdq", PLATFORM)
    home = tmp_path / "home"
    home.mkdir()

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "threatexchange", *words],
            env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "safeguard_bus" in run("config", "extensions", "add", "bus.exchange.extension")
    run("config", "collab", "edit", "safeguard_bus", "--create", "bus", "--profile", str(platform.path))
    value = lines(sample.name)[0]
    await arrived(sandbox)
    run("fetch")
    told = run("match", "-H", "photo", "--", value)
    assert "pdq" in told
    assert "bus" in told


async def test_the_page_about_it_runs(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The program of docs/exchange.md runs as it stands, on a platform's inbox."""
    lister = profile_of(sandbox, LISTER, tmp_path / "lister")
    await publish_file(lister, DATA / "threatexchange-sample-signals.txt", "pdq", PLATFORM)
    await arrived(sandbox)
    [program] = blocks(ROOT / "docs" / "exchange.md", "python")
    monkeypatch.setenv("BUS_PROFILE", sandbox.status()["organisations"][PLATFORM]["profile"])
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(printed):
        await asyncio.to_thread(exec, compile(program, "docs/exchange.md", "exec"), names)
    told = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert told, f"{len(names['records'])} records to {names['checkpoint']}, {len(names['signals'])} signals"
    assert {"needle", "distance", "list", "entry", "opinion"} <= set(told[0])
