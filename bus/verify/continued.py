"""What a continued log says of the old one, against the old one's checkpoint as it was kept.

::

    <publisher's folder>/continues/checkpoint   the old log's newest checkpoint, with its cosignatures
    <publisher's folder>/continues/policy       by which it is believed
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from bus.errors import CheckFailed, Malformed
from bus.files import read_regular
from bus.tlog.note import MAX_NOTE, Note
from bus.tlog.policy import MAX_POLICY, Policy
from bus.trust.directory import Continued
from bus.verify.fault import Fault
from bus.verify.report import Report

FOLDER = "continues"


def continues(said: Continued, published: Path, report: Report) -> dict[str, Any]:
    """Check the entry's word against what was kept of the old log, and put it into the report.

    Args:
        said: what the entry says.
        published: the publisher's folder.
        report: gets a line that names the old log.

    Returns:
        The entry's word for programs.

    Raises:
        Wrong: the kept checkpoint says otherwise, or is not the old log's.
    """
    kept = published / FOLDER
    lost = "none of them lost" if said.lost_first is None else f"entries {said.lost_first} to {said.lost_last} lost"
    sentence = f"goes on from {said.old_origin}, of which {said.old_size} entries were signed, {lost} ({said.reason})"
    if kept.is_dir():
        _check(said, kept)
        report.passed("continues", sentence)
    else:
        report.passed("continues", f"{sentence}; its checkpoint is not kept here")
    return {
        "index": said.index,
        "origin": said.old_origin,
        "size": said.old_size,
        "root": said.old_root.hex(),
        "lost": None if said.lost_first is None else [said.lost_first, said.lost_last],
        "reason": said.reason,
    }


def _check(said: Continued, kept: Path) -> None:
    try:
        policy = Policy.parse(_read(kept / "policy", MAX_POLICY))
        found = policy.judge(Note.decode(_read(kept / "checkpoint", MAX_NOTE)))
    except OSError:
        _wrong(said, "cannot be read")
    except (Malformed, CheckFailed):
        _wrong(said, "is not to be believed")
    claim = found.checkpoint
    if found.log is None or claim.origin != said.old_origin:
        _wrong(said, f"is not signed by {said.old_origin}")
    if claim.size > said.old_size or (claim.size == said.old_size and claim.root != said.old_root):
        _wrong(said, f"is of {claim.size} entries and does not fit")


def _read(path: Path, limit: int) -> bytes:
    """A file of a folder that may come from anybody.

    Raises:
        OSError: it is not there, is no file, or cannot be read.
    """
    data = read_regular(path, limit)
    if data is None:
        raise FileNotFoundError(path)
    return data


def _wrong(said: Continued, what: str) -> NoReturn:
    sentence = (
        f"Entry {said.index} says that the log goes on from {said.old_size} entries of another, and the checkpoint "
        f"that was kept of that one {what}."
    )
    raise Fault("continues", sentence, said.index, f"{FOLDER}/checkpoint").raised()
