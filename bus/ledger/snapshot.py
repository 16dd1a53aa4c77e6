"""One snapshot of the ledger, for whoever only reads it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping

import asyncpg

from bus.errors import BusError, LedgerError, NotAllowed, Unavailable, UsageError
from bus.ledger.store import log_in


@contextlib.asynccontextmanager
async def snapshot(
    dsn: str, application: str, settings: Mapping[str, str] | None = None, *, patience_s: float | None = None
) -> AsyncGenerator[asyncpg.Connection]:
    """A session that reads one snapshot of the ledger.

    Args:
        dsn: a login that may read; a ``postgresql://`` URL.
        application: who reads.
        settings: of the session.
        patience_s: how long one question may take; None for as long as it takes.

    Raises:
        UsageError: the URL is none, or a value that is asked for cannot be in any ledger.
        Unavailable: Postgres is away.
        NotAllowed: the login is refused, or may not read.
        LedgerError: there is no ledger in this database.
    """
    connection = None
    try:
        connection = await log_in(dsn, application, settings, patience_s=patience_s)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    except BrokenPipeError:
        raise  # standard output's, whose reader has gone
    except OSError as error:
        if connection is not None and not isinstance(error, ConnectionError | TimeoutError):
            raise  # not the database's: a full disk under standard output, or a file that cannot be written
        raise _as_ours(error) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _as_ours(error) from error
    finally:
        if connection is not None:
            connection.terminate()


def _as_ours(error: Exception) -> BusError:
    """An error of the database as one of ours; without the login, which may stand in it."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InsufficientPrivilegeError):
        return NotAllowed("the ledger refused this login", hint="Ask the operator for the desk's read-only login.")
    if isinstance(
        error, asyncpg.UndefinedTableError | asyncpg.InvalidCatalogNameError | asyncpg.InvalidSchemaNameError
    ):
        return LedgerError("there is no ledger in this database", hint="Check BUS_LEDGER_DSN, or `bus sandbox up`.")
    if isinstance(error, asyncpg.DataError):
        return UsageError("the ledger cannot be asked for one of these values", hint="A number is below 2^63.")
    return Unavailable(f"the ledger's database cannot be used ({type(error).__name__})")
