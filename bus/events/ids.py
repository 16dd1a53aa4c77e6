"""Event ids: UUIDs of version 7 (RFC 9562 §5.7), 16 bytes here and dashed in text.

    48 bits Unix milliseconds | 4 bits version 7 | 12 bits | 2 bits variant 2 | 62 bits

The 12 bits behind the version carry the fraction of the millisecond (RFC 9562 §6.2, method 3), so that ids made by one
process are in the order of their making to a quarter of a microsecond; the last 62 bits are random.
"""

from __future__ import annotations

_MAX_MS = (1 << 48) - 1


def uuid7(now_us: int, rand: bytes) -> bytes:
    """An id for the instant ``now_us`` (microseconds since 1970), with at least 8 random bytes."""
    ms, fraction_us = divmod(now_us, 1000)
    if not 0 <= ms <= _MAX_MS or len(rand) < 8:
        raise ValueError("a time since 1970 and 8 random bytes make an id")
    low = int.from_bytes(rand[:8], "big") & ((1 << 62) - 1)
    return (ms << 80 | 7 << 76 | (fraction_us * 4096 // 1000) << 64 | 2 << 62 | low).to_bytes(16, "big")


def uuid7_of(ms: bytes, bits: bytes) -> bytes:
    """The id of an instant, 6 bytes of milliseconds, whose other bits are those of 16 bytes in their places."""
    made = bytearray(ms + bits[6:16])
    made[6], made[8] = 0x70 | made[6] & 0x0F, 0x80 | made[8] & 0x3F
    return bytes(made)


def uuid7_time_us(event_id: bytes) -> int | None:
    """The instant in an id, a whole millisecond in microseconds; None if it is not of version 7, variant 2."""
    if len(event_id) != 16 or event_id[6] >> 4 != 7 or event_id[8] >> 6 != 2:
        return None
    return int.from_bytes(event_id[:6], "big") * 1000


def dashed(event_id: bytes) -> str:
    """The text form: 8-4-4-4-12 lower-case hex digits."""
    h = event_id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def parse_uuid(text: str) -> bytes:
    """The 16 bytes of the one text form that ``dashed`` writes.

    Raises:
        ValueError: any other form: upper case, braces, no dashes.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        raw = b""
    if len(raw) != 16 or dashed(raw) != text:
        raise ValueError("not a lower-case, dashed UUID")
    return raw
