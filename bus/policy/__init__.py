"""Who may hear it: one pure decision per event, as of the ledger index before it, with a reason for each recipient."""

from __future__ import annotations

from bus.policy.case import Claim, Subject
from bus.policy.decide import Verdict, decide
from bus.policy.policy import Policy

__all__ = ["Claim", "Policy", "Subject", "Verdict", "decide"]
