"""Make tests/vectors/*.json: known answers for the formats of trust and ledger.

    python tools/make_vectors.py [FOLDER]

This is a second program. It uses hashlib, struct and PyNaCl and nothing of `bus`, says each format in its own
words, and computes the tree by the recursive definition of RFC 6962. It has no clock and no randomness: all
"random" input is SHAKE-128 of a label.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path

from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt as chacha20_poly1305
from nacl.signing import SigningKey

ORIGIN = "ledger.example.org/safeguard"
ORGANISATION = "platform-a"
SIGNED_AT_US = 1_767_225_600_000_000
PAYLOAD_TYPE = b"application/vnd.safeguard.batch.v1"
LEAF_NUMBERS = {"outcome", "time_us", "partition", "offset", "last_offset", "first_index"}


def h(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def filler(label: str, size: int) -> bytes:
    return hashlib.shake_128(label.encode()).digest(size)


def sized(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def tree_hash(entries: list[bytes]) -> bytes:
    if not entries:
        return h(b"")
    if len(entries) == 1:
        return h(b"\x00" + entries[0])
    k = largest_power_below(len(entries))
    return h(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:]))


def audit_path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*audit_path(m, entries[:k]), tree_hash(entries[k:])]
    return [*audit_path(m - k, entries[k:]), tree_hash(entries[:k])]


def consistency(m: int, entries: list[bytes], *, whole: bool = True) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [tree_hash(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*consistency(m, entries[:k], whole=whole), tree_hash(entries[k:])]
    return [*consistency(m - k, entries[k:], whole=False), tree_hash(entries[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def key_ids() -> dict[str, object]:
    seed = filler("signing seed", 32)
    public = bytes(SigningKey(seed).verify_key)
    mlkem, x25519 = filler("ML-KEM-768 public key", 1184), filler("X25519 public key", 32)
    return {
        "signing": {"seed": seed, "public_key": public, "key_id": h(b"\x01" + public)},
        "sealing": {"public_key": mlkem + x25519, "key_id": h(b"\x02" + mlkem + x25519)},
    }


def commitments() -> dict[str, object]:
    cases: list[dict[str, object]] = []
    for name, sizes in {"unsealed": (254, 96, 0), "sealed": (312, 40, 3000), "empty sections": (0, 0, 0)}.items():
        fp = filler(f"{name} fp", 32)
        header, body, sealed = (filler(f"{name} {part}", size) for part, size in zip("hbs", sizes, strict=True))
        sealed = b"\x02" + sealed if sealed else b"\x00"
        digest = h(b"safeguard/event/v1\x00" + fp + h(header) + h(body) + h(sealed))
        cases.append({"name": name, "fp": fp, "header": header, "body": body, "sealed": sealed, "commitment": digest})
    fp, avro = filler("receipt fp", 32), filler("receipt", 200)
    receipt = h(b"safeguard/receipt/v1\x00" + fp + h(avro))
    return {"events": cases, "receipt": {"fp": fp, "avro": avro, "commitment": receipt}}


def batches() -> dict[str, object]:
    key = SigningKey(filler("signing seed", 32))
    key_id = h(b"\x01" + bytes(key.verify_key))
    stream, prev_root, cases = filler("stream", 16), bytes(32), []
    for seq, size in enumerate((1, 2, 3, 5, 256)):
        members = [filler(f"commitment {size} {position}", 32) for position in range(size)]
        root = tree_hash(members)
        header = b"\x01" + sized(ORIGIN) + sized(ORGANISATION) + key_id + stream
        header += struct.pack(">QHq", seq, size, SIGNED_AT_US + seq) + prev_root
        payload = header + root
        signed = b" ".join(
            (b"DSSEv1", str(len(PAYLOAD_TYPE)).encode(), PAYLOAD_TYPE, str(len(payload)).encode(), payload)
        )
        signature = key.sign(signed).signature
        case: dict[str, object] = {
            "seq": seq, "size": size, "signed_at_us": SIGNED_AT_US + seq, "prev_root": prev_root,
            "batch_header": header, "root": root, "signed_message": signed, "signature": signature,
        }  # fmt: skip
        shown = range(size) if size < 256 else (0, 1, 127, 128, 200, 254, 255)
        case["members"] = [member(position, members, header, signature, position in shown) for position in range(size)]
        cases.append(case)
        prev_root = root
    return {
        "seed": bytes(key), "origin": ORIGIN, "organisation": ORGANISATION, "key_id": key_id, "stream": stream,
        "batches": cases,
    }  # fmt: skip


def member(position: int, members: list[bytes], header: bytes, signature: bytes, shown: bool) -> dict[str, object]:
    found: dict[str, object] = {"commitment": members[position]}
    if not shown:
        return found
    fp, path = filler(f"fp {position % 3}", 32), audit_path(position, members)
    header_len, body_len = 200 + position, 90 + 2 * position
    found |= {"position": position, "header_len": header_len, "body_len": body_len, "fp": fp}
    found["bus_signature"] = (
        struct.pack(">BBII", 1, 1, header_len, body_len) + fp + struct.pack(">H", len(header)) + header
        + bytes((position, len(path))) + b"".join(path) + signature
    )  # fmt: skip
    return found


def leaves() -> dict[str, object]:
    cases: list[dict[str, object]] = []
    for outcome, name in enumerate(("accepted", "repeated", "refused", "gap"), 1):
        parsed = name in {"accepted", "repeated"}
        digest = {
            part: filler(f"{name} {part}", 32) if parsed else bytes(32)
            for part in ("fingerprint", "header_d", "body_d", "sealed_d", "signature_d", "commitment")
        }
        fields: dict[str, object] = {
            "outcome": outcome,
            "time_us": SIGNED_AT_US + outcome,
            "topic_d": h(b"out.platform-a"),
            "partition": 0,
            "offset": 2**40 + outcome,
            "last_offset": 2**40 + (9 if name == "gap" else outcome),
            **{part: digest[part] for part in ("fingerprint", "header_d", "body_d", "sealed_d", "signature_d")},
            "value_d": bytes(32) if name == "gap" else filler(f"{name} value", 32),
            "decision_d": filler("decision", 32) if name == "accepted" else bytes(32),
            "policy_d": h(b"policy"),
            "first_index": 7 if name == "repeated" else 1000 + outcome,
            "event_id": filler("event id", 16) if parsed else bytes(16),
            "commitment": digest["commitment"],
        }
        cases.append({"name": name, "fields": fields, "leaf": pack(fields), "leaf_hash": h(b"\x00" + pack(fields))})
    return {"leaves": cases}


def pack(fields: dict[str, object]) -> bytes:
    layout = {"outcome": "B", "time_us": "q", "partition": "I", "event_id": "16s"}
    codes = (layout.get(name, "Q" if name in LEAF_NUMBERS else "32s") for name in fields)
    return struct.pack(">B" + "".join(codes), 1, *fields.values())


def trees() -> dict[str, object]:
    entries = [bytes.fromhex(entry) for entry in RFC6962_ENTRIES]
    proofs = [
        {"size": size, "index": index, "path": audit_path(index, entries[:size])}
        for size in range(1, 9)
        for index in range(size)
    ]
    changes = [
        {"old": old, "new": new, "path": consistency(old, entries[:new])}
        for new in range(1, 9)
        for old in range(1, new + 1)
    ]
    roots = [tree_hash(entries[:size]) for size in range(9)]
    return {"entries": entries, "roots": roots, "inclusion": proofs, "consistency": changes}


def seals() -> dict[str, object]:
    header, fp, event_id = filler("seal header", 280), filler("seal fp", 32), filler("seal id", 16)
    context = b"safeguard/seal/v1\x00" + sized(ORIGIN) + sized(ORGANISATION) + event_id + fp + h(header)
    recipient, content_key, cases = filler("recipient", 32), filler("content key", 32), []
    for size in (0, 1, 251, 252, 253, 1000):
        plaintext = filler("plaintext", size)
        padded = struct.pack(">I", size) + plaintext
        padded += b"\x00" * (-len(padded) % 256)
        ct = chacha20_poly1305(padded, context, bytes(12), content_key)
        cases.append({"plaintext": plaintext, "padded": padded, "ct": ct})
    return {
        "origin": ORIGIN, "issuer": ORGANISATION, "event_id": event_id, "fp": fp, "header": header,
        "context": context, "recipient_key_id": recipient, "info": context + recipient,
        "content_key": content_key, "cases": cases,
    }  # fmt: skip


def key_proof() -> dict[str, object]:
    key = SigningKey(filler("signing seed", 32))
    key_id = h(b"\x01" + bytes(key.verify_key))
    message = b"safeguard/key-proof/v1\x00" + sized(ORIGIN) + sized(ORGANISATION) + key_id
    return {
        "seed": bytes(key), "origin": ORIGIN, "organisation": ORGANISATION, "key_id": key_id,
        "message": message, "proof": key.sign(message).signature,
    }  # fmt: skip


# The eight leaf inputs that Certificate Transparency's own tests use.
RFC6962_ENTRIES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)

FILES = {
    "key_id": key_ids,
    "commitment": commitments,
    "batch": batches,
    "leaf": leaves,
    "tree": trees,
    "seal": seals,
    "key_proof": key_proof,
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        text = json.dumps(make(), indent=1, sort_keys=True, default=bytes.hex)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests" / "vectors")
