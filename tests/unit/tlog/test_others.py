"""Other people's trees, proofs and witnesses: what their programs say is what ours says."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bus.tlog import ed25519, tree
from bus.tlog.checkpoint import Checkpoint
from bus.tlog.note import Note, decode_signatures, encode_signatures, sign_note
from bus.tlog.vkey import Kind, VerifierKey
from bus.tlog.witness import AddCheckpoint, Refusal, TreeHead, judge
from tests.unit.tlog.support import VECTORS, witness_key
from tools import take_vectors

OTHERS = VECTORS / "others"


def load(name: str) -> Any:
    """The data taken from one module."""
    return json.loads((OTHERS / name / "vectors.json").read_text(encoding="utf-8"))


MERKLE = load("merkle")
LEAVES = tree.leaf_hashes([bytes.fromhex(leaf) for leaf in MERKLE["leaves"]])
ROOTS = [bytes.fromhex(root) for root in MERKLE["roots"]]


def unhex(path: Sequence[str]) -> list[bytes]:
    """Hashes of their hexadecimal digits."""
    return [bytes.fromhex(node) for node in path]


def test_their_roots_are_ours() -> None:
    """Trees of 0 to 8 leaves have the roots that Go's Merkle package gives them."""
    assert [tree.root(LEAVES[:size]) for size in range(9)] == ROOTS


def probes(path: list[bytes], *, root: bytes) -> Iterator[list[bytes]]:
    """Paths that were tampered with."""
    yield [*path, b""]
    yield [b"", *path]
    yield [*path, root]
    yield [root, *path]
    for place in range(len(path)):
        yield [*path[:place], bytes([path[place][0] ^ 8]) + path[place][1:], *path[place + 1 :]]
    if path:
        yield path[:-1]
        yield [*path[1:], path[0], bytes(32)]


@pytest.mark.parametrize("case", MERKLE["inclusion"])
def test_their_inclusion_proofs_hold_and_tampered_ones_do_not(case: dict[str, Any]) -> None:
    """Their paths are ours; another index, size, leaf or root, and hashes added, changed or left out, do not hold."""
    index, size, path = case["index"], case["size"], unhex(case["path"])
    leaf, root = LEAVES[index], ROOTS[size]
    assert tree.inclusion_path(LEAVES[:size], index) == path
    assert tree.verify_inclusion(index, size, leaf, path, root)
    for other in (index - 1, index + 1, index ^ 2):
        assert not tree.verify_inclusion(other, size, leaf, path, root)
    assert not tree.verify_inclusion(index, size * 2, leaf, path, root)
    assert not tree.verify_inclusion(index, size // 2, leaf, path, root)
    for wrong in (b"", b"WrongLeaf", bytes(32)):
        assert not tree.verify_inclusion(index, size, wrong, path, root)
        assert not tree.verify_inclusion(index, size, leaf, path, wrong)
    assert not any(tree.verify_inclusion(index, size, leaf, wrong, root) for wrong in probes(path, root=root))


@pytest.mark.parametrize("case", MERKLE["consistency"])
def test_their_consistency_proofs_hold_and_tampered_ones_do_not(case: dict[str, Any]) -> None:
    """Their paths are ours; other sizes or roots, and hashes added, changed or left out, do not hold."""
    old, new, path = case["old"], case["new"], unhex(case["path"])
    roots = ROOTS[old], ROOTS[new]
    assert tree.consistency_path(LEAVES[:new], old) == path
    assert tree.verify_consistency(old, new, *roots, path)
    if old == new:
        return
    for a, b in ((old - 1, new), (old + 1, new), (old ^ 2, new), (old, new * 2), (old, new // 2)):
        assert not tree.verify_consistency(a, b, *roots, path)
    for a, b in ((b"WrongRoot", roots[1]), (roots[0], b"WrongRoot"), roots[::-1]):
        assert not tree.verify_consistency(old, new, a, b, path)
    assert not any(tree.verify_consistency(old, new, *roots, wrong) for wrong in probes(path, root=roots[0]))


def test_proofs_of_a_large_real_log_hold() -> None:
    """An entry of a certificate log with 962 million entries is proved, and that the log only grew."""
    log = load("mod")["argon2020"]
    size, root = log["size"], b64decode(log["root"])
    path = [b64decode(node) for node in log["path"]]
    leaf = bytes.fromhex(log["leaf_hash"])
    assert tree.verify_inclusion(log["index"], size, leaf, path, root)
    assert not tree.verify_inclusion(log["index"] + 1, size, leaf, path, root)
    change = [b64decode(node) for node in log["consistency"]]
    assert tree.verify_consistency(log["old_size"], size, b64decode(log["old_root"]), root, change)
    assert not tree.verify_consistency(log["old_size"] + 1, size, b64decode(log["old_root"]), root, change)


def test_our_witness_answers_as_theirs() -> None:
    """A conversation with another witness program has the same answers here, one after the other."""
    taken = load("torchwood")
    calls = taken["calls"]
    origin = AddCheckpoint.decode(calls[0]["body"].encode()).origin
    log = VerifierKey(origin, Kind.ED25519, bytes.fromhex(taken["log_key"]))
    us, newest = witness_key("example.com/witness"), {origin: TreeHead()}
    assert [call["status"] for call in calls] == [200, 403, 404, 422, 422, 200, 409, 200, 409]
    for call in calls:
        request = AddCheckpoint.decode(call["body"].encode())
        found = judge(request, [log], newest.get(request.origin))
        if isinstance(found, Refusal):
            assert found.status == call["status"]
            assert call["answer"].encode() in found.body
            continue
        assert call["status"] == 200
        newest[origin] = TreeHead(found.size, found.root)
        answer = encode_signatures([sign_note(found.encode(), us, 5)])
        assert call["answer"].encode() in answer
        assert Note(found.encode(), decode_signatures(answer)).verified([us.verifier])


def test_the_specifications_cosigned_checkpoint_is_read() -> None:
    """The example in c2sp.org/tlog-cosignature is one note with two lines, and is written the same."""
    data = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
        "zyWE+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0x"
        "Ue+mbIUBkBIfZ+qnA==\n"
    ).encode()
    note = Note.decode(data)
    assert note.encode() == data
    assert Checkpoint.decode(note.text).size == 20852163
    assert int.from_bytes(note.signatures[1].signature[:8]) == 1679315147


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The modules that the data is from, where Go and its module proxy can be reached."""
    if shutil.which("go") is None:
        pytest.skip("there is no go command")
    try:
        return take_vectors.download(tmp_path_factory.mktemp("modules"))
    except OSError as error:
        pytest.skip(f"Go's module proxy cannot be reached: {error}")


@pytest.mark.deep
def test_the_data_here_is_what_the_modules_hold(modules: dict[str, Path], tmp_path: Path) -> None:
    """Taking the data again gives the committed files, licences too."""
    take_vectors.write(modules, tmp_path)
    for file in sorted(tmp_path.rglob("*.*")):
        assert file.read_bytes() == (OTHERS / file.relative_to(tmp_path)).read_bytes()
    for name in take_vectors.TAKEN:
        assert (tmp_path / name / "LICENSE").read_bytes() == (OTHERS / name / "LICENSE").read_bytes()


@pytest.mark.deep
def test_the_older_edge_cases_go_by_the_strict_rule_too(modules: dict[str, Path]) -> None:
    """Of the module's 768 edge cases of Ed25519 those 43 pass that have nothing of low order or odd form."""
    weak = {"LowOrderA", "LowOrderR", "LowOrderResidue", "NonCanonicalA", "NonCanonicalR"}
    rows = take_vectors.edge_vectors(modules["ed25519vectors"])
    assert len(rows) == 768
    passed = 0
    for key, message, signature, flags in rows:
        holds = ed25519.verify(key, message, signature)
        assert holds == weak.isdisjoint(flags)
        passed += holds
    assert passed == 43
