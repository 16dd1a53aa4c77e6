"""What a signature speaks for: one digest over an event's schema and its three sections.

::

    commitment = H("safeguard/event/v1"   ‖ 0x00 ‖ fp 32 ‖ H(header) ‖ H(body) ‖ H(sealed))
    of receipt = H("safeguard/receipt/v1" ‖ 0x00 ‖ fp 32 ‖ H(Avro bytes))

H is SHA-256 and fp the schema's fingerprint. ``sealed`` includes its union byte. Sections are hashed as they
were sent and never encoded again, so any one of them can be erased and the rest still proves itself.
"""

from __future__ import annotations

from hashlib import sha256

EVENT_DOMAIN = b"safeguard/event/v1\x00"
RECEIPT_DOMAIN = b"safeguard/receipt/v1\x00"


def commitment(fp: bytes, header: bytes, body: bytes, sealed: bytes) -> bytes:
    """The commitment to an event's sections."""
    return sha256(
        EVENT_DOMAIN + fp + sha256(header).digest() + sha256(body).digest() + sha256(sealed).digest()
    ).digest()


def commitment_of_digests(fp: bytes, header_d: bytes, body_d: bytes, sealed_d: bytes) -> bytes:
    """The same from the sections' digests: for those who need these too, or have only these."""
    return sha256(EVENT_DOMAIN + fp + header_d + body_d + sealed_d).digest()


def receipt_commitment(fp: bytes, avro: bytes) -> bytes:
    """The commitment to a receipt, ``avro`` being its value without the framing."""
    return sha256(RECEIPT_DOMAIN + fp + sha256(avro).digest()).digest()
