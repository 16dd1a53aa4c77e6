"""Signing up to 256 events at once, and checking them, together or alone.

::

    root   = RFC 6962 tree hash over the commitments
    signed = "DSSEv1" SP len SP "application/vnd.safeguard.batch.v1" SP len SP (batch header ‖ root)

One Ed25519 signature covers a batch, and each record proves itself alone by its path. The verifier rebuilds
the tree once where all members are at hand; else it walks each path only up to what is already proven.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bus.tlog.ed25519 import verify
from bus.tlog.tree import inclusion_paths, leaf_hash, leaf_hashes, node_hash, root_from_inclusion
from bus.trust.batch_header import MAX_BATCH, NO_ROOT, BatchHeader
from bus.trust.bus_signature import BusSignature, pack_signature
from bus.trust.keys import SigningKey

__all__ = [
    "MAX_BATCH",
    "NO_ROOT",
    "BatchHeader",
    "BatchVerifier",
    "BusSignature",
    "Item",
    "SignedBatch",
    "sign_batch",
    "signed_message",
]

_LEVEL: Final = 256
_TOP_LEVEL: Final = 8 * _LEVEL

PAYLOAD_TYPE: Final = b"application/vnd.safeguard.batch.v1"

Item = tuple[bytes, int, int, bytes]
"""Commitment, header length, body length and schema fingerprint of one event."""

KeyLookup = Callable[[bytes], bytes | None]
"""From a key id to the Ed25519 public key, if it is known."""


class SignedBatch(msgspec.Struct, frozen=True):
    """A batch's root (the next batch's ``prev_root``), and a whole ``bus-signature`` for each item."""

    root: bytes
    batch_header: bytes
    signatures: list[bytes]


def signed_message(batch_header: bytes, root: bytes) -> bytes:
    """What the signature is over: the DSSE pre-authentication encoding of batch header and root."""
    payload = batch_header + root
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(payload), payload)


def sign_batch(
    key: SigningKey,
    *,
    origin: str,
    organisation: str,
    stream: bytes,
    seq: int,
    prev_root: bytes,
    signed_at_us: int,
    items: Sequence[Item],
) -> SignedBatch:
    """Sign 1 to 256 items as one batch, in their order.

    Raises:
        ValueError: a field breaks its rule, or there are no items or too many.
    """
    batch_header = BatchHeader(
        origin, organisation, key.key_id, stream, seq, len(items), signed_at_us, prev_root
    ).encode()
    root, paths = inclusion_paths(leaf_hashes([item[0] for item in items]))
    signature = key.sign(signed_message(batch_header, root))
    signatures = [
        pack_signature(header_len, body_len, fp, batch_header, position, path, signature)
        for position, ((_, header_len, body_len, fp), path) in enumerate(zip(items, paths, strict=True))
    ]
    return SignedBatch(root, batch_header, signatures)


class _ProvenTree:
    """Nodes of one batch that are known to stand under its signature.

    ``known`` maps ``level << 8 | index`` to the node's hash and its packed path to the root. A path that meets a
    known node must agree with it in both; then all that it passed, siblings too, is known as well.
    """

    __slots__ = ("known", "last")

    def __init__(self, size: int, known: dict[int, tuple[bytes, bytes]]) -> None:
        self.last = size - 1
        self.known = known

    @classmethod
    def of_root(cls, size: int, root: bytes) -> _ProvenTree:
        """A tree of which only the root is known."""
        return cls(size, {(size - 1).bit_length() << 8: (root, b"")})

    @classmethod
    def of_leaves(cls, leaves: Sequence[bytes], paths: Sequence[bytes]) -> _ProvenTree:
        """A tree of which every leaf is known."""
        return cls(len(leaves), dict(enumerate(zip(leaves, paths, strict=True))))

    def admits(self, index: int, node: bytes, path: bytes) -> bool:
        """Whether leaf hash ``node`` with this path stands at ``index``."""
        known, last, level, passed = self.known, self.last, 0, []
        while level <= _TOP_LEVEL:
            found = known.get(level | index)
            if found is not None:
                if found != (node, path):
                    return False
                known.update(passed)
                return True
            passed.append((level | index, (node, path)))
            if index != last or index & 1:
                sibling, above = path[:32], path[32:]
                passed.append((level | index ^ 1, (sibling, node + above)))
                node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
                path = above
            level += _LEVEL
            index >>= 1
            last >>= 1
        return False


class BatchVerifier:
    """Checks records against their batches' signatures, and remembers the batches it has proven lately.

    Not for use by several threads at once.
    """

    def __init__(self, *, remembered: int = 64) -> None:
        self._proven: OrderedDict[tuple[bytes, bytes, bytes], _ProvenTree] = OrderedDict()
        self._remembered = remembered

    def verify(self, signature: BusSignature, commitment: bytes, key_lookup: KeyLookup) -> str | None:
        """``verify_many`` of one record."""
        return self.verify_many([(signature, commitment)], key_lookup)[0]

    def verify_many(self, items: Sequence[tuple[BusSignature, bytes]], key_lookup: KeyLookup) -> list[str | None]:
        """For each record and its commitment, None if it stands under its signature, else why not.

        The reason is ``key-unknown``; ``signature-invalid`` where nothing at hand is under the signature; or
        ``path-invalid`` where other records are, and this one is not.
        """
        reasons: list[str | None] = [None] * len(items)
        groups: dict[tuple[bytes, bytes], list[int]] = {}
        for number, (signature, _) in enumerate(items):
            groups.setdefault((signature.batch_bytes, signature.signature), []).append(number)
        for members in groups.values():
            group = [items[number] for number in members]
            key = key_lookup(group[0][0].batch.key_id)
            found = ["key-unknown"] * len(group) if key is None else self._check(group, key)
            for number, reason in zip(members, found, strict=True):
                reasons[number] = reason
        return reasons

    def _check(self, group: Sequence[tuple[BusSignature, bytes]], key: bytes) -> Sequence[str | None]:
        tree = self._tree(group, key)
        if tree is None:
            return ["signature-invalid"] * len(group)
        admits = tree.admits
        return [
            None if admits(signature.position, leaf_hash(commitment), signature.path) else "path-invalid"
            for signature, commitment in group
        ]

    def _tree(self, group: Sequence[tuple[BusSignature, bytes]], key: bytes) -> _ProvenTree | None:
        """The proven tree of the batch that the group is of; None if no record of it proves one."""
        first = group[0][0]
        name = (first.batch_bytes, first.signature, key)
        tree = self._proven.get(name) or _whole_tree(group, key) or _tree_by_paths(group, key)
        if tree is not None:
            self._proven[name] = tree
            self._proven.move_to_end(name)
            if len(self._proven) > self._remembered:
                self._proven.popitem(last=False)
        return tree


def _whole_tree(group: Sequence[tuple[BusSignature, bytes]], key: bytes) -> _ProvenTree | None:
    """The tree rebuilt from all its members; None if one is missing or the signature is not over it."""
    first = group[0][0]
    if len(group) < first.batch.size:
        return None
    members = {signature.position: commitment for signature, commitment in group}
    if len(members) != first.batch.size:
        return None
    leaves = leaf_hashes([members[position] for position in range(len(members))])
    root, paths = inclusion_paths(leaves)
    if not verify(key, signed_message(first.batch_bytes, root), first.signature):
        return None
    return _ProvenTree.of_leaves(leaves, paths)


def _tree_by_paths(group: Sequence[tuple[BusSignature, bytes]], key: bytes) -> _ProvenTree | None:
    """The tree whose root a record's own path leads to, of the first record whose signature is over it."""
    tried: set[bytes] = set()
    for signature, commitment in group:
        path = [signature.path[at : at + 32] for at in range(0, len(signature.path), 32)]
        root = root_from_inclusion(signature.position, signature.batch.size, leaf_hash(commitment), path)
        if root is None or root in tried:
            continue
        tried.add(root)
        if verify(key, signed_message(signature.batch_bytes, root), signature.signature):
            return _ProvenTree.of_root(signature.batch.size, root)
    return None
