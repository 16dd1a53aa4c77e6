"""Makes the generated modules of `bus/events` from `schemas/released`.

    python tools/make_types.py                         write the modules
    python tools/make_types.py --check                 say what differs, write nothing; exit 1 if anything does
    python tools/make_types.py --release               first write the release files that the sources call for
    python tools/make_types.py --release --unreleased  the same, over recorded files too (before a first release)

A release file never changes once `schemas/released/FINGERPRINTS` records it: a schema that changes takes a new id.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tomllib
from pathlib import Path

from typegen.decoders import write_decoders
from typegen.releases import read_releases
from typegen.source import Sources
from typegen.table import write_table
from typegen.types import write_types

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "schemas"
RELEASED = SCHEMAS / "released"
RECORD = RELEASED / "FINGERPRINTS"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true")
    options.add_argument("--release", action="store_true")
    options.add_argument("--unreleased", action="store_true")
    chosen = options.parse_args()
    if chosen.release:
        release(over_recorded=chosen.unreleased)
    texts = generate()
    stale = [path for path, text in texts.items() if _read(path) != text]
    if chosen.check:
        problems = [f"{path.relative_to(ROOT)} is not what `make types` writes" for path in stale] + drift()
        print("\n".join(problems) or "up to date")
        return 1 if problems else 0
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


def generate() -> dict[Path, str]:
    """Path of each generated module -> its text."""
    releases = read_releases(RELEASED)
    patterns = tomllib.loads((SCHEMAS / "common" / "patterns.toml").read_text(encoding="utf-8"))
    events = ROOT / "bus" / "events"
    return {
        events / "types.py": write_types(releases),
        events / "decoders.py": write_decoders(releases),
        events / "table.py": write_table(releases, patterns),
    }


def release(*, over_recorded: bool) -> None:
    """Write the release files that the sources call for, and record their fingerprints."""
    recorded = fingerprints()
    for name, text in Sources(SCHEMAS).releases().items():
        digest = _sha256(text.encode())
        if recorded.get(name, digest) != digest and not over_recorded:
            raise SystemExit(f"{name} is released and does not change: give the source a new id")
        recorded[name] = digest
        (RELEASED / name).write_text(text, encoding="utf-8")
    lines = sorted(recorded.items(), key=lambda item: int(item[0].split("-")[0]))
    RECORD.write_text("".join(f"{digest}  {name}\n" for name, digest in lines), encoding="utf-8")


def drift() -> list[str]:
    """What is not as recorded, and which sources ask for something that is not released."""
    recorded = fingerprints()
    changed = [p.name for p in sorted(RELEASED.glob("*.avsc")) if recorded.get(p.name) != _sha256(p.read_bytes())]
    asked = [name for name, text in Sources(SCHEMAS).releases().items() if _read(RELEASED / name) != text]
    missing = sorted(recorded.keys() - {p.name for p in RELEASED.glob("*.avsc")})
    return [
        *(f"{name} is not as recorded in FINGERPRINTS" for name in changed),
        *(f"{name} is recorded in FINGERPRINTS and not there" for name in missing),
        *(f"{name} is not what its source says: run with --release, or give it a new id" for name in asked),
    ]


def fingerprints() -> dict[str, str]:
    """File name -> SHA-256, as recorded."""
    pairs = [line.split("  ") for line in (_read(RECORD) or "").splitlines()]
    return {name: digest for digest, name in pairs}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
