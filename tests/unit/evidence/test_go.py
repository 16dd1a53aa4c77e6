"""Other people's code on our log and evidence: torchwood and Go's own packages. Needs Go and a way to its modules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bus.evidence.archive import unpack
from tests.unit.evidence.conftest import Story

pytestmark = pytest.mark.deep

PROGRAM = Path(__file__).with_suffix(".go")
MODULES = ("filippo.io/torchwood@v0.9.0",)


def go(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Go; skip where its modules cannot be had."""
    done = subprocess.run(["go", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and "dial tcp" in done.stderr:
        pytest.skip("Go's module proxy cannot be reached")
    return done


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, compiled."""
    if shutil.which("go") is None:
        pytest.skip("there is no go command")
    folder = tmp_path_factory.mktemp("go")
    shutil.copy(PROGRAM, folder / "main.go")
    for words in (("mod", "init", "example.com/verify"), ("get", *MODULES), ("mod", "tidy"), ("build", "-o", "verify")):
        done = go(*words, folder=folder)
        assert done.returncode == 0, done.stderr
    return folder / "verify"


@pytest.fixture
def folder(story: Story, tmp_path: Path) -> Path:
    """The published log, its policy, and the proofs of some events."""
    published = story.ledger.folder
    shutil.copytree(published / "log", tmp_path / "log")
    shutil.copy(published / "policy", tmp_path / "policy")
    shutil.copy(published / "checkpoints" / str(story.ledger.size), tmp_path / "log" / "checkpoint")
    for index in (story.index, *story.many[::50], story.many[-1]):
        one = tmp_path / "proofs" / str(index)
        one.mkdir(parents=True)
        files = unpack(story.ledger.prove(index).encode())
        for name in ("leaf", "event.tlog-proof", "earlier.checkpoint", "earlier.consistency"):
            (one / name).write_bytes(files[name])
    return tmp_path


def test_other_programs_read_our_log_and_verify_our_proofs(program: Path, folder: Path, story: Story) -> None:
    """Every entry is read from our tiles, and every proof of inclusion and consistency holds under our policy."""
    done = subprocess.run([program, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    proofs = len(list((folder / "proofs").iterdir()))
    assert done.stdout.split() == [str(story.ledger.size), str(proofs), str(proofs)]


@pytest.mark.parametrize("name", ["policy", "log/checkpoint", "log/tile/0/000", "log/tile/entries/000"])
def test_other_programs_notice_when_one_byte_is_changed(program: Path, folder: Path, name: str) -> None:
    """It is no accident that they agree: one byte of policy, checkpoint, tile or bundle, and they do not."""
    file = folder / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    assert subprocess.run([program, folder], capture_output=True, check=False).returncode != 0


def test_other_programs_notice_a_changed_proof(program: Path, folder: Path) -> None:
    """A leaf, proof or consistency path with one byte changed does not hold for them either."""
    for one in ("leaf", "event.tlog-proof", "earlier.checkpoint", "earlier.consistency"):
        file = next((folder / "proofs").iterdir()) / one
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 3] ^= 1
        file.write_bytes(bytes(changed))
        assert subprocess.run([program, folder], capture_output=True, check=False).returncode != 0, one
        file.write_bytes(whole)
