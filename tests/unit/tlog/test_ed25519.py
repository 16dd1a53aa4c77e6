"""The strict rule for Ed25519."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bus.evidence import entry
from bus.tlog import ed25519
from bus.trust import batch, directory
from tests.unit.tlog.support import VECTORS, seed

WEAK = {"low_order_A", "low_order_R", "low_order_residue", "non_canonical_A", "non_canonical_R", "reencoded_k"}


def edge_cases() -> list[tuple[bytes, bytes, bytes, frozenset[str]]]:
    """Key, signature, message and flags of each edge case."""
    rows = json.loads((VECTORS / "others/cctv/ed25519.json").read_text(encoding="utf-8"))
    return [(bytes.fromhex(k), bytes.fromhex(s), m.encode(), frozenset(flags)) for k, s, m, flags in rows]


def test_every_edge_case_goes_by_the_strict_rule() -> None:
    """Of 914 edge cases exactly those pass that have no key or nonce of low order and only canonical points."""
    cases = edge_cases()
    assert len(cases) == 914
    passed: Counter[bool] = Counter()
    for key, signature, message, flags in cases:
        holds = ed25519.verify(key, message, signature)
        assert holds == (not flags & WEAK), flags
        passed[holds] += 1
    assert passed == {True: 43, False: 871}


@pytest.mark.parametrize("module", [batch, directory, entry])
def test_events_and_notes_hold_to_one_rule(module: Any) -> None:
    """What checks batches, keys' proofs and evidence is what checks notes."""
    assert module.verify is ed25519.verify


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    """Another message, key or signature, and one of another length, does not hold and raises nothing."""
    secret = seed("someone")
    public = ed25519.public_key(secret)
    signature = ed25519.sign(secret, b"message")
    assert ed25519.verify(public, b"message", signature)
    assert not ed25519.verify(public, b"massage", signature)
    assert not ed25519.verify(ed25519.public_key(seed("else")), b"message", signature)
    for wrong in (b"", signature[:-1], signature + b"\x00", signature[::-1]):
        assert not ed25519.verify(public, b"message", wrong)
    assert not ed25519.verify(public[:-1], b"message", signature)
