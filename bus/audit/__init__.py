"""What an auditor asks of the ledger, straight from Postgres with the desk's read-only login."""
