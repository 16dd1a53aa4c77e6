r"""The cosignature: a witness says that it saw a log grow to this tree (c2sp.org/tlog-cosignature).

::

    signature = u64 seconds since 1970 ‖ Ed25519 64 | ML-DSA-44 2420

    Ed25519   signs "cosignature/v1\n" ‖ "time <seconds>\n" ‖ the note's whole text, extension lines too
    ML-DSA-44 signs "subtree/v1\n" 0x00 ‖ u8 len, cosigner ‖ u64 seconds ‖ u8 len, origin
                    ‖ u64 start 0 ‖ u64 size ‖ root 32

Ed25519 is what is made here; both are checked. Integers are big-endian, times POSIX seconds.
"""

from __future__ import annotations

from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from bus.errors import Malformed
from bus.tlog import ed25519
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.text import MAX_NUMBER, malformed

ED25519_SIZE: Final = 64
MLDSA44_SIZE: Final = 2420
MLDSA44_PUBLIC_SIZE: Final = 1312
_TIME_SIZE: Final = 8
_MAX_NAME: Final = 255


class Cosignature(msgspec.Struct, frozen=True):
    """When a witness cosigned, and its signature."""

    time_s: int
    signature: bytes

    def encode(self) -> bytes:
        """The bytes that follow the key id in the note's signature line.

        Raises:
            ValueError: the time or the signature's length is none.
        """
        if not 0 <= self.time_s <= MAX_NUMBER or len(self.signature) not in {ED25519_SIZE, MLDSA44_SIZE}:
            raise ValueError("a field of the cosignature breaks its rule")
        return self.time_s.to_bytes(_TIME_SIZE) + self.signature

    @classmethod
    def decode(cls, data: bytes) -> Cosignature:
        """The cosignature of its bytes.

        Raises:
            Malformed: the bytes are no cosignature.
        """
        found = cls(int.from_bytes(data[:_TIME_SIZE]), data[_TIME_SIZE:])
        if found.time_s > MAX_NUMBER or len(found.signature) not in {ED25519_SIZE, MLDSA44_SIZE}:
            raise malformed("cosignature")
        return found


def message(text: bytes, time_s: int) -> bytes:
    """What an Ed25519 cosigner signs of a note's text."""
    return b"cosignature/v1\ntime %d\n" % time_s + text


def mldsa_message(cosigner: str, checkpoint: Checkpoint, time_s: int) -> bytes:
    """What an ML-DSA-44 cosigner signs of a checkpoint.

    Raises:
        ValueError: a name is too long to be signed.
    """
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    if not 1 <= len(name) <= _MAX_NAME or not 1 <= len(origin) <= _MAX_NAME:
        raise ValueError("a name has 1 to 255 bytes")
    return b"".join((
        b"subtree/v1\n\x00", bytes((len(name),)), name, time_s.to_bytes(8), bytes((len(origin),)), origin,
        bytes(8), checkpoint.size.to_bytes(8), checkpoint.root,
    ))  # fmt: skip


def verify_ed25519(public_key: bytes, text: bytes, data: bytes) -> bool:
    """Whether ``data`` is this cosigner's cosignature of a checkpoint's text. Never raises."""
    cosigned = _decoded(text, data, ED25519_SIZE)
    return cosigned is not None and ed25519.verify(public_key, message(text, cosigned[1].time_s), data[_TIME_SIZE:])


def verify_mldsa44(cosigner: str, public_key: bytes, text: bytes, data: bytes) -> bool:
    """The same of an ML-DSA-44 cosigner, whose name is signed too. Never raises."""
    cosigned = _decoded(text, data, MLDSA44_SIZE)
    if cosigned is None:
        return False
    checkpoint, cosignature = cosigned
    try:
        signed = mldsa_message(cosigner, checkpoint, cosignature.time_s)
        MLDSA44PublicKey.from_public_bytes(public_key).verify(cosignature.signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(text: bytes, data: bytes, signature_size: int) -> tuple[Checkpoint, Cosignature] | None:
    """A checkpoint and a cosignature of that kind; only checkpoints are ever cosigned."""
    if len(data) != _TIME_SIZE + signature_size:
        return None
    try:
        return Checkpoint.decode(text), Cosignature.decode(data)
    except Malformed:
        return None
