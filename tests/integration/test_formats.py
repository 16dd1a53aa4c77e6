"""Formats of others on a real hub: in, out, and in again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.sandbox.lifecycle import Sandbox
from tests.integration.test_cli import Shell

REPORTS = Path(__file__).resolve().parents[1] / "data" / "cybertipline"
FILES = [str(REPORTS / name) for name in ("report-maximal.xml", *(f"filedetails-maximal-{x}.xml" for x in "abc"))]


@pytest.fixture
def bus(sandbox: Sandbox) -> Shell:
    """The command on the suite's sandbox."""
    return Shell(sandbox)


async def test_a_report_goes_in_once_out_whole_and_in_again(bus: Shell, tmp_path: Path) -> None:
    """A CyberTipline report stands once in the ledger, comes out as documents, and those are the same event again."""
    common = ["--format", "cybertip", "--as", "fernpost", "--to", "hotline-north", "-o", "ndjson"]
    hit = await bus.example("HashHit", "fernpost", "hotline-north")
    [other] = (await bus.publish([hit], "fernpost")).rows
    [first] = (await bus("publish", *FILES, *common)).rows
    [again] = (await bus("publish", *FILES, *common)).rows
    assert (first["outcome"], again["outcome"]) == ("accepted", "repeated")
    assert (first["event_id"], first["index"]) == (again["event_id"], again["index"])
    query = "SELECT count(*) FROM ledger.entry WHERE event_id = $1 AND outcome = 1"
    [(count,)] = await bus.sql(query, first["event_id"])
    assert count == 1

    await bus.arrived()
    out = tmp_path / "tips"
    written = await bus("consume", "--as", "hotline-north", "--format", "cybertip", "--out", f"{out}/")
    assert written.code == 0, written.err
    assert written.out == ""
    assert "HashHit: cybertip has no form for this type of event" in written.err
    names = [f"{first['event_id']}.{name}.xml" for name in ("report", "file-1", "file-2", "file-3")]
    assert {path.name for path in out.iterdir()} >= set(names)

    [same] = (await bus("publish", *(str(out / name) for name in names), *common)).rows
    assert (same["outcome"], same["event_id"], same["index"]) == ("repeated", first["event_id"], first["index"])

    twice = await bus("consume", "--as", "hotline-north", "--format", "cybertip", "--out", f"{tmp_path / 'more'}/")
    assert "0 events written" in twice.err
    rest = await bus("consume", "--as", "hotline-north")
    heard = [row["event_id"] for row in rest.rows]
    assert other["event_id"] in heard
    assert first["event_id"] not in heard


async def test_reports_of_hotlines_are_accepted_whole(bus: Shell) -> None:
    """Reports, assessment and actions of one ICCAM-shaped file all stand in the ledger, in their order."""
    report = str(REPORTS.parent / "iccam" / "report.json")
    action = str(REPORTS.parent / "iccam" / "action.json")
    common = ["--format", "iccam", "--as", "hotline-isles", "--to", "hotline-north", "-o", "ndjson"]
    told = await bus("publish", report, action, *common)
    assert told.code == 0, told.err
    assert [row["outcome"] for row in told.rows] == ["accepted"] * 6
    again = await bus("publish", report, action, *common)
    assert {row["outcome"] for row in again.rows} == {"repeated"}
    assert {row["event_id"] for row in again.rows} == {row["event_id"] for row in told.rows}
