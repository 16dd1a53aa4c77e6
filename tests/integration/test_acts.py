"""The acts by hand on a real hub: what they say is accepted where it follows, and refused with what would follow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bus.sandbox.lifecycle import Sandbox
from tests.integration.test_cli import Ended, Shell


@pytest.fixture
def bus(sandbox: Sandbox) -> Shell:
    """The command on the suite's sandbox."""
    return Shell(sandbox)


async def said(bus: Shell, *args: str) -> list[dict[str, Any]]:
    """Take an act as a script does; the receipts, all of which say that it stands."""
    ended = await bus(*args, "-o", "ndjson")
    assert ended.code == 0, ended.err
    assert {row["outcome"] for row in ended.rows} == {"accepted"}
    return ended.rows


async def publish(bus: Shell, kind: str, org: str, *to: str) -> str:
    """Publish an example, and let its hearers consume it; its id."""
    event = await bus.example(kind, org, *to)
    event["body"].pop("viewed", None)
    assert (await bus.publish([event], org)).code == 0
    return event["header"]["event_id"]


async def consumed(bus: Shell, org: str, event_id: str) -> dict[str, Any]:
    """An event as it comes out of an inbox, once it is there."""
    await bus.arrived()
    ended = await bus("consume", "--as", org, "--from-start", "--show-recalled")
    [found] = [row for row in ended.rows if row["event_id"] == event_id]
    return found


async def test_a_notice_is_served_with_its_preservation(bus: Shell, tmp_path: Path) -> None:
    """A request to preserve and the notice that names it, sealed for whom they are for."""
    urls = tmp_path / "urls.txt"
    urls.write_text("https://images.example.invalid/filler/1\nmessage conversation 7 (filler)\n")
    rows = await said(
        bus, "notice", "--as", "ministry-isles", "--to", "fernpost", "--cc", "hotline-isles", "--form", "order",
        "--target", "platform", "--measure", "remove", "--locators", str(urls), "--language", "en", "--due", "+24h",
        "--preserve", "content", "--process", "preservation_order", "--preserve-until", "2099-01-01",
    )  # fmt: skip
    kept, notice = [await consumed(bus, "fernpost", row["event_id"]) for row in rows]
    assert (kept["type"], notice["type"]) == ("Preservation", "TakedownNotice")
    assert notice["body"]["preservation"] == kept["event_id"]
    assert notice["header"]["deadline"] == "stated"
    assert [one["kind"] for one in notice["sealed"]["locators"]] == ["url", "message"]
    shown: Ended = await bus("audit", "show", notice["event_id"], "-o", "json")
    assert "images.example.invalid" not in shown.out


async def test_a_notice_is_answered_by_its_addressee_alone(bus: Shell, tmp_path: Path) -> None:
    """What was done is about the notice and in its thread, counted against its items, and told to its issuer."""
    urls = tmp_path / "urls.txt"
    urls.write_text("https://images.example.invalid/filler/1\nhttps://images.example.invalid/filler/2\n")
    [row] = await said(
        bus, "notice", "--as", "ministry-isles", "--to", "fernpost", "--cc", "hotline-isles", "--form", "order",
        "--target", "platform", "--measure", "remove", "--locators", str(urls), "--language", "en", "--due", "+24h",
        "--why-not-preserved", "preserved_by_host",
    )  # fmt: skip
    notice = row["event_id"]
    for org in ("fernpost", "hotline-isles"):
        await consumed(bus, org, notice)
    acted = ("--step", "removed", "--visibility", "CONTENT_REMOVED", "--preserved")
    peeked = await bus("consume", "--as", "fernpost", "--from-start", "--peek")
    assert peeked.code == 0
    [line] = [line for line in peeked.out.splitlines() if notice in line]
    assert line.split()[2:6] == ["ministry-isles", "TakedownNotice", "issued", "ok"]
    assert "filler" not in peeked.out
    other = await bus("takedown", notice, "--as", "hotline-isles", *acted)
    assert (other.code, other.out) == (2, "")
    assert "addressed to fernpost, who alone answers it" in other.err
    more = await bus("takedown", notice, "--as", "fernpost", *acted, "--done", "3")
    assert (more.code, "2 in all" in more.err) == (2, True)
    [row] = await said(bus, "takedown", notice, "--as", "fernpost", *acted)
    told = await consumed(bus, "ministry-isles", row["event_id"])
    assert (told["type"], told["header"]["about"], told["header"]["compulsion"]) == ("TakedownAction", notice, "order")
    assert {key: value for key, value in told["body"].items() if key != "salt"} == {
        "items_done": 2, "items_total": 2, "visibility": "CONTENT_REMOVED", "preserved": True,
    }  # fmt: skip


async def test_a_recall_reaches_all_and_is_answered(bus: Shell) -> None:
    """Recalled by whom it named, complied with by hand, and counted by the auditor."""
    hit = await publish(bus, "HashHit", "fernpost", "hotline-isles", "hotline-north")
    called = await bus(
        "recall",
        hit,
        "--as",
        "fernpost",
        "--reason",
        "error",
        "--do",
        "delete",
        "--to",
        "hotline-isles",
        "-o",
        "ndjson",
    )
    [row] = called.rows
    assert f"`bus ack {row['event_id']} --step fetched`" in called.err
    assert "10 minutes" in called.err
    told = await consumed(bus, "hotline-north", row["event_id"])
    assert (told["status"], told["problem"], told["recalls"]["event_id"]) == ("ok", None, hit)
    early = await bus("ack", row["event_id"], "--as", "hotline-north", "--step", "complied")
    assert early.code == 1
    assert "step-order" in early.err
    assert "allowed now: fetched" in early.err
    for step in ("fetched", "complied"):
        await said(bus, "ack", row["event_id"], "--as", "hotline-north", "--step", step)
    for event in (hit, row["event_id"]):
        [recall] = (await bus("audit", "trace", event, "-o", "json")).value["recalls"]
        assert (recall["recipients"], recall["fetched"], recall["complied"], recall["missing"]) == (2, 1, 1, 1)
        assert [one["org"] for one in recall["who"] if one["missing"]] == ["hotline-isles"]


async def test_whoever_hears_a_recall_reads_how_to_answer_it(bus: Shell) -> None:
    """What to type and by when stands with the recall, in a look into the inbox, and wherever its target is answered."""
    hit = await publish(bus, "HashHit", "fernpost", "police-lowlands")
    [row] = await said(bus, "recall", hit, "--as", "fernpost", "--reason", "error", "--do", "delete")
    command = f"`bus ack {row['event_id']} --as police-lowlands --step"
    await bus.arrived()
    seen = await bus("consume", "--as", "police-lowlands")
    assert f"{command} fetched`, then the same with `--step complied` (or cannot), due 20" in seen.err
    peeked = await bus("consume", "--as", "police-lowlands", "--from-start", "--peek")
    [line] = [line for line in peeked.out.splitlines() if row["event_id"] in line]
    assert line.split()[-1].startswith("20")
    await said(bus, "ack", hit, "--as", "police-lowlands", "--step", "fetched")
    of_target = await bus("ack", hit, "--as", "police-lowlands", "--step", "complied", "--dry-run")
    assert "does not answer the recall" in of_target.err
    assert f"{command} fetched`" in of_target.err
    first = await bus("ack", row["event_id"], "--as", "police-lowlands", "--step", "fetched")
    assert f"{command} complied` (or cannot), due 20" in first.err


async def test_only_who_may_recalls(bus: Shell) -> None:
    """A recipient is told which rule it breaks and what to do; nothing is said."""
    hit = await publish(bus, "HashHit", "tidewave", "hotline-north")
    await consumed(bus, "hotline-north", hit)
    ended = await bus("recall", hit, "--as", "hotline-north", "--reason", "error", "--do", "delete")
    assert ended.code == 1
    assert "step-role (1): " in ended.err


async def test_a_report_is_referred_once_for_each_jurisdiction(bus: Shell) -> None:
    """Each force gets the report's own words, sealed for it alone, and can answer in the report's thread."""
    report = await bus.example("Report", "glimmerchat", "clearing-house")
    assert (await bus.publish([report], "glimmerchat")).code == 0
    await consumed(bus, "clearing-house", report["header"]["event_id"])
    rows = await said(
        bus, "refer", report["header"]["event_id"], "--as", "clearing-house", "--to", "police-isles:GB:victim",
        "--to", "police-north:SE:suspect",
    )  # fmt: skip
    for org, nation, row in zip(("police-isles", "police-north"), ("GB", "SE"), rows, strict=True):
        got = await consumed(bus, org, row["event_id"])
        assert got["header"]["audience"] == [org]
        assert [one["country"] for one in got["body"]["jurisdictions"]] == [nation]
        assert got["body"]["viewed"] == json.loads(json.dumps(report["body"]["viewed"]))
        assert got["sealed"]["narrative"] == report["sealed"]["narrative"]
    unknown = await bus(
        "refer", report["header"]["event_id"], "--as", "police-lowlands", "--to", "police-isles:GB:victim"
    )
    assert unknown.code == 2
    assert "neither published that event nor has it in its inbox" in unknown.err


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        (("tidewave:SE:victim",), "tidewave is no police: the directory has it as platform"),
        (("police-isles:GB:victim", "hotline-north:SE:victim"), "hotline-north is no police"),
        (("police-isles:GB:victim", "police-isles:GB:suspect"), "police-isles is named twice for GB"),
    ],
)
async def test_a_report_is_referred_to_police_and_nobody_else(bus: Shell, to: Sequence[str], problem: str) -> None:
    """A slip of the hand does not give a child's report to a platform: nothing at all is said then."""
    report = await bus.example("Report", "glimmerchat", "clearing-house")
    assert (await bus.publish([report], "glimmerchat")).code == 0
    await consumed(bus, "clearing-house", report["header"]["event_id"])
    named = [text for one in to for text in ("--to", one)]
    ended = await bus("refer", report["header"]["event_id"], "--as", "clearing-house", *named)
    assert (ended.code, ended.out) == (2, "")
    assert problem in ended.err
    query = "SELECT count(*) FROM ledger.entry WHERE about = $1"
    assert await bus.sql(query, report["header"]["event_id"]) == [(0,)]


async def test_a_unit_of_another_nation_is_pointed_out(bus: Shell) -> None:
    """It may be right, so it is said beside what will be referred, and does not stop it."""
    report = await bus.example("Report", "glimmerchat", "clearing-house")
    assert (await bus.publish([report], "glimmerchat")).code == 0
    await consumed(bus, "clearing-house", report["header"]["event_id"])
    ended = await bus(
        "refer", report["header"]["event_id"], "--as", "clearing-house", "--to", "police-isles:SE:victim", "--dry-run"
    )
    assert ended.code == 0
    assert "mind that police-isles is of GB, and not of SE" in ended.err
