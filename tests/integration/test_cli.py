"""The commands of the README on a real hub: publish, consume, audit; counted from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec import Struct

from bus.sandbox.lifecycle import Sandbox
from tests.arrival import arrived
from tests.patience import PATIENT_S

PAGES = Path(__file__).resolve().parents[1] / "data" / "ncmec-hashsharing"


class Ended(Struct, frozen=True):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """NDJSON on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def value(self) -> Any:
        """One JSON value on one line of stdout."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


class Shell:
    """Runs `bus` on one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @contextlib.asynccontextmanager
    async def running(self, *args: str, limit: int = 1 << 24) -> AsyncGenerator[asyncio.subprocess.Process]:
        """A command for the time of a block; it is gone at the end, whatever happened.

        Once somewhat more than ``limit`` bytes of its output wait to be read, it waits too.
        """
        pipe = asyncio.subprocess.PIPE
        home = str(self.sandbox.home.root)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bus", "--home", home, *args, stdin=pipe, stdout=pipe, stderr=pipe, limit=limit
        )
        try:
            yield child
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def __call__(self, *args: str, stdin: str = "") -> Ended:
        """Run a command to its end."""
        async with self.running(*args) as child:
            out, err = await child.communicate(stdin.encode())
        assert child.returncode is not None
        return Ended(child.returncode, out.decode(), err.decode())

    async def arrived(self) -> None:
        """Wait until all that was published stands in the inboxes: a consumer goes to their present end only."""
        await arrived(self.sandbox)

    async def example(self, kind: str, org: str, *to: str) -> dict[str, Any]:
        """A fresh event."""
        words = [word for one in to for word in ("--to", one)]
        return (await self("schema", "example", kind, "--as", org, *words)).value

    async def publish(self, events: list[dict[str, Any]], org: str, *args: str) -> Ended:
        """Publish events, one a line; what is accepted stands in the inboxes then."""
        lines = "".join(json.dumps(event) + "\n" for event in events)
        ended = await self("publish", "-", "--as", org, "-o", "ndjson", *args, stdin=lines)
        await self.arrived()
        return ended

    async def sql(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Ask Postgres as its superuser does."""
        session = await asyncpg.connect(self.sandbox.status()["postgres"]["admin_dsn"])
        try:
            return await session.fetch(query, *values)
        finally:
            await session.close()


@pytest.fixture
def bus(sandbox: Sandbox) -> Shell:
    """The command on the suite's sandbox."""
    return Shell(sandbox)


async def test_publish_consume_show_trace(bus: Shell) -> None:
    """An event goes out, comes in with its sealed part opened, and the ledger says who knew of it and when."""
    event = await bus.example("HashHit", "fernpost", "hotline-isles")
    event_id = event["header"]["event_id"]
    [told] = (await bus.publish([event], "fernpost")).rows
    assert told == {"event_id": event_id, "outcome": "accepted", "index": told["index"], "reasons": []}

    consumed = await bus("consume", "--as", "hotline-isles")
    assert consumed.code == 0
    [line] = [row for row in consumed.rows if row["event_id"] == event_id]
    assert (line["status"], line["index"], line["type"]) == ("ok", told["index"], "HashHit")
    assert line["sealed"]["account_ref"] == event["sealed"]["account_ref"]

    shown = (await bus("audit", "show", event_id, "-o", "json")).value
    by_index = (await bus("audit", "show", str(told["index"]), "-o", "json")).value
    assert {k: v for k, v in shown.items() if k != "delivered"} == {
        k: v for k, v in by_index.items() if k != "delivered"
    }
    assert shown["header"]["issuer"] == shown["issuer"] == "fernpost"
    assert shown["leaf"]["event_id"] == event_id
    [recipient] = shown["decision"]
    assert (recipient["org"], recipient["allow"]) == ("hotline-isles", True)
    assert shown["receipts"]
    assert event["sealed"]["account_ref"] not in json.dumps(shown)

    traced = (await bus("audit", "trace", event_id, "-o", "json")).value
    assert [(who["org"], who["nation"]) for who in traced["who"]] == [("fernpost", "IE"), ("hotline-isles", "GB")]
    assert [entry["event_id"] for entry in traced["thread"]] == [event_id]
    printed = (await bus("audit", "trace", event_id)).out.splitlines()
    assert [line for line in printed if line in {"who knew", "thread", "recall", "deadlines"}] == ["who knew", "thread"]


async def test_published_twice_nothing_is_published_twice(bus: Shell) -> None:
    """The second time each event is answered `repeated`, where it stands."""
    events = [await bus.example("HashHit", "fernpost", "hotline-isles") for _ in range(3)]
    first, again = await bus.publish(events, "fernpost"), await bus.publish(events, "fernpost")
    assert (first.code, again.code) == (0, 0)
    assert {row["outcome"] for row in first.rows} == {"accepted"}
    assert {row["outcome"] for row in again.rows} == {"repeated"}
    places = [{row["event_id"]: row["index"] for row in ended.rows} for ended in (first, again)]
    assert places[0] == places[1]


async def test_real_pages_become_listings_and_updates(bus: Shell) -> None:
    """The sample pages travel; a later page reclassifies and retracts; the same pages again say nothing new."""
    common = ["--format", "ncmec-hashes", "--as", "clearing-house", "--to", "open-door", "-o", "ndjson"]
    names = ("entries.xml", "entries3.xml", "entries4.xml", "entries-large-fingerprints.xml")
    await bus.arrived()
    await bus("consume", "--as", "open-door")
    first = [await bus("publish", str(PAGES / name), *common) for name in names]
    again = [await bus("publish", str(PAGES / name), *common) for name in names]
    assert [ended.code for ended in first + again] == [0] * 8
    assert [len(ended.rows) for ended in first] == [2, 2, 2, 1]
    assert {row["outcome"] for ended in again for row in ended.rows} == {"repeated"}
    ids = [row["event_id"] for ended in first for row in ended.rows]
    steps = {
        row["event_id"]: row["step"]
        for row in (await bus("audit", "search", "--type", "HashListing", "-o", "ndjson")).rows
    }
    assert sorted(steps[event_id] for event_id in ids) == ["listed"] * 5 + ["reclassified", "retracted"]
    await bus.arrived()
    inbox = await bus("consume", "--as", "open-door")
    assert [row["event_id"] for row in inbox.rows] == ids


async def test_nothing_is_half_published(bus: Shell) -> None:
    """Of a file whose last event cannot be sealed, or is wrong, not one event is sent."""
    good = [await bus.example("HashHit", "fernpost", "hotline-isles") for _ in range(2)]
    nobody = await bus.example("HashHit", "fernpost", "nobody-at-all")
    wrong = {**await bus.example("HashHit", "fernpost", "hotline-isles"), "extra": 1}
    for last, rule in ((nobody, "the directory has no nobody-at-all"), (wrong, "extra")):
        ended = await bus.publish([*good, last], "fernpost")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("error: standard input, line 3: ")
        assert rule in ended.err
    lone = await bus.publish([nobody], "fernpost")
    assert lone.code == 1
    assert "publish the same again" not in lone.err
    for event in good:
        assert (await bus("audit", "show", event["header"]["event_id"])).code == 2


async def test_a_refusal_is_told_with_its_reason(bus: Shell) -> None:
    """Exit code 1, the reason in the receipt, and in the ledger."""
    hit = await bus.example("HashHit", "tidewave", "hotline-north")
    await bus.publish([hit], "tidewave")
    answer = await bus.example("Acknowledgement", "tidewave", "hotline-north", "hotline-isle")
    header = {**answer["header"], "about": hit["header"]["event_id"]}
    del header["thread"], header["lane"]
    ended = await bus.publish([{**answer, "header": header}], "tidewave")
    [told] = ended.rows
    assert (ended.code, told["outcome"], told["reasons"]) == (1, "refused", ["audience-unknown"])
    assert "the directory has no hotline-isle. Did you mean 'hotline-isles'" in ended.err
    assert "1 event to hotline-isle, hotline-north: 0 accepted, 1 refused" in ended.err
    found = (await bus("audit", "search", "--outcome", "refused", "--reason", "audience-unknown", "-o", "ndjson")).rows
    assert [row["outcome"] for row in found if row["event_id"] == told["event_id"]] == ["refused"]
    traced = await bus("audit", "trace", told["event_id"])
    assert traced.code == 2
    assert "nobody was told of it" in traced.err


async def test_search_lists_what_postgres_has(bus: Shell) -> None:
    """All accepted entries without a limit, in order, with the columns that other programs read."""
    found = (await bus("audit", "search", "-o", "ndjson")).rows
    # What the clerk says from here on stands behind.
    rows = await bus.sql(
        "SELECT index, event_id, issuer, step FROM ledger.entry WHERE outcome = 1 AND index <= $1 ORDER BY index",
        found[-1]["index"],
    )
    assert [(r["index"], r["event_id"], r["issuer"], r["step"]) for r in found] == [
        (r["index"], str(r["event_id"]), r["issuer"], r["step"]) for r in rows
    ]
    assert set(found[0]) == {"event_id", "index", "outcome", "type", "step", "issuer", "time"}
    limited = (await bus("audit", "search", "--limit", "5", "-o", "json")).value
    assert limited == found[:5]
    newest = (await bus("audit", "search", "--limit", "5", "--newest", "-o", "json")).value
    assert newest[0]["index"] > newest[-1]["index"]
    assert (await bus("audit", "search", "--since", "2100-01-01", "-o", "json")).out == "[]\n"
    of_one = (await bus("audit", "search", "--issuer", "hub", "--type", "KeyRegistered", "-o", "ndjson")).rows
    assert {row["type"] for row in of_one} == {"KeyRegistered"}
    until = [row["index"] for row in of_one if row["index"] <= found[-1]["index"]]
    assert until == [row["index"] for row in found if row["type"] == "KeyRegistered"]


async def test_stats_agree_with_postgres(bus: Shell) -> None:
    """Counts, size and root are those of one snapshot."""
    query = "SELECT size, root FROM ledger.head"
    [before] = await bus.sql(query)
    while True:
        stats = (await bus("audit", "stats", "-o", "json")).value
        [head] = await bus.sql(query)
        if head == before:  # nobody has said anything meanwhile
            break
        before = head
    assert (stats["size"], stats["root"]) == (head["size"], head["root"].hex())
    assert sum(stats["outcomes"].values()) == stats["size"]
    assert sum(nation["accepted"] for nation in stats["nations"]) == stats["outcomes"]["accepted"]
    assert sum(kind["n"] for kind in stats["types"]) == stats["outcomes"]["accepted"]


async def test_the_desks_login_cannot_write(bus: Shell) -> None:
    """What the audit commands use reads, and no more."""
    session = await asyncpg.connect(bus.sandbox.status()["postgres"]["dsn"])
    try:
        with pytest.raises(asyncpg.PostgresError):
            await session.execute("DELETE FROM ledger.content")
    finally:
        await session.close()


async def test_consume_remembers_and_from_start_does_not(bus: Shell) -> None:
    """What was printed does not come again; --from-start shows it all and leaves the place as it is."""
    event = await bus.example("HashHit", "glimmerchat", "hotline-lowlands")
    event_id = event["header"]["event_id"]
    await bus.publish([event], "glimmerchat")
    reader = ("consume", "--as", "hotline-lowlands")
    assert event_id in [row["event_id"] for row in (await bus(*reader, "--from-start")).rows]
    first, second = [{row["event_id"] for row in (await bus(*reader)).rows} for _ in range(2)]
    assert event_id in first
    assert first.isdisjoint(second)
    assert event_id in [row["event_id"] for row in (await bus(*reader, "--from-start")).rows]


async def test_what_was_acknowledged_does_not_come_again(bus: Shell) -> None:
    """With --ack fetched the place in the inbox is kept too, with and without a limit."""
    events = [await bus.example("HashHit", "mirage-models", "police-north") for _ in range(3)]
    await bus.publish(events, "mirage-models")
    reader = ("consume", "--as", "police-north", "--ack", "fetched")
    first = (await bus(*reader, "--limit", "1")).rows
    rest, later = [(await bus(*reader)).rows for _ in range(2)]
    assert len(first) == 1
    printed = [row["index"] for row in (*first, *rest, *later)]
    assert len(printed) == len(set(printed))
    assert {event["header"]["event_id"] for event in events} <= {row["event_id"] for row in (*first, *rest)}


async def test_fetched_is_told_to_the_issuer_once(bus: Shell) -> None:
    """--ack fetched publishes one acknowledgement per event, which the trace shows, and none of acknowledgements."""
    event = await bus.example("HashHit", "mirage-models", "police-isles")
    event_id = event["header"]["event_id"]
    await bus.publish([event], "mirage-models")
    for _ in range(2):
        assert (await bus("consume", "--as", "police-isles", "--from-start", "--ack", "fetched")).code == 0
    traced = (await bus("audit", "trace", event_id, "-o", "json")).value
    assert [(entry["type"], entry["issuer"]) for entry in traced["thread"]] == [
        ("HashHit", "mirage-models"),
        ("Acknowledgement", "police-isles"),
    ]
    assert [who["fetched"] is not None for who in traced["who"] if who["org"] == "police-isles"] == [True]
    await bus.arrived()
    assert (await bus("consume", "--as", "mirage-models", "--ack", "fetched")).code == 0
    assert len((await bus("audit", "trace", event_id, "-o", "json")).value["thread"]) == 2


async def test_following_ends_with_130_and_loses_nothing(bus: Shell) -> None:
    """Ctrl-C ends --follow cleanly; what came later is still there."""
    first, second = [await bus.example("HashHit", "tidewave", "police-north") for _ in range(2)]
    ids = [event["header"]["event_id"] for event in (first, second)]
    async with bus.running("consume", "--as", "police-north", "--follow") as child:
        assert child.stdout is not None
        await bus.publish([first], "tidewave")
        event_id = ""
        async with asyncio.timeout(PATIENT_S):
            while event_id != ids[0]:
                event_id = json.loads(await child.stdout.readline())["event_id"]
        child.send_signal(signal.SIGINT)
        _, err = await child.communicate()
    assert child.returncode == 130
    assert b"Traceback" not in err
    await bus.publish([second], "tidewave")
    left = [row["event_id"] for row in (await bus("consume", "--as", "police-north")).rows]
    assert [one for one in left if one in ids] == ids[1:]


async def test_an_interrupted_publication_is_completed_by_the_next(bus: Shell) -> None:
    """Ctrl-C in the middle of a file ends with 130; the same file again completes it, each event once."""
    event = await bus.example("HashHit", "fernpost", "hotline-isles")
    del event["header"]["event_id"]
    lines = "".join(
        json.dumps({**event, "body": {**event["body"], "context": {"surface": "upload", "media": "image", "count": n}}})
        + "\n"
        for n in range(3000)
    ).encode()
    # It cannot be done before the signal comes: of its 3000 lines only the first is read.
    async with bus.running("publish", "-", "--as", "fernpost", "-o", "ndjson", limit=1 << 12) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(lines)
        child.stdin.write_eof()
        await asyncio.wait_for(child.stdout.readline(), PATIENT_S)
        child.send_signal(signal.SIGINT)
        _, err = await child.communicate()
    assert child.returncode == 130, err
    done = await bus("publish", "-", "--as", "fernpost", "-o", "ndjson", stdin=lines.decode())
    assert done.code == 0
    ids = [row["event_id"] for row in done.rows]
    assert len(ids) == len(set(ids)) == 3000
    counts = await bus.sql(
        "SELECT event_id, count(*) AS n FROM ledger.entry WHERE outcome = 1 AND event_id = ANY ($1::uuid[]) GROUP BY 1",
        ids,
    )
    assert [row["n"] for row in counts] == [1] * 3000


async def test_a_search_for_what_there_is_not_says_so(bus: Shell) -> None:
    """A slip in a name is not taken for the answer that nothing was said; data goes on to stdout alone."""
    for flag, asked, near in (
        ("--issuer", "fernpst", "Did you mean 'fernpost'"),
        ("--step", "detcted", "Did you mean 'detected'"),
        ("--reason", "step-ordr", "Did you mean 'step-order'"),
    ):
        ended = await bus("audit", "search", flag, asked, "-o", "ndjson")
        assert (ended.code, ended.out) == (0, "")
        assert near in ended.err
    known = await bus("audit", "search", "--issuer", "audit-north", "-o", "ndjson")
    assert (known.code, known.out, known.err) == (0, "", "")


async def test_an_inbox_with_nothing_new_says_so_to_a_person_alone(bus: Shell) -> None:
    """On a terminal an empty inbox is not silence; a script's stderr stays empty."""
    await bus.arrived()
    await bus("consume", "--as", "audit-lowlands")
    quiet = await bus("consume", "--as", "audit-lowlands")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    here, there = os.openpty()
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bus", "--home", str(bus.sandbox.home.root), "consume", "--as", "audit-lowlands",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=there,
        )  # fmt: skip
        out, _ = await child.communicate()
        assert (child.returncode, out) == (0, b"")
        assert os.read(here, 4096).startswith(b"Nothing new for audit-lowlands. --follow waits for more")
    finally:
        os.close(here)
        os.close(there)


async def test_no_second_hub_runs_beside_the_sandboxs_own(bus: Shell) -> None:
    """Two of everything would take over from each other for ever; it refuses at once, and says what to stop."""
    ended = await bus("hub", "run", "--config", str(bus.sandbox.home.hub / "hub.toml"))
    assert (ended.code, ended.out) == (4, "")
    assert "already: notary, courier, publisher, clerk" in ended.err
    assert "`bus sandbox down --hub`" in ended.err
    assert "Traceback" not in ended.err


async def test_a_reader_that_leaves_does_not_hide_missing_receipts(bus: Shell, tmp_path: Path) -> None:
    """With `| head -1` receipts are left that nobody waited for: exit code 5, as when they do not come in time."""
    events = [await bus.example("HashHit", "fernpost", "hotline-isles")]
    events += [json.loads(json.dumps(events[0])) for _ in range(599)]
    for event in events:
        del event["header"]["event_id"]
    file = tmp_path / "events.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    words = f"{sys.executable} -m bus --home {bus.sandbox.home.root} publish {file} --as fernpost -o ndjson"
    child = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        f"{words} | head -1; exit ${{PIPESTATUS[0]}}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    assert out.count(b"\n") == 1
    assert b"without a receipt" in err
    assert child.returncode == 5


async def test_nobody_but_an_auditor_asks_in_the_demonstration(bus: Shell) -> None:
    """A platform is refused the part of the auditor, as in `bus audit`, before the story begins."""
    ended = await bus("demo", "--as", "fernpost")
    assert (ended.code, ended.out) == (4, "")
    assert "fernpost is no auditor of this sandbox" in ended.err
