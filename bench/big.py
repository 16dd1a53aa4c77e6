"""A ledger of a million entries, from a real one: its own accepted events again and again, under new ids and times.

Made in Postgres by the superuser while the hub stands still; then the real publisher integrates and signs all of it.
The copies' signatures prove nothing, but every leaf hash, tile and checkpoint is right, and rows are as large as real
ones: what a proof or a search costs is what it would cost there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from bench.cost import Figure, Spent, load
from bench.ground import Ground
from bench.watch import Cost, RoundError
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.frontier import SUBTREE_SIZE, Frontier
from bus.tlog.note import Note

_SOURCES: Final = 997
_COPIES: Final = f"""
CREATE TEMP TABLE source ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY index DESC) - 1 AS n, e.*, r.header, r.decision, r.bus_signature, c.body, c.sealed
FROM ledger.entry e JOIN ledger.record r USING (index, schema_id) JOIN ledger.content c USING (index)
WHERE outcome = 1 AND schema_id = 20 ORDER BY index DESC LIMIT {_SOURCES};
CREATE TEMP TABLE copy ON COMMIT DROP AS
SELECT g AS at, s.*, $time + 100 * (g - $first) AS new_us,
       overlay(uuid_send(s.event_id) PLACING substring(int8send(g) FROM 4) FROM 12) AS new_id,
       overlay(overlay(overlay(s.leaf PLACING int8send($time + 100 * (g - $first)) FROM 3)
           PLACING int8send(g) || overlay(uuid_send(s.event_id) PLACING substring(int8send(g) FROM 4) FROM 12) FROM 319)
           PLACING int8send(g) || int8send(g) FROM 47) AS new_leaf
FROM generate_series($first::bigint, $last::bigint) AS g JOIN source s ON s.n = g % (SELECT count(*) FROM source);
INSERT INTO ledger.entry
SELECT at, new_leaf, sha256('\\x00'::bytea || new_leaf), outcome, new_us, topic, at, at, schema_id,
       encode(new_id, 'hex')::uuid, issuer, step, lane, encode(new_id, 'hex')::uuid, about, addressee,
       due_us, at, reasons
FROM copy ORDER BY at;
INSERT INTO ledger.record SELECT at, schema_id, header, decision, bus_signature FROM copy ORDER BY at;
INSERT INTO ledger.content (index, body, sealed) SELECT at, body, sealed FROM copy ORDER BY at;
"""
_AT_ONCE: Final = 100_000

Say = Callable[[str], None]


async def fill(ground: Ground, entries: int, say: Say) -> None:
    """Bring the ledger to that many entries; the hub must stand still.

    Raises:
        RoundError: the ledger is larger already.
    """
    first = await ground.number("SELECT size FROM ledger.head")
    if first >= entries:
        raise RoundError(f"the ledger has {first} entries already")
    say(f"filling the ledger with {entries - first:,} entries")
    for at in range(first, entries, _AT_ONCE):
        time_us = await ground.number("SELECT time_us FROM ledger.entry ORDER BY index DESC LIMIT 1")
        last = min(at + _AT_ONCE, entries) - 1
        facts = {"$time": time_us + 100, "$first": at, "$last": last}
        script = _COPIES
        for name, value in facts.items():
            script = script.replace(name, str(value))
        async with ground.db.transaction():
            await ground.db.execute(script)
    found = await ground.number("SELECT count(*) FROM ledger.entry")
    if found != entries:
        raise RoundError(f"{found} entries were made, not {entries}")
    await _head(ground, first, entries)
    await ground.db.execute("VACUUM ANALYZE ledger.entry, ledger.record, ledger.content")
    await ground.settle()


async def _head(ground: Ground, first: int, size: int) -> None:
    """Head and subtree roots as the notary would have left them."""
    begin = first // SUBTREE_SIZE
    rows = await ground.db.fetch("SELECT hash FROM ledger.subtree ORDER BY n")
    frontier = Frontier.rebuild([row["hash"] for row in rows[:begin]], [])
    for at in range(frontier.size, size, _AT_ONCE):
        hashes = await ground.db.fetch(
            "SELECT leaf_hash FROM ledger.entry WHERE index >= $1 AND index < $2 ORDER BY index", at, at + _AT_ONCE
        )
        number = frontier.size // SUBTREE_SIZE
        frontier, roots = frontier.extend_noting([row["leaf_hash"] for row in hashes])
        await ground.db.execute(
            "INSERT INTO ledger.subtree SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT DO NOTHING",
            list(range(number, number + len(roots))),
            roots,
        )
    await ground.db.execute(
        "UPDATE ledger.head SET size = $1::bigint, root = $2, frontier = $3,"
        " time_us = (SELECT max(time_us) FROM ledger.entry WHERE index = $1::bigint - 1)",
        size, frontier.root(), frontier.encode(),
    )  # fmt: skip


async def publish(ground: Ground, entries: int, say: Say) -> Figure:
    """Let the real publisher integrate what it is behind, until its checkpoint has a quorum; what that cost.

    Raises:
        RoundError: the publisher ended.
    """
    say("publishing: Postgres, tiles, checkpoint, witnesses")
    shown = ground.home.publisher / "log" / "checkpoint"
    before = _size(shown.read_bytes())
    begun = time.monotonic()
    await ground.sandbox.start("publisher")
    cost = Cost({role: ground.sandbox.pid(role) or 0 for role in ("publisher", "postgres")})
    while _size(shown.read_bytes()) < entries:
        if ground.sandbox.pid("publisher") is None:
            raise RoundError("the publisher ended before it had signed all entries")
        await asyncio.sleep(0.05)
    spent = Spent(time.monotonic() - begun, cost.used()["publisher"] + cost.since()["postgres"])
    return Figure("publish: Postgres → tiles → cosigned checkpoint", entries - before, [spent], load())


def _size(note: bytes) -> int:
    return Checkpoint.decode(Note.decode(note).text).size
