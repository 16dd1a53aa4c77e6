"""What evidence consists of, by the names of its files.

::

    event.tlog-proof     c2sp.org/tlog-proof@v1: index, path, checkpoint
    leaf                 374 bytes: what the tree holds of the entry
    header               Avro, as it was signed
    decision             Avro: who may hear the event, and why
    bus-signature        the sender's signature, as it was sent
    schema.avsc          the schema that header, body and sealed content are read with
    body, sealed         as they were signed; absent once erased
    earlier.checkpoint   a checkpoint that the entry is not yet under: it was recorded after it …
    earlier.consistency  … and the proof that the log of the event's checkpoint continues that one
    directory/<index>/…  the same files (without schema) of each entry of the directory that this rests on
    directory/<digest>.avsc  their schemas, by SHA-256

All proofs carry the same checkpoint, with signatures of keys alone that the policy names. Not every evidence has an
earlier checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from bus.evidence.archive import pack, unpack
from bus.tlog.leaf import Leaf
from bus.tlog.note import Note
from bus.tlog.proof import TlogProof, decode_consistency, encode_consistency
from bus.tlog.text import malformed, parse_decimal

PROOF: Final = "event.tlog-proof"
SCHEMA: Final = "schema.avsc"
EARLIER: Final = ("earlier.checkpoint", "earlier.consistency")
_ALWAYS: Final = (PROOF, "leaf", "header", "decision", "bus-signature")
_ERASABLE: Final = ("body", "sealed")
_WHAT: Final = "evidence"
_IN_DIRECTORY = re.compile(r"directory/([0-9]+)/([a-z.-]+)", re.ASCII)
_DIRECTORY_SCHEMA = re.compile(r"directory/([0-9a-f]{64})\.avsc", re.ASCII)


class Exhibit(msgspec.Struct, frozen=True):
    """One entry of the ledger, with the proof that it stands there."""

    proof: TlogProof
    leaf_bytes: bytes
    header: bytes
    decision: bytes
    signature: bytes
    body: bytes | None
    sealed: bytes | None

    @property
    def index(self) -> int:
        """Where the entry stands."""
        return self.proof.index

    @property
    def leaf(self) -> Leaf:
        """What the tree holds of the entry."""
        return Leaf.decode(self.leaf_bytes)

    def files(self) -> dict[str, bytes]:
        """The files by name."""
        named = zip(
            (*_ALWAYS, *_ERASABLE),
            (self.proof.encode(), self.leaf_bytes, self.header, self.decision, self.signature, self.body, self.sealed),
            strict=True,
        )
        return {name: data for name, data in named if data is not None}

    @classmethod
    def of_files(cls, files: Mapping[str, bytes]) -> Exhibit:
        """The exhibit of its files, which are these and no others.

        Raises:
            Malformed: one is missing, too many, or no proof or leaf.
        """
        if not files.keys() >= set(_ALWAYS) or not files.keys() <= {*_ALWAYS, *_ERASABLE}:
            raise malformed(_WHAT)
        proof = TlogProof.decode(files[PROOF])
        if proof.extra is not None:
            raise malformed(_WHAT)
        Leaf.decode(files["leaf"])
        return cls(proof, *(files[name] for name in _ALWAYS[1:]), *(files.get(name) for name in _ERASABLE))


class Earlier(msgspec.Struct, frozen=True):
    """An earlier checkpoint, and the consistency path from it to the event's."""

    note: Note
    path: tuple[bytes, ...]


class Evidence(msgspec.Struct, frozen=True):
    """All that one file holds; ``schemas`` by their SHA-256, in hexadecimal digits."""

    event: Exhibit
    schema: bytes
    directory: tuple[Exhibit, ...]
    schemas: Mapping[str, bytes]
    earlier: Earlier | None = None

    @property
    def note(self) -> Note:
        """The checkpoint that everything stands under."""
        return self.event.proof.note

    def schema_of(self, exhibit: Exhibit) -> bytes | None:
        """The schema of an exhibit of the directory."""
        return self.schemas.get(exhibit.leaf.fingerprint.hex())

    def encode(self) -> bytes:
        """The file's bytes; the same evidence is always the same bytes."""
        files = {**self.event.files(), SCHEMA: self.schema}
        if self.earlier is not None:
            files |= zip(EARLIER, (self.earlier.note.encode(), encode_consistency(self.earlier.path)), strict=True)
        for exhibit in self.directory:
            files |= {f"directory/{exhibit.index}/{name}": data for name, data in exhibit.files().items()}
        files |= {f"directory/{digest}.avsc": data for digest, data in self.schemas.items()}
        return pack(files)

    @classmethod
    def decode(cls, data: bytes) -> Evidence:
        """The evidence of a file's bytes. That it is true is for :func:`bus.evidence.verify.verify` to say.

        Raises:
            Malformed: it is none.
        """
        return _of_files(unpack(data))


def digest_name(schema: bytes) -> str:
    """The name by which a schema of the directory goes."""
    return sha256(schema).hexdigest()


def _of_files(files: dict[str, bytes]) -> Evidence:
    directory: dict[int, dict[str, bytes]] = {}
    schemas: dict[str, bytes] = {}
    own: dict[str, bytes] = {}
    for name, data in files.items():
        inside, schema = _IN_DIRECTORY.fullmatch(name), _DIRECTORY_SCHEMA.fullmatch(name)
        if inside is not None:
            directory.setdefault(parse_decimal(inside[1], _WHAT), {})[inside[2]] = data
        elif schema is not None:
            schemas[schema[1]] = data
        else:
            own[name] = data
    schema = own.pop(SCHEMA, None)
    earlier = _earlier(own)
    event = Exhibit.of_files(own)
    exhibits = {index: Exhibit.of_files(directory[index]) for index in sorted(directory)}
    placed = all(index == one.index and one.proof.note == event.proof.note for index, one in exhibits.items())
    if schema is None or not placed or {one.leaf.fingerprint.hex() for one in exhibits.values()} != schemas.keys():
        raise malformed(_WHAT)
    return Evidence(event, schema, tuple(exhibits.values()), schemas, earlier)


def _earlier(own: dict[str, bytes]) -> Earlier | None:
    """Take the earlier checkpoint out of the files, if it is there."""
    note, path = (own.pop(name, None) for name in EARLIER)
    if note is None and path is None:
        return None
    if note is None or path is None:
        raise malformed(_WHAT)
    return Earlier(Note.decode(note), decode_consistency(path))
