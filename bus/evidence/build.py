"""Makes evidence out of what the ledger keeps and the publisher published; no I/O here.

What an event rests on in the directory: entry 0, the admission of its issuer, the registration of the key that it
is signed with, and what was recorded of that key since; and the admission of each recipient, which names its nation.
Suspensions of those organisations before it, and the agreements that it addressed, as they stood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bus.errors import LedgerError
from bus.events import codec, registry
from bus.events.names import is_agreement
from bus.events.registry import SchemaInfo
from bus.evidence.exhibit import Earlier, Evidence, Exhibit, digest_name
from bus.paths import schemas_dir
from bus.tlog.leaf import Leaf
from bus.tlog.note import Note
from bus.tlog.proof import TlogProof
from bus.tlog.tiletree import TileTree
from bus.tlog.tree import leaf_hash
from bus.trust.bus_signature import BusSignature

OPENING: Final = 0


class Kept(msgspec.Struct, frozen=True):
    """All that the ledger keeps of one accepted entry; body and sealed content are None once erased."""

    index: int
    leaf: bytes
    header: bytes
    decision: bytes
    signature: bytes
    body: bytes | None
    sealed: bytes | None


class DirectoryEvent(msgspec.Struct, frozen=True):
    """An event of the directory, by what it is looked for."""

    index: int
    type: str
    org: str | None
    key_id: bytes | None
    agreement: str | None = None
    members: tuple[str, ...] = ()

    @classmethod
    def read(cls, index: int, schema_id: int, header: bytes, body: bytes) -> DirectoryEvent:
        """What a row of the ledger tells.

        Raises:
            LedgerError: this program does not know the schema.
            Malformed: header or body is not what the schema says.
        """
        info = registry.by_id(schema_id)
        if info is None:
            raise LedgerError(f"entry {index} has schema {schema_id}, which this program does not know")
        found = codec.decode(codec.assemble(info, header, body, b"\x00")).body
        org, key_id, agreement = (getattr(found, name, None) for name in ("org", "key_id", "agreement"))
        return cls(index, info.name, org, key_id, agreement, tuple(getattr(found, "members", ())))


def rests_on(kept: Kept, directory: Sequence[DirectoryEvent], size: int) -> list[int]:
    """The entries of the directory that belong into the evidence of an event, ascending.

    Args:
        kept: the event.
        directory: all events of the directory.
        size: of the checkpoint: what stands behind it cannot be proved under it.
    """
    key_id = BusSignature.decode(kept.signature).batch.key_id
    agreements = _agreements(kept, directory)
    orgs = {one.org for one in codec.decode_decision(kept.decision).recipients} | {_issuer(kept)}
    orgs.update(*(one.members for one in agreements))
    admissions = [one.index for one in directory if one.type == "OrganisationAdmitted" and one.org in orgs]
    suspensions = [
        one.index
        for one in directory
        if one.type == "OrganisationSuspended" and one.org in orgs and one.index < kept.index
    ]
    of_key = [one.index for one in directory if one.key_id == key_id]
    of_agreements = [one.index for one in agreements]
    found = {OPENING, *admissions, *suspensions, *of_key, *of_agreements}
    return sorted(index for index in found if index < size)


def _agreements(kept: Kept, directory: Sequence[DirectoryEvent]) -> list[DirectoryEvent]:
    """The agreements that an event addressed, as they stood: each one's last conclusion, and its end if that came."""
    info = _info_of(kept)
    named = [member for member in codec.decode_header(info, kept.header).audience if is_agreement(member)]
    found: list[DirectoryEvent] = []
    for agreement in named:
        before = [one for one in directory if one.agreement == agreement and one.index < kept.index]
        last = max((n for n, one in enumerate(before) if one.type == "AgreementConcluded"), default=len(before))
        found += before[last:]
    return found


def build(
    event: Kept, directory: Sequence[Kept], *, tree: TileTree, note: Note, earlier: Earlier | None = None
) -> Evidence:
    """The evidence of one event.

    Args:
        event: what the ledger keeps of it.
        directory: what it keeps of the entries that the event rests on, ascending.
        tree: the tree that the checkpoint is of.
        note: the checkpoint, with the signatures alone that the policy names.
        earlier: a checkpoint before the entry.

    Raises:
        LedgerError: the ledger's entry is not the one that was published.
    """
    schemas = {digest_name(schema): schema for schema in map(_schema_of, directory)}
    return Evidence(
        event=_exhibit(event, tree, note),
        schema=_schema_of(event),
        directory=tuple(_exhibit(one, tree, note) for one in directory),
        schemas=schemas,
        earlier=earlier,
    )


def _exhibit(kept: Kept, tree: TileTree, note: Note) -> Exhibit:
    proof = TlogProof(kept.index, tuple(tree.inclusion_path(kept.index)), note)
    if not proof.proves(leaf_hash(kept.leaf)):
        raise LedgerError(f"entry {kept.index} of the ledger is not the one that was published")
    return Exhibit(proof, kept.leaf, kept.header, kept.decision, kept.signature, kept.body, kept.sealed)


def _issuer(kept: Kept) -> str:
    return BusSignature.decode(kept.signature).batch.organisation


def _schema_of(kept: Kept) -> bytes:
    return (schemas_dir() / "released" / _info_of(kept).path).read_bytes()


def _info_of(kept: Kept) -> SchemaInfo:
    info = registry.by_fingerprint(Leaf.decode(kept.leaf).fingerprint)
    if info is None:
        raise LedgerError(
            f"entry {kept.index} has a schema that this program does not know", hint="Upgrade, and prove again."
        )
    return info


def kept_of(row: Mapping[str, Any]) -> Kept:
    """A row of the ledger as what is kept.

    Raises:
        LedgerError: the header is gone, by a court's order: nothing can be proved but that an entry stands there.
    """
    if row["header"] is None:
        raise LedgerError(
            f"the header of entry {row['index']} is not kept any more: what it was about cannot be proved",
            hint=f"`bus audit show {row['index']}` says what is left.",
        )
    names = ("index", "leaf", "header", "decision", "bus_signature", "body", "sealed")
    return Kept(*(row[name] for name in names))
