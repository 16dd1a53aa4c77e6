"""A new log that continues a lost one: what it must say of the old one, and what is kept of that.

Nothing is carried over: the new log has another origin, other keys and a tree of its own. Its entry names the old log's
last known checkpoint and what was lost; the checkpoint itself, with its cosignatures, stays for whoever holds it
against the old log's files (docs/adr/0025).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bus.errors import CheckFailed, UsageError
from bus.files import load_policy
from bus.hub.config import HubConfig
from bus.hub.rotation import publisher_of
from bus.hub.tilefiles import write_files
from bus.repair.scene import newest_note, newest_signed
from bus.tlog.policy import Policy
from bus.verify.continued import FOLDER

_RANGE = re.compile(r"(0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})", re.ASCII)


def continue_from(config: HubConfig, old: Path, reason: str, lost: str | None) -> dict[str, Any]:
    """The body of ``LogContinued``, in its JSON form; keeps the old log's checkpoint and policy beside the new log.

    Args:
        config: the new log's hub.
        old: the old log's publisher folder.
        reason: a code; whether it is one is seen when the event is checked.
        lost: ``FIRST-LAST``, or None.

    Raises:
        UsageError: a folder, the range or the origin is wrong.
        CheckFailed: the old folder has no checkpoint that its own policy believes.
    """
    folder, policy = publisher_of(config).folder, load_policy(old / "policy")
    origin = _old_origin(policy, config.origin, old)
    note = newest_note(old, policy, origin)
    signed, _ = newest_signed(old, note)
    if signed is None or note is None or note.note is None:
        raise CheckFailed(
            f"{old} has no checkpoint that {origin} has signed",
            hint="Ask the old log's witnesses for the newest one that they cosigned, and put it into `checkpoints/`.",
        )
    files = {f"{FOLDER}/checkpoint": note.note, f"{FOLDER}/policy": policy.encode()}
    for name, data in files.items():
        path = folder / name
        if path.is_file() and path.read_bytes() != data:
            raise UsageError(f"{path} is there already and says something else")
    write_files(folder, files)
    first, last = _range(lost)
    claim = signed.checkpoint
    body = {"old_origin": origin, "old_size": claim.size, "old_root": claim.root.hex(), "reason": reason}
    return body if lost is None else {**body, "lost_first": first, "lost_last": last}


def _old_origin(policy: Policy, new: str, old: Path) -> str:
    origins = {log.key.name for log in policy.logs}
    if len(origins) != 1:
        raise UsageError(f"{old / 'policy'} is not the policy of one log")
    if new in origins:
        raise UsageError(
            "the new log has the old one's origin",
            hint="Witnesses would refuse it: a log never shrinks. Give the new log another origin.",
        )
    return origins.pop()


def _range(lost: str | None) -> tuple[int | None, int | None]:
    if lost is None:
        return None, None
    match = _RANGE.fullmatch(lost)
    if match is None or int(match[1]) > int(match[2]):
        raise UsageError("--lost is two indexes with a dash between, the lower one first", hint="Such as 290-713.")
    return int(match[1]), int(match[2])
