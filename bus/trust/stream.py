"""A stream of signed batches: each names the one before it, for the lifetime of one process and lane."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from msgspec import Struct, structs

from bus.trust.batch import NO_ROOT, Item, SignedBatch, sign_batch
from bus.trust.keys import SigningKey


class Stream(Struct, frozen=True):
    """Where a stream stands: the number of its next batch and the root of its last."""

    key: SigningKey
    origin: str
    organisation: str
    stream: bytes
    seq: int = 0
    prev_root: bytes = NO_ROOT

    @classmethod
    def begin(cls, key: SigningKey, *, origin: str, organisation: str) -> Stream:
        """A new stream with a random name."""
        return cls(key, origin, organisation, secrets.token_bytes(16))

    def sign(self, items: Sequence[Item], *, now_us: int) -> tuple[SignedBatch, Stream]:
        """Sign a batch. Go on with the stream that is returned once the batch is durable, else with this one."""
        signed = sign_batch(
            self.key,
            origin=self.origin,
            organisation=self.organisation,
            stream=self.stream,
            seq=self.seq,
            prev_root=self.prev_root,
            signed_at_us=now_us,
            items=items,
        )
        return signed, structs.replace(self, seq=self.seq + 1, prev_root=signed.root)
