"""The formats against known answers of a second program, which shares no code with ``bus``."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bus.events.types import Sealed, Wrap
from bus.tlog import Leaf, leaf_hash, tree
from bus.trust.batch import BatchHeader, BatchVerifier, BusSignature, sign_batch, signed_message
from bus.trust.commitment import commitment, commitment_of_digests, receipt_commitment
from bus.trust.directory import key_proof_message, prove_key
from bus.trust.keys import SealingKey, SigningKey, sealing_key_id, signing_key_id
from bus.trust.sealing import pad, seal_context, unpad, unseal

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests" / "vectors"
SCRIPT = ROOT / "tools" / "make_vectors.py"


def vectors(name: str) -> Any:
    """A file of known answers, with its hex as bytes."""
    return _bytes(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def _bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: inner if name in PLAIN else _bytes(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_bytes(inner) for inner in value]
    return bytes.fromhex(value) if isinstance(value, str) else value


PLAIN = {"name", "origin", "organisation", "issuer", "note"}


def test_the_script_makes_the_same_files_again(tmp_path: Path) -> None:
    """Run anew in an empty folder, the script gives every file byte for byte."""
    subprocess.run([sys.executable, "-I", str(SCRIPT), str(tmp_path)], check=True)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert made
    assert made == {name: (FOLDER / name).read_bytes() for name in made}
    assert {file.name for file in FOLDER.iterdir() if file.is_file()} - set(made) == {"opening.json"}


def test_the_script_is_a_second_program() -> None:
    """It imports the standard library and PyNaCl, and nothing of the bus."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported == {"__future__", "hashlib", "json", "pathlib", "struct", "sys", "nacl"}


def test_key_ids_are_the_known_ones() -> None:
    """Key ids of both kinds agree."""
    known = vectors("key_id")
    key = SigningKey(known["signing"]["seed"])
    assert key.public_key == known["signing"]["public_key"]
    assert key.key_id == signing_key_id(key.public_key) == known["signing"]["key_id"]
    assert sealing_key_id(known["sealing"]["public_key"]) == known["sealing"]["key_id"]


def test_commitments_are_the_known_ones() -> None:
    """Commitments to events and receipts agree, from sections and from digests."""
    known = vectors("commitment")
    for case in known["events"]:
        sections = [case[part] for part in ("header", "body", "sealed")]
        assert commitment(case["fp"], *sections) == case["commitment"]
        assert commitment_of_digests(case["fp"], *[tree.sha256(s).digest() for s in sections]) == case["commitment"]
    receipt = known["receipt"]
    assert receipt_commitment(receipt["fp"], receipt["avro"]) == receipt["commitment"]


def test_batches_and_signatures_are_the_known_ones() -> None:
    """Batches of 1, 2, 3, 5 and 256 have the known header, root, message, signature and bus signatures."""
    known = vectors("batch")
    key = SigningKey(known["seed"])
    for batch in known["batches"]:
        members = batch["members"]
        signed = sign_batch(
            key,
            origin=known["origin"],
            organisation=known["organisation"],
            stream=known["stream"],
            seq=batch["seq"],
            prev_root=batch["prev_root"],
            signed_at_us=batch["signed_at_us"],
            items=[
                (m["commitment"], m.get("header_len", 0), m.get("body_len", 0), m.get("fp", bytes(32))) for m in members
            ],
        )
        assert signed.batch_header == batch["batch_header"]
        assert signed.root == batch["root"]
        assert signed_message(signed.batch_header, signed.root) == batch["signed_message"]
        for made, member in zip(signed.signatures, members, strict=True):
            assert made == member.get("bus_signature", made)
        assert BatchHeader.decode(batch["batch_header"]).encode() == batch["batch_header"]


def test_known_signatures_are_accepted() -> None:
    """Every known bus signature verifies alone under the known key."""
    known = vectors("batch")
    key = SigningKey(known["seed"])
    for batch in known["batches"]:
        for member in batch["members"]:
            if "bus_signature" in member:
                signature = BusSignature.decode(member["bus_signature"])
                assert signature.signature == batch["signature"]
                assert signature.position == member["position"]
                found = BatchVerifier().verify(signature, member["commitment"], {key.key_id: key.public_key}.get)
                assert found is None


def test_leaves_are_the_known_ones() -> None:
    """A leaf of each outcome agrees, both ways, with its hash."""
    for case in vectors("leaf")["leaves"]:
        leaf = Leaf(**case["fields"])
        assert leaf.encode() == case["leaf"]
        assert Leaf.decode(case["leaf"]) == leaf
        assert leaf_hash(case["leaf"]) == case["leaf_hash"]


def test_trees_are_the_known_ones() -> None:
    """Roots, inclusion and consistency paths over Certificate Transparency's own leaves agree."""
    known = vectors("tree")
    hashes = tree.leaf_hashes(known["entries"])
    assert [tree.root(hashes[:size]) for size in range(9)] == known["roots"]
    for proof in known["inclusion"]:
        assert tree.inclusion_path(hashes[: proof["size"]], proof["index"]) == proof["path"]
    for change in known["consistency"]:
        assert tree.consistency_path(hashes[: change["new"]], change["old"]) == change["path"]


def test_the_root_of_eight_is_the_published_one() -> None:
    """Certificate Transparency's published root over its eight test leaves comes out."""
    published = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert tree.root(tree.leaf_hashes(vectors("tree")["entries"])).hex() == published


def test_sealing_contexts_and_ciphertexts_are_the_known_ones() -> None:
    """Context, info, padding and ciphertext under a known content key agree."""
    known = vectors("seal")
    context = seal_context(known["origin"], known["issuer"], known["event_id"], known["fp"], known["header"])
    assert context == known["context"]
    assert context + known["recipient_key_id"] == known["info"]
    for case in known["cases"]:
        assert pad(case["plaintext"]) == case["padded"]
        assert unpad(case["padded"]) == case["plaintext"]
        assert ChaCha20Poly1305(known["content_key"]).encrypt(bytes(12), case["padded"], context) == case["ct"]


def test_what_was_sealed_in_the_past_still_opens() -> None:
    """A sealed part kept as a file opens, whatever version of the cryptography library is installed."""
    known = vectors("opening")
    key = SealingKey.from_private(known["private"])
    sealed = Sealed(1, None, (Wrap(key.key_id, known["wrap"]),), known["ct"])
    opened = unseal(
        sealed,
        key,
        origin=known["origin"],
        issuer=known["issuer"],
        event_id=known["event_id"],
        fp=known["fp"],
        header=known["header"],
    )
    assert opened == known["plaintext"]


def test_the_proof_of_possession_is_the_known_one() -> None:
    """Message and signature that register a key agree."""
    known = vectors("key_proof")
    key = SigningKey(known["seed"])
    message = key_proof_message(known["origin"], known["organisation"], known["key_id"])
    assert message == known["message"]
    assert prove_key(key, known["origin"], known["organisation"]) == known["proof"]


@pytest.mark.parametrize("name", ["batch", "leaf", "seal"])
def test_the_files_are_plain_json(name: str) -> None:
    """A reader in any language gets objects, arrays, integers and lower-case hex."""
    text = (FOLDER / f"{name}.json").read_text(encoding="ascii")
    assert json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n" == text
