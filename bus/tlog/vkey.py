"""Keys of signed notes, as text: whose they are, which kind of signature they make, and the key itself.

::

    verifier key = <name>+<key id, 8 hex digits>+<base 64 of: u8 kind ‖ public key>
    signing key  = PRIVATE+KEY+<name>+<key id, 8 hex digits>+<base 64 of: u8 kind ‖ seed 32>
    key id       = SHA-256(name ‖ 0x0A ‖ u8 kind ‖ public key)[:4]

    kind 0x01  a log's Ed25519 signature of the note's text
    kind 0x04  a witness's Ed25519 cosignature
    kind 0x06  a witness's ML-DSA-44 cosignature, which is only checked here

The id is short and no proof of anything: it only says which key to try (c2sp.org/signed-note).
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from typing import Final

import msgspec

from bus.tlog import cosignature, ed25519
from bus.tlog.text import format_base64, malformed, parse_base64

_WHAT: Final = "key"
_PRIVATE: Final = "PRIVATE+KEY+"


class Kind(IntEnum):
    """Which signatures a key makes."""

    ED25519 = 0x01
    COSIGNATURE = 0x04
    MLDSA44_COSIGNATURE = 0x06


_PUBLIC_SIZES: Final = {
    Kind.ED25519: ed25519.PUBLIC_KEY_SIZE,
    Kind.COSIGNATURE: ed25519.PUBLIC_KEY_SIZE,
    Kind.MLDSA44_COSIGNATURE: cosignature.MLDSA44_PUBLIC_SIZE,
}
COSIGNERS: Final = frozenset({Kind.COSIGNATURE, Kind.MLDSA44_COSIGNATURE})
"""The kinds whose signatures say when they were made."""


def is_key_name(name: str) -> bool:
    """Whether a key can be so named: not empty, no plus, no space of any script, no control character."""
    return bool(name) and not any(char == "+" or char < " " or char.isspace() for char in name)


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """The four bytes by which a signature line names its key."""
    return sha256(name.encode() + b"\n" + bytes((kind,)) + public_key).digest()[:4]


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key for signed notes."""

    name: str
    kind: Kind
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line names this key."""
        return key_id(self.name, self.kind, self.public_key)

    def encode(self) -> str:
        """The key as text."""
        return _join(self.name, self.key_id, bytes((self.kind,)) + self.public_key)

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        """The key of its text.

        Raises:
            Malformed: it is none, or of a kind that is not known here.
        """
        name, kind, public_key = _split(text)
        found = cls(name, kind, public_key)
        if len(public_key) != _PUBLIC_SIZES[kind] or found.encode() != text:
            raise malformed(_WHAT)
        return found

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether ``signature`` (without the key id) is this key's over a note's text. Never raises."""
        if self.kind is Kind.ED25519:
            return ed25519.verify(self.public_key, text, signature)
        if self.kind is Kind.COSIGNATURE:
            return cosignature.verify_ed25519(self.public_key, text, signature)
        return cosignature.verify_mldsa44(self.name, self.public_key, text, signature)


class NoteKey:
    """A secret key for signed notes, Ed25519: a log's or a witness's. Its representation never shows the secret."""

    __slots__ = ("_seed", "verifier")

    def __init__(self, name: str, kind: Kind, seed: bytes) -> None:
        if kind is Kind.MLDSA44_COSIGNATURE or len(seed) != ed25519.SEED_SIZE or not is_key_name(name):
            raise ValueError("a note's signing key has a name, an Ed25519 kind and a seed of 32 bytes")
        self._seed = seed
        self.verifier = VerifierKey(name, kind, ed25519.public_key(seed))

    def encode(self) -> str:
        """The secret key as text."""
        return _PRIVATE + _join(self.verifier.name, self.verifier.key_id, bytes((self.verifier.kind,)) + self._seed)

    @classmethod
    def decode(cls, text: str) -> NoteKey:
        """The secret key of its text.

        Raises:
            Malformed: it is none.
        """
        if not text.startswith(_PRIVATE):
            raise malformed(_WHAT)
        name, kind, seed = _split(text.removeprefix(_PRIVATE))
        if kind is Kind.MLDSA44_COSIGNATURE or len(seed) != ed25519.SEED_SIZE:
            raise malformed(_WHAT)
        found = cls(name, kind, seed)
        if found.encode() != text:
            raise malformed(_WHAT)
        return found

    def sign(self, text: bytes, time_s: int | None = None) -> bytes:
        """The signature (without the key id) over a note's text.

        Args:
            text: the note's text; a cosigner signs only a checkpoint that it has found consistent.
            time_s: seconds since 1970, for a cosigner, and only for one.

        Raises:
            ValueError: the time is missing, or is given for a log's key.
        """
        if (time_s is None) != (self.verifier.kind is Kind.ED25519):
            raise ValueError("a cosignature has a time, and a log's signature has none")
        if time_s is None:
            return ed25519.sign(self._seed, text)
        signature = ed25519.sign(self._seed, cosignature.message(text, time_s))
        return cosignature.Cosignature(time_s, signature).encode()

    def __repr__(self) -> str:
        return f"NoteKey({self.verifier.encode()})"


def _join(name: str, ident: bytes, material: bytes) -> str:
    return f"{name}+{ident.hex()}+{format_base64(material)}"


def _split(text: str) -> tuple[str, Kind, bytes]:
    """Name, kind and key material; the id in the middle is checked by who formats it again."""
    name, _, rest = text.partition("+")
    material = parse_base64(rest.partition("+")[2], _WHAT)
    try:
        name.encode()
        kind = Kind(material[0])
    except (ValueError, IndexError):
        raise malformed(_WHAT) from None
    if not is_key_name(name):
        raise malformed(_WHAT)
    return name, kind, material[1:]
