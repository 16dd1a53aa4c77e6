"""Asks a witness to cosign a checkpoint (c2sp.org/tlog-witness).

What it answers is believed only as far as its form: whoever asked verifies the cosignatures against the witness's
key, and passes over lines of other keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aiohttp

from bus.errors import Malformed, Unavailable, WitnessConflict, WitnessRefused
from bus.tlog.note import decode_signatures
from bus.tlog.witness import SIZE_TYPE, AddCheckpoint, decode_size

MAX_ANSWER: Final = 1 << 18
_MAX_REASON: Final = 200
_REFUSALS: Final = frozenset({400, 403, 404, 409, 422})


async def add_checkpoint(
    session: aiohttp.ClientSession, url: str, *, old: int, proof: Sequence[bytes], note: bytes, timeout_s: float = 5.0
) -> list[str]:
    """Ask a witness to cosign a checkpoint.

    Args:
        session: whoever asks often keeps one, so that connections stay open.
        url: the witness's submission prefix, as in a policy.
        old: the size of the newest checkpoint that it is thought to have cosigned; 0 if none is known.
        proof: the consistency path from that size to the checkpoint's, at most 63 digests.
        note: the checkpoint, signed by the log.
        timeout_s: for all of it, from the connection to the last byte of the answer.

    Returns:
        The cosignature lines, without their newlines, as they came.

    Raises:
        WitnessConflict: it is at another size.
        WitnessRefused: it does not cosign this.
        Unavailable: it did not answer in time, or not as a witness does. It may have stored the checkpoint.
    """
    body = AddCheckpoint(old, tuple(proof), note).encode()
    try:
        async with session.post(
            f"{url.rstrip('/')}/add-checkpoint",
            data=body,
            headers={"Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as answer:
            return _read(answer.status, answer.content_type, await _bounded(answer.content))
    except TimeoutError:
        raise Unavailable(f"the witness did not answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"the witness cannot be reached: {type(error).__name__}") from error
    except Malformed as error:
        raise Unavailable(f"the witness's answer is not one: {error.message}") from None


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole answer, of a witness that may be hostile."""
    found = bytearray()
    async for chunk in content.iter_any():
        found += chunk
        if len(found) > MAX_ANSWER:
            raise Malformed("malformed", "too long")
    return bytes(found)


def _read(status: int, content_type: str, body: bytes) -> list[str]:
    """What an answer says."""
    if status == 200:
        decode_signatures(body)
        return body.decode()[:-1].split("\n")
    if status == 409 and content_type == SIZE_TYPE:
        raise WitnessConflict(decode_size(body))
    if status in _REFUSALS:
        raise WitnessRefused(status, _printable(body))
    raise Unavailable(f"the witness answered {status}")


def _printable(body: bytes) -> str:
    """A refusal's sentence, as far as it can be shown to a person."""
    text = body[:_MAX_REASON].decode("utf-8", "replace").strip()
    return "".join(char if char.isprintable() else " " for char in text)
