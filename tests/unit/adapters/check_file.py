"""Checks a file as `bus publish --check` does, and prints how many events it has and what memory that took."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from bus.adapters.intake import Intake
from bus.adapters.source import open_source
from bus.partner.journal import Journal
from bus.partner.profile import Profile
from bus.testing.clock import ManualClock

DEFAULTS = {
    "handling": {"tlp": "AMBER", "onward": "none"},
    "audit_nations": ["US"],
    "compulsion": "voluntary",
    "source_kind": "police",
    "legal_basis": "voluntary-detection@2024",
    "compartment": "csam",
    "priority": "routine",
}


def peak_kib() -> int:
    """The most memory that this program has had; ``ru_maxrss`` would have that of the process which started it too."""
    (found,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found)


def main(file: str, form: str, home: str) -> None:
    """Check one file of a format, with a journal in a folder."""
    folder = Path(home)
    profile = Profile(
        organisation="police-north", nation="US", origin="ledger.test.example/safeguard", hub_key=bytes(32),
        bootstrap="127.0.0.1:1", key_file=folder / "keys.json", journal_home=folder, defaults=DEFAULTS,
        audience=("clearing-house",),
    )  # fmt: skip
    with Journal(profile.journal_file) as journal, open_source(file, sys.stdin.buffer, folder) as source:
        intake = Intake(profile, journal, form=form, to=None, clock=ManualClock(), tell=lambda _: None)
        count = intake.check(source)
    sys.stdout.write(json.dumps({"events": count, "peak_kib": peak_kib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
