"""Evidence: one event's place in the ledger, in a file that proves itself with no network and no database.

Making it needs the ledger and what its publisher published; checking it needs the file and a policy alone.
"""
