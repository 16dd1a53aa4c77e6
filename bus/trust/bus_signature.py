"""The ``bus-signature`` header of a Kafka record: a batch's signature, and how this record stands under it.

::

    u8 1 ‖ u8 1 (Ed25519) ‖ u32 header_len ‖ u32 body_len ‖ fingerprint 32
    ‖ u16 len, batch header ‖ u8 position ‖ u8 n ‖ n * 32 path ‖ signature 64

The path leads from the record's commitment at ``position`` to the batch's root; n is exactly the length that
RFC 9162 gives it. The lengths say where the value's header and body end, before anything is parsed.
"""

from __future__ import annotations

from struct import Struct as Layout
from struct import error as struct_error
from typing import Final

import msgspec

from bus.errors import Malformed
from bus.tlog.tree import path_length
from bus.trust.batch_header import BatchHeader

VERSION: Final = 1
ED25519: Final = 1

_FRONT = Layout(">BBII32sH")
_FRONT_SIZE: Final = _FRONT.size
_FIXED_TAIL: Final = 66


class BusSignature(msgspec.Struct, frozen=True, gc=False):
    """One record's share of a signed batch. ``path`` is packed; ``batch_bytes`` are ``batch`` as sent."""

    header_len: int
    body_len: int
    fp: bytes
    batch_bytes: bytes
    batch: BatchHeader
    position: int
    path: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The bytes.

        Raises:
            ValueError: a field has not its length or range.
        """
        if len(self.fp) != 32 or len(self.signature) != 64 or self.batch.encode() != self.batch_bytes:
            raise ValueError("a field of the bus signature has not its length")
        if not 0 <= self.position < self.batch.size or len(self.path) != 32 * path_length(
            self.position, self.batch.size
        ):
            raise ValueError("the path is not that of the position")
        return pack_signature(
            self.header_len, self.body_len, self.fp, self.batch_bytes, self.position, self.path, self.signature
        )

    @classmethod
    def decode(cls, data: bytes) -> BusSignature:
        """The signature of a header's bytes. Every byte has one fixed place, so no second form can exist.

        Raises:
            Malformed: the bytes are no bus signature.
        """
        try:
            version, algorithm, header_len, body_len, fp, batch_len = _FRONT.unpack_from(data)
            at = _FRONT_SIZE + batch_len
            position, n = data[at], data[at + 1]
        except (struct_error, IndexError):
            raise Malformed("signature-malformed") from None
        batch_bytes = data[_FRONT_SIZE:at]
        batch = BatchHeader.decode(batch_bytes)
        if (
            version != VERSION
            or algorithm != ED25519
            or position >= batch.size
            or n != path_length(position, batch.size)
            or len(data) != at + _FIXED_TAIL + 32 * n
        ):
            raise Malformed("signature-malformed")
        return cls(header_len, body_len, fp, batch_bytes, batch, position, data[at + 2 : -64], data[-64:])


def pack_signature(
    header_len: int, body_len: int, fp: bytes, batch_bytes: bytes, position: int, path: bytes, signature: bytes
) -> bytes:
    """The bytes of fields that are known to be sound.

    Raises:
        ValueError: a number is out of range.
    """
    try:
        front = _FRONT.pack(VERSION, ED25519, header_len, body_len, fp, len(batch_bytes))
    except struct_error as error:
        raise ValueError("a length is out of range") from error
    return b"".join((front, batch_bytes, bytes((position, len(path) // 32)), path, signature))
