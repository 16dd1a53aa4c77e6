"""What one answer costs in a ledger of a million entries: a proof, an evidence file, a search."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from bench import big
from bench.cost import Figure, Wait, wait
from bench.ground import Ground
from bench.records import Stream
from bench.rounds import bus_pass, make
from bus.audit.ledger import Filter, Ledger, open_ledger
from bus.evidence.gather import Prover, open_snapshot
from bus.evidence.published import Published
from bus.evidence.verify import verify
from bus.files import load_policy
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import verify_inclusion

PROOF_MS: Final = 2.0
SEARCH_MS: Final = 50.0
_REAL: Final = 3000

Say = Callable[[str], None]
Ask = Callable[[int], Awaitable[Any]]


async def measure(
    ground: Ground, streams: Sequence[Stream], entries: int, answers: int, say: Say
) -> tuple[list[Figure], list[Wait]]:
    """Fill the ledger, publish it, and ask for entries at random places, each a number of times."""
    await bus_pass(ground, make(streams, "small", _REAL))
    await ground.stop_hub()
    await big.fill(ground, entries, say)
    figures = [await big.publish(ground, entries, say)]
    await ground.stop_hub()
    chance = random.Random(1)
    places = [chance.randrange(1000, entries) for _ in range(answers)]
    say(f"proofs and searches: {answers} of each")
    waits = [_paths(ground, places), *await _evidence(ground, places), *await _searches(ground, places)]
    return figures, waits


def _paths(ground: Ground, places: Sequence[int]) -> Wait:
    """An inclusion proof from the published files, made and checked, with nothing kept from one to the next."""
    log = ground.home.publisher / "log"
    head = Checkpoint.decode(Note.decode((log / "checkpoint").read_bytes()).text)

    def prove(index: int) -> None:
        tree = TileTree(head.size, lambda tile: (log / tile.path).read_bytes())
        path = tree.inclusion_path(index)
        assert verify_inclusion(index, head.size, tree.leaf_hash(index), path, head.root)

    return _timed("inclusion proof from tiles, made and checked", places, prove, PROOF_MS)


def _timed(name: str, places: Sequence[int], work: Callable[[int], object], aim_ms: float | None = None) -> Wait:
    seconds: list[float] = []
    cpu = time.process_time()
    for index in places:
        begun = time.perf_counter()
        work(index)
        seconds.append(time.perf_counter() - begun)
    return wait(name, seconds, time.process_time() - cpu, aim_ms)


async def _asked(name: str, places: Sequence[int], ask: Ask, aim_ms: float | None = None) -> Wait:
    seconds: list[float] = []
    cpu = time.process_time()
    for index in places:
        begun = time.perf_counter()
        await ask(index)
        seconds.append(time.perf_counter() - begun)
    return wait(name, seconds, time.process_time() - cpu, aim_ms)


async def _evidence(ground: Ground, places: Sequence[int]) -> list[Wait]:
    """A whole evidence file: rows from Postgres, proofs of the event and of what it rests on from tiles."""
    policy = load_policy(ground.home.publisher / "policy")
    found: dict[int, bytes] = {}
    async with open_snapshot(desk(ground)) as connection:
        prover = Prover(connection, Published(ground.home.publisher, policy))

        async def ask(index: int) -> None:
            found[index] = (await prover.prove(index)).encode()

        await ask(places[0])  # the directory is read once for all
        made = await _asked("evidence file made: Postgres and tiles", places, ask)
    checked = _timed("evidence file checked", places, lambda index: verify(found[index], policy))
    return [made, checked]


async def _searches(ground: Ground, places: Sequence[int]) -> list[Wait]:
    """What `bus audit` asks the ledger, with the desk's login."""
    async with open_ledger(desk(ground)) as ledger:
        rows = await ground.db.fetch("SELECT index, event_id, time_us FROM ledger.entry WHERE index = ANY ($1)", places)
        ids: dict[int, UUID] = {row["index"]: row["event_id"] for row in rows}
        times: dict[int, int] = {row["index"]: row["time_us"] for row in rows}
        asked: dict[str, Ask] = {
            "audit show by index": ledger.entry,
            "audit show by event id": lambda index: ledger.entries_of(ids[index]),
            "audit trace (thread)": lambda index: ledger.thread(ids[index]),
            "audit search: an issuer's newest 100": lambda _: _all(
                ledger, Filter(issuer="fernpost", newest_first=True, limit=100)
            ),
            "audit search: an issuer's first 100 since a time": lambda index: _all(
                ledger, Filter(issuer="fernpost", since_us=times[index], limit=100)
            ),
        }
        return [await _asked(name, places, ask, SEARCH_MS) for name, ask in asked.items()]


async def _all(ledger: Ledger, wanted: Filter) -> None:
    async for _ in ledger.search(wanted):
        pass


def desk(ground: Ground) -> str:
    """The auditors' login."""
    return str(ground.sandbox.status()["postgres"]["dsn"])
