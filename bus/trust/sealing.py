"""Sealing: content that its recipients can read, and the hub cannot.

::

    context   = "safeguard/seal/v1" ‖ 0x00 ‖ u16 len, origin ‖ u16 len, issuer ‖ event_id 16 ‖ fp 32 ‖ H(header)
    info      = context ‖ recipient key_id 32
    wrap      = HPKE(MLKEM768-X25519, HKDF-SHA256, ChaCha20-Poly1305) of the content key, enc ‖ ct, 1168 bytes
    ct        = ChaCha20-Poly1305 under the content key, zero nonce, AAD = context
    plaintext = u32 length ‖ Avro ‖ zeros up to a multiple of 256

A content key is random and used once, so the nonce may be zero. The context ties the ciphertext to one event of
one issuer in one log: published again under another name it opens for nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from bus.errors import Malformed
from bus.events.types import Sealed, Wrap
from bus.trust.keys import SEALING_PUBLIC_SIZE, SealingKey, sealing_key_id

DIRECT: Final = 1
MAX_RECIPIENTS: Final = 24
PADDING: Final = 256

_DOMAIN: Final = b"safeguard/seal/v1\x00"
_NONCE: Final = bytes(12)
_MLKEM_PUBLIC_SIZE: Final = 1184
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(
    plaintext: bytes,
    *,
    origin: str,
    issuer: str,
    event_id: bytes,
    fp: bytes,
    header: bytes,
    recipients: Sequence[bytes],
) -> Sealed:
    """Seal the Avro bytes ``plaintext`` directly for 1 to 24 recipients, each by its 1,216 public bytes.

    Raises:
        ValueError: no recipient, too many, one twice, or bytes that are no sealing key.
    """
    by_id = {sealing_key_id(public_key): public_key for public_key in recipients}
    if not 1 <= len(recipients) <= MAX_RECIPIENTS or len(by_id) != len(recipients):
        raise ValueError("an event is sealed for 1 to 24 different recipients")
    context = seal_context(origin, issuer, event_id, fp, header)
    content_key = secrets.token_bytes(32)
    wraps = tuple([_wrap(content_key, key_id, by_id[key_id], context) for key_id in sorted(by_id)])
    ct = ChaCha20Poly1305(content_key).encrypt(_NONCE, pad(plaintext), context)
    return Sealed(suite=DIRECT, audience_key_id=None, wraps=wraps, ct=ct)


def unseal(
    sealed: Sealed,
    key: SealingKey,
    *,
    origin: str,
    issuer: str,
    event_id: bytes,
    fp: bytes,
    header: bytes,
) -> bytes:
    """The Avro bytes that were sealed for ``key``; whether they fit their schema is the caller's to check.

    Raises:
        Malformed: it is not for this key, was not sealed for this event, or is not padded as it must be.
    """
    wrap = next((wrap.wrap for wrap in sealed.wraps if wrap.key_id == key.key_id), None)
    if sealed.suite != DIRECT or sealed.audience_key_id is not None or wrap is None:
        raise _cannot_open()
    context = seal_context(origin, issuer, event_id, fp, header)
    try:
        content_key = _SUITE.decrypt(wrap, key.hpke, info=context + key.key_id)
        padded = ChaCha20Poly1305(content_key).decrypt(_NONCE, sealed.ct, context)
    except (InvalidTag, ValueError):
        raise _cannot_open() from None
    return unpad(padded)


def seal_context(origin: str, issuer: str, event_id: bytes, fp: bytes, header: bytes) -> bytes:
    """What ties a ciphertext to its event: the AAD, and with a recipient's key id behind it, a wrap's info.

    Raises:
        ValueError: the event id or fingerprint has not its length.
    """
    if len(event_id) != 16 or len(fp) != 32:
        raise ValueError("an event id has 16 bytes and a fingerprint 32")
    return b"".join((
        _DOMAIN, _sized(origin), _sized(issuer), event_id, fp, sha256(header).digest()
    ))  # fmt: skip


def pad(plaintext: bytes) -> bytes:
    """The plaintext behind its length, with zeros up to a multiple of 256."""
    framed = len(plaintext).to_bytes(4) + plaintext
    return framed + bytes(-len(framed) % PADDING)


def unpad(padded: bytes) -> bytes:
    """The plaintext of what ``pad`` made, in its one form.

    Raises:
        Malformed: it is padded otherwise.
    """
    plaintext = padded[4 : 4 + int.from_bytes(padded[:4])]
    if pad(plaintext) != padded:
        raise _cannot_open()
    return plaintext


def _wrap(content_key: bytes, key_id: bytes, public_key: bytes, context: bytes) -> Wrap:
    return Wrap(key_id=key_id, wrap=_SUITE.encrypt(content_key, _public_key(public_key), info=context + key_id))


@lru_cache(maxsize=256)
def _public_key(raw: bytes) -> MLKEM768X25519PublicKey:
    if len(raw) != SEALING_PUBLIC_SIZE:
        raise ValueError("a sealing key has 1,216 public bytes")
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_SIZE]),
        X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC_SIZE:]),
    )


def _sized(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _cannot_open() -> Malformed:
    return Malformed("unseal", "it does not open", hint="Ask its issuer; the ledger entry names the recipients.")
