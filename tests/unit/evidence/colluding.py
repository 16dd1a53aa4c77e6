"""A log whose operator, witnesses and senders lie together: whatever a file is made to say, it is signed anew by all.

What is left for a verifier to find is that the parts contradict each other, or are not in their one form.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bus.events import registry
from bus.evidence.archive import pack
from bus.evidence.exhibit import Evidence, Exhibit
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.leaf import Leaf
from bus.tlog.note import Note, Signature, sign_note
from bus.tlog.proof import encode_consistency
from bus.tlog.text import format_base64
from bus.tlog.tree import consistency_path, inclusion_path, leaf_hashes, root
from bus.tlog.tree import leaf_hash as hash_of
from bus.trust.batch import sign_batch
from bus.trust.bus_signature import BusSignature
from bus.trust.commitment import commitment_of_digests
from tests.unit.evidence.support import LOG, ORIGIN, WITNESSES, Ledger


class Lie(Struct):
    """One entry as it is to be shown: its parts, and what of its leaf and signature follows from nothing."""

    index: int
    parts: dict[str, bytes]
    schema: bytes
    leaf: dict[str, Any] = {}
    leaf_size: int = 374
    signature: Callable[[bytes], bytes] = lambda data: data
    path: Callable[[list[bytes]], list[bytes]] = lambda path: path
    head: Callable[[str], str] = lambda head: head


class Collusion:
    """All that is signed in a file, to be changed at will."""

    def __init__(self, ledger: Ledger, evidence: Evidence) -> None:
        self.ledger = ledger
        self.size = evidence.event.proof.checkpoint.size
        self.earlier_size = None if evidence.earlier is None else Checkpoint.decode(evidence.earlier.note.text).size
        self.event = _lie(evidence.event, evidence.schema)
        self.directory = [_lie(one, evidence.schema_of(one) or b"") for one in evidence.directory]
        self.text: Callable[[bytes], bytes] = lambda text: text
        self.lines: Callable[[bytes, list[Signature]], list[Signature]] = lambda _, lines: lines
        self.root: Callable[[bytes], bytes] = lambda found: found
        self.files: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files
        self.earlier_root: Callable[[bytes], bytes] = lambda found: found
        self.earlier_path: Callable[[list[bytes]], list[bytes]] = lambda path: path

    def lie(self, name: str) -> Lie:
        """The directory's first entry of a type, by the name in its schema; ``event`` is the event."""
        if name == "event":
            return self.event
        return next(one for one in self.directory if f'"name": "{name}"'.encode() in one.schema[:80])

    def encode(self) -> bytes:
        """The file, everything in it signed anew."""
        lies = [self.event, *self.directory]
        entries = {one.index: self._entry(one) for one in lies}
        hashes = leaf_hashes(self.ledger.leaves[: self.size])
        for index, (leaf, _) in entries.items():
            hashes[index] = hash_of(leaf)
        note = self._note(self.size, self.root(root(hashes)))
        files: dict[str, bytes] = {}
        for one in reversed(lies):
            leaf, signature = entries[one.index]
            path = one.path(inclusion_path(hashes, one.index))
            head = f"c2sp.org/tlog-proof@v1\nindex {one.index}\n" + "".join(f"{format_base64(n)}\n" for n in path)
            proof = one.head(head).encode() + b"\n" + note
            own = {**one.parts, "leaf": leaf, "bus-signature": signature, "event.tlog-proof": proof}
            if one is self.event:
                files |= {**own, "schema.avsc": one.schema}
            else:
                files |= {f"directory/{one.index}/{name}": part for name, part in own.items()}
                files[f"directory/{sha256(one.schema).hexdigest()}.avsc"] = one.schema
        if self.earlier_size is not None:
            files["earlier.checkpoint"] = self._note(
                self.earlier_size, self.earlier_root(root(hashes[: self.earlier_size]))
            )
            path = self.earlier_path(consistency_path(hashes, self.earlier_size))
            files["earlier.consistency"] = encode_consistency(path)
        return pack(self.files(files))

    def _entry(self, one: Lie) -> tuple[bytes, bytes]:
        """Leaf and signature, with the digests of the parts as they now are."""
        old = Leaf.decode(self.ledger.leaves[one.index])
        parts = {name: data for name, data in one.parts.items() if name != "decision"}
        digests = {f"{name}_d": sha256(data).digest() for name, data in parts.items()}
        if len(parts) == 3:
            number = int.from_bytes(_id_of(one.schema)).to_bytes(5)
            digests["value_d"] = sha256(number + b"".join(parts[n] for n in ("header", "body", "sealed"))).digest()
        leaf = replace(old, **digests, fingerprint=sha256(one.schema).digest())
        leaf = replace(leaf, decision_d=sha256(one.parts["decision"]).digest(), first_index=one.index)
        committed = commitment_of_digests(leaf.fingerprint, leaf.header_d, leaf.body_d, leaf.sealed_d)
        kept = BusSignature.decode(self.ledger.kept[one.index].signature)
        whose = kept.batch.organisation
        lengths = len(one.parts["header"]), len(one.parts["body"]) if "body" in one.parts else kept.body_len
        signed = sign_batch(
            self.ledger.world.rings[whose].signing,
            origin=ORIGIN, organisation=whose, stream=bytes(16), seq=0, prev_root=bytes(32), signed_at_us=leaf.time_us,
            items=[(bytes(32), 0, 0, bytes(32)), (committed, *lengths, leaf.fingerprint), (bytes(32), 0, 0, bytes(32))],
        )  # fmt: skip
        signature = one.signature(signed.signatures[1])
        leaf = replace(leaf, commitment=committed, signature_d=sha256(signature).digest())
        data = replace(leaf, **one.leaf).encode()
        return (data + bytes(9))[: one.leaf_size], signature

    def _note(self, size: int, tree: bytes) -> bytes:
        text = self.text(f"{ORIGIN}\n{size}\n{format_base64(tree)}\n".encode())
        at = Leaf.decode(self.ledger.leaves[self.event.index]).time_us // 1_000_000 + 1
        lines = [sign_note(text, LOG), *(sign_note(text, key, at) for key in WITNESSES[:2])]
        return Note(text, tuple(self.lines(text, lines))).encode()


def _id_of(schema: bytes) -> bytes:
    info = registry.by_fingerprint(sha256(schema).digest())
    return (0 if info is None else info.id).to_bytes(4)


def _lie(exhibit: Exhibit, schema: bytes) -> Lie:
    parts = {"header": exhibit.header, "decision": exhibit.decision, "body": exhibit.body, "sealed": exhibit.sealed}
    return Lie(exhibit.index, {name: data for name, data in parts.items() if data is not None}, schema)


__all__ = ["Collusion", "Lie"]
