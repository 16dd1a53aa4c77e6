"""What a mirror does with what is wrong: broken files go out of the way, and proofs against the log are kept.

A proof stays until somebody removes it, and every run until then says that it is there: a log that showed two
histories has not mended that by showing one of them again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import msgspec

from bus.files import lies, unused
from bus.hub.tilefiles import write_durable
from bus.verify.claims import Claim
from bus.verify.fault import Fault

REJECTED: Final = "rejected"
_PROOF: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})-[0-9a-f]{16}", re.ASCII)
_AGAINST_THE_LOG: Final = frozenset({"forked", "rolled-back", "root-differs"})


def keep(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after the power has failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durable(path, data, named=False)


def reject(folder: Path, claim: Claim, fault: Fault) -> Fault:
    """Keep a checkpoint as proof of a fault.

    Returns:
        The fault, whose sentence says where the proof is.
    """
    place = f"{REJECTED}/{claim.size}-{claim.root.hex()[:16]}"
    keep(folder / place, claim.data)
    return _more(fault, f"The checkpoint that proves it is kept: {folder / place}.")


def set_aside(folder: Path, claim: Claim, fault: Fault) -> Fault:
    """Keep the proof, or take a file that was named out of the way of the next run.

    Returns:
        The fault, whose sentence says what was done, and what to do.
    """
    if fault.check in _AGAINST_THE_LOG:
        return reject(folder, claim, fault)
    place = None if fault.place is None or not fault.place.startswith("tile/") else folder / fault.place
    if place is None or not lies(place):
        return fault
    aside = unused(place.with_name(f"{place.name}.wrong"))
    place.rename(aside)
    return _more(
        fault,
        f"That is your own copy of the file, which may be all that is wrong: it was set aside as {aside}. Run the same "
        "again, which fetches the file anew; if that is wrong too, the log serves it so.",
    )


def kept_proofs(folder: Path) -> Fault | None:
    """What earlier runs kept against the log; None if there is nothing."""
    try:
        names = sorted(name for name in os.listdir(folder / REJECTED) if _PROOF.fullmatch(name))  # noqa: PTH208 - as is
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not names:
        return None
    more = f" and {len(names) - 1} more there" if len(names) > 1 else ""
    sentence = (
        f"An earlier run caught the log showing another history, or less than before: {folder / REJECTED / names[0]}"
        f"{more} proves it. Take it to the other auditors; it is told until somebody removes it."
    )
    return Fault("proof-kept", sentence, place=f"{REJECTED}/{names[0]}")


def _more(fault: Fault, told: str) -> Fault:
    return msgspec.structs.replace(fault, sentence=f"{fault.sentence} {told}")
