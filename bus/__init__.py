"""Safeguard Bus: a multi-agency coordination message bus and audit ledger for child protection."""

__version__ = "0.1.0"
