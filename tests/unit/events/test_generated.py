"""The generated modules are what `make types` writes, and releases do not change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def run(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the generator of a checkout."""
    command = [sys.executable, str(root / "tools" / "make_types.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)


def copy(target: Path) -> Path:
    """A checkout with nothing but what the generator needs."""
    for part in ("schemas", "tools"):
        shutil.copytree(ROOT / part, target / part)
    (target / "bus" / "events").mkdir(parents=True)
    for name in ("types", "decoders", "table"):
        shutil.copy(ROOT / "bus" / "events" / f"{name}.py", target / "bus" / "events")
    return target


def test_the_generated_modules_are_up_to_date() -> None:
    """Whoever changes a schema runs `make types`; whoever changes a generated module is told."""
    done = run(ROOT, "--check")
    assert (done.returncode, done.stdout) == (0, "up to date\n")


def test_a_released_schema_does_not_change(tmp_path: Path) -> None:
    """A changed source is refused until it takes a new id, which then stands beside the old one."""
    root = copy(tmp_path)
    source = root / "schemas" / "events" / "Acknowledgement.toml"
    text = source.read_text() + 'extra = ["Count?", "something new"]\n'
    source.write_text(text)
    done = run(root, "--release")
    assert done.returncode != 0
    assert "27-Acknowledgement.avsc" in done.stderr
    source.write_text(text.replace("id = 27", "id = 127"))
    assert run(root, "--release").returncode == 0
    assert run(root, "--check").returncode == 0
    types = (root / "bus" / "events" / "types.py").read_text()
    assert "class AcknowledgementBodyV27(" in types
    assert "class HeaderV" not in types
    assert "    extra: int | None\n" in types
    assert (root / "schemas" / "released" / "27-Acknowledgement.avsc").is_file()


def test_a_changed_release_is_noticed(tmp_path: Path) -> None:
    """An edited or lost release file is told by name."""
    root = copy(tmp_path)
    edited = root / "schemas" / "released" / "20-HashHit.avsc"
    edited.write_text(edited.read_text().replace('"max": 31', '"max": 30', 1))
    (root / "schemas" / "released" / "22-Assessment.avsc").unlink()
    done = run(root, "--check")
    assert done.returncode == 1
    assert "20-HashHit.avsc is not as recorded" in done.stdout
    assert "22-Assessment.avsc is recorded in FINGERPRINTS and not there" in done.stdout
