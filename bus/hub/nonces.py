"""The nonce of a decision: looks random to everyone else, and the hub can make it again.

::

    secret = HMAC-SHA256(seed of the hub's signing key, "safeguard/decision-nonce/v1")
    nonce  = HMAC-SHA256(secret, commitment 32 ‖ u64 index)[:16]

``decision_d`` stands in published tiles and must not be guessable, so a decision begins with a nonce. What is random
is lost with the database; what follows from a secret lets ``bus hub repair`` make a lost decision again, which must
then hash to what was published. The index is in it, so that no two decisions share one.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from typing import Final

from bus.trust.keys import SigningKey

SIZE: Final = 16
_LABEL: Final = b"safeguard/decision-nonce/v1"

Nonces = Callable[[bytes, int], bytes]
"""From an event's commitment and its index to 16 bytes."""


def nonces_of(key: SigningKey) -> Nonces:
    """The nonces of a hub's decisions, by its signing key."""
    return partial(_nonce, hmac.digest(key.seed, _LABEL, "sha256"))


def _nonce(secret: bytes, commitment: bytes, index: int) -> bytes:
    return hmac.digest(secret, commitment + index.to_bytes(8), "sha256")[:SIZE]
