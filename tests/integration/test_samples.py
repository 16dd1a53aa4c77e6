"""Every sample of other people's formats on a real hub: who may say it is heard, and nothing is said twice."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from bus.adapters.intake import Intake
from bus.adapters.source import open_source
from bus.events.clock import SystemClock
from bus.partner import Journal, Outcome, Profile, Publisher
from bus.sandbox.lifecycle import Sandbox
from tests.arrival import arrived

DATA = Path(__file__).resolve().parents[1] / "data"
SAMPLES = [
    ("vics", "vics/NSRL-CAID-TIF.json", "police-north", "hotline-north", 31),
    ("vics", "vics/vics-2.0-media-synthetic.json", "hotline-isles", "hotline-north", 24),
    ("vics", "vics/vics-2.0-case-synthetic.json", "police-north", "hotline-north", 4),
    ("caid", "vics/NSRL-CAID-MOV.json", "hotline-isles", "hotline-north", 9),
    ("stopncii", "stopncii/fetch-hashes-page1.json", "hotline-isles", "fernpost", 2),
    ("vpdq", "vpdq/pattern-hd-no-bar.txt", "hotline-isles", "fernpost", 4),
    ("pdq", "pdq/PDQMD5TestData.csv", "fernpost", "hotline-north", 12),
    ("xarf", "xarf/samples/v4/content-csam.json", "fernpost", "hotline-north", 2),
    ("xarf", "xarf/samples/v4/content-csem.json", "fernpost", "hotline-north", 2),
]


async def publish(profile: Profile, form: str, file: Path, to: str) -> list[Outcome]:
    """What `bus publish FILE --format FORM --to ORG` does."""
    with Journal(profile.journal_file) as journal, open_source(str(file), io.BytesIO(), profile.journal_home) as source:
        intake = Intake(profile, journal, form=form, to=[to], clock=SystemClock(), tell=lambda _: None)
        intake.check(source)
        async with Publisher(profile, receipt_timeout_s=120) as publisher:
            return [one async for one in publisher.publish_many(intake.ready(source))]


@pytest.mark.parametrize(("form", "name", "org", "to", "count"), SAMPLES)
async def test_each_sample_is_accepted_once(
    sandbox: Sandbox, tmp_path: Path, form: str, name: str, org: str, to: str, count: int
):
    """The hub takes every event of a file, and answers `repeated` to each when the file comes again."""
    profile = Profile.load(sandbox.status()["organisations"][org]["profile"])
    profile = structs.replace(profile, journal_home=tmp_path)
    first = await publish(profile, form, DATA / name, to)
    assert [one.outcome for one in first] == ["accepted"] * count, {reason for one in first for reason in one.reasons}
    again = await publish(profile, form, DATA / name, to)
    assert [one.outcome for one in again] == ["repeated"] * count
    assert {one.event_id for one in again} == {one.event_id for one in first}


async def test_a_list_goes_through_the_hub_and_out_again(sandbox: Sandbox, tmp_path: Path):
    """What a hotline publishes of a set, another takes out of its inbox as a set, and that says the same."""
    env = os.environ | {"BUS_HOME": str(sandbox.home.root)}

    def bus(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "bus", *words], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    file, out = DATA / "vics" / "vics-2.0-media-synthetic.json", tmp_path / "out.json"
    bus("publish", str(file), "--format", "vics", "--as", "hotline-lowlands", "--to", "police-lowlands")
    await arrived(sandbox)
    lines = bus("consume", "--as", "police-lowlands", "--from-start").splitlines()
    given = [line for line in lines if json.loads(line).get("header", {}).get("issuer") == "hotline-lowlands"]
    events = tmp_path / "events.ndjson"
    events.write_text("\n".join(given), encoding="utf-8")
    bus("convert", str(events), "--format", "vics-us", "--out", str(out))
    was, now = (json.loads(path.read_text(encoding="utf-8"))["value"] for path in (file, out))
    for field in ("MD5", "SHA1", "PhotoDNA", "Category", "Series"):
        assert [one.get(field) for one in now] == [one.get(field) for one in was]
