"""Ed25519 by libsodium's strict rule: keys and nonces of low order and S ≥ L are refused.

OpenSSL and Go let some of these pass. What is accepted here is accepted by them too, so a log that holds to this
rule is never the one that others cannot follow.
"""

from __future__ import annotations

from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

PUBLIC_KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64
SEED_SIZE: Final = 32


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is this key's over ``message``. Never raises."""
    if len(public_key) != PUBLIC_KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def public_key(seed: bytes) -> bytes:
    """The public key of a 32-byte seed."""
    return crypto_sign_seed_keypair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """64 bytes of signature over ``message``."""
    return crypto_sign(message, crypto_sign_seed_keypair(seed)[1])[:SIGNATURE_SIZE]
