"""Loading the notary's state from the ledger, and the start-up checks: never a silent restart.

The frontier is recomputed from the subtree roots and the tail and must equal the head; the directory is replayed
from the ledger's own entries; intake offsets must lie inside their partitions. What does not hold stops the hub
with a sentence that says which, and names the repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bus.errors import Malformed, StartRefused
from bus.events import registry
from bus.events.codec import assemble, decode
from bus.events.names import HUB
from bus.hub.cursor import Cursor
from bus.hub.sequencer import State, replay_directory
from bus.ledger.store import Head, Store
from bus.policy import Policy
from bus.tlog import Frontier, Leaf
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.frontier import SUBTREE_SIZE
from bus.trust.batch import BatchVerifier
from bus.trust.directory import Directory
from bus.trust.keys import SigningKey


async def load_state(store: Store, head: Head, policy: Policy) -> State:
    """Everything that the next decision rests on, as of ``head``.

    Raises:
        StartRefused: the ledger contradicts itself.
    """
    await check_frontier(store, head)
    rows = await store.fetch("read_recipients")
    seqs = {(row["org"], row["lane"]): int(row["seq"]) for row in rows}
    directory = await load_directory(store)
    return State(directory, head.frontier, head.time_us, policy, seqs, BatchVerifier())


async def load_directory(store: Store) -> Directory:
    """The directory, replayed from the ledger's own entries."""
    return replay_directory(await store.fetch("directory_events", registry.directory_ids(), 0), _decoded)


async def check_frontier(store: Store, head: Head) -> None:
    """Recompute the frontier from the subtree roots and the tail of leaf hashes.

    Raises:
        StartRefused: it is not the head's.
    """
    full = head.size // SUBTREE_SIZE
    subtrees = await store.fetch("subtrees", 0, full)
    tail = await store.fetch("leaf_hashes", full * SUBTREE_SIZE, head.size)
    if [row["n"] for row in subtrees] != list(range(full)):
        raise StartRefused(f"the ledger's head says {head.size} entries, but a subtree root below is missing")
    if len(tail) != head.size - full * SUBTREE_SIZE:
        raise StartRefused(f"the ledger's head says {head.size} entries, but entries below it are missing")
    found = Frontier.rebuild([row["hash"] for row in subtrees], [row["leaf_hash"] for row in tail])
    if found != head.frontier or found.root() != head.root:
        raise StartRefused(f"the tree over the stored leaf hashes does not lead to the head's root at size {head.size}")


async def check_policy(store: Store, head: Head, directory: Directory, policy: Policy) -> None:
    """The policy file must be the one that the log's own entries have brought into force, or still the last entry's.

    Raises:
        StartRefused: it is another: what it decides, nobody could read in the log.
    """
    known = directory.policy_in_force
    if known is None or known[1] == policy.digest or not head.size:
        return
    (last,) = await store.fetch("leaves", head.size - 1, head.size)
    if Leaf.decode(last["leaf"]).policy_d != policy.digest:
        raise StartRefused(
            f"the hub's policy file is {policy.digest.hex()}, and the log's own entries have brought {known[1].hex()} "
            "into force",
            hint="Put that file back, and adopt the new one first: bus hub adopt policy.toml --kind policy | bus "
            "publish - --as hub. See docs/runbooks/start-refused.md.",
        )


def is_hubs(key: SigningKey, directory: Directory) -> bool:
    """Whether a key may speak for the hub: the directory has it for the hub. In a log not opened any may."""
    found = directory.signing_key(key.key_id)
    return directory.origin is None or (found is not None and found.org == HUB and not found.revoked)


def check_key(key: SigningKey, directory: Directory) -> None:
    """The hub's key file must hold one of the hub's keys: nobody would believe a receipt that another one signed.

    Raises:
        StartRefused: it does not.
    """
    if not is_hubs(key, directory):
        raise StartRefused(
            "the hub's key file does not hold a key that the directory has for the hub",
            hint="Put the right file in its place. See docs/runbooks/start-refused.md.",
        )


def check_intake(intake: Mapping[str, int], ends: Mapping[str, int]) -> None:
    """Every offset that the ledger has covered must exist in its outbox.

    Raises:
        StartRefused: an outbox is shorter than what the ledger has of it: it was truncated or made anew.
    """
    for topic, offset in sorted(intake.items()):
        if topic in ends and offset > ends[topic]:
            raise StartRefused(
                f"{topic} ends at offset {ends[topic]}, but the ledger has read it to {offset}: it was truncated or "
                "made anew"
            )


async def check_signed(store: Store, head: Head, signed: Checkpoint | None) -> None:
    """The ledger must continue what the publisher last signed: else a restored backup would be written on.

    Raises:
        StartRefused: it is older, or says something else.
    """
    if signed is None:
        return
    if signed.size > head.size:
        raise StartRefused(
            f"the ledger has {head.size} entries, but a checkpoint of {signed.size} was signed: it is older"
        )
    full = signed.size // SUBTREE_SIZE
    subtrees = await store.fetch("subtrees", 0, full)
    tail = await store.fetch("leaf_hashes", full * SUBTREE_SIZE, signed.size)
    found = Frontier.rebuild([row["hash"] for row in subtrees], [row["leaf_hash"] for row in tail])
    if found.root() != signed.root:
        raise StartRefused(f"the ledger does not lead to the root that was signed at size {signed.size}")


async def check_cursors(store: Store, head: Head, cursors: Mapping[str, Cursor]) -> None:
    """What was delivered must stand in the ledger, leaf for leaf.

    Raises:
        StartRefused: the ledger is older than the inboxes, or another entry stands where the delivered one did.
    """
    for cursor in cursors.values():
        if cursor.index < 0:
            continue
        if cursor.index >= head.size:
            raise StartRefused(
                f"entries up to {cursor.index} were delivered, but the ledger does not reach that far: the database "
                "is older than the inboxes"
            )
        (row,) = await store.fetch("leaf_hash_at", cursor.index)
        if row["leaf_hash"].hex() != cursor.leaf_hash:
            raise StartRefused(f"entry {cursor.index} of the ledger is not the one that was delivered")


def _decoded(row: Any) -> tuple[Any, Any, Any]:
    info = registry.by_id(row["schema_id"])
    if info is None:
        raise StartRefused(f"entry {row['index']} of the directory has a schema that this version does not know")
    if row["header"] is None or row["body"] is None:
        raise StartRefused(f"entry {row['index']} of the directory has been erased: who belongs here cannot be told")
    try:
        value = assemble(info, row["header"], row["body"], b"\x00")
        decoded = decode(value)
    except (Malformed, TypeError) as error:
        raise StartRefused(f"entry {row['index']} of the directory cannot be read") from error
    return info, decoded.header, decoded.body
