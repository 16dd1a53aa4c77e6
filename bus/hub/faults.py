"""Named points at which a test may kill this process.

``BUS_FAULT=notary.commit.before:3`` ends the process with SIGKILL the third time it comes to that point. Without
the variable a point costs one comparison. The names are the await points of the hub's roles
and the steps of its repairs, so that ``tests/faults`` can prove that a crash at any of them loses and doubles nothing.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "notary.read",
    "notary.head_moved",
    "notary.copied",
    "notary.commit.before",
    "notary.commit.after",
    "notary.receipts.sent",
    "courier.read",
    "courier.commit.before",
    "courier.commit.after",
    "publisher.tiles.written",
    "publisher.signed.before",
    "publisher.signed.after",
    "publisher.published",
    "clerk.read",
    "clerk.send.before",
    "clerk.send.after",
    "repair.appended",
    "repair.noted",
    "repair.mended",
    "repair.kept",
    "repair.pointed",
    "repair.filled",
    "log-key.made",
    "log-key.named",
    "log-key.linked",
    "log-key.replaced",
)

_spec = os.environ.get("BUS_FAULT", "")
_armed, _, _count = _spec.partition(":")
_left = int(_count) if _count.isascii() and _count.isdigit() else 1


def at(point: str) -> None:
    """Die here if a test asked for it."""
    global _left  # noqa: PLW0603 - one process, one countdown
    if point != _armed:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
