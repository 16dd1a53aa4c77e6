"""The batch header: who signed up to 256 events at once, when, and as which link of which stream.

::

    u8 1 ‖ u16 len, origin ‖ u16 len, organisation ‖ key_id 32 ‖ stream 16
    ‖ u64 seq ‖ u16 size ‖ i64 signed_at_us ‖ prev_root 32

A stream is the lifetime of one publisher process. ``prev_root`` is the root of the stream's batch before this
one, and zeros for the first and only for the first. 1 ≤ size ≤ 256.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct as Layout
from struct import error as struct_error
from typing import Final

import msgspec

from bus.errors import Malformed
from bus.events.names import ORG_RE, ORIGIN_RE

MAX_BATCH: Final = 256
NO_ROOT: Final = bytes(32)
MAX_ORIGIN: Final = 64

_VERSION: Final = 1
_REST = Layout(">32s16sQHq32s")


class BatchHeader(msgspec.Struct, frozen=True):
    """What a batch says of itself; fields as the module says, in the order of the bytes."""

    origin: str
    organisation: str
    key_id: bytes
    stream: bytes
    seq: int
    size: int
    signed_at_us: int
    prev_root: bytes

    def encode(self) -> bytes:
        """The bytes.

        Raises:
            ValueError: a field breaks its rule.
        """
        if not _is_sound(self):
            raise ValueError("a field of the batch header breaks its rule")
        origin, organisation = self.origin.encode(), self.organisation.encode()
        try:
            rest = _REST.pack(self.key_id, self.stream, self.seq, self.size, self.signed_at_us, self.prev_root)
        except struct_error as error:
            raise ValueError("a number of the batch header is out of range") from error
        return b"".join((b"\x01", _sized(origin), _sized(organisation), rest))

    @classmethod
    def decode(cls, data: bytes) -> BatchHeader:
        """The batch header of its bytes; the last thousand or so are remembered.

        Raises:
            Malformed: the bytes are no batch header.
        """
        return _decode(data)


@lru_cache(maxsize=1024)
def _decode(data: bytes) -> BatchHeader:
    try:
        at = 3 + int.from_bytes(data[1:3])
        end = at + 2 + int.from_bytes(data[at : at + 2])
        origin, organisation = data[3:at].decode("ascii"), data[at + 2 : end].decode("ascii")
        header = BatchHeader(origin, organisation, *_REST.unpack(data[end:]))
        if data[0] == _VERSION and header.encode() == data:
            return header
    except (IndexError, ValueError, struct_error):
        pass
    raise Malformed("signature-malformed", "batch header")


def _is_sound(header: BatchHeader) -> bool:
    return (
        len(header.origin) <= MAX_ORIGIN
        and ORIGIN_RE.fullmatch(header.origin) is not None
        and ORG_RE.fullmatch(header.organisation) is not None
        and len(header.key_id) == len(header.prev_root) == 32
        and len(header.stream) == 16
        and 1 <= header.size <= MAX_BATCH
        and header.signed_at_us >= 0
        and (header.seq == 0) == (header.prev_root == NO_ROOT)
    )


def _sized(text: bytes) -> bytes:
    return len(text).to_bytes(2) + text
