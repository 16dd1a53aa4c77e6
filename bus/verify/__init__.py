"""Verification: every byte that a log published against every other, against checkpoints, and against Postgres.

Nothing that the hub says is believed here but the signatures that the auditor's own policy names. Files are hashed
in bulk by several processes; the first thing that is wrong is told in a sentence, with its index.
"""
