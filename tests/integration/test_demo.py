"""The demonstration, end to end on a real hub; its counts are counted again from outside."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from bus.demo.items import FIGURES
from bus.demo.telling import WIDTH
from bus.sandbox.lifecycle import WITNESS_ROLES, Sandbox
from tests.integration.test_cli import Shell
from tests.patience import PATIENT_S

MEMBERS = [
    "published", "accepted", "repeated", "refused", "delivered", "ledger_size", "root", "seconds", "seed", "scale",
    "survey", "evidence",
]  # fmt: skip
PAGES = 8
SURVEY = {
    "0.01": {"found": 203, "selected": 111, "set_aside": 92, "criminal": 30,
             "pca1978_pseudo": 26, "cja2009_prohibited": 4},
    "0.05": {"found": 1_013, "selected": 556, "set_aside": 457, "criminal": 149,
             "pca1978_pseudo": 128, "cja2009_prohibited": 21},
    "1": {"found": 20_254, "selected": 11_108, "set_aside": 9_146, "criminal": 2_978,
          "pca1978_pseudo": 2_562, "cja2009_prohibited": 416},
}  # fmt: skip


@pytest.fixture
def bus(sandbox: Sandbox) -> Shell:
    """The command on the suite's sandbox."""
    return Shell(sandbox)


async def told(bus: Shell, *args: str) -> dict[str, Any]:
    """The demonstration's counts, once they agree with SQL."""
    [before] = await bus.sql("SELECT size FROM ledger.head")
    ended = await bus("demo", "-o", "json", *args)
    assert ended.code == 0, ended.err
    assert not [line for line in ended.err.splitlines() if len(line) > WIDTH and str(bus.sandbox.home.root) not in line]
    counts = ended.value
    assert list(counts) == MEMBERS
    assert counts["published"] == counts["accepted"] + counts["repeated"] + counts["refused"]
    rows = await bus.sql(
        "SELECT outcome, count(*) AS n FROM ledger.entry WHERE index >= $1 AND index < $2 AND issuer <> 'hub' GROUP BY 1",
        before["size"],
        counts["ledger_size"],
    )
    found = {row["outcome"]: row["n"] for row in rows}
    named = ((1, "accepted"), (2, "repeated"), (3, "refused"))
    assert found == {code: counts[name] for code, name in named if counts[name]}
    return counts


def evidence_in(folder: Path) -> list[str]:
    """What was proved; the policy lies beside it."""
    assert (folder / "policy").is_file()
    return sorted(map(str, folder.glob("*.evidence")))


def running(bus: Shell) -> set[psutil.Process]:
    """What runs of this test and its sandbox; PostgreSQL's own workers come and go as they like."""
    found = set(psutil.Process().children(recursive=True))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(bus.sandbox.home.root) in word for word in process.cmdline()):
                found.add(process)
    return {process for process in found if not is_worker(process)}


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is one that PostgreSQL made for itself, or has ended meanwhile."""
    try:
        parent = process.parent()
        return process.name() == "postgres" and parent is not None and parent.name() == "postgres"
    except psutil.Error:
        return True


async def named_in_clear(bus: Shell) -> int:
    """How many entries name a made-up public figure where it is not sealed, or is not sealed well."""
    rows = [
        await bus.sql(
            "SELECT count(*) AS n FROM ledger.record LEFT JOIN ledger.content USING (index)"
            " WHERE position($1::bytea IN header) > 0 OR position($1::bytea IN body) > 0"
            " OR position($1::bytea IN coalesce(sealed, '')) > 0",
            name.encode(),
        )
        for name in FIGURES
    ]
    return sum(found["n"] for [found] in rows)


async def types_since(bus: Shell, size: int) -> dict[str, int]:
    """How many accepted events of the types that an item leaves behind there are, by schema and step."""
    rows = await bus.sql(
        "SELECT schema_id, step, count(*) AS n FROM ledger.entry WHERE index >= $1 AND outcome = 1 GROUP BY 1, 2", size
    )
    return {f"{row['schema_id']} {row['step']}": row["n"] for row in rows}


async def test_it_tells_its_story_twice_on_a_sandbox_that_is_up(bus: Shell) -> None:
    """Counts agree with SQL, evidence verifies, nobody is named in clear, and the sandbox is left up."""
    before_it = running(bus)
    for repeated in ((0, PAGES), (PAGES,)):
        [before] = await bus.sql("SELECT size FROM ledger.head")
        counts = await told(bus, "--scale", "0.01")
        assert counts["repeated"] in repeated  # a first run is the first on its hub, or not
        assert counts["refused"] == 2
        assert counts["survey"] == SURVEY["0.01"]
        types = await types_since(bus, before["size"])
        assert types["20 detected"] == 203 + 2  # one of them urgent, one of the new listing
        assert types["22 asserted"] == 203 + 1
        assert sum(n for kind, n in types.items() if kind.startswith("26 ")) == 40
        assert types["50 overdue"] >= 2  # the clerk's own word on the late platform, and on who ignores a recall
        assert types["50 cured"] >= 1
        assert types["31 called"] == 1
        names = evidence_in(Path(counts["evidence"]))
        assert names
        assert (await bus("evidence", "verify", *names)).code == 0
    assert await named_in_clear(bus) == 0
    assert {process["role"] for process in bus.sandbox.status()["processes"]} >= {
        "kafka", "postgres", "notary", "courier",
    }  # fmt: skip
    assert running(bus) <= before_it


async def test_interrupted_it_goes_on_where_it_stopped(bus: Shell) -> None:
    """Ctrl-C in the middle says how to go on; the same call then says nothing twice and ends with the same counts.

    What ended meanwhile is started again: without every witness nothing could be proved at the end.
    """
    [before] = await bus.sql("SELECT size FROM ledger.head")
    async with bus.running("demo", "-o", "json", "--scale", "0.03", "--seed", "11") as child:
        assert child.stderr is not None
        async with asyncio.timeout(PATIENT_S):
            while b"People look" not in (line := await child.stderr.readline()):
                assert line, "it ended before people look"
        child.send_signal(signal.SIGSTOP)  # however slow the second one is, the first is not done before it
        second = await bus("demo", "-o", "json", "--scale", "0.001")
        assert second.code == 1
        assert "another demonstration" in second.err
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGCONT)
        _, err = await child.communicate()
    assert child.returncode == 130, err
    assert b"`bus demo --scale 0.03 --seed 11` goes on from there" in err
    await bus.sandbox.kill(WITNESS_ROLES[0])
    ended = await bus("demo", "-o", "json", "--scale", "0.03", "--seed", "11")
    assert ended.code == 0, ended.err
    assert "goes on, and says nothing twice" in ended.err
    counts = ended.value
    assert counts["repeated"] > counts["survey"]["found"]
    types = await types_since(bus, before["size"])
    assert types["20 detected"] == counts["survey"]["found"] + 2
    assert types["22 asserted"] == counts["survey"]["found"] + 1
    assert types["36 published"] == 1


@pytest.mark.deep
@pytest.mark.parametrize("scale", ["0.05", "1"])
async def test_at_scale_it_ends_with_the_surveys_own_counts(bus: Shell, scale: str) -> None:
    """20,254 hits at scale 1."""
    counts = await told(bus, "--scale", scale)
    assert counts["survey"] == SURVEY[scale]
