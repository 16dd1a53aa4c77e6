"""Keys of organisations: Ed25519 to sign, ML-KEM-768 with X25519 to be sealed to, and the file they live in.

::

    signing key_id = H(0x01 ‖ Ed25519 public key 32)
    sealing key_id = H(0x02 ‖ ML-KEM-768 public key 1184 ‖ X25519 public key 32)

Signatures are made by libsodium, and checked by its strict rule (:mod:`bus.tlog.ed25519`): two verifiers with two
rules could not hold one ledger.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from bus.errors import UsageError
from bus.tlog.ed25519 import SEED_SIZE, SIGNATURE_SIZE

SEALING_PUBLIC_SIZE: Final = 1216
SEALING_PRIVATE_SIZE: Final = 96


def signing_key_id(public_key: bytes) -> bytes:
    """Id of an Ed25519 public key."""
    return sha256(b"\x01" + public_key).digest()


def sealing_key_id(public_key: bytes) -> bytes:
    """Id of a sealing key by its 1,216 public bytes."""
    return sha256(b"\x02" + public_key).digest()


class SigningKey:
    """An Ed25519 key pair. Its representation never shows the secret."""

    __slots__ = ("_secret", "key_id", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_SIZE:
            raise UsageError("a signing key's seed has 32 bytes")
        self.seed = seed
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)
        self.key_id = signing_key_id(self.public_key)

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key."""
        return cls(secrets.token_bytes(SEED_SIZE))

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed."""
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        """64 bytes of signature over ``message``."""
        return crypto_sign(message, self._secret)[:SIGNATURE_SIZE]

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id.hex()[:16]}…)"


class SealingKey:
    """A key pair that events are sealed to. Private bytes: ML-KEM-768 seed (64) ‖ X25519 private key (32)."""

    __slots__ = ("_mlkem", "_x25519", "hpke", "key_id", "public_key")

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._mlkem = mlkem
        self._x25519 = x25519
        self.hpke = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public_key = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.key_id = sealing_key_id(self.public_key)

    @classmethod
    def generate(cls) -> SealingKey:
        """A new key."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_private(cls, private: bytes) -> SealingKey:
        """The key of its 96 private bytes."""
        if len(private) != SEALING_PRIVATE_SIZE:
            raise UsageError("a sealing key has 96 private bytes")
        return cls(MLKEM768PrivateKey.from_seed_bytes(private[:64]), X25519PrivateKey.from_private_bytes(private[64:]))

    def to_private(self) -> bytes:
        """The 96 private bytes."""
        return self._mlkem.private_bytes_raw() + self._x25519.private_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey({self.key_id.hex()[:16]}…)"


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    signing: str
    sealing: list[str]


class KeyRing:
    """What one organisation holds in secret: its signing key, and its sealing keys, newest first.

    The file is JSON, ``{"signing": hex seed, "sealing": [hex private bytes, …]}``, readable by its owner alone.
    """

    __slots__ = ("sealing", "signing")

    def __init__(self, signing: SigningKey, sealing: Iterable[SealingKey] = ()) -> None:
        self.signing = signing
        self.sealing = tuple(sealing)

    @classmethod
    def generate(cls) -> KeyRing:
        """One new key of each kind."""
        return cls(SigningKey.generate(), [SealingKey.generate()])

    def with_sealing(self, key: SealingKey) -> KeyRing:
        """The ring with a new sealing key in front; the old ones stay, to open what was sealed to them."""
        return KeyRing(self.signing, (key, *self.sealing))

    def sealing_key(self, key_ids: Iterable[bytes]) -> SealingKey | None:
        """Our key among ``key_ids``, if there is one: who opens an event asks with its wraps' ids."""
        wanted = set(key_ids)
        return next((key for key in self.sealing if key.key_id in wanted), None)

    @classmethod
    def load(cls, path: Path | str) -> KeyRing:
        """The ring of a key file.

        Raises:
            UsageError: there is no such file, others may read it, or it is not a key file.
        """
        file = Path(path)
        try:
            if file.stat().st_mode & 0o077:
                raise UsageError(f"{file} can be read by others", hint=f"chmod 600 {file}")
            stored = msgspec.json.decode(file.read_bytes(), type=_KeyFile)
            signing = SigningKey(bytes.fromhex(stored.signing))
            return cls(signing, [SealingKey.from_private(bytes.fromhex(key)) for key in stored.sealing])
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, msgspec.DecodeError):
            raise UsageError(f"{file} is not a key file") from None

    def save(self, path: Path | str) -> None:
        """Write the ring, mode 0600, so that a crash leaves the old file or the new one."""
        file = Path(path)
        stored = _KeyFile(self.signing.seed.hex(), [key.to_private().hex() for key in self.sealing])
        draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(msgspec.json.format(msgspec.json.encode(stored), indent=2) + b"\n")
                out.flush()
                os.fsync(out.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"KeyRing({self.signing!r}, {len(self.sealing)} sealing)"
