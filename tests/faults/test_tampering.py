"""The operator, or a thief with all of the operator's rights, rewrites history; the auditor's verification says where.

A small ledger of a hub of its own is altered in every way of the table of ``docs/faults.md``: in Postgres as superuser
with triggers off, each time in a transaction that is rolled back; in the published files on a copy. What is not
altered passes, before and after.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from click.testing import CliRunner

from bus.audit import answers
from bus.audit.ledger import Ledger
from bus.cli.app import cli
from bus.events.ids import dashed
from bus.files import load_policy
from bus.kafka.writer import Writer
from bus.sandbox.lifecycle import Sandbox
from bus.tlog import tree as rfc6962
from bus.tlog.bundle import new_bundles
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, sign_note
from bus.tlog.policy import Policy
from bus.tlog.tile import tiles_of
from bus.tlog.vkey import NoteKey
from bus.verify.fault import Fault, Wrong
from bus.verify.ledger import verify_snapshot
from bus.verify.published import verify_files
from bus.verify.report import Report
from bus.verify.subject import Subject, Tree
from tests.faults.roles import Load, settled
from tests.members import Members
from tests.outside import Outside
from tests.patience import until

pytestmark = pytest.mark.integration

ENTRIES = 330
CATALOGUE = """
SELECT c.relname AS name, a.attname AS column FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
AND a.attnum > 0 AND NOT a.attisdropped
"""
"""Every column of every table of the ledger, as Postgres knows them."""
FLIPS = 24


class Case(NamedTuple):
    """A hub at rest: its published files, and a superuser's session on its database."""

    published: Path
    policy: Policy
    connection: asyncpg.Connection
    dsn: str
    size: int
    key: NoteKey
    picks: dict[str, int]
    columns: frozenset[tuple[str, str]]
    trees: dict[bytes | None, Tree]

    def files(self, folder: Path | None = None, since: bytes | None = None) -> Tree:
        """Verify files, of a copy if one is given."""
        root = folder or self.published
        return verify_files(Subject(root / "log", root / "checkpoints", self.policy, since), Report())

    async def rows(self, since: bytes | None = None) -> Report:
        """Verify the ledger against the published files, which are read once: nothing here changes them."""
        if since not in self.trees:
            self.trees[since] = self.files(since=since)
        report = Report()
        await verify_snapshot(self.connection, self.trees[since], self.published / "log", self.policy, report)
        return report

    async def disarm(self) -> None:
        """Turn every trigger and foreign key off, as a superuser may."""
        for table in sorted({table for table, _ in self.columns}):
            await self.connection.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL")


@pytest.fixture(scope="module")
async def case(trial: Sandbox) -> AsyncIterator[Case]:
    """A hub with some hundred entries of all kinds, its roles stopped once all is published."""
    load = Load(Members(trial), 11)
    traffic = asyncio.create_task(load.run())
    status = trial.status()
    connection = await asyncpg.connect(status["postgres"]["admin_dsn"])
    try:
        while int(await connection.fetchval("SELECT size FROM ledger.head") or 0) < ENTRIES:
            await load.more(2)
        load.stop()
        await traffic
        await followed(trial)
        size = await _at_rest(trial)
        picks = await _picks(connection, size)
        key = NoteKey.decode((trial.home.publisher / "log.key").read_text(encoding="ascii").strip())
        policy = load_policy(trial.home.publisher / "policy")
        columns = frozenset((row["name"], row["column"]) for row in await connection.fetch(CATALOGUE))
        dsn = status["postgres"]["dsn"]
        yield Case(trial.home.publisher, policy, connection, dsn, size, key, picks, columns, {})
    finally:
        await connection.close()


async def followed(trial: Sandbox) -> None:
    """Two more events, one acknowledged and recalled, one whose erasure is asked for and agreed to."""
    members = Members(trial)
    forge, platform, hotline = members.forge, members.having("platform")[0], members.having("hotline")[0]
    first = forge.compose(platform, forge.event(platform, (hotline,)))
    known = {"thread": first.header.thread.hex(), "lane": first.header.lane}
    about = {"about": dashed(first.header.event_id), **known}
    said = [
        (platform, first),
        (hotline, forge.compose(hotline, forge.event(hotline, (platform,), "Acknowledgement", **about))),
        (platform, forge.compose(platform, forge.event(platform, (hotline,), "Recall", **about))),
    ]
    hit = forge.compose(platform, forge.event(platform, (hotline,)))
    of_it = {"thread": hit.header.thread.hex(), "lane": hit.header.lane}
    asks = forge.event(hotline, (platform,), "Erasure", about=dashed(hit.header.event_id), **of_it)
    asked = forge.compose(hotline, asks | {"body": asks["body"] | {"event": dashed(hit.header.event_id)}})
    agrees = forge.event(platform, (hotline,), "Erasure", step="approved", about=dashed(asked.header.event_id), **of_it)
    agreed = forge.compose(platform, agrees | {"body": agrees["body"] | {"event": dashed(hit.header.event_id)}})
    for org, one in [*said, (platform, hit), (hotline, asked), (platform, agreed)]:
        async with Writer(members.connection(org), f"followed-{org}") as writer:
            await writer.send_all(forge.sign(org, [one]))
        await settled(Outside(members.status, members.librdkafka("hub")))


async def _at_rest(trial: Sandbox) -> int:
    """Stop the hub once everything is recorded, delivered and published."""
    await trial.stop("clerk")
    members = Members(trial)
    size = await Outside(members.status, members.librdkafka("hub")).recorded()
    await trial.stop("notary")
    shown = trial.home.publisher / "log" / "checkpoint"
    await until(lambda: shown.is_file() and shown.read_text().split("\n")[1] == str(size), "all is published")
    await trial.stop("publisher")
    await trial.stop("courier")
    return size


async def _picks(connection: asyncpg.Connection, size: int) -> dict[str, int]:
    """An entry of each kind, below the last ones and not the first."""
    kinds = {"accepted": "outcome = 1 AND schema_id = 20", "repeated": "outcome = 2"}
    kinds["erasable"] = (
        "event_id = (SELECT about FROM ledger.entry WHERE schema_id = 51 AND step = 'requested' AND outcome = 1)"
    )
    kinds["refused"] = "outcome = 3 AND index IN (SELECT index FROM ledger.content WHERE raw_headers LIKE '%bus-sig%')"
    found = {}
    for name, condition in kinds.items():
        sql = f"SELECT index FROM ledger.entry WHERE {condition} AND index BETWEEN 40 AND $1 ORDER BY index LIMIT 1"
        below = size if name == "erasable" else size - 10
        index = await connection.fetchval(sql.replace("LIKE '%bus-sig%'", "IS NOT NULL"), below)
        assert index is not None, f"no {name} entry"
        found[name] = index
    return found


async def tampered(case: Case, *statements: str) -> Fault:
    """Run statements as a superuser who has turned the triggers off, verify, and take all of it back."""
    transaction = case.connection.transaction()
    await transaction.start()
    try:
        await case.disarm()
        for statement in statements:
            done = await case.connection.execute(statement.format(size=case.size, **case.picks))
            assert not done.endswith(" 0"), f"nothing was changed by {statement}"
        with pytest.raises(Wrong) as caught:
            await case.rows()
        return caught.value.fault
    finally:
        await transaction.rollback()


async def test_an_untouched_log_passes(case: Case) -> None:
    """Files and ledger as the hub left them hold, with the desk's own login and on the command line too."""
    report = await case.rows()
    assert [check.holds for check in report.checks] == [True] * 6
    assert "3 rows on lifecycles" in next(check.detail for check in report.checks if check.name == "derived")
    arguments = ["audit", "verify", "--published", str(case.published), "--policy", str(case.published / "policy")]
    env = {"BUS_LEDGER_DSN": case.dsn, "BUS_AS": "audit-isles", "BUS_HOME": str(case.published.parent)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bus", *arguments, "-o", "json", env={**os.environ, **env}, stdout=PIPE, stderr=PIPE
    )
    out, told_to_people = await process.communicate()
    assert process.returncode == 0, told_to_people
    told = json.loads(out)
    assert (told["holds"], told["size"], told["fault"]) == (True, case.size, None)
    assert [span["last"] for span in told["policies"]][-1] == case.size - 1
    assert all(count > 0 for name, count in told["outcomes"].items() if name != "gap")
    assert {one["name"] for one in told["witnesses"]} == {one.name for one in case.policy.witnesses}


async def test_since_a_checkpoint_only_what_is_new_is_read(case: Case) -> None:
    """From an older checkpoint on, entries, senders, numbers and receipts hold; a change before it is not looked for."""
    leaves = await case.connection.fetch("SELECT leaf_hash FROM ledger.entry WHERE index < 300 ORDER BY index")
    since = sign(case, 300, rfc6962.root([row["leaf_hash"] for row in leaves]))
    report = await case.rows(since)
    assert any(check.detail.startswith(f"{case.size - 300} entries since entry 300") for check in report.checks)
    transaction = case.connection.transaction()
    await transaction.start()
    try:
        await case.connection.execute("ALTER TABLE ledger.entry DISABLE TRIGGER ALL")
        await case.connection.execute("UPDATE ledger.entry SET issuer = 'nobody' WHERE index = $1", case.size - 1)
        with pytest.raises(Wrong) as caught:
            await case.rows(since)
        assert caught.value.fault.index == case.size - 1
    finally:
        await transaction.rollback()


FLIP = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"
COLUMNS = {
    **{
        f"entry.leaf[{at}]": (f"entry SET leaf = {FLIP.format('leaf', at)}", "accepted", "entry-changed")
        for at in (1, 5, 10, 47, 63, 95, 127, 159, 191, 223, 255, 287, 318, 330, 373)
    },
    "entry.leaf_hash": (f"entry SET leaf_hash = {FLIP.format('leaf_hash', 31)}", "accepted", "hash-column"),
    "entry.outcome": ("entry SET outcome = 3", "accepted", "column-changed"),
    "entry.time_us": ("entry SET time_us = time_us + 1", "accepted", "column-changed"),
    "entry.topic": ("entry SET topic = 'out.nobody'", "accepted", "column-changed"),
    "entry.kafka_offset": ("entry SET kafka_offset = kafka_offset - 1", "accepted", "column-changed"),
    "entry.last_offset": ("entry SET last_offset = last_offset + 1", "accepted", "column-changed"),
    "entry.schema_id": ("entry SET schema_id = 23", "accepted", "column-changed"),
    "entry.event_id": ("entry SET event_id = gen_random_uuid()", "accepted", "column-changed"),
    "entry.event_id null": ("entry SET event_id = NULL", "accepted", "column-changed"),
    "entry.issuer": ("entry SET issuer = 'nobody'", "accepted", "column-changed"),
    "entry.step": ("entry SET step = 'nothing'", "accepted", "column-changed"),
    "entry.lane": (
        "entry SET lane = CASE lane WHEN 'bulk' THEN 'urgent' ELSE 'bulk' END",
        "accepted",
        "column-changed",
    ),
    "entry.thread": ("entry SET thread = gen_random_uuid()", "accepted", "column-changed"),
    "entry.about": ("entry SET about = gen_random_uuid()", "accepted", "column-changed"),
    "entry.addressee": ("entry SET addressee = 'nobody'", "accepted", "column-changed"),
    "entry.due_us": ("entry SET due_us = 1", "accepted", "column-changed"),
    "entry.first_index": ("entry SET first_index = first_index - 1", "accepted", "column-changed"),
    "entry.first_index of a repeat": ("entry SET first_index = first_index - 1", "repeated", "column-changed"),
    "entry.issuer of a repeat": ("entry SET issuer = 'nobody'", "repeated", "column-changed"),
    "entry.reasons": ("entry SET reasons = '{{key-revoked}}'", "refused", "receipts"),
    "entry.reasons of an accepted one": ("entry SET reasons = '{{key-revoked}}'", "accepted", "receipts"),
    "record.header": (f"record SET header = {FLIP.format('header', 20)}", "accepted", "header-changed"),
    "record.decision": (f"record SET decision = {FLIP.format('decision', 20)}", "accepted", "decision-changed"),
    "record.bus_signature": (
        f"record SET bus_signature = {FLIP.format('bus_signature', 60)}",
        "accepted",
        "bus-signature-changed",
    ),
    "record.schema_id": ("record SET schema_id = 23", "accepted", "column-changed"),
    "content.body": (f"content SET body = {FLIP.format('body', 5)}", "accepted", "body-changed"),
    "content.sealed": (f"content SET sealed = {FLIP.format('sealed', 0)}", "accepted", "sealed-changed"),
    "content.body null": ("content SET body = NULL", "accepted", "body-changed"),
    "content.raw": ("content SET raw = coalesce(raw, '') || '\\x00'", "refused", "value-changed"),
    "content.raw_headers": (
        'content SET raw_headers = \'[["bus-signature","00"]]\'',
        "refused",
        "bus-signature-changed",
    ),
    "accepted_id.index": ("accepted_id SET index = index - 1", "accepted", "accepted-id"),
    "accepted_id.commitment": (
        f"accepted_id SET commitment = {FLIP.format('commitment', 0)}",
        "accepted",
        "accepted-id",
    ),
    "accepted_id.thread": ("accepted_id SET thread = gen_random_uuid()", "accepted", "accepted-id"),
    "accepted_id.lane": ("accepted_id SET lane = 'other'", "accepted", "accepted-id"),
    "accepted_id.event_id": ("accepted_id SET event_id = gen_random_uuid()", "accepted", "accepted-id"),
    "entry.index": ("entry SET index = 1000000000", "accepted", "entry-missing"),
}


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_changed_column_is_named_with_its_entry(case: Case, column: str) -> None:
    """One byte or value of one row is other than it was: the sentence names the entry, the fault its table."""
    statement, kind, check = COLUMNS[column]
    fault = await tampered(case, f"UPDATE ledger.{statement} WHERE index = {{{kind}}}")
    index = case.picks[kind]
    assert fault.check == check
    assert fault.place == f"ledger.{column.split('.', maxsplit=1)[0]}" or check == "receipts"
    if check == "receipts":
        assert fault.index is not None
        assert fault.index <= index
        assert "reason" in fault.sentence
    else:
        assert fault.index == index
        assert f"ntry {index}" in fault.sentence


SOME_FLUSH = "(SELECT max(first_index) FROM ledger.flush WHERE last_index > first_index)"
BESIDE = {
    "head.size lower": ("head SET size = size - 1", "rolled-back", "was rolled back"),
    "head.size higher": ("head SET size = size + 1", "entry-missing", "is missing"),
    "head.root": (f"head SET root = {FLIP.format('root', 3)}", "head", "head's root"),
    "head.frontier": (f"head SET frontier = {FLIP.format('frontier', 3)}", "head", "head's frontier"),
    "head.time_us": ("head SET time_us = time_us + 1", "head", "head's time"),
    "record.index": (
        "record SET index = {refused} WHERE index = {accepted}",
        "content-strays",
        "has a record as if it was",
    ),
    "content.index": (
        "content SET index = {repeated} WHERE index = {accepted}",
        "content-strays",
        "has content as if it was",
    ),
    "intake.topic": (
        "intake SET topic = 'out.newcomer' WHERE topic = (SELECT topic FROM ledger.intake WHERE next_offset > 0 LIMIT 1)",
        "offsets",
        "The intake of out.",
    ),
    "recipient.org": (
        "recipient SET org = 'nobody' WHERE org = (SELECT min(org) FROM ledger.recipient)",
        "numbers",
        "The last number of",
    ),
    "recipient.lane": (
        "recipient SET lane = 'other' WHERE (org, lane) = (SELECT org, lane FROM ledger.recipient LIMIT 1)",
        "numbers",
        "The last number of",
    ),
    "subtree.n": ("subtree SET n = 77 WHERE n = 0", "subtree", "entries 0 to 255"),
    "intake.next_offset": (
        "intake SET next_offset = next_offset - 1 WHERE topic = (SELECT min(topic) FROM ledger.intake)",
        "offsets",
        "The intake of out.",
    ),
    "recipient.seq": (
        "recipient SET seq = seq + 1 WHERE org = (SELECT min(org) FROM ledger.recipient)",
        "numbers",
        "The last number of",
    ),
    "subtree.hash": (f"subtree SET hash = {FLIP.format('hash', 3)} WHERE n = 0", "subtree", "entries 0 to 255"),
    **{
        f"flush.{name}": (f"flush SET {change} WHERE first_index = {SOME_FLUSH}", *told)
        for name, change, told in (
            ("first_index", "first_index = first_index + 1", ("receipts", "are not kept")),
            ("last_index", "last_index = last_index + 1", ("receipts", "receipts")),
            ("number", "number = number + 1", ("receipts", "do not fit together")),
            ("key_id", f"key_id = {FLIP.format('key_id', 0)}", ("receipts", "hub signed")),
            ("batch", f"batch = {FLIP.format('batch', 5)}", ("receipts", "hub signed")),
            ("sig", f"sig = {FLIP.format('sig', 5)}", ("receipts", "hub signed")),
        )
    },
    "checkpoint.note": (
        # Another letter of the root: a flipped bit of base64 is not always a letter of it.
        "checkpoint SET note = set_byte(note, 45, CASE get_byte(note, 45) WHEN 65 THEN 66 ELSE 65 END) WHERE size = {size}",
        "checkpoint-unsigned",
        "not to be believed",
    ),
    "checkpoint.size": ("checkpoint SET size = 7 WHERE size = {size}", "checkpoint-missing", "is not kept"),
    **{
        f"{table}.{column}": (f"{table} SET {column} = {value}", "derived", f"the table {table} does not say")
        for table, column, value in (
            ("step", "index", "index - 1"),
            ("step", "subject", "gen_random_uuid()"),
            ("step", "type", "'Report'"),
            ("step", "line", "'nobody'"),
            ("step", "step", "'nothing'"),
            ("step", "viewed", "NOT viewed"),
            ("reach", "event", "gen_random_uuid()"),
            ("reach", "org", "'nobody'"),
            ("reach", "index", "index - 1"),
        )
    },
    "cosignature.line": (
        f"cosignature SET line = {FLIP.format('line', 60)} WHERE size = {{size}}",
        "cosignature",
        "does not hold",
    ),
}


@pytest.mark.parametrize("column", BESIDE)
async def test_a_changed_table_beside_the_entries_is_named(case: Case, column: str) -> None:
    """Heads, numbers, offsets, receipts, subtree roots and checkpoints must follow from the entries."""
    statement, check, words = BESIDE[column]
    fault = await tampered(case, f"UPDATE ledger.{statement}")
    assert (fault.check, words in fault.sentence) == (check, True), fault


async def test_a_cosignature_of_another_checkpoint_is_named(case: Case) -> None:
    """A witness's line that was moved beside an older checkpoint does not hold there."""
    oldest = "SELECT min(size) FROM ledger.checkpoint"
    fault = await tampered(
        case,
        f"DELETE FROM ledger.cosignature WHERE size = ({oldest})",
        f"UPDATE ledger.cosignature SET size = ({oldest}) WHERE size = {{size}}",
    )
    assert (fault.check, "does not hold" in fault.sentence) == ("cosignature", True)


ALL = ("entry", "record", "content")
REHASH = "UPDATE ledger.entry SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE index = {accepted}"


async def test_a_leaf_that_was_re_dated_with_its_hash_is_named(case: Case) -> None:
    """A new time in leaf, column and stored hash still is not what was published."""
    fault = await tampered(
        case,
        "UPDATE ledger.entry SET leaf = overlay(leaf PLACING int8send(time_us - 1) FROM 3), time_us = time_us - 1 "
        "WHERE index = {accepted}",
        REHASH,
    )
    assert fault.sentence == f"Entry {case.picks['accepted']} in the ledger is not the entry that was published."


async def test_two_entries_that_were_swapped_are_named(case: Case) -> None:
    """Two entries change places in every table that has them; the first of the two is named."""
    one = case.picks["accepted"]
    statements: list[str] = []
    for table in ALL:
        for old, new in ((one, 10**15), (one + 1, one), (10**15, one + 1)):
            known = await case.connection.fetchval(f"SELECT count(*) FROM ledger.{table} WHERE index = {old}")
            if known or old == 10**15:
                statements.append(f"UPDATE ledger.{table} SET index = {new} WHERE index = {old}")
    statements = [one for one in statements if "entry" in one]
    fault = await tampered(case, *statements)
    assert fault.sentence == f"Entry {one} in the ledger is not the entry that was published."


@pytest.mark.parametrize("tables", [ALL, ("entry",)], ids=["everywhere", "entry alone"])
async def test_a_removed_entry_is_named(case: Case, tables: tuple[str, ...]) -> None:
    """An entry that is gone leaves a hole."""
    fault = await tampered(case, *(f"DELETE FROM ledger.{table} WHERE index = {{accepted}}" for table in tables))
    assert fault.sentence == f"Entry {case.picks['accepted']} is missing in the ledger."


async def test_content_that_no_erasure_names_is_missing(case: Case) -> None:
    """Content that somebody with the eraser's right deleted is named with its entry, with or without its record."""
    fault = await tampered(case, "DELETE FROM ledger.content WHERE index = {accepted}")
    index = case.picks["accepted"]
    assert fault.sentence == f"The content of entry {index} is gone, and no approved Erasure in the ledger names it."
    assert (fault.check, fault.index, fault.place) == ("content-missing", index, "ledger.content")
    both = [f"DELETE FROM ledger.{table} WHERE index = {{accepted}}" for table in ("record", "content")]
    assert (await tampered(case, *both)).index == index


@pytest.mark.parametrize("last", [False, True], ids=["one of many", "the last there is"])
async def test_a_removed_record_or_erased_content_is_counted(case: Case, last: bool) -> None:
    """What a court or the law may remove is no fault, also where nobody heard anything since; how much is gone is said.

    Nor are the bytes of a refused record, which are kept for a while only.
    """
    newest = "SELECT max(index) FROM ledger.entry WHERE outcome = 1"
    index = await case.connection.fetchval(newest) if last else case.picks["accepted"]
    transaction = case.connection.transaction()
    await transaction.start()
    try:
        await case.connection.execute("ALTER TABLE ledger.record DISABLE TRIGGER ALL")
        gone = case.picks["refused"] if last else case.picks["erasable"]
        await case.connection.execute(f"DELETE FROM ledger.record WHERE index = {index}")
        await case.connection.execute(f"DELETE FROM ledger.content WHERE index = {gone}")
        report = await case.rows()
    finally:
        await transaction.rollback()
    assert any(f"({0 if last else 1} erased, 1 removed)" in check.detail for check in report.checks)


async def test_it_is_shown_why_content_is_gone(case: Case) -> None:
    """An entry says `erased` where an Erasure that was agreed to names it, `missing` where none does."""
    words = {"accepted": ("kept", "missing"), "erasable": ("kept", "erased"), "refused": ("kept", "not kept")}
    for kind, (before, after) in words.items():
        index, ledger = case.picks[kind], Ledger(case.connection)
        assert (await answers.show(ledger, index))["content"] == before
        transaction = case.connection.transaction()
        await transaction.start()
        try:
            await case.connection.execute(f"DELETE FROM ledger.content WHERE index = {index}")
            assert (await answers.show(ledger, index))["content"] == after
        finally:
            await transaction.rollback()


async def test_an_accepted_id_without_an_entry_is_named(case: Case) -> None:
    """An id that was slipped in, so that an event would be answered as a repeat, is found."""
    fault = await tampered(
        case,
        "INSERT INTO ledger.accepted_id SELECT gen_random_uuid(), index, commitment, thread, lane "
        "FROM ledger.accepted_id WHERE index = {accepted}",
    )
    assert (fault.check, fault.index) == ("accepted-id", case.picks["accepted"])


async def test_a_row_beyond_the_head_is_named(case: Case) -> None:
    """An entry that waits behind the head for its time is found."""
    fault = await tampered(
        case,
        "INSERT INTO ledger.content (index, raw) VALUES ({size} + 5, '\\x00')",
    )
    assert (fault.check, fault.index) == ("beyond-head", case.size + 5)
    fault = await tampered(case, "INSERT INTO ledger.content (index, raw) VALUES (-5, '\\x00')")
    assert (fault.check, fault.index) == ("beyond-head", -5)


async def test_an_outbox_or_recipient_that_no_entry_names_is_named(case: Case) -> None:
    """A number planted for who has none yet would leave out what comes first."""
    fault = await tampered(case, "INSERT INTO ledger.intake (topic, next_offset) VALUES ('out.newcomer', 9)")
    assert (fault.check, fault.sentence) == ("offsets", "The intake of out.newcomer stands at 9, and 0 is due.")
    fault = await tampered(case, "INSERT INTO ledger.recipient (org, lane, seq) VALUES ('newcomer', 'bulk', 9)")
    assert fault.check == "numbers"


async def test_a_ledger_rolled_back_with_its_head_is_named(case: Case) -> None:
    """The newest entries are gone, head and subtrees made to fit: what was published is larger."""
    fault = await tampered(
        case,
        *(f"DELETE FROM ledger.{table} WHERE index >= 300" for table in (*ALL, "accepted_id")),
        "UPDATE ledger.head SET size = 300",
    )
    assert fault.sentence == f"The ledger was rolled back: it has 300 entries, and {case.size} were published."


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(case: Case, tmp_path: Path) -> Path:
    """The published folder, to be broken."""
    return Path(shutil.copytree(case.published, tmp_path / "published"))


def flipped(case: Case, copy: Path, name: str, at: int, bit: int) -> Fault:
    """Flip a bit of a file, verify, and flip it back."""
    path = copy / name
    before = path.read_bytes()
    path.write_bytes(before[:at] + bytes((before[at] ^ (1 << bit),)) + before[at + 1 :])
    try:
        with pytest.raises(Wrong) as caught:
            case.files(copy)
        return caught.value.fault
    finally:
        path.write_bytes(before)


def test_every_kind_of_published_file_flipped_is_named(case: Case, copy: Path) -> None:
    """A bit is flipped at the ends and at random places of each tile and bundle: the file is named, or the entry."""
    chance = random.Random(3)
    names = sorted(path.relative_to(copy).as_posix() for path in (copy / "log" / "tile").rglob("*") if path.is_file())
    assert {name.split("/")[2] for name in names} == {"0", "1", "entries"}
    for name in names:
        length = (copy / name).stat().st_size
        for at in {0, length - 1, *(chance.randrange(length) for _ in range(FLIPS))}:
            fault = flipped(case, copy, name, at, chance.randrange(8))
            assert fault.place == name.removeprefix("log/"), (name, at, fault)
            assert fault.index is not None
            if "entries" in name and fault.check == "entry-changed":
                number = int(name.split("/")[3][:3])
                assert fault.index == 256 * number + at // 376, (name, at)
                assert f"Entry {fault.index} " in fault.sentence
    case.files(copy)


@pytest.mark.parametrize("name", ["log/checkpoint", "log/checkpoint.unwitnessed"])
def test_every_byte_of_a_checkpoint_counts(case: Case, copy: Path, name: str) -> None:
    """A bit of any byte of the newest checkpoint is flipped: it is not believed any more."""
    chance = random.Random(5)
    for at in range((copy / name).stat().st_size):
        fault = flipped(case, copy, name, at, chance.randrange(8))
        assert fault.check in {"checkpoint-malformed", "checkpoint-unsigned", "checkpoint-quorum"}, (at, fault)
    case.files(copy)


def test_every_kept_checkpoint_counts(case: Case, copy: Path) -> None:
    """A bit of the text, the log's signature or a cosignature of a kept checkpoint is flipped: it is named."""
    chance = random.Random(7)
    for path in sorted((copy / "checkpoints").glob("[0-9]*")):
        text, signature = path.read_bytes().split(b"\n\n")
        own = len(signature.split(b"\n")[0])
        places = {chance.randrange(len(text)), len(text) + 2 + chance.randrange(own)}
        if len(signature) > own + 1:
            places.add(len(text) + 2 + own + 60)  # in the first witness's time or signature
        for at in places:
            fault = flipped(case, copy, f"checkpoints/{path.name}", at, chance.randrange(8))
            assert fault.check in {"checkpoint-malformed", "checkpoint-unsigned"}, fault
            assert fault.place == f"checkpoints/{path.name}"
    case.files(copy)


def test_missing_files_are_named(case: Case, copy: Path) -> None:
    """A tile or bundle of the tree that is gone, or too short, is named."""
    for name in [one.path for one in (*tiles_of(case.size), *new_bundles(0, case.size))]:
        path = copy / "log" / name
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(Wrong, match=f"{name} is missing"):
            case.files(copy)
        path.write_bytes(data[:-1])
        with pytest.raises(Wrong, match=f"{name} does not hold"):
            case.files(copy)
        path.write_bytes(data)
    case.files(copy)


def rewritten(case: Case, copy: Path, change: Callable[[list[bytes]], list[bytes]]) -> list[bytes]:
    """Publish other entries in the place of those that were: bundles and tiles fit together, nothing is signed."""
    from bus.hub.tilefiles import RightEdge, write_files
    from bus.tlog.bundle import Bundle

    entries: list[bytes] = []
    for number in range((case.size + 255) // 256):
        bundle = Bundle(number, min(256, case.size - 256 * number))
        entries += bundle.split((copy / "log" / bundle.path).read_bytes())
    entries = change(entries)
    shutil.rmtree(copy / "log" / "tile")
    write_files(copy / "log", RightEdge().grow(entries))
    return entries


def sign(case: Case, size: int, root: bytes) -> bytes:
    """A checkpoint that the operator signs with the log's own key, which he has; the witnesses' keys he has not."""
    text = Checkpoint(case.key.verifier.name, size, root).encode()
    return Note(text, (sign_note(text, case.key),)).encode()


def swap(entries: list[bytes]) -> list[bytes]:
    """Entries 60 and 61 change places."""
    return [*entries[:60], entries[61], entries[60], *entries[62:]]


def re_date(entries: list[bytes]) -> list[bytes]:
    """Entry 60 gets a time a microsecond earlier, or later, that still fits between its neighbours' if it can."""
    time_us = int.from_bytes(entries[60][2:10])
    return [*entries[:60], entries[60][:2] + (time_us - 1).to_bytes(8) + entries[60][10:], *entries[61:]]


def replace(entries: list[bytes]) -> list[bytes]:
    """Entry 60 becomes one of another content."""
    return [*entries[:60], entries[60][:-1] + bytes((entries[60][-1] ^ 1,)), *entries[61:]]


@pytest.mark.parametrize("change", [swap, re_date, replace], ids=["swapped", "re-dated", "replaced"])
def test_a_consistent_rewrite_of_all_files_does_not_lead_to_what_was_signed(
    case: Case, copy: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Bundles and all tiles made anew over other entries fit each other, and no checkpoint."""
    rewritten(case, copy, change)
    with pytest.raises(Wrong) as caught:
        case.files(copy)
    fault = caught.value.fault
    assert fault.check in {"root-differs", "time-goes-back", "leaf-contradicts"}
    assert fault.index is not None
    assert fault.index <= 61
    if fault.check == "root-differs":
        assert "between entry" in fault.sentence


def test_a_removed_entry_leaves_too_few(case: Case, copy: Path) -> None:
    """One entry less: the checkpoint's tree has one more than the files."""
    rewritten(case, copy, lambda entries: [*entries[:60], *entries[61:]])
    with pytest.raises(Wrong) as caught:
        case.files(copy)
    assert caught.value.fault.check in {"file-missing", "leaf-contradicts"}


def test_a_fork_that_the_log_signs_is_proven_by_the_witnessed_one(case: Case, copy: Path) -> None:
    """The operator signs another history with the log's key: an older checkpoint, and the witnesses, tell."""
    older = sign(case, 100, rfc6962.root(rfc6962.leaf_hashes([b"x"] * 100)))
    with pytest.raises(Wrong) as caught:
        case.files(copy, since=older)
    assert caught.value.fault.check == "forked"
    assert "two histories" in caught.value.fault.sentence
    entries = rewritten(case, copy, replace)
    note = sign(case, case.size, rfc6962.root(rfc6962.leaf_hashes(entries)))
    (copy / "log" / "checkpoint").write_bytes(note)
    with pytest.raises(Wrong, match="too few witnesses"):
        case.files(copy)


def test_a_log_that_was_rolled_back_is_named(case: Case, copy: Path) -> None:
    """The published checkpoint is an older one again: the newer one that is kept, or that the auditor has, tells."""
    newest = (copy / "log" / "checkpoint").read_bytes()
    witnessed = [
        size
        for size in sorted(int(path.name) for path in (copy / "checkpoints").glob("[0-9]*"))
        if case.policy.judge(Note.decode((copy / "checkpoints" / str(size)).read_bytes())).has_quorum
    ]
    older = (copy / "checkpoints" / str(witnessed[0])).read_bytes()
    (copy / "log" / "checkpoint").write_bytes(older)
    with pytest.raises(Wrong) as caught:
        case.files(copy)
    assert caught.value.fault.check == "rolled-back"
    with pytest.raises(Wrong, match=f"a checkpoint of {case.size} entries was signed") as caught:
        case.files(copy, since=newest)
    assert caught.value.fault.check == "rolled-back"


def test_the_command_says_the_first_thing_that_is_wrong(case: Case, copy: Path) -> None:
    """Exit code 3, the sentence on stderr, and the index in JSON."""
    path = copy / "log" / "tile" / "entries" / "000"
    data = bytearray(path.read_bytes())
    data[376 * 77 + 100] ^= 1
    path.write_bytes(data)
    arguments = ["audit", "verify", "--published", str(copy), "--policy", str(copy / "policy"), "--files-only"]
    done = CliRunner().invoke(cli, [*arguments, "-o", "json"])
    assert done.exit_code == 3
    told: dict[str, Any] = json.loads(done.stdout)["fault"]
    assert (told["index"], told["check"], told["place"]) == (77, "entry-changed", "tile/entries/000")
    assert told["sentence"] in done.stderr


PARKED = "INSERT INTO ledger.parking (topic, owed_from, at) VALUES ('in.nobody', 1, now())"
UNVOUCHED = {
    "delivery.delivered_at": "UPDATE ledger.delivery SET delivered_at = delivered_at - interval '1 hour'",
    "delivery.first_index": "UPDATE ledger.delivery SET first_index = last_index",
    "delivery.last_index": "UPDATE ledger.delivery SET last_index = first_index",
    "delivery.lane": "UPDATE ledger.delivery SET lane = 'other' WHERE lane = 'bulk'",
    "parking.id": PARKED,
    "parking.topic": PARKED,
    "parking.owed_from": PARKED,
    "parking.at": PARKED,
    "checkpoint.signed_at": "UPDATE ledger.checkpoint SET signed_at = signed_at - interval '1 hour'",
    "cosignature.witness": "UPDATE ledger.cosignature SET witness = 'nobody-' || witness",
    "content.raw_key": "UPDATE ledger.content SET raw_key = '\\x00' WHERE raw IS NOT NULL",
    "head.epoch": "UPDATE ledger.head SET epoch = epoch + 1",
    "head.receipted": "UPDATE ledger.head SET receipted = receipted - 1",
    "head.heartbeat": "UPDATE ledger.head SET heartbeat = heartbeat - interval '1 hour'",
}
"""Columns that nothing signed or published says anything of."""
CONSTANT = {"head.one": "the only value that its own check allows"}
"""Columns that cannot say anything else while the table is what it is."""


def test_every_column_of_the_ledger_is_caught_or_listed(case: Case) -> None:
    """A table or column that a later migration adds is altered by a test here, or listed with the reason why not."""
    named = {key.split("[")[0].split(" ")[0] for key in (*COLUMNS, *BESIDE, "cosignature.size")}
    assert named.isdisjoint({*UNVOUCHED, *CONSTANT})
    assert {f"{table}.{column}" for table, column in case.columns} == named | {*UNVOUCHED, *CONSTANT}


@pytest.mark.parametrize("column", UNVOUCHED)
async def test_what_nothing_vouches_for_is_listed(case: Case, column: str) -> None:
    """These columns can be changed unnoticed, so the page for auditors names each of them."""
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
    assert f"| `{column}`" in page
    transaction = case.connection.transaction()
    await transaction.start()
    try:
        await case.disarm()
        assert not (await case.connection.execute(UNVOUCHED[column])).endswith(" 0")
        assert (await case.rows()).holds
    finally:
        await transaction.rollback()


async def test_an_untouched_log_still_passes(case: Case) -> None:
    """After all that the same ledger and the same files hold: nothing was caught by luck."""
    assert (await case.rows()).holds
