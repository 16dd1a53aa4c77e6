"""A match as a ``HashHit``: what a platform tells whoever should hear that listed material is on its service.

The hit names list and entry, and not the listing's event: an event may be named only to who has it.
"""

from __future__ import annotations

from typing import Any

from bus.exchange.facts import Fact

ALGORITHMS = {"pdq": "PDQ", "video_md5": "MD5", "video_sha256": "SHA256", "vpdq": "VPDQ"}


def hash_hit(
    listed: Fact, signal_type: str, value: str, *, distance: int | None, threshold: int, surface: str, count: int = 1
) -> dict[str, Any]:
    """The event of one match, as :meth:`bus.partner.Publisher.publish` takes it; audience and basis are the profile's.

    Args:
        listed: the listing that was met; of a match's metadata, ``listings[0]`` is the oldest.
        signal_type: the library's name of the kind of signal: pdq, video_md5, video_sha256.
        value: the hash that was found, in hexadecimal.
        distance: in the algorithm's own measure; 0 or None is exact.
        threshold: up to which it counts as a match.
        surface: where on the service (``schemas/codes/surface.csv``).
        count: how many times.
    """
    algorithm = ALGORITHMS[signal_type]
    near = bool(distance)
    match: dict[str, Any] = {"kind": "near" if near else "exact", "algorithm": algorithm}
    if near:
        match |= {"distance": distance, "threshold": threshold}
    source = {"list_id": listed.list_id, "list_entry": listed.entry, "source_member": listed.issuer}
    context: dict[str, Any] = {"surface": surface, "count": count}
    if listed.media is not None:
        context["media"] = listed.media
    return {
        "type": "HashHit",
        "header": {"step": "detected"},
        "body": {"source": source, "match": match, "context": context},
        "sealed": {"hashes": [{"algorithm": algorithm, "value": value}]},
    }
