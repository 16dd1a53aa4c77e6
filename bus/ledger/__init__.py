"""Where it is kept: the append-only Postgres ledger."""
