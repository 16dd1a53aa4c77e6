"""The ledger's writer: one Postgres session of the notary, one transaction a flush.

Order inside the transaction, and why: the compare-and-set of the head comes first, so that two notaries cannot
both go on; then the look-up of ids, which nobody else can change now; then four binary COPYs; in one statement
numbers, offsets, receipts and the frontier; COMMIT. Whatever goes wrong, the caller drops all it knows and loads
again: a COMMIT whose reply was lost may have happened.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from asyncpg.pgproto.pgproto import UUID
from msgspec import Struct, field

from bus.errors import HeadMoved, LedgerError, Unavailable, UsageError
from bus.events.codec import Decoded
from bus.events.types import Viewed
from bus.ledger.sql import QUERIES
from bus.tlog import Frontier

CLOCK_TOLERANCE_S = 5.0
"""The notary stops while its clock differs from the database's by more: verification would find back-dating."""

ENTRY_COLUMNS = (
    "index", "leaf", "leaf_hash", "outcome", "time_us", "topic", "kafka_offset", "last_offset", "schema_id",
    "event_id", "issuer", "step", "lane", "thread", "about", "addressee", "due_us", "first_index", "reasons",
)  # fmt: skip
RECORD_COLUMNS = ("index", "schema_id", "header", "decision", "bus_signature")
CONTENT_COLUMNS = ("index", "body", "sealed", "raw", "raw_headers", "raw_key")
ACCEPTED_COLUMNS = ("event_id", "index", "commitment", "thread", "lane")
STEP_COLUMNS = ("index", "subject", "type", "line", "step", "viewed")
REACH_COLUMNS = ("event", "org", "index")


class Head(Struct, frozen=True):
    """The committed head row. ``receipted``: every receipt of the entries below it was acknowledged by Kafka."""

    size: int
    root: bytes
    frontier: Frontier
    epoch: int
    time_us: int
    receipted: int
    idle_s: float = 0.0


class Standing(Struct, gc=False):
    """What an accepted event said, and where its subject is.

    Attributes:
        type: its type.
        issuer: who said it.
        step: its step.
        addressee: who owes an act, if anyone.
        subject: the event that opened its subject: itself, or the one that it follows.
        viewed: of an event that opened a subject: what was first stated there of who viewed the file.
        steps: the same: the last step of each (type, line) since it was opened.
        held_until_us: the same: when the last police hold ends by itself; None if that is not known, or there was none.
        about: what it is about.
    """

    type: str
    issuer: str
    step: str
    addressee: str | None
    subject: bytes
    viewed: Viewed | None = None
    steps: dict[tuple[str, str], str] | None = None
    held_until_us: int | None = None
    about: bytes | None = None


class Accepted(Struct, gc=False):
    """What is known of an event id that was accepted.

    ``standing`` is there where another event is about it; ``told`` is the event itself if it is of the same flush,
    so that its standing can be made when it is asked for. ``decision`` is who heard it, as bytes, and ``heard`` the
    same once it was asked for; ``reach`` is to whom it was passed on, and ``""`` if it was recalled.
    """

    index: int
    commitment: bytes
    thread: bytes
    lane: str
    standing: Standing | None = None
    told: Decoded | None = None
    decision: bytes | None = None
    reach: frozenset[str] = frozenset()
    heard: frozenset[str] | None = None


class Rows(Struct):
    """What one flush writes: tuples in the order of the column names above."""

    entry: list[tuple[Any, ...]] = field(default_factory=list)
    record: list[tuple[Any, ...]] = field(default_factory=list)
    content: list[tuple[Any, ...]] = field(default_factory=list)
    accepted: list[tuple[Any, ...]] = field(default_factory=list)
    step: list[tuple[Any, ...]] = field(default_factory=list)
    reach: list[tuple[Any, ...]] = field(default_factory=list)
    subtree: list[tuple[int, bytes]] = field(default_factory=list)
    flush: list[tuple[Any, ...]] = field(default_factory=list)
    intake: dict[str, int] = field(default_factory=dict)
    recipients: dict[tuple[str, str], int] = field(default_factory=dict)


def to_uuid(raw: bytes | None) -> UUID | None:
    """Sixteen bytes as the driver's own UUID (thirty times cheaper than the standard library's)."""
    return None if raw is None else UUID(raw)


def reachable_error(error: BaseException) -> bool:
    """Whether an error says that the database is away rather than that something is wrong with the ledger."""
    state: str = getattr(error, "sqlstate", None) or ""
    return isinstance(error, OSError | asyncpg.InterfaceError) or state[:2] in {"08", "25", "53", "57"}


async def connect(dsn: str, application: str, settings: Mapping[str, str] | None = None) -> asyncpg.Connection:
    """A session, or :class:`Unavailable` with what to look at. ``settings`` are the session's own."""
    try:
        return await log_in(dsn, application, settings, patience_s=30)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"Postgres cannot be reached ({application}): {type(error).__name__}") from error


async def log_in(
    dsn: str, application: str, settings: Mapping[str, str] | None, *, patience_s: float | None
) -> asyncpg.Connection:
    """A session whose statements may take ``patience_s`` each; the driver's errors as they are.

    Raises:
        UsageError: the URL is none. What the driver says of it is left out: a piece of the password may stand in it.
    """
    named = {"application_name": f"safeguard-{application}", **(settings or {})}
    try:
        return await asyncpg.connect(dsn, timeout=10, command_timeout=patience_s, server_settings=named)
    except ValueError:
        hint = "It is postgresql://USER:PASSWORD@HOST:PORT/NAME; special characters of a password are percent-encoded."
        raise UsageError("the URL of the ledger's database cannot be read", hint=hint) from None


class Store:
    """The notary's session. Not for use by two tasks at once."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._warnings = 0
        connection.add_log_listener(self._noticed)

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Connect.

        Raises:
            Unavailable: the database cannot be reached.
        """
        return cls(await connect(dsn, "notary"))

    async def close(self) -> None:
        """End the session; what was not committed is gone."""
        self._connection.terminate()

    async def head(self) -> Head:
        """The committed head."""
        row = await self._connection.fetchrow(QUERIES["read_head"])
        return _head(row)

    async def take_epoch(self) -> Head:
        """Become the notary: from now on nobody else's flush can commit."""
        return _head(await self._connection.fetchrow(QUERIES["take_epoch"]))

    async def try_lock(self) -> bool:
        """Take the advisory lock that a living notary holds; it goes with the session."""
        return bool(await self._connection.fetchval("SELECT pg_try_advisory_lock(hashtext('safeguard.notary'))"))

    async def heartbeat(self, epoch: int, receipted: int) -> float:
        """Say that we are alive.

        Returns:
            The database's time, in seconds since 1970.

        Raises:
            HeadMoved: another notary has taken over.
        """
        now_s = await self._connection.fetchval(QUERIES["heartbeat"], epoch, receipted)
        if now_s is None:
            raise HeadMoved("another notary has taken over")
        return float(now_s)

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """The rows of a named query."""
        return list(await self._connection.fetch(QUERIES[query], *args))

    async def make_partitions(self) -> None:
        """Make the partitions that will be needed soon."""
        await self._connection.execute(QUERIES["make_partitions"])

    @asynccontextmanager
    async def flush(self, head: Head, count: int, receipted: int) -> AsyncGenerator[FlushTransaction]:
        """One flush of ``count`` entries behind ``head``; commits when the block ends without an error.

        Raises:
            HeadMoved: the head is not where this notary left it.
            LedgerError: the COMMIT came with a warning: its fate counts as unknown.
        """
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            now_s = await self._connection.fetchval(
                QUERIES["advance_head"], head.size, head.epoch, head.size + count, receipted
            )
            if now_s is None:
                raise HeadMoved("the head of the ledger is not where this notary left it")  # noqa: TRY301 - rolls back
            yield FlushTransaction(self._connection, float(now_s))
        except BaseException:
            if not self._connection.is_closed():
                await transaction.rollback()
            raise
        before = self._warnings
        await transaction.commit()
        if self._warnings != before:
            raise LedgerError("Postgres warned at COMMIT: whether it holds everywhere is unknown")

    def _noticed(self, _connection: object, message: Any) -> None:
        if getattr(message, "severity_en", None) in {"WARNING", "ERROR", "FATAL", "PANIC"}:
            self._warnings += 1


class FlushTransaction:
    """An open flush: the head has been moved, nothing else is written yet."""

    def __init__(self, connection: asyncpg.Connection, now_s: float) -> None:
        self._connection = connection
        self.now_s = now_s

    async def find_accepted(self, ids: Sequence[bytes]) -> dict[bytes, Accepted]:
        """Which of these event ids stand already."""
        if not ids:
            return {}
        rows = await self._connection.fetch(QUERIES["find_accepted"], [UUID(one) for one in ids])
        return {
            row["event_id"].bytes: Accepted(row["index"], row["commitment"], row["thread"].bytes, row["lane"])
            for row in rows
        }

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """The rows of a named query, as of this flush."""
        return list(await self._connection.fetch(QUERIES[query], *args))

    async def write(self, rows: Rows, frontier: Frontier, time_us: int) -> None:
        """Write all of a flush; the block's end commits it."""
        await self._copy("entry", ENTRY_COLUMNS, rows.entry)
        await self._copy("record", RECORD_COLUMNS, rows.record)
        await self._copy("content", CONTENT_COLUMNS, rows.content)
        await self._copy("accepted_id", ACCEPTED_COLUMNS, rows.accepted)
        await self._copy("step", STEP_COLUMNS, rows.step)
        await self._copy("reach", REACH_COLUMNS, rows.reach)
        await self._connection.execute(
            QUERIES["finish_flush"],
            frontier.size,
            frontier.root(),
            frontier.encode(),
            time_us,
            list(rows.intake),
            list(rows.intake.values()),
            [org for org, _ in rows.recipients],
            [lane for _, lane in rows.recipients],
            list(rows.recipients.values()),
            *_columns(rows.subtree, 2),
            *_columns(rows.flush, 6),
        )

    async def _copy(self, table: str, columns: tuple[str, ...], records: Sequence[tuple[Any, ...]]) -> None:
        if records:
            await self._connection.copy_records_to_table(table, schema_name="ledger", columns=columns, records=records)


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows turned into columns, for ``unnest``."""
    return [[row[place] for row in rows] for place in range(width)]


def _head(row: Any) -> Head:
    frontier = Frontier.decode(row["size"], row["frontier"])
    idle: float = row.get("idle_s", 0.0)
    return Head(row["size"], row["root"], frontier, row["epoch"], row["time_us"], row["receipted"], idle)
